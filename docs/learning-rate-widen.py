"""Makes a wider and deeper GPT-2 of another, which computes the same (Net2Net; Chen et al. 2016, arXiv:1511.05641).

    python3 learning-rate-widen.py models/demo/checkpoint wide 4 12

writes to `wide` a model of 4 times the width, heads and inner width, and 12 layers. Each copy of a neuron takes random shares of the copies of its
inputs, so that the copies learn different things; added layers add nothing until they are trained. It is how docs/learning-rate.md
has a model of GPT-2's shape that knows the shop. Needs numpy and safetensors.
"""

import json
import os
import shutil
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

source, target, times, layers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
random = np.random.default_rng(1)
old = load_file(source + "/model.safetensors")
prefix = "transformer." if any(name.startswith("transformer.") for name in old) else ""


def matrix(w):
    """Every output sums shares over the copies of each input."""
    share = random.uniform(0.2, 1.8, size=(times, times))
    share /= share.sum(0, keepdims=True)
    rows, columns = w.shape
    return (share[:, None, :, None] * w[None, :, None, :]).reshape(times * rows, times * columns).astype(np.float32)


def vector(b):
    return np.tile(b, times).astype(np.float32)


def each(wider, packed, axis):
    """Queries, keys and values lie in one tensor and are widened one by one."""
    return np.concatenate([wider(part) for part in np.split(packed, 3, axis=axis)], axis=axis)


os.makedirs(target, exist_ok=True)
for name in os.listdir(source):
    if name not in ("model.safetensors", "learning.json"):
        shutil.copy(os.path.join(source, name), target)
with open(source + "/config.json") as file:
    config = json.load(file)
old_layers = config["n_layer"]
if layers % old_layers:
    sys.exit(f"{layers} layers are no multiple of {old_layers}")
config.update(n_layer=layers, **{key: config[key] * times for key in ("n_embd", "n_head", "n_inner")})
with open(target + "/config.json", "w") as file:
    json.dump(config, file, indent=2)

new = {prefix + name: np.tile(old[prefix + name], (1, times)) for name in ("wte.weight", "wpe.weight")}
for name in ("ln_f.weight", "ln_f.bias"):  # the head is tied to embeddings that have become `times` as long
    new[prefix + name] = vector(old[prefix + name]) / times
for layer in range(layers):
    here, there = f"{prefix}h.{layer}.", f"{prefix}h.{layer * old_layers // layers}."
    added = layer % (layers // old_layers) > 0
    for name in ("ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias"):
        new[here + name] = vector(old[there + name])
    new[here + "attn.c_attn.weight"] = each(matrix, old[there + "attn.c_attn.weight"], 1)
    new[here + "attn.c_attn.bias"] = each(vector, old[there + "attn.c_attn.bias"], 0)
    for name in ("attn.c_proj", "mlp.c_fc", "mlp.c_proj"):
        factor = np.float32(0 if added and name != "mlp.c_fc" else 1)
        new[here + name + ".weight"] = matrix(old[there + name + ".weight"]) * factor
        new[here + name + ".bias"] = vector(old[there + name + ".bias"]) * factor
save_file({name: np.ascontiguousarray(value) for name, value in new.items()}, target + "/model.safetensors", metadata={"format": "pt"})
print(f"{sum(value.size for value in new.values()) / 1e6:.1f} million weights")
