"""The bench's data, bit for bit what bench/workloads.ts makes (and describes)."""

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


def images(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [samples, 784] float32 and labels [samples] int64."""
    labels, shown = classes_of(samples, CLASSES)
    marked = np.arange(PIXELS)[None, :] % CLASSES == shown[:, None]
    return noise(0, (samples, PIXELS)) * np.float32(0.5) + marked.astype(np.float32) * np.float32(0.5), labels


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
    """Clips [samples, 16, 1, 32, 32] float32 and labels [samples] int64."""
    labels, shown = classes_of(samples, MOTIONS)
    start = (scramble(np.arange(samples) + 4_000_000_007) % 8).astype(np.int64)
    frame = np.arange(FRAMES)
    stripe = (start[:, None] + np.where(shown[:, None] % 2 == 0, frame, 7 * frame)) % 8
    place = np.arange(SIDE) % 8
    along = (place[None, None, :] == stripe[:, :, None]).astype(np.float32)
    columns, rows = along[:, :, None, :], along[:, :, :, None]
    stripes = np.where((shown < 2)[:, None, None, None], columns, rows)
    pixels = noise(0, (samples, FRAMES, SIDE, SIDE)) * np.float32(0.5) + stripes * np.float32(0.5)
    return pixels[:, :, None].astype(np.float32), labels
