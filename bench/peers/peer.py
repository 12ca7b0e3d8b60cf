"""What the Python peers share: the command line, the timing and the row. A process makes one measurement, so that its peak
memory is that of the one variant: it trains as far as losses are compared (which warms up and compiles, too), then times
chunks of steps, and prints one row of JSON (bench/row.ts says what is in it)."""

import argparse
import json
import os
import statistics
import time
from typing import Callable, Protocol

from workload_data import WORKLOADS, Workload

PATIENCE = 60.0
"""A training that takes longer than so many seconds to where losses are compared is not waited for."""


class Trainer(Protocol):
    """A network with its optimizer and the workload's data on the device. Every epoch visits the rows in another order."""

    name: str
    """The library, its version and the mode."""
    together: int
    """Steps that it runs at a time; an epoch is a multiple of them."""

    def train(self, steps: int, losses: bool) -> float | None:
        """Trains for so many steps, a multiple of `together`, and waits for their end; with `losses` returns the mean of theirs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workload", required=True, choices=list(WORKLOADS))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="CPU threads; all when not given")
    parser.add_argument("--seconds", type=float, default=2.0, help="time spent on timed steps")


def keep_to(cpus: int) -> None:
    """Keeps this process to so many of its CPUs: XLA has no other setting, and makes its threads by this one."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])


def peak_mb() -> float:
    """The most memory this process ever held, in 10⁶ bytes; getrusage would count what was held before exec, too."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def measure(trainer: Trainer, workload: Workload, budget: float) -> dict:
    """Loss of the last epoch of `loss_epochs`; then the median over chunks of some 100 ms that last `budget` seconds."""
    epoch = workload.samples // workload.batch
    total = epoch * workload.loss_epochs
    trained = 0

    def seconds(steps: int) -> float:
        nonlocal trained
        start = time.perf_counter()
        trainer.train(steps, losses=False)
        trained += steps
        return time.perf_counter() - start

    chunk = trainer.together
    seconds(chunk)
    loss = None
    if seconds(chunk) / chunk * (total - trained) <= PATIENCE:
        if trained < total - epoch:
            seconds(total - epoch - trained)
        loss = trainer.train(epoch, losses=True)
    # The first guess, from a few steps, is too low.
    for _ in range(2):
        chunk *= max(1, round(0.1 / seconds(chunk)))
    times: list[float] = []
    while len(times) < 3 or sum(times) < budget:
        times.append(seconds(chunk))
    ms = statistics.median(times) / chunk * 1e3
    return {
        "ms_per_step": ms, "samples_per_s": workload.batch / ms * 1e3, "steps": len(times) * chunk, "loss": loss, "peak_mb": peak_mb(),
    }  # fmt: skip


def main(parser: argparse.ArgumentParser, build: Callable[[argparse.Namespace, Workload], Trainer]) -> None:
    add_arguments(parser)
    options = parser.parse_args()
    workload = WORKLOADS[options.workload]
    trainer = build(options, workload)
    print(json.dumps({"implementation": trainer.name, **measure(trainer, workload, options.seconds)}))
