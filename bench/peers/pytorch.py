"""PyTorch on the bench's workloads: eager or torch.compile, on CUDA also captured in a graph by hand, so many threads,
channels-first or channels-last memory, fused or foreach optimizers, bfloat16 by autocast. Weights start as Keras's do.
bench/README.md says how to install it.

    python bench/peers/pytorch.py --workload mlp [--compile] [--channels-last] [--foreach] [--threads 1] [--precision bfloat16]
    python bench/peers/pytorch.py --workload mlp --device cuda --graph [--compile] [--channels-last] [--precision bfloat16]
"""

import argparse
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import peer
from workload_data import Workload


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


def convolution(inputs: int, filters: int, size: int, stride: int = 1) -> nn.Module:
    """Convolution and batch normalisation, of which Keras's momentum of 0.99 is PyTorch's 0.01."""
    padding = size // 2
    conv = nn.Conv2d(inputs, filters, size, stride, padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))


class Block(nn.Module):
    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(convolution(inputs, filters, 3, stride), nn.ReLU(), convolution(filters, filters, 3))
        self.shortcut = convolution(inputs, filters, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


def resnet20() -> nn.Module:
    stages = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
    blocks = [Block(inputs if i == 0 else out, out, stride if i == 0 else 1) for inputs, out, stride in stages for i in range(3)]
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(convolution(3, 16, 3), nn.ReLU(), *blocks, *end)


class LanguageModel(nn.Module):
    """Scores [batch, characters, time] of the character after each."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(96, 128)
        self.lstm = nn.LSTM(128, 256, num_layers=2, batch_first=True)
        self.dense = nn.Linear(256, 96)

    def forward(self, x: Tensor) -> Tensor:
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

    def forward(self, x: Tensor) -> Tensor:
        rows, frames = x.shape[:2]
        features = self.features(x.flatten(0, 1)).reshape(rows, frames, -1)
        return self.dense(self.lstm(features)[0][:, -1])


MODELS = {
    "mlp_small": lambda: mlp(784, 128, 10),
    "mlp": lambda: mlp(784, 512, 512, 10),
    "cnn_mnist": cnn,
    "resnet20": resnet20,
    "resnet20_512": resnet20,
    "lstm_lm": LanguageModel,
    "lrcn": Lrcn,
}


def initialise(model: nn.Module) -> None:
    """Keras's first weights: Glorot uniform, orthogonal from state to state, biases zero but the forget gate's, which are one."""
    for m in model.modules():
        if isinstance(m, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Embedding):
            nn.init.uniform_(m.weight, -0.05, 0.05)
        elif isinstance(m, nn.LSTM):
            for name, weight in m.named_parameters():
                if name.startswith("bias"):
                    nn.init.zeros_(weight)
                    # Keras has one bias, PyTorch the sum of two.
                    if name.startswith("bias_hh"):
                        weight.requires_grad_(False)
                    else:
                        nn.init.ones_(weight.data[m.hidden_size : 2 * m.hidden_size])
                else:
                    (nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_)(weight)


class Captured:
    """A step that becomes a CUDA graph: the first calls run it, on a stream of their own, and are steps like the others; then
    it is captured once and replayed. Replays read their rows from, and leave their loss in, the same memory."""

    RUNS_BEFORE = 3

    def __init__(self, step: Callable[[Tensor], Tensor], batch: int, device: torch.device):
        self.step = step
        self.rows = torch.zeros(batch, dtype=torch.int64, device=device)
        self.stream = torch.cuda.Stream()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.ran = 0

    def __call__(self, rows: Tensor) -> Tensor:
        self.rows.copy_(rows)
        if self.ran < self.RUNS_BEFORE:
            self.ran += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                loss = self.step(self.rows)
            torch.cuda.current_stream().wait_stream(self.stream)
            return loss
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.loss = self.step(self.rows)
        self.graph.replay()
        return self.loss


class Trainer:
    """A training loop as one writes it: shuffled index, gathered batch, forward, loss, backward, update."""

    def __init__(self, options: argparse.Namespace, workload: Workload):
        # Float32 is float32, in convolutions and LSTMs too, and cuDNN tries its algorithms.
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        torch.set_flush_denormal(True)
        torch.set_num_threads(options.threads)
        torch.manual_seed(1)
        modes = [mode for mode in ("compile", "graph") if getattr(options, mode)]
        self.name = f"pytorch {torch.__version__} {' '.join(modes) or 'eager'}"
        self.batch = workload.batch
        self.together = 1
        inputs, labels = workload.data(workload.samples)
        self.x = torch.from_numpy(inputs).to(options.device)
        self.y = torch.from_numpy(labels).to(options.device)
        if options.workload in ("cnn_mnist", "resnet20", "resnet20_512", "lrcn"):
            self.x = (self.x.reshape(-1, 28, 28, 1) if options.workload == "cnn_mnist" else self.x).movedim(-1, -3).contiguous()
        model = MODELS[options.workload]()
        initialise(model)
        model = model.to(options.device)
        if options.channels_last:
            model = model.to(memory_format=torch.channels_last)
            if self.x.dim() == 4:
                self.x = self.x.contiguous(memory_format=torch.channels_last)
        kernels = {"foreach": True} if options.foreach else {"fused": True}
        trained = [p for p in model.parameters() if p.requires_grad]
        if workload.optimizer == "adam":
            self.optimizer = torch.optim.Adam(trained, lr=1e-3, eps=1e-7, capturable=options.graph, **kernels)
        else:
            self.optimizer = torch.optim.SGD(trained, lr=0.05, momentum=0.9, **kernels)

        def loss_of(x: Tensor, y: Tensor) -> Tensor:
            # A graph must not find weights that were cast before it was captured.
            mixed = options.precision == "bfloat16"
            with torch.autocast(options.device, torch.bfloat16, enabled=mixed, cache_enabled=not options.graph):
                scores = model(x)
            return F.cross_entropy(scores.float(), y)

        self.loss_of = torch.compile(loss_of) if options.compile else loss_of
        self.step = Captured(self.update, self.batch, self.x.device) if options.graph else self.update
        self.order = torch.empty(0, dtype=torch.int64)
        self.at = 0

    def next_rows(self) -> Tensor:
        if self.at + self.batch > len(self.order):
            self.order, self.at = torch.randperm(len(self.x)).to(self.x.device), 0
        rows = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        return rows

    def update(self, rows: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(self.x.index_select(0, rows), self.y.index_select(0, rows))
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def train(self, steps: int, losses: bool) -> float | None:
        kept = []
        for _ in range(steps):
            loss = self.step(self.next_rows())
            if losses:
                kept.append(loss.clone())
        if self.x.is_cuda:
            torch.cuda.synchronize()
        return torch.stack(kept).mean().item() if losses else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times PyTorch on one of the bench's workloads.")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--graph", action="store_true", help="captured in a CUDA graph")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--foreach", action="store_true")
    peer.main(parser, Trainer)
