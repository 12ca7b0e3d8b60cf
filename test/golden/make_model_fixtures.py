"""Writes test/golden/models/functional.json: a network of two inputs and two outputs in float64, trained by PyTorch.

The first layer is applied to both inputs, a residual connection goes around another, one output is a regression, the other a
classification. The fixture has the outputs, losses and gradients for the first batch, and for each variant of training (loss
weights, weights of samples, cuts of gradients, decay, rates of layers, penalties, a frozen layer, a moving average) the
losses of a few steps and the weights after them. Gradients are PyTorch's; what is done to them is written out here.

    ~/.gradstep-peers/bin/python test/golden/make_model_fixtures.py
"""

import json
from pathlib import Path

import numpy as np
import torch

ROWS, STEPS, RATE, MOMENTUM = 8, 4, 0.125, 0.75
SHAPES = {
    "shared/kernel": [4, 3], "shared/bias": [3],
    "hidden/kernel": [6, 5], "hidden/bias": [5],
    "around/kernel": [5, 5], "around/bias": [5],
    "left/kernel": [5, 2], "left/bias": [2],
    "right/kernel": [8, 3], "right/bias": [3],
}
VARIANTS = {
    "plain": {},
    "loss weights": {"lossWeights": [0.5, 2.0]},
    "sample weights": {"lossWeights": [0.5, 2.0], "sampleWeights": True},
    "clipValue": {"clipValue": 0.05},
    "clipNorm": {"clipNorm": 0.1},
    "globalClipNorm": {"globalClipNorm": 0.2},
    "weightDecay": {"weightDecay": 0.25},
    "multipliers": {"multipliers": {"hidden": 0.25, "left": 2.0}},
    "penalties": {"l1": 0.015625, "l2": 0.03125},
    "frozen": {"frozen": "shared"},
    "average": {"emaMomentum": 0.75},
}

rng = np.random.default_rng(11)
numbers = lambda shape, spread: np.float64(np.float32(rng.uniform(-spread, spread, shape)))  # noqa: E731
X = [numbers([ROWS, 4], 1), numbers([ROWS, 4], 1)]
LEFT, RIGHT = numbers([ROWS, 2], 1), rng.integers(0, 3, [ROWS])
SAMPLE_WEIGHTS = [np.float64(np.float32(rng.uniform(0, 2, [ROWS]))) for _ in range(2)]
WEIGHTS = {name: numbers(shape, 0.75) for name, shape in SHAPES.items()}


def forward(w):
    a, b = (torch.tensor(x) for x in X)
    dense = lambda name, x: x @ w[f"{name}/kernel"] + w[f"{name}/bias"]  # noqa: E731
    one, two = torch.tanh(dense("shared", a)), torch.tanh(dense("shared", b))
    hidden = torch.tanh(dense("hidden", torch.cat([one, two], 1)))
    wide = hidden + dense("around", hidden)
    left = dense("left", wide)
    right = torch.softmax(dense("right", torch.cat([wide, one + two], 1)), 1)
    return left, right


def losses_of(w, weighted=False):
    left, right = forward(w)
    each = [((left - torch.tensor(LEFT)) ** 2).mean(1), -torch.log(right[torch.arange(ROWS), torch.tensor(RIGHT)])]
    return [(e * torch.tensor(s)).mean() if weighted else e.mean() for e, s in zip(each, SAMPLE_WEIGHTS)]


def gradients(total, w):
    return dict(zip(w, torch.autograd.grad(total, list(w.values()), allow_unused=True)))


def train(v):
    w = {name: torch.tensor(value, requires_grad=True) for name, value in WEIGHTS.items()}
    velocity = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in SHAPES.items()}
    average = {name: torch.tensor(value) for name, value in WEIGHTS.items()}
    trained = [n for n in w if not n.startswith(v.get("frozen", "-"))]
    history = []
    for _ in range(STEPS):
        parts = losses_of(w, v.get("sampleWeights", False))
        total = sum(f * p for f, p in zip(v.get("lossWeights", [1.0, 1.0]), parts))
        if "l2" in v:
            total = total + v["l1"] * w["hidden/kernel"].abs().sum() + v["l2"] * (w["hidden/kernel"] ** 2).sum()
        history.append([total.item(), *(p.item() for p in parts)])
        g = {n: d for n, d in gradients(total, w).items() if n in trained}
        if "clipValue" in v:
            g = {n: d.clamp(-v["clipValue"], v["clipValue"]) for n, d in g.items()}
        if "clipNorm" in v:
            g = {n: d * min(1.0, v["clipNorm"] / d.norm().item()) for n, d in g.items()}
        if "globalClipNorm" in v:
            norm = sum((d**2).sum().item() for d in g.values()) ** 0.5
            g = {n: d * min(1.0, v["globalClipNorm"] / norm) for n, d in g.items()}
        with torch.no_grad():
            for n in trained:
                rate = RATE * v.get("multipliers", {}).get(n.split("/")[0], 1.0)
                w[n] -= rate * v.get("weightDecay", 0.0) * w[n]
                velocity[n] = MOMENTUM * velocity[n] - rate * g[n]
                w[n] += velocity[n]
                m = v.get("emaMomentum", 0.0)
                average[n] = m * average[n] + (1 - m) * w[n]
    final = average if "emaMomentum" in v else w
    return {"options": v, "losses": history, "weights": [final[n].detach().flatten().tolist() for n in SHAPES]}


def main():
    w = {name: torch.tensor(value, requires_grad=True) for name, value in WEIGHTS.items()}
    left, right = forward(w)
    parts = losses_of(w)
    fixture = {
        "x": [x.tolist() for x in X],
        "y": [LEFT.tolist(), RIGHT.tolist()],
        "sampleWeights": [s.tolist() for s in SAMPLE_WEIGHTS],
        "rate": RATE,
        "momentum": MOMENTUM,
        "weights": {n: {"shape": SHAPES[n], "data": v.flatten().tolist()} for n, v in WEIGHTS.items()},
        "outputs": [left.flatten().tolist(), right.flatten().tolist()],
        "losses": [p.item() for p in parts],
        "gradients": [g.flatten().tolist() for g in gradients(sum(parts), w).values()],
        "variants": {name: train(v) for name, v in VARIANTS.items()},
    }
    path = Path(__file__).parent / "models" / "functional.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fixture) + "\n")


main()
