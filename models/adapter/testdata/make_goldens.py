"""Golden data for adapters whose ranks and scales differ between modules, made with PEFT.

The tests never run this script; they read what it wrote. To write it anew:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch transformers peft safetensors
    /tmp/goldens/bin/python models/adapter/testdata/make_goldens.py

    patterns/NAME/adapter_config.json, adapter_model.safetensors   as PEFT saves them, with nonzero B
    patterns/NAME/delta.safetensors   h.L.MODULE [in, out]: what PEFT adds to the weight of each adapted linear (get_delta_weight)
"""

import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

HERE = Path(__file__).parent / "patterns"
ALL = ["c_attn", "c_proj", "c_fc"]

ADAPTERS = {
    "ranks": dict(r=3, lora_alpha=5, target_modules=ALL, rank_pattern={"c_fc": 4, "h.1.attn.c_attn": 2}),
    "alphas": dict(r=2, lora_alpha=3, target_modules=ALL, alpha_pattern={"attn.c_proj": 5, r"transformer\.h\.0\..*": 9}),
    "both": dict(r=4, lora_alpha=6, use_rslora=True, target_modules=ALL, rank_pattern={"mlp.c_proj": 7, "c_proj": 1},
                 alpha_pattern={"c_attn": 1.5, "h.1.mlp.c_fc": 12}),
    "first": dict(r=2, lora_alpha=4, target_modules=["c_proj", "c_fc"], rank_pattern={"c_proj": 3, "mlp.c_proj": 6, "fc": 5}),
    "same": dict(r=2, lora_alpha=4, target_modules=["c_fc"], rank_pattern={".*": 3}, alpha_pattern={"mlp.*": 5}),
    "names": dict(r=8, lora_alpha=8, target_modules=["c_attn"], layers_to_transform=[0, 1], layers_pattern="h",
                  rank_pattern={"transformer.h.0.attn.c_attn": 5, "transformer.h.1.attn.c_attn": 1}),
}


def make(name, settings, seed):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(seed)
    config = GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=8, vocab_size=16, n_inner=24)
    base = GPT2LMHeadModel(config)
    base.name_or_path = base.config._name_or_path = "golden/patterns"  # not this machine's path
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, fan_in_fan_out=True, **settings))
    for key, p in model.named_parameters():
        if "lora_" in key:
            p.data = 0.3 * torch.randn(p.shape, generator=generator)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    delta = {}
    for key, module in model.named_modules():
        if isinstance(module, LoraLayer):
            delta[key.split("transformer.")[1]] = module.get_delta_weight("default").contiguous()  # Conv1D: [in, out]
    save_file(delta, folder / "delta.safetensors")


for seed, (name, settings) in enumerate(ADAPTERS.items()):
    make(name, settings, seed)
