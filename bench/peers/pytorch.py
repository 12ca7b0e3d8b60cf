"""PyTorch on the bench's workloads, at its best: eager and torch.compile, one and two threads, fused and foreach Adam, and for
the convolutional networks channels-first and channels-last memory; bfloat16 by autocast. Prints one JSON array of rows
{workload, implementation, device, precision, ms_per_step, samples_per_s, steps}; ms_per_step is the median over chunks of
about 100 ms. Progress, and the loss after the timed steps (to show that the network learns), go to stderr.

Install (any folder):  python3 -m venv ~/.gradstep-peers && ~/.gradstep-peers/bin/pip install torch numpy
Run alone:             ~/.gradstep-peers/bin/python bench/peers/pytorch.py --only mlp
From the bench:        GRADSTEP_PEER_PYTHON=~/.gradstep-peers/bin/python npm run bench -- --peers pytorch
"""

import argparse
import json
import statistics
import sys
import time
from itertools import product

import torch
import torch.nn.functional as F
from torch import nn

import workload_data


def mlp(*sizes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(12 * 12 * 64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip


class LanguageModel(nn.Module):
    """Scores [batch, characters, time] of the character after each."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(96, 128)
        self.lstm = nn.LSTM(128, 256, num_layers=2, batch_first=True)
        self.dense = nn.Linear(256, 96)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.lstm(self.embedding(x))[0]).transpose(1, 2)


class Lrcn(nn.Module):
    """Convolutional features of each frame, an LSTM over the frames, scores of the clip."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 8 * 32, 128), nn.ReLU(),
        )  # fmt: skip
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        self.dense = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, frames = x.shape[:2]
        features = self.features(x.flatten(0, 1)).reshape(rows, frames, -1)
        return self.dense(self.lstm(features)[0][:, -1])


# model, batch, resident samples, their data, shape of one sample
WORKLOADS = {
    "mlp_small": (lambda: mlp(784, 128, 10), 32, 65536, workload_data.images, (784,)),
    "mlp": (lambda: mlp(784, 512, 512, 10), 128, 8192, workload_data.images, (784,)),
    "cnn_mnist": (cnn, 128, 2048, workload_data.images, (1, 28, 28)),
    "lstm_lm": (LanguageModel, 32, 256, workload_data.texts, (64,)),
    "lrcn": (Lrcn, 16, 256, workload_data.clips, (16, 1, 32, 32)),
}


class Loop:
    """A training loop as one writes it: shuffled index, gathered batch, forward, loss, backward, Adam."""

    def __init__(self, workload: str, device: str, precision: str, compiled: bool, adam: str, channels_last: bool):
        build, self.batch, samples, make, shape = WORKLOADS[workload]
        inputs, labels = make(samples)
        self.x = torch.from_numpy(inputs).reshape(samples, *shape).to(device)
        self.y = torch.from_numpy(labels).to(device)
        torch.manual_seed(1)
        model = build().to(device)
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
            if self.x.dim() == 4:
                self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=adam == "fused", foreach=adam == "foreach")

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16"):
                scores = model(x)
            return F.cross_entropy(scores.float(), y)

        self.loss_of = loss_of
        if compiled:
            self.loss_of = torch.compile(self.loss_of)
        self.order = torch.empty(0, dtype=torch.int64)
        self.at = 0
        self.loss = torch.zeros(())

    def step(self) -> None:
        if self.at + self.batch > len(self.order):
            self.order, self.at = torch.randperm(len(self.x)).to(self.x.device), 0
        rows = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        self.optimizer.zero_grad(set_to_none=True)
        self.loss = self.loss_of(self.x.index_select(0, rows), self.y.index_select(0, rows))
        self.loss.backward()
        self.optimizer.step()

    def seconds(self, steps: int) -> float:
        """Wall time of so many steps, the device's work included."""
        synchronize(self.x)
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        synchronize(self.x)
        return time.perf_counter() - start


def synchronize(x: torch.Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize()


def measure(loop: Loop, budget: float) -> tuple[float, int]:
    """Median milliseconds a step, over chunks of about 100 ms that last `budget` seconds together; and the steps timed."""
    loop.seconds(10)
    chunk = max(1, round(0.1 / (loop.seconds(20) / 20)))
    times: list[float] = []
    while len(times) < 5 or sum(times) < budget:
        times.append(loop.seconds(chunk))
    return statistics.median(times) / chunk * 1e3, len(times) * chunk


def main() -> None:
    parser = argparse.ArgumentParser(description="Time PyTorch on the bench's workloads.")
    parser.add_argument("--only", action="append", choices=list(WORKLOADS), help="a workload; may be repeated")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, action="append", help="CPU threads to try; 1 and 2 when not given")
    parser.add_argument("--seconds", type=float, default=2.0, help="time spent on each variant")
    options = parser.parse_args()
    torch.set_float32_matmul_precision("highest")
    torch.set_flush_denormal(True)
    cuda = options.device.startswith("cuda")
    rows = []
    for workload in options.only or WORKLOADS:
        layouts = (False, True) if workload in ("cnn_mnist", "lrcn") else (False,)
        threads_tried = (1,) if cuda else options.threads or (1, 2)
        for compiled, threads, adam, channels_last in product((False, True), threads_tried, ("fused", "foreach"), layouts):
            torch.set_num_threads(threads)
            torch._dynamo.reset()
            torch._inductor.config.cpp.threads = threads
            loop = Loop(workload, options.device, options.precision, compiled, adam, channels_last)
            ms, steps = measure(loop, options.seconds)
            name = f"pytorch {torch.__version__} {'compile' if compiled else 'eager'}"
            name += "" if cuda else f" {threads} thread{'s' if threads > 1 else ''}"
            name += f" {adam}" + (" channels-last" if channels_last else "")
            print(f"{workload:10} {name:60} {ms:9.4f} ms/step, loss {loop.loss.item():.4f}", file=sys.stderr, flush=True)
            rows.append({
                "workload": workload, "implementation": name, "device": options.device, "precision": options.precision,
                "ms_per_step": ms, "samples_per_s": loop.batch / ms * 1e3, "steps": steps,
            })  # fmt: skip
    json.dump(rows, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
