"""Golden data for the methods of package train, made with PyTorch's autograd.

The tests never run this script; they read what it wrote. To write it anew:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch
    /tmp/goldens/bin/python update/train/testdata/make_goldens.py

methods.json holds, all vectors flat and row-major:

    quadratic    EWC: value and gradient of strength/2 * sum(fisher * (params - center)^2), and steps: three steps of
                 clip_grad_norm_ and torch.optim.AdamW on that plus a linear loss of gradient slope
    product      EWC on scale*A*B for two linears [in, out]: params are A1 B1 A2 B2
    orthogonal   O-LoRA: strength * sum ||E^T A||^2 on the same two linears; earlier holds one E for each
    agem         A-GEM: cases of gradient, reference and projected gradient
"""

import json
from pathlib import Path

import torch

HERE = Path(__file__).parent
g = torch.Generator().manual_seed(8)
randn = lambda *shape: torch.randn(shape, generator=g)
rand = lambda *shape: torch.rand(shape, generator=g)
flat = lambda *tensors: [float(x) for t in tensors for x in t.detach().reshape(-1)]


def quadratic():
    n, strength = 12, 3.5
    params, center, fisher, slope = randn(n).requires_grad_(), randn(n), rand(n) * 4, randn(n)
    out = dict(strength=strength, params=flat(params), center=flat(center), fisher=flat(fisher), slope=flat(slope))
    penalty = lambda: strength / 2 * (fisher * (params - center) ** 2).sum()
    value = penalty()
    value.backward()
    out |= dict(value=value.item(), grads=flat(params.grad), rate=0.05, weight_decay=0.1, clip=2.0, steps=[])
    optimizer = torch.optim.AdamW([params], lr=out["rate"], weight_decay=out["weight_decay"])
    for _ in range(3):
        optimizer.zero_grad()
        (penalty() + (slope * params).sum()).backward()
        torch.nn.utils.clip_grad_norm_([params], out["clip"])
        optimizer.step()
        out["steps"].append(flat(params))
    return out


def pairs():
    shapes, rank = [(4, 6), (6, 4)], 2
    return [(randn(i, rank).requires_grad_(), randn(rank, o).requires_grad_()) for i, o in shapes]


def product(linears):
    strength, scale = 0.7, 1.5
    center, fisher = pairs(), []
    value = 0
    for (a, b), (ca, cb) in zip(linears, center):
        f = rand(a.shape[0], b.shape[1]) * 2
        fisher.append(f)
        value = value + strength / 2 * (f * (scale * a @ b - (scale * ca @ cb).detach()) ** 2).sum()
    value.backward()
    out = dict(strength=strength, scale=scale, params=flat(*sum(linears, ())), center=flat(*sum(center, ())), fisher=flat(*fisher),
               value=value.item(), grads=[x for pair in linears for p in pair for x in flat(p.grad)])
    for pair in linears:
        for p in pair:
            p.grad = None
    return out


def orthogonal(linears):
    strength = 0.5
    earlier = [randn(a.shape[0], 3) for a, _ in linears]
    value = strength * sum((e.T @ a).square().sum() for e, (a, _) in zip(earlier, linears))
    value.backward()
    grads = [x for a, b in linears for x in flat(a.grad) + [0.0] * b.numel()]
    return dict(strength=strength, params=flat(*sum(linears, ())), earlier=[flat(e) for e in earlier], value=value.item(), grads=grads)


def agem():
    cases = []
    for _ in range(4):
        grad, reference = randn(9), randn(9)
        product = torch.dot(grad, reference)
        projected = grad if product >= 0 else grad - product / torch.dot(reference, reference) * reference
        cases.append(dict(grads=flat(grad), reference=flat(reference), projected=flat(projected), conflict=bool(product < 0)))
    assert 0 < sum(c["conflict"] for c in cases) < len(cases)
    return cases


linears = pairs()
golden = dict(quadratic=quadratic(), product=product(linears), orthogonal=orthogonal(linears), agem=agem())
(HERE / "methods.json").write_text(json.dumps(golden, indent=1) + "\n")
