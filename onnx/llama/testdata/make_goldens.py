"""Golden data of the Llama family for Nightshift's tests, made with PyTorch, transformers and PEFT.

The tests never run this script; they read what it wrote. To write it anew:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch transformers peft safetensors numpy
    /tmp/goldens/bin/python onnx/llama/testdata/make_goldens.py [CASE...]

One folder a case, each a small random model whose weights are large enough for every mistake to show; what is in a folder is said in
onnx/gpt2/testdata/make_goldens.py, whose functions make them. The window of the cases with one is shorter than their prompts, and the
scaled rotations change frequencies within their contexts.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoConfig

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "gpt2" / "testdata"))
from make_goldens import make, soft  # noqa: E402

SIZES = dict(hidden_size=48, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
             vocab_size=72, max_position_embeddings=24, bos_token_id=1, eos_token_id=2)
CASES = {
    "llama2": dict(model_type="llama", num_key_value_heads=4, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
                   rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0)),
    "llama3": dict(model_type="llama", eos_token_id=[2, 5], rms_norm_eps=1e-5,
                   rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=0.25, high_freq_factor=1.0,
                                        original_max_position_embeddings=16)),
    "mistral": dict(model_type="mistral", sliding_window=5, num_key_value_heads=1),
    "nemo": dict(model_type="mistral", sliding_window=None, num_attention_heads=2, num_key_value_heads=1, head_dim=32, hidden_size=40),
    "qwen2": dict(model_type="qwen2", tie_word_embeddings=True, hidden_size=64, rope_parameters=dict(
        rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=8)),
    "qwen2window": dict(model_type="qwen2", hidden_size=64, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen3": dict(model_type="qwen3", head_dim=32, tie_word_embeddings=True, rms_norm_eps=1e-6),
    "qwen3bias": dict(model_type="qwen3", head_dim=16, attention_bias=True, num_hidden_layers=3),
}
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "full": dict(r=4, lora_alpha=8, target_modules=ALL),
    "rslora": dict(r=3, lora_alpha=4, target_modules=["q_proj", "v_proj", "up_proj"], use_rslora=True),
    "range": dict(r=2, lora_alpha=3, target_modules=["o_proj", "gate_proj", "down_proj"], layers_to_transform=[1], layers_pattern="layers"),
}


def scaled(model, generator):
    """Weights of deviation 0.2 (projections back into the stream half of it), biases and norms off their defaults."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in name:
            p.data = 1 + 0.2 * noise
        elif name.endswith("bias"):
            p.data = 0.1 * noise
        else:
            p.data = (0.1 if "o_proj" in name or "down_proj" in name else 0.2) * noise
    model.tie_weights()


def save(case, model, folder):
    if case in ("llama3", "qwen2"):
        model.bfloat16().save_pretrained(folder)
        model.float()
    elif case in ("mistral", "qwen3bias"):
        model.half().save_pretrained(folder)
        model.float()
    elif case == "nemo":
        model.save_pretrained(folder, max_shard_size="32KB")
    else:
        model.save_pretrained(folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, case in enumerate(CASES):
        if sys.argv[1:] and case not in sys.argv[1:]:
            continue
        settings = SIZES | CASES[case]
        make(HERE / case, AutoConfig.for_model(**settings), 300 + i, scaled, save, ADAPTERS)
        soft(HERE / case, 400 + i)
