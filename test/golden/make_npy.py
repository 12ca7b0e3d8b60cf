"""Writes the files of test/golden/npy with NumPy, for test/data_readers.spec.ts:

    python3 test/golden/make_npy.py

Each array is arange(6) - 2 (unsigned ones: arange(6)) as 2 x 3 in the type that its file is named after, divided by 4 where the
type has fractions. The rest is named after what is odd about it.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "npy"


def save(name, array, version=None):
    with open(FOLDER / f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)


def main():
    FOLDER.mkdir(exist_ok=True)
    values = np.arange(6).reshape(2, 3)
    for order in "<>":
        for kind in ["f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8"]:
            signed = values if kind[0] == "u" else values - 2
            array = signed / 4 if kind[0] == "f" else signed
            save(("big_" if order == ">" else "") + kind, array.astype(order + kind))
    save("i1", (values - 2).astype(np.int8))
    save("u1", values.astype(np.uint8))
    save("b1", values % 2 == 1)

    cube = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    save("version2", cube, (2, 0))
    save("version3", cube, (3, 0))
    save("fortran", np.asfortranarray(cube))
    save("vector", np.arange(3, dtype=np.float32))
    save("scalar", np.array(2.5, dtype=np.float32))
    save("empty", np.zeros((0, 3), dtype=np.float32))
    save("half_range", np.array([65504, -65504, 2**-24, -(2**-14), np.inf, -np.inf, np.nan, -0.0], dtype=np.float16))

    save("int_too_large", np.array([1, 2**31], dtype=np.int64))
    save("int_too_small", np.array([-(2**31) - 1], dtype=np.int64))
    save("unsigned_too_large", np.array([0, 0, 2**32 - 1], dtype=np.uint32))
    save("double_too_large", np.array([np.inf, 1e39]))
    save("complex", np.zeros(2, dtype=np.complex64))
    save("fields", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    save("text", np.array(["ab", "c"]))
    save("objects", np.array([{}, None], dtype=object))

    arrays = {"weights": cube, "labels": np.arange(5, dtype=np.int64)}
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)


if __name__ == "__main__":
    main()
