"""Writes test/golden/layers_conv.json, which test/layers_conv.spec.ts compares with: every convolution and pooling layer with its
options at other values than the defaults, evaluated by PyTorch in float64.

Each case has the layer's factory and options, an input x, weights in Keras's layouts, factors g of the output, and what PyTorch
makes of them: the output y, and the gradients of sum(g * y) by x and by each weight. Padding is computed here from TensorFlow's
rules, and added explicitly. Inputs are float32 values; those of poolings are all different, so that no maximum is shared.

    ~/.gradstep-peers/bin/python test/golden/make_conv_fixtures.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

CONV = [F.conv1d, F.conv2d, F.conv3d]
CONV_TRANSPOSE = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d]
MAX_POOL = [F.max_pool1d, F.max_pool2d, F.max_pool3d]
AVERAGE_POOL = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
ACTIVATIONS = {"linear": lambda y: y, "tanh": torch.tanh, "relu": torch.relu}


def per_axis(value, axes):
    return list(value) if isinstance(value, (list, tuple)) else [value] * axes


def same_padding(length, size, stride):
    """TensorFlow's SAME: zeros before and after, so that ceil(length / stride) windows fit."""
    total = max((math.ceil(length / stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def padded(x, sizes, strides, padding, value=0.0):
    """x [N, C, axes...] with the padding of these windows added."""
    pads = []
    for length, size, stride in zip(x.shape[2:], sizes, strides):
        pads.append({"valid": (0, 0), "causal": (size - 1, 0), "same": same_padding(length, size, stride)}[padding])
    return F.pad(x, [n for before, after in reversed(pads) for n in (before, after)], value=value)


def extents(o, axes):
    dilation = per_axis(o.get("dilationRate", 1), axes)
    return [(k - 1) * d + 1 for k, d in zip(per_axis(o["kernelSize"], axes), dilation)], dilation


def channels_first(x):
    return x.movedim(-1, 1)


def channels_last(x):
    return x.movedim(1, -1)


def convolve(x, kernel, o, groups):
    """x [N, C, axes...], kernel [size..., in / groups, out]."""
    axes = x.dim() - 2
    extent, dilation = extents(o, axes)
    strides = per_axis(o.get("strides", 1), axes)
    w = kernel.movedim(-1, 0).movedim(-1, 1)
    return CONV[axes - 1](padded(x, extent, strides, o.get("padding", "valid")), w, None, strides, 0, dilation, groups)


def conv(x, o, kernel, bias=None):
    return convolve(x, kernel, o, o.get("groups", 1)), bias


def depthwise_conv(x, o, kernel, bias=None):
    grouped = kernel.reshape(*kernel.shape[:-2], 1, kernel.shape[-2] * kernel.shape[-1])
    return convolve(x, grouped, o, kernel.shape[-2]), bias


def separable_conv(x, o, depthwise, pointwise, bias=None):
    between, _ = depthwise_conv(x, o, depthwise)
    return convolve(between, pointwise, {"kernelSize": 1}, 1), bias


def conv_transpose(x, o, kernel, bias=None):
    axes = x.dim() - 2
    extent, dilation = extents(o, axes)
    strides = per_axis(o.get("strides", 1), axes)
    extra = per_axis(o["outputPadding"], axes) if "outputPadding" in o else None
    w = kernel.movedim(-1, 0).movedim(-1, 1)  # [in, out, size...]
    y = CONV_TRANSPOSE[axes - 1](x, w, None, strides, 0, 0, 1, dilation)
    for i in range(axes):
        n, k, s = x.shape[2 + i], extent[i], strides[i]
        if o.get("padding", "valid") == "valid":
            length, before = (n - 1) * s + (max(k, s) if extra is None else k + extra[i]), 0
        else:
            length = n * s if extra is None else (n - 1) * s + k % 2 + extra[i]
            before = same_padding(length, k, s)[0]
        whole = y.shape[2 + i]
        behind = [0, 0] * (axes - 1 - i) + [0, max(0, before + length - whole)]
        y = F.pad(y, behind).narrow(2 + i, before, length)
    return y, bias


def pool_window(o, axes):
    size = per_axis(o.get("poolSize", 2), axes)
    return size, per_axis(o.get("strides", size), axes), o.get("padding", "valid")


def max_pooling(x, o):
    size, strides, padding = pool_window(o, x.dim() - 2)
    return MAX_POOL[x.dim() - 3](padded(x, size, strides, padding, -math.inf), size, strides), None


def average_pooling(x, o):
    size, strides, padding = pool_window(o, x.dim() - 2)
    pool = AVERAGE_POOL[x.dim() - 3]
    share = pool(padded(torch.ones_like(x), size, strides, padding), size, strides)
    return pool(padded(x, size, strides, padding), size, strides) / share, None


def global_pooling(reduce):
    return lambda x, o: (reduce(x, tuple(range(2, x.dim())), keepdim=o.get("keepDims", False)), None)


KINDS = {
    "conv": conv,
    "convTranspose": conv_transpose,
    "depthwiseConv": depthwise_conv,
    "separableConv": separable_conv,
    "maxPooling": max_pooling,
    "averagePooling": average_pooling,
    "globalMaxPooling": global_pooling(torch.amax),
    "globalAveragePooling": global_pooling(torch.mean),
}


def weight_shapes(kind, axes, o, channels):
    if "ooling" in kind:
        return []
    size = per_axis(o["kernelSize"], axes)
    times = o.get("depthMultiplier", 1)
    filters = o.get("filters", channels * times)
    shapes = {
        "conv": [[*size, channels // o.get("groups", 1), filters]],
        "convTranspose": [[*size, filters, channels]],
        "depthwiseConv": [[*size, channels, times]],
        "separableConv": [[*size, channels, times], [*[1] * axes, channels * times, filters]],
    }[kind]
    return shapes + ([[filters]] if o.get("useBias", True) else [])


# kind, axes, shape of x, options
CASES = [
    ("conv", 1, [2, 6, 3], {"filters": 4, "kernelSize": 3}),
    ("conv", 1, [2, 7, 3], {"filters": 2, "kernelSize": [2], "strides": [2], "padding": "same", "activation": "tanh"}),
    ("conv", 1, [2, 7, 4], {"filters": 6, "kernelSize": 3, "padding": "causal", "dilationRate": 2, "groups": 2}),
    ("conv", 1, [1, 8, 2], {"filters": 3, "kernelSize": 3, "padding": "causal", "strides": 2, "useBias": False}),
    ("conv", 2, [2, 5, 4, 3], {"filters": 2, "kernelSize": [3, 2], "activation": "relu"}),
    ("conv", 2, [1, 7, 6, 4], {"filters": 6, "kernelSize": [2, 3], "strides": [2, 1], "padding": "same", "groups": 2}),
    ("conv", 2, [1, 7, 6, 3], {"filters": 3, "kernelSize": 3, "groups": 3, "padding": "same", "dilationRate": [1, 2], "useBias": False}),
    ("conv", 2, [1, 8, 9, 2], {"filters": 2, "kernelSize": [3, 2], "strides": [2, 3], "dilationRate": [2, 3], "padding": "same"}),
    ("conv", 3, [1, 4, 3, 5, 2], {"filters": 3, "kernelSize": [2, 3, 2], "activation": "tanh"}),
    ("conv", 3, [1, 5, 4, 5, 2], {"filters": 4, "kernelSize": 2, "strides": [2, 1, 3], "padding": "same", "groups": 2}),
    ("conv", 3, [1, 5, 3, 5, 2], {"filters": 1, "kernelSize": [2, 1, 3], "dilationRate": [3, 1, 2], "useBias": False}),
    ("convTranspose", 1, [2, 4, 3], {"filters": 2, "kernelSize": 3, "strides": 2, "activation": "tanh"}),
    ("convTranspose", 1, [2, 4, 2], {"filters": 3, "kernelSize": 2, "strides": 3, "useBias": False}),
    ("convTranspose", 1, [1, 5, 2], {"filters": 2, "kernelSize": 4, "strides": 2, "padding": "same"}),
    ("convTranspose", 1, [1, 5, 2], {"filters": 2, "kernelSize": 4, "strides": 3, "outputPadding": 2, "dilationRate": 2}),
    ("convTranspose", 2, [1, 3, 4, 2], {"filters": 3, "kernelSize": [3, 2], "strides": [2, 1], "padding": "same", "activation": "relu"}),
    ("convTranspose", 2, [2, 3, 2, 3], {"filters": 2, "kernelSize": 3, "strides": [1, 2], "dilationRate": [2, 1]}),
    ("convTranspose", 2, [1, 3, 3, 2], {"filters": 2, "kernelSize": 3, "strides": 2, "padding": "same", "outputPadding": [1, 0]}),
    ("convTranspose", 2, [1, 3, 3, 2], {"filters": 1, "kernelSize": [2, 1], "strides": 3, "padding": "same", "useBias": False}),
    ("convTranspose", 2, [1, 3, 3, 2], {"filters": 2, "kernelSize": [5, 4], "strides": [2, 3], "padding": "same", "outputPadding": [1, 2]}),
    ("convTranspose", 3, [1, 2, 3, 2, 2], {"filters": 2, "kernelSize": [2, 3, 2], "strides": [2, 1, 3], "activation": "tanh"}),
    ("convTranspose", 3, [1, 2, 2, 3, 2], {"filters": 1, "kernelSize": 3, "strides": 2, "padding": "same", "outputPadding": [1, 0, 1]}),
    ("convTranspose", 3, [1, 2, 2, 2, 1], {"filters": 2, "kernelSize": 2, "padding": "same", "dilationRate": [1, 2, 1], "useBias": False}),
    ("depthwiseConv", 1, [2, 6, 3], {"kernelSize": 3, "depthMultiplier": 2, "activation": "tanh"}),
    ("depthwiseConv", 1, [1, 7, 4], {"kernelSize": 2, "strides": 2, "padding": "same", "useBias": False}),
    ("depthwiseConv", 1, [1, 7, 4], {"kernelSize": 3, "dilationRate": 2, "padding": "causal"}),
    ("depthwiseConv", 2, [2, 5, 4, 3], {"kernelSize": [3, 2], "activation": "relu"}),
    ("depthwiseConv", 2, [1, 6, 5, 2], {"kernelSize": 3, "depthMultiplier": 3, "padding": "same", "strides": [2, 1]}),
    ("depthwiseConv", 2, [1, 6, 7, 4], {"kernelSize": [2, 3], "dilationRate": [3, 2], "padding": "same", "useBias": False}),
    ("depthwiseConv", 2, [1, 4, 5, 1], {"kernelSize": 2, "depthMultiplier": 2}),
    ("separableConv", 1, [2, 6, 3], {"filters": 4, "kernelSize": 3, "depthMultiplier": 2, "activation": "tanh"}),
    ("separableConv", 1, [1, 7, 2], {"filters": 3, "kernelSize": 2, "strides": 2, "padding": "same", "useBias": False}),
    ("separableConv", 1, [1, 7, 2], {"filters": 3, "kernelSize": 3, "dilationRate": 2, "padding": "causal"}),
    ("separableConv", 2, [2, 4, 5, 3], {"filters": 2, "kernelSize": [2, 3], "activation": "relu"}),
    ("separableConv", 2, [1, 6, 5, 2], {"filters": 3, "kernelSize": 3, "depthMultiplier": 2, "strides": [1, 2], "padding": "same"}),
    ("separableConv", 2, [1, 6, 6, 2], {"filters": 3, "kernelSize": [2, 3], "dilationRate": [2, 1], "useBias": False}),
    *[
        (kind, axes, [2, *shape[:axes], 3], options)
        for kind in ["maxPooling", "averagePooling"]
        for axes, shape, options in [
            (1, [7], {}),
            (1, [8], {"poolSize": [3], "strides": [2], "padding": "same"}),
            (1, [7], {"poolSize": 2, "strides": 3}),
            (2, [5, 4], {}),
            (2, [5, 6], {"poolSize": [3, 2], "strides": [1, 2], "padding": "same"}),
            (2, [5, 6], {"poolSize": 2, "strides": 3, "padding": "same"}),
            (3, [4, 3, 5], {}),
            (3, [4, 3, 5], {"poolSize": [3, 1, 2], "strides": [1, 2, 2], "padding": "same"}),
            (3, [3, 4, 2], {"poolSize": [2, 3, 1], "strides": 1}),
        ]
    ],
    *[
        (kind, axes, [2, *[3, 4, 2][:axes], 3], options)
        for kind in ["globalMaxPooling", "globalAveragePooling"]
        for axes in [1, 2, 3]
        for options in [{}, {"keepDims": True}]
    ],
]


def numbers(array):
    """Ten digits: more than a float32 has."""
    flat = np.asarray(array).reshape(-1)
    return [0 if v == 0 else float(f"{v:.10g}") for v in flat]


def tensor(array):
    return {"shape": list(array.shape), "data": numbers(array)}


def factory(kind, axes):
    return f"{kind}{axes}d" if kind != "convTranspose" else f"conv{axes}dTranspose"


def make(index, kind, axes, shape, options):
    for seed in range(100):
        random = np.random.default_rng(1000 * index + seed)

        def values(dims):
            return torch.tensor(np.round(random.uniform(-1, 1, dims), 4).astype(np.float32).astype(np.float64))

        x = values(shape)
        if "axPooling" in kind and len(np.unique(x)) < x.numel():
            continue
        weights = [values(dims) for dims in weight_shapes(kind, axes, options, shape[-1])]
        leaves = [t.requires_grad_() for t in [x, *weights]]
        bias_given = options.get("useBias", True) and "ooling" not in kind
        kernels = weights[:-1] if bias_given else weights
        y, bias = KINDS[kind](channels_first(x), options, *kernels, *([weights[-1]] if bias_given else []))
        y = channels_last(y) if y.dim() > 2 else y
        y = y if bias is None else y + bias
        if options.get("activation") == "relu" and y.detach().abs().min() < 1e-3:
            continue
        y = ACTIVATIONS[options.get("activation", "linear")](y)
        g = values(y.shape)
        gradients = torch.autograd.grad((g * y).sum(), leaves)
        return {
            "factory": factory(kind, axes),
            "options": options,
            "x": tensor(x.detach().numpy()),
            "weights": [tensor(w.detach().numpy()) for w in weights],
            "g": numbers(g.numpy()),
            "y": tensor(y.detach().numpy()),
            "dx": numbers(gradients[0].numpy()),
            "dweights": [numbers(d.numpy()) for d in gradients[1:]],
        }
    raise RuntimeError(f"no seed of case {index} is free of ties")


cases = [make(i, *case) for i, case in enumerate(CASES)]
path = Path(__file__).parent / "layers_conv.json"
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(f"{len(cases)} cases, {path.stat().st_size} bytes")
