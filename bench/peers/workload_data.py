"""The bench's data, bit for bit what bench/workloads.ts makes: pixel j of sample i is half a hash of its number in [0, 1), plus
0.5 where j mod 10 is the class shown; one sample in four shows a random class instead of its label, so that the loss stays
well above zero, as with real data."""

import numpy as np

PIXELS = 784
CLASSES = 10


def scramble(n: np.ndarray) -> np.ndarray:
    """A 32-bit integer hash (multiply and xor-shift, twice)."""
    n = n.astype(np.uint32)
    n = (n ^ (n >> np.uint32(16))) * np.uint32(0x7FEB352D)
    n = (n ^ (n >> np.uint32(15))) * np.uint32(0x846CA68B)
    return n ^ (n >> np.uint32(16))


def make(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [samples, 784] float32 and labels [samples] int64."""
    i = np.arange(samples)
    labels = scramble(i + 1_000_000_007) % CLASSES
    shown = np.where(scramble(i + 2_000_000_011) % 4 == 0, scramble(i + 3_000_000_019) % CLASSES, labels)
    pixels = scramble(np.arange(samples * PIXELS)).reshape(samples, PIXELS)
    noise = (pixels >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)
    marked = np.arange(PIXELS)[None, :] % CLASSES == shown[:, None]
    return noise * np.float32(0.5) + marked.astype(np.float32) * np.float32(0.5), labels.astype(np.int64)
