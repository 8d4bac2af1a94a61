"""Golden losses and gradients of preferences and ratings, made with PyTorch, transformers and PEFT.

The tests never run this script; they read what it wrote. To write it anew:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch transformers peft safetensors numpy
    /tmp/goldens/bin/python update/train/testdata/objective/make_goldens.py

The model is that of onnx/gpt2/testdata/plain. Its LoRA factors are drawn twice: once for the policy that is trained, once for
the champion that it is compared to. The losses are those of TRL's DPOTrainer and KTOTrainer, written out below; autograd
differentiates them.

    golden.json          sequences [tokens, length of the prompt]: chosen and rejected of each preference, the rated answers,
                         their mismatched pairs; sums of log-probabilities under policy and champion; per case its settings, its
                         loss and its gradient with respect to the policy's sums; where it is swapped, policy and champion are
                         changed over, so that the baseline of KTO is above 0
    golden.safetensors   policy/NAME and champion/NAME: factors; CASE/NAME: gradients. NAME as in onnx/gpt2/testdata
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

HERE = Path(__file__).parent
CHECKPOINT = HERE.parents[3] / "onnx/gpt2/testdata/plain/checkpoint"

PROMPTS = [[5, 9, 13, 2], [7, 7, 30], [11, 40, 3, 18, 22], [60, 1], [33, 34, 35], [8, 50, 12, 4]]
PREFERENCES = [  # prompt, chosen, rejected
    (0, [20, 21, 45, 22, 0], [20, 21, 31, 22, 0]),
    (1, [14, 0], [15, 16, 17, 0]),
    (2, [41, 42, 43, 44, 0], [41, 42]),
]
RATED = [  # prompt, completion, good, and the one whose completion is its mismatched pair
    (3, [23, 24, 25, 0], True, 1),
    (4, [26, 27, 0], False, 2),
    (5, [28, 29, 30, 31, 0], True, 3),
    (0, [32, 0], False, 0),
]
CASES = {
    "dpo": dict(kind="dpo", beta=0.1, smoothing=0.0, changed_only=False),
    "dpo-sharp": dict(kind="dpo", beta=0.5, smoothing=0.0, changed_only=False),
    "dpo-smooth": dict(kind="dpo", beta=0.3, smoothing=0.2, changed_only=False),
    "dpo-changed": dict(kind="dpo", beta=0.1, smoothing=0.0, changed_only=True),
    "kto": dict(kind="kto", beta=0.1, desirable=1.0, undesirable=1.5),
    "kto-sharp": dict(kind="kto", beta=0.5, desirable=1.2, undesirable=1.0, swapped=True),
    "apo": dict(kind="apo", beta=0.1, desirable=1.0, undesirable=1.0),
    "apo-sharp": dict(kind="apo", beta=0.6, desirable=1.0, undesirable=2.0),
}


def dpo(policy, reference, beta, smoothing):
    """sigmoid loss of DPOTrainer.dpo_loss, with label smoothing."""
    chosen, rejected = policy[0::2], policy[1::2]
    logratios = chosen - rejected
    ref_logratios = reference[0::2] - reference[1::2]
    logits = logratios - ref_logratios
    losses = -F.logsigmoid(beta * logits) * (1 - smoothing) - F.logsigmoid(-beta * logits) * smoothing
    return losses.mean()


def kto(policy, reference, good, beta, desirable, undesirable, apo):
    """KTOTrainer.kto_loss, loss types kto and apo_zero_unpaired; the mismatched pairs follow the rated answers."""
    n = len(good)
    kl = (policy[n:] - reference[n:]).mean().detach().clamp(min=0)
    logratios = policy[:n] - reference[:n]
    if apo:
        chosen = 1 - F.sigmoid(beta * logratios[good])
        rejected = F.sigmoid(beta * logratios[~good])
        kl = torch.zeros(())
    else:
        chosen = 1 - F.sigmoid(beta * (logratios[good] - kl))
        rejected = 1 - F.sigmoid(beta * (kl - logratios[~good]))
    return torch.cat((desirable * chosen, undesirable * rejected)).mean(), kl.item()


def sums(model, sequences):
    """log p of each completion given its prompt, summed."""
    out = []
    for tokens, prompt in sequences:
        logprobs = torch.log_softmax(model(torch.tensor([tokens])).logits[0, :-1], -1)
        picked = logprobs.gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]
        out.append(picked[prompt - 1:].sum())
    return torch.stack(out)


def shared(a, b):
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def sequences(changed_only):
    preferences, rated, mismatched = [], [], []
    for prompt, chosen, rejected in PREFERENCES:
        start = len(PROMPTS[prompt]) + (shared(chosen, rejected) if changed_only else 0)
        preferences += [(PROMPTS[prompt] + chosen, start), (PROMPTS[prompt] + rejected, start)]
    for prompt, completion, _, other in RATED:
        rated.append((PROMPTS[prompt] + completion, len(PROMPTS[prompt])))
        mismatched.append((PROMPTS[prompt] + RATED[other][1], len(PROMPTS[prompt])))
    return preferences, rated, mismatched


def name(key):
    parts = key.split(".")  # base_model model transformer h L a b lora_X default weight
    return f"{parts[7]}.{parts[4]}.{'.'.join(parts[5:7])}"


def draw(model, generator, away):
    """Deviations by which the model is a good way off the champion: margins of some nats."""
    return {k: away * torch.randn(p.shape, generator=generator) for k, p in model.named_parameters() if "lora_" in k}


def main():
    generator = torch.Generator().manual_seed(23)
    config = GPT2Config.from_pretrained(CHECKPOINT, attn_implementation="eager")
    base = GPT2LMHeadModel.from_pretrained(CHECKPOINT, config=config, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, fan_in_fan_out=True, r=4, lora_alpha=8,
                                            target_modules=["attn.c_attn", "mlp.c_fc", "mlp.c_proj"]))
    model.eval()
    champion = draw(model, generator, 0.2)
    policy = {k: v + d for (k, v), d in zip(champion.items(), draw(model, generator, 0.12).values())}
    tensors = {}
    for who, factors in (("champion", champion), ("policy", policy)):
        for key, v in factors.items():
            tensors[f"{who}/{name(key)}"] = v.T

    def put(factors):
        for key, p in model.named_parameters():
            if key in factors:
                p.data = factors[key].clone()
                p.grad = None

    golden = {"rank": 4, "alpha": 8, "modules": ["attn.c_attn", "mlp.c_fc", "mlp.c_proj"], "good": [g for _, _, g, _ in RATED], "cases": {}}
    good = torch.tensor(golden["good"])
    for case, settings in CASES.items():
        preferences, rated, mismatched = sequences(settings.get("changed_only", False))
        used = preferences if settings["kind"] == "dpo" else rated + mismatched
        there, here = (policy, champion) if settings.get("swapped") else (champion, policy)
        with torch.no_grad():
            put(there)
            reference = sums(model, used)
        put(here)
        values = sums(model, used)
        values.retain_grad()
        record = dict(settings)
        if settings["kind"] == "dpo":
            loss = dpo(values, reference, settings["beta"], settings["smoothing"])
        else:
            loss, record["baseline"] = kto(values, reference, good, settings["beta"], settings["desirable"], settings["undesirable"],
                                           settings["kind"] == "apo")
        loss.backward()
        record.update(sequences=used, policy=values.tolist(), reference=reference.tolist(), loss=loss.item(), gradient=values.grad.tolist())
        golden["cases"][case] = record
        for key, p in model.named_parameters():
            if "lora_" in key:
                tensors[f"{case}/{name(key)}"] = p.grad.T
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, HERE / "golden.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
