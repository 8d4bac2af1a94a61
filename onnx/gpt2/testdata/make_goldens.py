"""Golden data for Nightshift's tests, made with PyTorch, transformers and PEFT.

The tests never run this script; they read what it wrote. To write it anew:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch transformers peft safetensors numpy
    /tmp/goldens/bin/python onnx/gpt2/testdata/make_goldens.py         # everything
    /tmp/goldens/bin/python onnx/gpt2/testdata/make_goldens.py soft    # CASE/soft.* alone, for the models that are there

The functions from make on are those of other families' goldens, too: see onnx/llama/testdata/make_goldens.py.

One folder a case, each a small random GPT-2 whose weights are large enough for every mistake to show:

    CASE/checkpoint/            the model in Hugging Face layout, as many variants of it as there are cases
    CASE/adapters/NAME/         LoRA adapters with nonzero B, saved by PEFT itself
    CASE/golden.json            prompts [2][S_i], and per adapter the loss; what the loss is taken at:
                                train.sequence, train.position, train.target, train.weight, all of one length P
    CASE/golden.safetensors     logits.I [S_i, V] of prompt I by the base model
                                NAME/logits.I the same with an adapter
                                NAME/logprobs [P] log p(target) at the loss positions
                                NAME/grad.lora_A.L.MODULE [in, r] and NAME/grad.lora_B.L.MODULE [r, out]: the gradients of
                                loss = -sum_p weight[p] * log p(target[p]), in the layout of the graphs
    CASE/soft.json              targets of a teacher at the same positions, for the adapter rslora: target_ids, target_probs and
                                target_heads [P][4], tail_probs [P], and the loss, as gpt2.Train takes and gives them. The first
                                target is a token with 0.4, the others the teacher's three likeliest with the rest of the probability:
                                at every third position renormalised, elsewhere as they are, with what they leave as the tail
    CASE/soft.safetensors       logprobs and grad.* of that
    adamw.json, adamw.safetensors   steps of clip_grad_norm_ and torch.optim.AdamW on one vector

Everything is computed in float32 from the weights as stored, after rounding to half precision.
"""

import json
import shutil
import struct
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GPT2Config

HERE = Path(__file__).parent

CASES = {
    "plain": dict(n_layer=2, n_head=2, n_embd=16, n_positions=24, vocab_size=64),
    "half": dict(n_layer=1, n_head=2, n_embd=32, n_positions=32, vocab_size=80, n_inner=48,
                 activation_function="gelu", layer_norm_epsilon=1e-3),
    "bfloat": dict(n_layer=2, n_head=4, n_embd=32, n_positions=20, vocab_size=50, activation_function="relu",
                   scale_attn_weights=False, tie_word_embeddings=False),
    "sharded": dict(n_layer=3, n_head=3, n_embd=24, n_positions=18, vocab_size=100, n_inner=40,
                    scale_attn_by_inverse_layer_idx=True),
    "buffers": dict(n_layer=2, n_head=3, n_embd=48, n_positions=16, vocab_size=70, layer_norm_epsilon=1e-6,
                    scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True),
}
ALL = ["c_attn", "c_proj", "c_fc"]
ADAPTERS = {
    "full": dict(r=8, lora_alpha=16, target_modules=ALL),
    "rslora": dict(r=4, lora_alpha=6, target_modules=["mlp.c_fc", "mlp.c_proj"], use_rslora=True),
    "range": dict(r=2, lora_alpha=3, target_modules=["c_proj", "c_fc"], layers_to_transform=[1], layers_pattern="h"),
    "regex": dict(r=3, lora_alpha=2, target_modules=r"transformer\.h\.(0\.attn\.c_attn|1\.mlp\.c_fc)"),
}


def scaled(model, generator):
    """Weights of deviation 0.2 (projections back into the stream half of it), biases and norms off their defaults."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "ln_" in name and name.endswith("weight"):
            p.data = 1 + 0.2 * noise
        elif name.endswith("bias"):
            p.data = 0.1 * noise
        else:
            p.data = (0.1 if "c_proj" in name else 0.2) * noise
    model.tie_weights()


def save(case, model, folder):
    if case == "half":
        model.half().save_pretrained(folder)
        model.float()
    elif case == "bfloat":
        model.bfloat16().save_pretrained(folder)
        model.float()
    elif case == "sharded":
        model.save_pretrained(folder, max_shard_size="24KB")
    elif case == "buffers":
        model.config.save_pretrained(folder)
        old_style(model, folder / "model.safetensors")
    else:
        model.save_pretrained(folder)


def old_style(model, path):
    """A file like those of 2019: no "transformer." prefix, masks among the weights, data at an odd offset."""
    tensors = {k: v.contiguous() for k, v in model.transformer.state_dict().items()}
    n = model.config.n_positions
    for layer in range(model.config.n_layer):
        tensors[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(n, n)).view(1, 1, n, n)
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + 4 * t.numel()]}
        at += 4 * t.numel()
    text = json.dumps(header).encode()
    while len(text) % 8 != 3:
        text += b" "
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.numpy().tobytes() for t in tensors.values()))


def make(folder, config, seed, scale, save, adapters, **lora):
    """A case: its checkpoint, which save writes after scale has changed the weights, its adapters, and what both give."""
    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    scale(model, generator)
    save(folder.name, model, folder / "checkpoint")
    model = load(folder).eval()  # in half precision the buffers of the one that was saved have been rounded, too
    draw = lambda *shape: torch.randint(config.vocab_size, shape, generator=generator)
    prompts = [draw(11), draw(7)]
    train = {
        "sequence": [0, 0, 0, 0, 1, 1, 1],
        "position": [2, 5, 6, 10, 0, 3, 6],
        "target": draw(7).tolist(),
        "weight": [1.0, 0.5, 0.25, 1.0, -0.75, 2.0, 0.125],
    }
    golden, tensors = {"prompts": [p.tolist() for p in prompts], "train": train, "loss": {}}, {}
    with torch.no_grad():
        for i, p in enumerate(prompts):
            tensors[f"logits.{i}"] = model(p[None]).logits[0]
    for name, settings in adapters.items():
        golden["loss"][name] = adapter(name, settings | lora, folder, prompts, train, generator, tensors)
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()}, folder / "golden.safetensors")


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder / "checkpoint", attn_implementation="eager", dtype=torch.float32)


def adapter(name, settings, folder, prompts, train, generator, tensors):
    base = load(folder)
    base.name_or_path = base.config._name_or_path = f"golden/{folder.name}"  # not this machine's path
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **settings))
    for key, p in model.named_parameters():
        if "lora_" in key:
            p.data = 0.3 * torch.randn(p.shape, generator=generator)
    model.save_pretrained(folder / "adapters" / name)
    (folder / "adapters" / name / "README.md").unlink(missing_ok=True)
    model.train()
    logits = [model(p[None]).logits[0] for p in prompts]
    picked = torch.stack([logits[s][p] for s, p in zip(train["sequence"], train["position"])])
    logprobs = torch.log_softmax(picked, -1).gather(1, torch.tensor(train["target"])[:, None])[:, 0]
    loss = -(torch.tensor(train["weight"]) * logprobs).sum()
    loss.backward()
    for i, l in enumerate(logits):
        tensors[f"{name}/logits.{i}"] = l
    tensors[f"{name}/logprobs"] = logprobs
    for key, p in model.named_parameters():
        if p.requires_grad:
            parts = key.split(".")  # base_model model ROOT LAYERS L a b lora_X default weight
            layer, module, factor = parts[4], ".".join(parts[5:7]), parts[7]
            tensors[f"{name}/grad.{factor}.{layer}.{module}"] = p.grad.T
    return loss.item()


def soft(folder, seed):
    share, k = 0.6, 3
    generator = torch.Generator().manual_seed(seed)
    golden = json.loads((folder / "golden.json").read_text())
    train, prompts = golden["train"], [torch.tensor(p) for p in golden["prompts"]]
    base = load(folder)
    model = PeftModel.from_pretrained(base, folder / "adapters" / "rslora", is_trainable=True)
    logits = [model(p[None]).logits[0] for p in prompts]
    logprobs = torch.stack([torch.log_softmax(logits[s][p].double(), -1) for s, p in zip(train["sequence"], train["position"])])
    teacher = torch.softmax(2 * torch.randn(len(logprobs), base.config.vocab_size, generator=generator), -1)
    out = {"target_ids": [], "target_probs": [], "target_heads": [], "tail_probs": []}
    terms = []
    for n, token in enumerate(train["target"]):
        q, ids = teacher[n].topk(k)
        lumped = n % 3 != 0
        if n % 3 == 1:
            token = ids[n % k].item()  # of the head
        if not lumped:
            q = q / q.sum()
        tail = 1 - q.sum().item() if lumped else 0.0
        term = (1 - share) * logprobs[n, token] + share * (q * logprobs[n, ids]).sum()
        if lumped:
            term = term + share * tail * torch.log1p(-logprobs[n, ids].exp().sum())
        terms.append(term)
        out["target_ids"].append([token] + ids.tolist())
        out["target_probs"].append([1 - share] + (share * q).tolist())
        out["target_heads"].append([0] + [int(lumped)] * k)
        out["tail_probs"].append(share * tail)
    terms = torch.stack(terms)
    loss = -(torch.tensor(train["weight"]) * terms).sum()
    loss.backward()
    tensors = {"logprobs": terms}
    for key, p in model.named_parameters():
        if p.requires_grad:
            parts = key.split(".")
            tensors[f"grad.{parts[7]}.{parts[4]}.{'.'.join(parts[5:7])}"] = p.grad.T
    (folder / "soft.json").write_text(json.dumps(out | {"loss": loss.item()}) + "\n")
    save_file({n: v.detach().float().contiguous() for n, v in tensors.items()}, folder / "soft.safetensors")


def adamw():
    generator = torch.Generator().manual_seed(9)
    n, steps = 24, 8
    settings = dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)
    p = torch.nn.Parameter(torch.randn(n, generator=generator))
    start, optimizer = p.detach().clone(), torch.optim.AdamW([p], **settings, foreach=False)
    grads, params, norms = [], [], []
    for step in range(steps):
        g = torch.randn(n, generator=generator) * (0.05 if step % 2 else 1.0)  # below and above the bound
        grads.append(g)
        p.grad = g.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([p], 1.0).item())
        optimizer.step()
        params.append(p.detach().clone())
    save_file({"start": start, "grads": torch.stack(grads), "params": torch.stack(params)}, HERE / "adamw.safetensors")
    (HERE / "adamw.json").write_text(json.dumps({**settings, "max_norm": 1.0, "norms": norms}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    everything = sys.argv[1:] != ["soft"]
    for i, case in enumerate(CASES):
        if everything:
            config = GPT2Config(**CASES[case], attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0)
            adapters = {name: a for name, a in ADAPTERS.items()
                        if not (config.n_layer == 1 and name in ("range", "regex") or case in ("plain", "bfloat") and name == "regex")}
            make(HERE / case, config, 100 + i, scaled, save, adapters, fan_in_fan_out=True)
        soft(HERE / case, 200 + i)
    if everything:
        adamw()
