"""Writes the golden fixtures of test/golden.spec.ts: small networks evaluated and trained by PyTorch in float64.

Each fixture is one JSON file: the network as gradstep's layer factories take it, weights in Keras layout (dense [in, units],
convolution HWIO), two batches, and what PyTorch makes of them: the output, the loss and every gradient for the first batch,
and for each optimizer ten losses (batches alternate) and the weights after them. Inputs are float32 values. PyTorch's own
float32 is run beside it, and its deviation printed: what any float32 implementation may differ by. Seeds at which a ReLU or
a max-pool stands close to a tie, where float32 may rightly differ, are passed over.

    python3 -m venv ~/.gradstep-peers && ~/.gradstep-peers/bin/pip install torch numpy
    ~/.gradstep-peers/bin/python test/golden/make_fixtures.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

BATCH = 6
STEPS = 10
MARGIN = 1e-5  # nearest distance to a tie that is accepted: a hundred float32 roundings

# Epsilon is tiny where Keras, which gradstep follows, adds it at another place than PyTorch: outside the bias-corrected
# root (adam), inside the root (rmsprop, adagrad), after the maximum (adamax). Where it is not tiny the formulas agree.
OPTIMIZERS = {
    "sgd": {"factory": "sgd", "options": {"learningRate": 0.125}},
    "sgd_momentum": {"factory": "sgd", "options": {"learningRate": 0.0625, "momentum": 0.75}},
    "sgd_nesterov": {"factory": "sgd", "options": {"learningRate": 0.0625, "momentum": 0.75, "nesterov": True}},
    "adam": {"factory": "adam", "options": {"learningRate": 0.0078125, "epsilon": 1e-12}},
}

# These train one network, to keep the fixtures small.
MORE_ON = "dense_mean_squared"
MORE_OPTIMIZERS = {
    "rmsprop": {"factory": "rmsprop", "options": {"learningRate": 0.0078125, "rho": 0.75, "epsilon": 1e-20}},
    "rmsprop_momentum": {"factory": "rmsprop", "options": {"learningRate": 0.0078125, "momentum": 0.5, "epsilon": 1e-20}},
    "rmsprop_centered": {
        "factory": "rmsprop",
        "options": {"learningRate": 0.0078125, "momentum": 0.5, "centered": True, "epsilon": 1e-20},
    },
    "adagrad": {"factory": "adagrad", "options": {"learningRate": 0.125, "epsilon": 1e-20}},
    "adagrad_initial": {"factory": "adagrad", "options": {"learningRate": 0.125, "initialAccumulatorValue": 0.5, "epsilon": 1e-20}},
    "adadelta": {"factory": "adadelta", "options": {"learningRate": 1, "rho": 0.75, "epsilon": 1e-4}},
    "amsgrad": {"factory": "adam", "options": {"learningRate": 0.0625, "beta2": 0.75, "epsilon": 1e-12, "amsgrad": True}},
    "adam_w": {"factory": "adamW", "options": {"learningRate": 0.0078125, "weightDecay": 0.5, "beta1": 0.75, "beta2": 0.875, "epsilon": 1e-12}},
    "adamax": {"factory": "adamax", "options": {"learningRate": 0.0625, "beta1": 0.5, "beta2": 0.75, "epsilon": 1e-20}},
    "nadam": {"factory": "nadam", "options": {"learningRate": 0.0078125, "beta1": 0.75, "beta2": 0.875, "epsilon": 1e-3}},
}

CASES = {
    "dense_sparse_categorical": {
        "inputShape": [5],
        "layers": [
            ["dense", {"units": 9, "activation": "relu"}],
            ["dense", {"units": 7, "activation": "tanh"}],
            ["dense", {"units": 6, "activation": "sigmoid"}],
            ["dense", {"units": 4, "activation": "softmax"}],
        ],
        "loss": "sparseCategoricalCrossentropy",
    },
    "dense_categorical": {
        "inputShape": [6],
        "layers": [
            ["dense", {"units": 8, "useBias": False}],
            ["activation", {"activation": "relu"}],
            ["dense", {"units": 5}],
            ["activation", {"activation": "softmax"}],
        ],
        "loss": "categoricalCrossentropy",
    },
    "dense_binary": {
        "inputShape": [7],
        "layers": [["dense", {"units": 8, "activation": "tanh"}], ["dense", {"units": 3, "activation": "sigmoid"}]],
        "loss": "binaryCrossentropy",
    },
    "dense_mean_squared": {
        "inputShape": [4],
        "layers": [["dense", {"units": 7, "activation": "sigmoid"}], ["dense", {"units": 3, "activation": "linear"}]],
        "loss": "meanSquaredError",
    },
    "softmax_mean_squared": {
        "inputShape": [5],
        "layers": [["dense", {"units": 6, "activation": "softmax"}], ["dense", {"units": 4, "activation": "softmax"}]],
        "loss": "meanSquaredError",
    },
    "conv_max_pool": {
        "inputShape": [11, 10, 1],
        "bytes": True,
        "layers": [
            ["rescaling", {"scale": 1 / 256}],
            ["conv2d", {"filters": 3, "kernelSize": 3, "activation": "relu"}],
            ["conv2d", {"filters": 4, "kernelSize": [3, 2], "strides": 2, "padding": "same", "activation": "tanh"}],
            ["maxPooling2d", {"poolSize": 2, "padding": "same"}],
            ["flatten", {}],
            ["dense", {"units": 5, "activation": "softmax"}],
        ],
        "loss": "sparseCategoricalCrossentropy",
    },
    "conv_average_pool": {
        "inputShape": [9, 8, 2],
        "layers": [
            ["conv2d", {"filters": 4, "kernelSize": 3, "dilationRate": 2, "padding": "same", "activation": "sigmoid"}],
            ["averagePooling2d", {"poolSize": 3, "strides": 2, "padding": "same"}],
            ["conv2d", {"filters": 3, "kernelSize": [2, 3], "strides": [2, 1], "useBias": False}],
            ["maxPooling2d", {"poolSize": [2, 1], "strides": 1}],
            ["averagePooling2d", {"poolSize": [1, 2]}],
            ["flatten", {}],
            ["dense", {"units": 2}],
        ],
        "loss": "meanSquaredError",
    },
}


def pair(value) -> tuple[int, int]:
    return tuple(value) if isinstance(value, list) else (value, value)


def pads(size: int, window: int, stride: int, padding: str) -> tuple[int, int]:
    """Padding before and after, by TensorFlow's rule for `same`: the odd element goes to the end."""
    total = max((math.ceil(size / stride) - 1) * stride + window - size, 0) if padding == "same" else 0
    return total // 2, total - total // 2


def padded(x: torch.Tensor, window, strides, padding: str, value: float) -> torch.Tensor:
    """x [N, C, H, W], padded along H and W."""
    vertical = pads(x.shape[2], window[0], strides[0], padding)
    horizontal = pads(x.shape[3], window[1], strides[1], padding)
    return F.pad(x, (*horizontal, *vertical), value=value)


class Network:
    """A case's layers as functions of its weights; `margin` is the nearest tie met so far."""

    def __init__(self, case: dict):
        self.case = case
        self.margin = math.inf

    def shapes(self) -> list[list[int]]:
        """Shapes of the weights in Keras order: kernel, then bias, layer by layer."""
        found: list[list[int]] = []
        x = torch.zeros(1, *self.case["inputShape"], dtype=torch.float64)
        for kind, options in self.case["layers"]:
            if kind == "dense":
                shapes = [[x.shape[1], options["units"]], [options["units"]]]
            elif kind == "conv2d":
                shapes = [[*pair(options["kernelSize"]), x.shape[3], options["filters"]], [options["filters"]]]
            else:
                shapes = []
            shapes = shapes if options.get("useBias", True) else shapes[:1]
            found += shapes
            x, _ = self.layer(kind, options, x, [torch.zeros(s, dtype=torch.float64) for s in shapes])
        return found

    def layer(self, kind: str, options: dict, x: torch.Tensor, weights: list[torch.Tensor]):
        """The layer's output and its activation's name, not yet applied."""
        if kind == "rescaling":
            x = x * options["scale"]
        elif kind == "dense":
            kernel = weights.pop(0)
            x = x @ kernel + (weights.pop(0) if options.get("useBias", True) else 0)
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "conv2d":
            size, strides = pair(options["kernelSize"]), pair(options.get("strides", 1))
            dilation = pair(options.get("dilationRate", 1))
            window = [(k - 1) * d + 1 for k, d in zip(size, dilation)]
            x = padded(x.permute(0, 3, 1, 2), window, strides, options.get("padding", "valid"), 0.0)
            kernel = weights.pop(0).permute(3, 2, 0, 1)
            bias = weights.pop(0) if options.get("useBias", True) else None
            x = F.conv2d(x, kernel, bias, strides, 0, dilation).permute(0, 2, 3, 1)
        elif kind in ("maxPooling2d", "averagePooling2d"):
            window = pair(options["poolSize"])
            strides = pair(options.get("strides", options["poolSize"]))
            padding = options.get("padding", "valid")
            x = x.permute(0, 3, 1, 2)
            if kind == "maxPooling2d":
                x = padded(x, window, strides, padding, -math.inf)
                self.watch_windows(x, window, strides)
                x = F.max_pool2d(x, window, strides)
            else:
                counted = F.avg_pool2d(padded(torch.ones_like(x), window, strides, padding, 0.0), window, strides)
                x = F.avg_pool2d(padded(x, window, strides, padding, 0.0), window, strides) / counted
            x = x.permute(0, 2, 3, 1)
        return x, options.get("activation", "linear")

    def watch_windows(self, x: torch.Tensor, window, strides) -> None:
        """Notes how far the two largest elements of a window are apart."""
        windows = x.detach().unfold(2, window[0], strides[0]).unfold(3, window[1], strides[1]).flatten(-2)
        top = windows.topk(2, dim=-1).values
        gap = top[..., 0] - top[..., 1]
        self.margin = min(self.margin, gap[gap < math.inf].min().item())

    def __call__(self, x: torch.Tensor, weights: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The output and, where the last activation is a softmax or sigmoid, its logits (else the output again)."""
        left = list(weights)
        for kind, options in self.case["layers"]:
            logits, activation = self.layer(kind, options, x, left)
            if activation == "relu":
                self.margin = min(self.margin, logits.detach().abs().min().item())
            x = apply_activation(activation, logits)
        return x, logits

    def loss(self, x: torch.Tensor, y: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
        output, logits = self(x, weights)
        kind = self.case["loss"]
        if kind == "meanSquaredError":
            return F.mse_loss(output, y)
        if kind == "binaryCrossentropy":
            return F.binary_cross_entropy_with_logits(logits, y)
        return F.cross_entropy(logits, y)  # class numbers or distributions


def apply_activation(name: str, x: torch.Tensor) -> torch.Tensor:
    functions = {"linear": lambda v: v, "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
    return torch.softmax(x, -1) if name == "softmax" else functions[name](x)


def make_batch(case: dict, network: Network, weights: list[torch.Tensor], rng: np.random.Generator):
    shape = [BATCH, *case["inputShape"]]
    x = rng.integers(0, 256, shape).astype(np.float64) if case.get("bytes") else rng.normal(size=shape).astype(np.float32)
    output, _ = network(torch.from_numpy(x).double(), weights)
    kind, width = case["loss"], output.shape[1]
    if kind == "sparseCategoricalCrossentropy":
        y = rng.integers(0, width, BATCH)
    elif kind == "binaryCrossentropy":
        y = rng.integers(0, 2, [BATCH, width]).astype(np.float64)
    else:
        y = rng.random([BATCH, width])
        y = (y / y.sum(1, keepdims=True) if kind == "categoricalCrossentropy" else y).astype(np.float32)
    return x, y


# Names of options in PyTorch, by gradstep's; the defaults that differ are Keras's.
TORCH_NAMES = {
    "learningRate": "lr",
    "epsilon": "eps",
    "weightDecay": "weight_decay",
    "initialAccumulatorValue": "initial_accumulator_value",
}
TORCH_CLASSES = {
    "sgd": (torch.optim.SGD, {}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9}),
    "adagrad": (torch.optim.Adagrad, {"initial_accumulator_value": 0.1}),
    "adadelta": (torch.optim.Adadelta, {"rho": 0.95}),
    "adam": (torch.optim.Adam, {}),
    "adamW": (torch.optim.AdamW, {}),
    "adamax": (torch.optim.Adamax, {}),
    "nadam": (torch.optim.NAdam, {"momentum_decay": 1}),  # Keras's schedule is 0.96^t, PyTorch's 0.96^(t momentum_decay)
}


def engine_of(optimizer: dict, variables: list[torch.Tensor]) -> torch.optim.Optimizer:
    make, options = TORCH_CLASSES[optimizer["factory"]]
    options = dict(options)
    for name, value in optimizer["options"].items():
        if name in ("beta1", "beta2"):
            options["betas"] = (optimizer["options"].get("beta1", 0.9), optimizer["options"].get("beta2", 0.999))
        elif name == "rho" and optimizer["factory"] == "rmsprop":
            options["alpha"] = value
        else:
            options[TORCH_NAMES.get(name, name)] = value
    return make(variables, **options)


def optimizers_of(name: str) -> dict:
    return OPTIMIZERS | MORE_OPTIMIZERS if name == MORE_ON else OPTIMIZERS


def train(network: Network, weights, batches, optimizer: dict, dtype: torch.dtype):
    """Ten losses, and the weights after them."""
    variables = [w.detach().clone().to(dtype).requires_grad_() for w in weights]
    engine = engine_of(optimizer, variables)
    losses = []
    for step in range(STEPS):
        x, y = batches[step % len(batches)]
        engine.zero_grad()
        loss = network.loss(x.to(dtype), y.to(dtype) if y.is_floating_point() else y, variables)
        loss.backward()
        engine.step()
        losses.append(loss.item())
    return losses, [v.detach() for v in variables]


def gradients_of(network: Network, weights, batch, dtype: torch.dtype):
    x, y = batch
    variables = [w.detach().clone().to(dtype).requires_grad_() for w in weights]
    loss = network.loss(x.to(dtype), y.to(dtype) if y.is_floating_point() else y, variables)
    return loss.item(), list(torch.autograd.grad(loss, variables))


def listed(values) -> dict:
    """A tensor as JSON: its shape, and its elements to ten digits."""
    array = np.asarray(values)
    data = array.ravel().tolist()
    return {"shape": list(array.shape), "data": [float(f"{v:.10g}") if isinstance(v, float) else v for v in data]}


def deviation(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    """Largest difference relative to each tensor's largest magnitude."""
    return max(((p.double() - q.double()).abs().max() / q.double().abs().max()).item() for p, q in zip(a, b))


def make(name: str, case: dict, seed: int, kind=Network, batch=make_batch, optimizers: dict | None = None) -> dict | None:
    """The fixture, or None where this seed comes close to a tie."""
    rng = np.random.default_rng(seed)
    network = kind(case)
    optimizers = optimizers or optimizers_of(name)
    shapes = network.shapes()
    weights = [
        torch.from_numpy((rng.normal(size=s) * (0.3 if len(s) == 1 else math.sqrt(2 / math.prod(s[:-1])))).astype(np.float32)).double()
        for s in shapes
    ]
    raw = [batch(case, network, weights, rng) for _ in range(2)]
    batches = [(torch.from_numpy(x).double(), torch.from_numpy(y) if y.dtype.kind == "i" else torch.from_numpy(y).double()) for x, y in raw]
    network.margin = math.inf
    output, _ = network(batches[0][0], weights)
    loss, gradients = gradients_of(network, weights, batches[0], torch.float64)
    runs = {key: train(network, weights, batches, o, torch.float64) for key, o in optimizers.items()}
    if network.margin < MARGIN:
        return None
    _, rounded = gradients_of(network, weights, batches[0], torch.float32)
    drift = {}
    for key, optimizer in optimizers.items():
        losses, _ = train(network, weights, batches, optimizer, torch.float32)
        drift[key] = max(abs(a - b) / b for a, b in zip(losses, runs[key][0]))
    figures = ", ".join(f"{k} {v:.1e}" for k, v in drift.items())
    print(f"{name}: seed {seed}; float32 deviates by: gradients {deviation(rounded, gradients):.1e}, losses {figures}")
    return {
        **case,
        "batches": [{"x": listed(x), "y": listed(y)} for x, y in raw],
        "weights": [listed(w) for w in weights],
        "output": listed(output),
        "lossValue": float(f"{loss:.12g}"),
        "gradients": [listed(g) for g in gradients],
        "optimizers": {
            key: {**optimizers[key], "losses": [float(f"{v:.12g}") for v in losses], "weights": [listed(w) for w in final]}
            for key, (losses, final) in runs.items()
        },
    }


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(__file__).parent
    for name, case in CASES.items():
        fixture = next(f for f in (make(name, case, seed) for seed in range(1, 1000)) if f is not None)
        (folder / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
