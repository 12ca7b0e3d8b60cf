"""Writes the golden fixture of test/layers_norm.spec.ts: normalisation layers inside small networks, by PyTorch in float64.

Each network is dense → normalisation → (relu) → flatten → dense with a mean squared error. The file holds its weights in
Keras's order and layouts, two batches, and what PyTorch makes of them: the prediction, the gradient of every trained weight
for the first batch, the weights (moving statistics among them) after four steps of gradient descent, and the prediction
after them. Moving variances take the biased variance, as Keras's do; PyTorch's own would take the unbiased. Inputs are
float32 values. Seeds at which a relu stands close to a tie, where float32 may rightly differ, are passed over.

    python3 -m venv ~/.gradstep-peers && ~/.gradstep-peers/bin/pip install torch numpy
    ~/.gradstep-peers/bin/python test/golden/make_norm_fixtures.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

BATCH = 6
STEPS = 4
RATE = 0.125
MARGIN = 1e-4

# name: (factory, options, shape of a sample, whether a relu follows)
CASES = {
    "batch, defaults": ("batchNormalization", {}, [4], True),
    "batch of images": ("batchNormalization", {"momentum": 0.75, "epsilon": 0.0625}, [3, 2, 5], True),
    "batch without center": ("batchNormalization", {"center": False, "momentum": 0.5}, [3, 4], True),
    "batch without scale": ("batchNormalization", {"scale": False, "momentum": 0.5}, [3, 4], True),
    "batch without both": ("batchNormalization", {"center": False, "scale": False, "momentum": 0}, [5], False),
    "batch, first axis": ("batchNormalization", {"axis": 1, "momentum": 0.75}, [3, 2, 4], True),
    "batch, frozen": ("batchNormalization", {"trainable": False, "momentum": 0.5, "epsilon": 0.25}, [3, 4], True),
    "layer, defaults": ("layerNormalization", {}, [5], True),
    "layer, epsilon": ("layerNormalization", {"epsilon": 0.25}, [3, 4], False),
    "layer over two axes": ("layerNormalization", {"axis": [1, 2]}, [3, 4], True),
    "layer over the last two of three axes": ("layerNormalization", {"axis": [-2, -1]}, [2, 3, 4], False),
    "layer, first axis": ("layerNormalization", {"axis": 1}, [5, 3], False),
    "layer without center": ("layerNormalization", {"center": False}, [2, 6], True),
    "layer without scale": ("layerNormalization", {"scale": False}, [2, 6], True),
    "group of images": ("groupNormalization", {"groups": 2}, [3, 2, 6], True),
    "group, defaults": ("groupNormalization", {}, [3, 32], False),
    "group for each channel": ("groupNormalization", {"groups": -1, "epsilon": 0.25}, [5, 3], True),
    "one group": ("groupNormalization", {"groups": 1}, [3, 4], False),
    "group, first axis": ("groupNormalization", {"groups": 2, "axis": 1}, [4, 3], True),
    "group without center": ("groupNormalization", {"groups": 3, "center": False}, [4, 6], True),
    "group without scale": ("groupNormalization", {"groups": 3, "scale": False}, [4, 6], True),
    "rms, defaults": ("rmsNormalization", {}, [5], True),
    "rms over two axes, epsilon": ("rmsNormalization", {"axis": [1, 2], "epsilon": 0.5}, [3, 4], False),
    "rms, first axis": ("rmsNormalization", {"axis": -2}, [4, 3], False),
    "unit, defaults": ("unitNormalization", {}, [5], True),
    "unit over two axes": ("unitNormalization", {"axis": [-2, -1]}, [2, 3, 4], False),
}


class Network:
    def __init__(self, factory: str, options: dict, shape: list[int], relu: bool):
        self.factory, self.options, self.shape, self.relu = factory, options, shape, relu
        axes = options.get("axis", -1)
        self.axes = sorted(a if a > 0 else a + len(shape) + 1 for a in (axes if isinstance(axes, list) else [axes]))
        self.sizes = [shape[a - 1] for a in self.axes]
        self.margin = math.inf

    def weights(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """By name, in Keras's order."""
        units = self.shape[-1]
        found = {"kernel": rng.normal(size=[units, units]) / math.sqrt(units), "bias": rng.normal(size=[units]) * 0.3}
        if self.factory == "rmsNormalization":
            found["scale"] = rng.uniform(0.5, 1.5, self.sizes)
        elif self.factory != "unitNormalization":
            if self.options.get("scale", True):
                found["gamma"] = rng.uniform(0.5, 1.5, self.sizes)
            if self.options.get("center", True):
                found["beta"] = rng.normal(size=self.sizes) * 0.3
        if self.factory == "batchNormalization":
            found["moving_mean"] = rng.normal(size=self.sizes) * 0.3
            found["moving_variance"] = rng.uniform(0.5, 1.5, self.sizes)
        features = math.prod(self.shape)
        found["kernel2"] = rng.normal(size=[features, 2]) / math.sqrt(features)
        found["bias2"] = rng.normal(size=[2]) * 0.3
        return {k: torch.from_numpy(v.astype(np.float32)).double() for k, v in found.items()}

    def trained(self, names) -> list[str]:
        own = {"gamma", "beta", "scale"} if not self.options.get("trainable", True) else set()
        return [n for n in names if n not in own | {"moving_mean", "moving_variance"}]

    def normalise(self, x: torch.Tensor, w: dict, training: bool) -> torch.Tensor:
        """Training batch normalisation replaces w's moving statistics."""
        gamma, beta = w.get("gamma"), w.get("beta")
        if self.factory == "batchNormalization":
            eps, momentum = self.options.get("epsilon", 1e-3), self.options.get("momentum", 0.99)
            moved = x.movedim(self.axes[0], 1)
            if not training or not self.options.get("trainable", True):
                y = F.batch_norm(moved, w["moving_mean"], w["moving_variance"], gamma, beta, False, 0.0, eps)
            else:
                y = F.batch_norm(moved, None, None, gamma, beta, True, 0.0, eps)
                over = [a for a in range(moved.dim()) if a != 1]
                mean, variance = moved.detach().mean(over), moved.detach().var(over, unbiased=False)
                w["moving_mean"] = momentum * w["moving_mean"] + (1 - momentum) * mean
                w["moving_variance"] = momentum * w["moving_variance"] + (1 - momentum) * variance
            return y.movedim(1, self.axes[0])
        if self.factory == "groupNormalization":
            moved = x.movedim(self.axes[0], 1)
            groups = self.options.get("groups", 32)
            groups = moved.shape[1] if groups == -1 else groups
            return F.group_norm(moved, groups, gamma, beta, self.options.get("epsilon", 1e-3)).movedim(1, self.axes[0])
        last = list(range(-len(self.axes), 0))
        moved = x.movedim(self.axes, last)
        if self.factory == "layerNormalization":
            y = F.layer_norm(moved, self.sizes, gamma, beta, self.options.get("epsilon", 1e-3))
        elif self.factory == "rmsNormalization":
            y = F.rms_norm(moved, self.sizes, w["scale"], self.options.get("epsilon", 1e-6))
        else:
            y = F.normalize(moved.flatten(-len(self.axes)), dim=-1).reshape(moved.shape)
        return y.movedim(last, self.axes)

    def __call__(self, x: torch.Tensor, w: dict, training: bool) -> torch.Tensor:
        x = self.normalise(x @ w["kernel"] + w["bias"], w, training)
        if self.relu:
            self.margin = min(self.margin, x.detach().abs().min().item())
            x = torch.relu(x)
        return x.flatten(1) @ w["kernel2"] + w["bias2"]

    def gradients(self, x: torch.Tensor, y: torch.Tensor, w: dict) -> dict[str, torch.Tensor]:
        """Of the trained weights; moving statistics in w move on."""
        names = self.trained(w)
        variables = {n: w[n].detach().clone().requires_grad_() for n in names}
        used = {**w, **variables}
        grads = torch.autograd.grad(F.mse_loss(self(x, used, True), y), list(variables.values()))
        w.update({n: used[n] for n in w if n.startswith("moving")})
        return dict(zip(names, grads))


def listed(values) -> dict:
    array = np.asarray(values)
    return {"shape": list(array.shape), "data": [float(f"{v:.9g}") for v in array.ravel().tolist()]}


def make(name: str, seed: int) -> dict | None:
    factory, options, shape, relu = CASES[name]
    rng = np.random.default_rng(seed)
    network = Network(factory, options, shape, relu)
    weights = network.weights(rng)
    batches = [
        [torch.from_numpy(rng.normal(size=s).astype(np.float32)).double() for s in ([BATCH, *shape], [BATCH, 2])] for _ in range(2)
    ]
    before = network(batches[0][0], weights, False)
    gradients = network.gradients(*batches[0], dict(weights))
    after = dict(weights)
    for step in range(STEPS):
        moves = network.gradients(*batches[step % 2], after)
        for n, g in moves.items():
            after[n] = after[n] - RATE * g
    prediction = network(batches[0][0], after, False)
    if network.margin < MARGIN:
        return None
    return {
        "factory": factory,
        "options": options,
        "inputShape": shape,
        "relu": relu,
        "batches": [{"x": listed(x), "y": listed(y)} for x, y in batches],
        "weights": [listed(w) for w in weights.values()],
        "prediction": listed(before),
        "gradients": [listed(g) for g in gradients.values()],
        "trained": {"weights": [listed(after[n]) for n in weights], "prediction": listed(prediction)},
    }


def main() -> None:
    torch.set_num_threads(1)
    made = {name: next(f for f in (make(name, seed) for seed in range(1, 1000)) if f) for name in CASES}
    content = {"rate": RATE, "steps": STEPS, "cases": made}
    (Path(__file__).parent / "normalizations.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
