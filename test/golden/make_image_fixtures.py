"""Writes keras/image_layers.json: what Keras's layers over images make of given pixels, in float64, with the gradient.

Random layers are given ranges of one number, so that what they do is known. Run with KERAS_BACKEND=torch; needs Keras 3,
PyTorch and NumPy. The test is test/layers_image.spec.ts.
"""
import json
import os
import re

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
import torch

torch.set_default_dtype(torch.float64)
keras.backend.set_floatx("float64")
random = np.random.default_rng(20)

FILLS = ["constant", "nearest", "reflect", "wrap"]

# (factory of gs.layers, its options, input shape, whether it is training)
CASES = [
    ("upSampling1d", {"size": 3}, [2, 4, 3], True),
    ("upSampling2d", {"size": [2, 3]}, [2, 3, 4, 2], True),
    ("upSampling2d", {"size": [3, 2], "interpolation": "bilinear"}, [2, 3, 4, 2], True),
    ("upSampling3d", {"size": [2, 1, 3]}, [1, 2, 3, 2, 2], True),
    ("resizing", {"height": 5, "width": 9}, [2, 7, 4, 3], True),
    ("resizing", {"height": 3, "width": 2, "interpolation": "bilinear"}, [1, 8, 7, 1], True),
    ("resizing", {"height": 6, "width": 4, "cropToAspectRatio": True}, [1, 5, 8, 2], True),
    ("resizing", {"height": 3, "width": 7, "interpolation": "nearest", "cropToAspectRatio": True}, [1, 8, 9, 2], True),
    ("centerCrop", {"height": 3, "width": 4}, [2, 6, 7, 2], True),
    ("centerCrop", {"height": 6, "width": 3}, [1, 5, 7, 2], True),
    ("randomCrop", {"height": 4, "width": 3}, [2, 6, 7, 2], False),
    ("randomCrop", {"height": 7, "width": 3}, [1, 5, 4, 2], True),
    ("rescaling", {"scale": 0.5, "offset": -1.25}, [2, 2, 3, 1], True),
    ("normalization", {"mean": [0.5, -0.25], "variance": [4.0, 0.3]}, [2, 3, 2, 2], True),
    ("normalization", {"mean": [0.5, -0.25, 0.1], "variance": [0.7, 1.5, 0.2], "axis": 1, "invert": True}, [2, 3, 2, 2], True),
    ("normalization", {"mean": 0.3, "variance": 2.0, "axis": None}, [2, 3], True),
    ("randomZoom", {"heightFactor": [0.3, 0.3]}, [1, 5, 6, 2], True),
]
for fill in FILLS:
    sampling = {"fillMode": fill, **({"fillValue": 0.6} if fill == "constant" else {})}
    CASES += [
        ("randomTranslation", {"heightFactor": [0.23, 0.23], "widthFactor": [-0.31, -0.31], **sampling}, [2, 5, 6, 2], True),
        ("randomRotation", {"factor": [0.13, 0.13], **sampling}, [2, 5, 6, 2], True),
        ("randomRotation", {"factor": [-0.07, -0.07], "interpolation": "nearest", **sampling}, [1, 6, 5, 1], True),
        ("randomZoom", {"heightFactor": [-0.35, -0.35], "widthFactor": [0.45, 0.45], **sampling}, [2, 5, 6, 2], True),
    ]
CASES.append(("randomRotation", {"factor": [0.21, 0.21]}, [1, 5, 5, 1], True))

CLASSES = {"upSampling1d": "UpSampling1D", "upSampling2d": "UpSampling2D", "upSampling3d": "UpSampling3D"}


def snake(name):
    return re.sub("([A-Z])", lambda m: "_" + m.group(1).lower(), name)


def pixels(shape):
    """Numbers in [-1, 1] that float32 holds exactly."""
    return random.integers(-256, 257, shape) / 256


def numbers(array):
    array = np.asarray(array, dtype=np.float64)
    return {"shape": list(array.shape), "data": [round(float(v), 9) for v in array.reshape(-1)]}


def run(factory, options, shape, training):
    kind = getattr(keras.layers, CLASSES.get(factory, factory[0].upper() + factory[1:]))
    given = {snake(k): tuple(v) if isinstance(v, list) and "Factor" in k or k == "factor" else v for k, v in options.items()}
    if factory == "randomCrop":
        # What Keras documents for inference and for images that are smaller; Keras 3.15 itself hands them on uncropped.
        kind, given["crop_to_aspect_ratio"] = keras.layers.Resizing, True
    layer = kind(dtype="float64", **given)
    x = torch.tensor(pixels(shape), requires_grad=True)
    takes_training = factory.startswith("random") and factory != "randomCrop"
    y = layer(x, training=training) if takes_training else layer(x)
    g = pixels(y.shape)
    (y * torch.tensor(g)).sum().backward()
    if y.dtype != torch.float64:
        raise TypeError(f"{factory} computed in {y.dtype}")
    return {
        "factory": factory,
        "options": options,
        "training": training,
        "x": numbers(x.detach()),
        "y": numbers(y.detach()),
        "g": numbers(g),
        "dx": numbers(x.grad),
    }


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keras", "image_layers.json")
with open(path, "w") as file:
    json.dump([run(*case) for case in CASES], file)
    file.write("\n")
