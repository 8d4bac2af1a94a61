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
    si           synaptic intelligence: two tasks of a logistic regression, each with the gradients of its loss and where Adam's
                 steps led, and the importances at its end, a task's w / (D^2 + damping) added to those before and cut at 0. The
                 second task is learned with the surrogate loss c * sum(importance * (params - center)^2), of which value and
                 gradient at its end are given
    l1           proximal L1: three steps of torch.optim.AdamW on a quadratic loss, each followed by softshrink of the distance
                 from center with lambda = rate * strength, and the share of parameters at rest
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


def si():
    n, rows, batch, damping, c = 8, 12, 3, 0.05, 3.0
    params = randn(n).requires_grad_()
    out = dict(damping=damping, c=c, tasks=[])
    omega, center = None, None
    for _ in range(2):
        if center is not None:  # the pull of some parameters goes against their loss
            with torch.no_grad():
                params += 0.5 * randn(n)
        inputs, labels = randn(rows, n), (rand(rows) < 0.5).float()
        loss = lambda: torch.nn.functional.binary_cross_entropy_with_logits(inputs[part] @ params, labels[part])
        surrogate = lambda: c * (omega * (params - center) ** 2).sum() if omega is not None else torch.zeros(())
        optimizer = torch.optim.Adam([params], lr=0.1)
        start, path, steps = params.detach().clone(), torch.zeros(n, dtype=torch.double), []
        for step in range(8):
            part = slice(step * batch % rows, step * batch % rows + batch)
            grad, = torch.autograd.grad(loss(), params)
            optimizer.zero_grad()
            (loss() + surrogate()).backward()
            before = params.detach().clone()
            optimizer.step()
            path -= grad.double() * (params.detach() - before).double()
            steps.append(dict(grads=flat(grad), after=flat(params)))
        end = dict(value=surrogate().item(), grads=flat(torch.autograd.grad(surrogate(), params)[0]) if omega is not None else [])
        fresh = path / ((params.detach() - start).double() ** 2 + damping)
        omega, center = ((omega if omega is not None else 0) + fresh).clamp(min=0).float(), params.detach().clone()
        out["tasks"].append(dict(start=flat(start), steps=steps, importance=flat(omega), negative=int((fresh < 0).sum())) | end)
    assert out["tasks"][1].pop("negative") > 0 and out["tasks"][0].pop("negative") == 0
    return out


def l1():
    n, strength, rate = 10, 2.0, 0.05
    params, center, target = randn(n).requires_grad_(), randn(n), randn(n)
    with torch.no_grad():
        params[:4] = center[:4] + 0.15 * randn(4)
        target[:4] = center[:4]
    out = dict(strength=strength, rate=rate, params=flat(params), center=flat(center), target=flat(target), steps=[])
    optimizer = torch.optim.AdamW([params], lr=rate, weight_decay=0.0)
    for _ in range(3):
        optimizer.zero_grad()
        (0.5 * (params - target) ** 2).sum().backward()
        optimizer.step()
        with torch.no_grad():
            params.copy_(center + torch.nn.functional.softshrink(params - center, lambd=rate * strength))
        out["steps"].append(dict(params=flat(params), resting=(params == center).float().mean().item()))
    assert 0 < out["steps"][-1]["resting"] < 1
    return out


linears = pairs()
golden = dict(quadratic=quadratic(), product=product(linears), orthogonal=orthogonal(linears), agem=agem(), si=si(), l1=l1())
(HERE / "methods.json").write_text(json.dumps(golden, indent=1) + "\n")
