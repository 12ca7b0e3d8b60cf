"""Writes the fixtures of recurrent layers.

keras/recurrent.json, for test/layers_recurrent_keras.spec.ts: layers evaluated by Keras in float64: given inputs, initial
states, masks and weights, every result, the mean squared error of all of them (masked steps do not count), and its gradient
by every weight.

stateful.json, for test/layers_stateful.spec.ts: a model trained by PyTorch over batches that continue one another.

recurrent_*.json, for test/golden.spec.ts: models evaluated and trained by PyTorch's own recurrent layers in float64, with
sequences of several lengths as packed sequences (see make_fixtures.py).

    KERAS_BACKEND=torch ~/.gradstep-peers/bin/python test/golden/make_recurrent_fixtures.py
"""

import json
import os
import re
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
import torch
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import make_fixtures as base

random = np.random.default_rng(11)

ROWS, STEPS, FEATURES = 5, 5, 3
# Padded behind, in the middle, in front, not at all, and nothing that counts.
MASK = [[1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]

X = [ROWS, STEPS, FEATURES]
H = [ROWS, 4]
ALL = {"returnSequences": True, "returnState": True}


def of(factory, **options):
    return {"factory": factory, "options": options}


def cell_cases():
    """title: (layer, input shapes, whether the steps are masked)."""
    cases = {}
    kinds = {
        "simpleRNN": ("simpleRNN", {}, 1),
        "lstm": ("lstm", {}, 2),
        "gru": ("gru", {}, 1),
        "gru, reset before": ("gru", {"resetAfter": False}, 1),
    }
    for kind, (factory, given, states) in kinds.items():
        def layer(**options):
            return of(factory, units=4, **given, **options)

        cases[kind] = (layer(), [X], False)
        cases[f"{kind}, all results from initial states"] = (layer(**ALL), [X] + [H] * states, False)
        cases[f"{kind}, masked"] = (layer(**ALL), [X], True)
        cases[f"{kind}, zeros where masked"] = (layer(**ALL, zeroOutputForMask=True), [X], True)
        cases[f"{kind}, backwards"] = (layer(**ALL, goBackwards=True), [X] + [H] * states, False)
        cases[f"{kind}, backwards, masked"] = (layer(goBackwards=True, returnState=True), [X], True)
        gate = {} if factory == "simpleRNN" else {"recurrentActivation": "hardSigmoid"}
        cases[f"{kind}, other activations, no bias"] = (layer(activation="softsign", useBias=False, **gate), [X], False)
        for mode in ("concat", "sum") if factory != "lstm" else ("concat", "sum", "mul", "ave", None):
            wrapped = of("bidirectional", layer=layer(**ALL), mergeMode=mode)
            cases[f"{kind}, bidirectional, {mode}"] = (wrapped, [X] + [H] * 2 * states, False)
    one = of("lstm", units=4, returnSequences=True)
    cases["bidirectional, masked"] = (of("bidirectional", layer=one), [X], True)
    cases["bidirectional, the last steps, masked"] = (of("bidirectional", layer=of("gru", units=4)), [X], True)
    other = of("gru", units=3, returnSequences=True, goBackwards=True)
    cases["bidirectional, of two kinds"] = (of("bidirectional", layer=one, backwardLayer=other), [X], False)
    cells = [of("lstmCell", units=4), of("gruCell", units=3), of("simpleRNNCell", units=2)]
    cases["one cell"] = (of("rnn", cell=cells[0], returnSequences=True), [X], False)
    cases["stacked cells"] = (of("rnn", cell=cells, returnSequences=True), [X], True)
    cases["stacked cells, backwards"] = (of("rnn", cell=cells, returnSequences=True, goBackwards=True), [X], False)
    stacked = of("rnn", cell=of("stackedRNNCells", cells=cells), returnSequences=True)
    cases["stacked cells, bidirectional"] = (of("bidirectional", layer=stacked, mergeMode="sum"), [X], True)
    return cases


def image_cases():
    frames = [2, 3, 4, 3, 2]
    state = [2, 4, 3, 2]

    def layer(**options):
        return of("convLstm2d", **{"filters": 2, "kernelSize": [3, 2], "padding": "same", **options})

    return {
        "convLstm2d": (layer(), [frames], False),
        "convLstm2d, all results from initial states": (layer(**ALL), [frames, state, state], False),
        "convLstm2d, strides, not padded": (
            layer(kernelSize=[2, 3], strides=[2, 1], padding="valid", returnSequences=True),
            [frames],
            False,
        ),
        "convLstm2d, dilated, no bias, other activations": (
            layer(dilationRate=2, useBias=False, activation="relu", recurrentActivation="hardSigmoid"),
            [frames],
            False,
        ),
        "convLstm2d, masked": (layer(**ALL), [frames], True),
        "convLstm2d, backwards": (layer(**ALL, goBackwards=True), [frames], False),
        "convLstm2d, bidirectional": (of("bidirectional", layer=layer(**ALL), mergeMode="ave"), [frames], True),
    }


CLASSES = {
    "simpleRNN": "SimpleRNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "RNN",
    "bidirectional": "Bidirectional",
    "convLstm2d": "ConvLSTM2D",
    "simpleRNNCell": "SimpleRNNCell",
    "lstmCell": "LSTMCell",
    "gruCell": "GRUCell",
    "stackedRNNCells": "StackedRNNCells",
}


def snake(name):
    return re.sub("([A-Z])", lambda m: "_" + m.group(1).lower(), name)


def built(value, option=None):
    """An option, or a layer in it, as Keras takes it."""
    if isinstance(value, dict):
        return getattr(keras.layers, CLASSES[value["factory"]])(
            **{snake(k): built(v, k) for k, v in value["options"].items()}
        )
    if isinstance(value, list):
        return [built(v) for v in value]
    return snake(value) if option in ("activation", "recurrentActivation") else value


def numbers(shape):
    """Numbers in [-1, 1] that float32 holds exactly."""
    return random.integers(-256, 257, shape) / 256


def listed(values):
    """A tensor as JSON, to eight digits: tests allow a difference of 1e-5."""
    array = np.asarray(values)
    return {"shape": list(array.shape), "data": [float(f"{v:.8g}") for v in array.ravel().tolist()]}


def tensor(array):
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def keras_case(described, shapes, masked):
    layer = built(described)
    inputs = [tensor(numbers(s)) for s in shapes]
    mask = None
    if masked:
        mask = tensor(MASK)[: shapes[0][0], : shapes[0][1]]
        inputs[0] = inputs[0] * mask.reshape(*mask.shape, *[1] * (len(shapes[0]) - 2))
    layer.build(tuple(shapes[0]))
    for weight in layer.weights:
        weight.assign(tensor(numbers(weight.shape)) * 0.75)
    given = {"initial_state": inputs[1:]} if len(inputs) > 1 else {}
    if mask is not None:
        given["mask"] = mask.bool()
    outputs = layer(inputs[0], **given)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    flat = []
    for o in outputs:
        flat += o if isinstance(o, (list, tuple)) else [o]
    labels = [tensor(numbers(o.shape)) for o in flat]
    inner = described["options"].get("layer", described)["options"]
    loss = 0
    for i, (output, label) in enumerate(zip(flat, labels)):
        squares = ((output - label) ** 2).flatten(2 if inner.get("returnSequences") and i == 0 else 1).mean(-1)
        if mask is not None and inner.get("returnSequences") and i == 0:
            loss = loss + (squares * mask).sum() / mask.sum()
        else:
            loss = loss + squares.mean()
    gradients = torch.autograd.grad(loss, [w.value for w in layer.trainable_weights])
    return {
        "layer": described,
        **({"mask": mask.tolist()} if mask is not None else {}),
        "inputs": [listed(i) for i in inputs],
        "weights": [listed(w.value.detach()) for w in layer.weights],
        "labels": [listed(v) for v in labels],
        "outputs": [listed(o.detach()) for o in flat],
        "loss": loss.item(),
        "gradients": [listed(g) for g in gradients],
    }


MODELS = {
    "recurrent_language": {
        "inputShape": [7],
        "bytes": True,
        "layers": [
            ["embedding", {"inputDim": 11, "outputDim": 4}],
            ["lstm", {"units": 5, "returnSequences": True}],
            ["lstm", {"units": 6, "returnSequences": True}],
            ["dense", {"units": 11, "activation": "softmax"}],
        ],
        "loss": "sparseCategoricalCrossentropy",
    },
    "recurrent_words": {
        "inputShape": [6],
        "bytes": True,
        "layers": [
            ["embedding", {"inputDim": 9, "outputDim": 3, "maskZero": True}],
            ["simpleRNN", {"units": 5, "returnSequences": True}],
            ["lstm", {"units": 4}],
            ["dense", {"units": 3, "activation": "softmax"}],
        ],
        "loss": "sparseCategoricalCrossentropy",
    },
    "recurrent_masked": {
        "inputShape": [6, 3],
        "layers": [
            ["masking", {}],
            ["gru", {"units": 5, "returnSequences": True}],
            ["gru", {"units": 4}],
            ["dense", {"units": 2}],
        ],
        "loss": "meanSquaredError",
    },
}

MODULES = {"simpleRNN": (torch.nn.RNN, 1), "lstm": (torch.nn.LSTM, 4), "gru": (torch.nn.GRU, 3)}


def gates_swapped(matrix):
    """GRU gates z, r, h (Keras) as r, z, h (PyTorch), along the last axis."""
    z, r, h = matrix.chunk(3, -1)
    return torch.cat([r, z, h], -1)


class RecurrentNetwork(base.Network):
    """A case's layers as functions of its weights; steps that are left out stand behind the others."""

    def shapes(self):
        found, width = [], self.case["inputShape"][-1]
        for kind, options in self.case["layers"]:
            if kind == "embedding":
                width = options["outputDim"]
                found.append([options["inputDim"], width])
            elif kind == "dense":
                found += [[width, options["units"]], [options["units"]]]
                width = options["units"]
            elif kind in MODULES:
                units, gates = options["units"], MODULES[kind][1]
                bias = [2, 3 * units] if kind == "gru" else [gates * units]
                found += [[width, gates * units], [units, gates * units], bias]
                width = units
        return found

    def layer(self, kind, options, x, weights):
        if kind == "embedding":
            numbers = x.long()
            self.lengths = (numbers != 0).sum(1) if options.get("maskZero") else None
            return weights.pop(0)[numbers], "linear"
        if kind == "masking":
            self.lengths = (x != 0).any(-1).sum(1)
            return x, "linear"
        if kind not in MODULES:
            return super().layer(kind, options, x, weights)
        kernel, recurrent, bias = weights.pop(0), weights.pop(0), weights.pop(0)
        if kind == "gru":
            kernel, recurrent, bias = gates_swapped(kernel), gates_swapped(recurrent), gates_swapped(bias)
            biases = (bias[0], bias[1])
        else:
            biases = (bias, torch.zeros_like(bias))
        units = options["units"]
        module = MODULES[kind][0](x.shape[2], units, batch_first=True, dtype=x.dtype)
        given = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
        packed = x
        if self.lengths is not None:
            packed = pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
        y, last = functional_call(module, given, (packed,))
        if self.lengths is not None:
            y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        last = last[0] if kind == "lstm" else last
        return (y if options.get("returnSequences") else last[0]), "linear"

    def loss(self, x, y, weights):
        if self.case["inputShape"] == [7]:
            return torch.nn.functional.cross_entropy(self(x, weights)[1].flatten(0, 1), y.flatten())
        return super().loss(x, y, weights)


def make_batch(case, network, weights, rng):
    steps = case["inputShape"][0]
    lengths = rng.integers(1, steps + 1, base.BATCH)
    kept = np.arange(steps) < lengths[:, None]
    kind, options = case["layers"][0]
    units = case["layers"][-1][1]["units"]
    if kind == "embedding":
        x = rng.integers(1, options["inputDim"], [base.BATCH, steps])
        x = (x * kept if options.get("maskZero") else x).astype(np.float64)
        y = rng.integers(0, units, [base.BATCH, steps] if units == options["inputDim"] else base.BATCH)
    else:
        x = (rng.normal(size=[base.BATCH, *case["inputShape"]]) * kept[..., None]).astype(np.float32)
        y = rng.random([base.BATCH, units]).astype(np.float32)
    return x, y


def stateful():
    """A model whose rows go on from batch to batch, trained by PyTorch: states are detached between batches."""
    rng = np.random.default_rng(3)
    rows, steps, features, units, batches = 3, 4, 2, [5, 4], 6
    x = rng.normal(size=[batches * rows, steps, features]).astype(np.float32)
    y = rng.random([batches * rows, 2]).astype(np.float32)
    shapes = [[2, 15], [5, 15], [2, 15], [5, 16], [4, 16], [16], [4, 2], [2]]
    weights = [torch.tensor((rng.normal(size=s) * 0.5).astype(np.float32).astype(np.float64)).requires_grad_() for s in shapes]
    given = [listed(w.detach()) for w in weights]
    network = RecurrentNetwork({"layers": [], "inputShape": [steps, features]})
    network.lengths = None
    engine = torch.optim.SGD(weights, lr=0.25)
    states, losses = [None, None], []
    for step in range(2 * batches):
        at = slice(step % batches * rows, (step % batches + 1) * rows)
        left = list(weights)
        value = tensor(x[at])
        for i, (kind, module, gates) in enumerate([("gru", torch.nn.GRU, 3), ("lstm", torch.nn.LSTM, 4)]):
            kernel, recurrent, bias = left.pop(0), left.pop(0), left.pop(0)
            if kind == "gru":
                kernel, recurrent, bias = gates_swapped(kernel), gates_swapped(recurrent), gates_swapped(bias)
            biases = (bias[0], bias[1]) if kind == "gru" else (bias, torch.zeros_like(bias))
            named = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
            inner = module(value.shape[2], units[i], batch_first=True)
            value, last = functional_call(inner, named, (value, states[i]))
            states[i] = tuple(s.detach() for s in last) if kind == "lstm" else last.detach()
        output = value[:, -1] @ left.pop(0) + left.pop(0)
        loss = ((output - tensor(y[at])) ** 2).mean()
        engine.zero_grad()
        loss.backward()
        engine.step()
        losses.append(loss.item())
    ends = [states[0][0], states[1][0][0], states[1][1][0]]
    return {
        "rows": rows,
        "x": listed(x),
        "y": listed(y),
        "weights": given,
        "losses": losses,
        "trained": [listed(w.detach()) for w in weights],
        "states": [listed(s) for s in ends],
    }


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    keras.backend.set_floatx("float64")
    folder = Path(__file__).parent
    cases = {title: keras_case(*case) for title, case in {**cell_cases(), **image_cases()}.items()}
    (folder / "keras" / "recurrent.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    (folder / "stateful.json").write_text(json.dumps(stateful(), separators=(",", ":")) + "\n")
    optimizers = {name: base.OPTIMIZERS[name] for name in ("sgd", "adam")}
    for name, case in MODELS.items():
        fixture = base.make(name, case, 1, RecurrentNetwork, make_batch, optimizers)
        (folder / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
