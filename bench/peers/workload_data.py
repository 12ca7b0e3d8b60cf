"""The bench's workloads but their models, and their data, bit for bit what bench/workloads.ts makes (and describes)."""

from dataclasses import dataclass
from typing import Callable, Literal

import numpy as np

PIXELS = 784
CLASSES = 10
CHARACTERS = 96
STEPS = 64
MOTIONS = 4
FRAMES = 16
SIDE = 32


def scramble(n: np.ndarray) -> np.ndarray:
    """A 32-bit integer hash (multiply and xor-shift, twice)."""
    n = n.astype(np.uint32)
    n = (n ^ (n >> np.uint32(16))) * np.uint32(0x7FEB352D)
    n = (n ^ (n >> np.uint32(15))) * np.uint32(0x846CA68B)
    return n ^ (n >> np.uint32(16))


def noise(first: int, shape: tuple[int, ...]) -> np.ndarray:
    """Hashes in [0, 1), of 24 bits."""
    numbers = scramble(first + np.arange(int(np.prod(shape)))).reshape(shape)
    return (numbers >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)


def classes_of(samples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and what is shown: one sample in four shows a random class."""
    i = np.arange(samples)
    labels = scramble(i + 1_000_000_007) % classes
    shown = np.where(scramble(i + 2_000_000_011) % 4 == 0, scramble(i + 3_000_000_019) % classes, labels)
    return labels.astype(np.int64), shown.astype(np.int64)


def filled(samples: int, shape: tuple[int, ...], some: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """An array [samples, *shape] float32, made a few hundred rows at a time, so that it is most of the memory ever used."""
    whole = np.empty((samples, *shape), np.float32)
    for first in range(0, samples, 256):
        whole[first : first + 256] = some(first, min(first + 256, samples))
    return whole


def marked(first: int, marks: np.ndarray) -> np.ndarray:
    """Half noise, whose first number is the `first`-th of the data, plus 0.5 where there is a mark."""
    return noise(first, marks.shape) * np.float32(0.5) + marks.astype(np.float32) * np.float32(0.5)


def images(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [samples, 784] float32 and labels [samples] int64."""
    labels, shown = classes_of(samples, CLASSES)
    place = np.arange(PIXELS)[None, :] % CLASSES

    def some(first: int, end: int) -> np.ndarray:
        return marked(first * PIXELS, place == shown[first:end, None])

    return filled(samples, (PIXELS,), some), labels


def pictures(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [samples, 32, 32, 3] float32 and labels [samples] int64."""
    labels, shown = classes_of(samples, CLASSES)
    start = (scramble(np.arange(samples) + 4_000_000_007) % 10).astype(np.int64)
    place = np.arange(SIDE)

    def some(first: int, end: int) -> np.ndarray:
        slope, offset = shown[first:end, None, None], start[first:end, None, None]
        line = (offset + slope * place[:, None] + place) % 10 < 3
        return marked(first * SIDE * SIDE * 3, np.repeat(line[..., None], 3, axis=-1))

    return filled(samples, (SIDE, SIDE, 3), some), labels


def texts(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Characters [samples, 64] and those that follow, int64."""
    at = np.arange(samples * STEPS).reshape(samples, STEPS)
    any_character = scramble(at + 2_000_000_011) % 4 == 0
    others = (scramble(at + 3_000_000_019) % CHARACTERS).astype(np.int64)
    x, y = np.empty((samples, STEPS), np.int64), np.empty((samples, STEPS), np.int64)
    character = (scramble(np.arange(samples) + 1_000_000_007) % CHARACTERS).astype(np.int64)
    for t in range(STEPS):
        x[:, t] = character
        character = np.where(any_character[:, t], others[:, t], (character * 5 + 17) % CHARACTERS)
        y[:, t] = character
    return x, y


def clips(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips [samples, 16, 32, 32, 1] float32 and labels [samples] int64."""
    labels, shown = classes_of(samples, MOTIONS)
    start = (scramble(np.arange(samples) + 4_000_000_007) % 8).astype(np.int64)
    frame = np.arange(FRAMES)
    stripe = (start[:, None] + np.where(shown[:, None] % 2 == 0, frame, 7 * frame)) % 8
    along = np.arange(SIDE) % 8 == stripe[:, :, None]

    def some(first: int, end: int) -> np.ndarray:
        columns, rows = along[first:end, :, None, :], along[first:end, :, :, None]
        stripes = np.where((shown[first:end] < 2)[:, None, None, None], columns, rows)
        return marked(first * FRAMES * SIDE * SIDE, stripes)[..., None]

    return filled(samples, (FRAMES, SIDE, SIDE, 1), some), labels


@dataclass(frozen=True)
class Workload:
    batch: int
    samples: int
    """Losses are compared in the last of so many epochs."""
    loss_epochs: int
    """Adam at 1e-3 with an epsilon of 1e-7, or SGD at 0.05 with a momentum of 0.9."""
    optimizer: Literal["adam", "sgd"]
    data: Callable[[int], tuple[np.ndarray, np.ndarray]]


WORKLOADS = {
    "mlp_small": Workload(32, 65536, 1, "adam", images),
    "mlp": Workload(128, 8192, 3, "adam", images),
    "cnn_mnist": Workload(128, 2048, 4, "adam", images),
    "resnet20": Workload(128, 1024, 3, "sgd", pictures),
    "resnet20_512": Workload(512, 8192, 2, "sgd", pictures),
    "lstm_lm": Workload(32, 256, 8, "adam", texts),
    "lrcn": Workload(16, 256, 6, "adam", clips),
}
