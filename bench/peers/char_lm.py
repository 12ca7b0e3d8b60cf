"""What PyTorch reaches on the task of examples/char_lm.ts: the same text and split, network, initialisation (Keras's), steps,
learning rates and dropout, float32, and the same measure. Adam's epsilon stands where Keras has it, beside the root of the mean
that is not corrected for its start; `--adam pytorch` leaves it where PyTorch has it, where it weighs a thirtieth of that at the
first step and the same after some thousand. Prints for each seed the bits per character of the held-out stretches with the
weights of the best epoch, and the median.

Needs the text as the example splits it, and the peers' Python (see pytorch.py):
    npx tsx examples/char_lm.ts --export char_lm.json
    ~/.gradstep-peers/bin/python bench/peers/char_lm.py char_lm.json
"""

import argparse
import copy
import json
import math
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-7


class Network(nn.Module):
    def __init__(self, symbols: int, embedded: int, spread: float, units: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedded)
        self.lower = nn.LSTM(embedded, units, batch_first=True)
        self.upper = nn.LSTM(units, units, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.next = nn.Linear(units, symbols)
        nn.init.uniform_(self.embedding.weight, -spread, spread)
        nn.init.xavier_uniform_(self.next.weight)
        nn.init.zeros_(self.next.bias)
        for lstm in (self.lower, self.upper):
            nn.init.xavier_uniform_(lstm.weight_ih_l0)
            nn.init.orthogonal_(lstm.weight_hh_l0)
            nn.init.zeros_(lstm.bias_ih_l0)
            nn.init.ones_(lstm.bias_ih_l0[units : 2 * units].data)
            nn.init.zeros_(lstm.bias_hh_l0)
            lstm.bias_hh_l0.requires_grad_(False)  # Keras has one bias, PyTorch the sum of two

    def forward(self, x: Tensor) -> Tensor:
        lower, _ = self.lower(self.embedding(x))
        upper, _ = self.upper(self.dropout(lower))
        return self.next(self.dropout(upper))


def bits(model: Network, x: Tensor, y: Tensor) -> float:
    """Mean bits per character; every row begins with no state."""
    model.eval()
    with torch.inference_mode():
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item() / math.log(2)


def windows(stretches: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Characters and those after them, in rows of so many steps."""
    return stretches[:, :-1].reshape(-1, steps), stretches[:, 1:].reshape(-1, steps)


def train(text: dict, seed: int, adam: str, quiet: bool) -> float:
    torch.manual_seed(seed)
    o = text["options"]
    steps, batch, epochs = o["steps"], o["batch"], o["epochs"]
    model = Network(len(text["alphabet"]), o["embedded"], o["range"], o["units"], o["dropout"])
    trained = torch.tensor(text["train"])
    validation = windows(torch.tensor(text["validation"]), steps)
    test = windows(torch.tensor(text["test"]), len(text["test"][0]) - 1)
    rows = (len(trained) - 1) // steps - 1
    updates = epochs * (rows // batch)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=o["learningRate"], eps=EPSILON)
    half_cosine = lambda update: 0.5 * (1 + math.cos(math.pi * update / updates))  # noqa: E731
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, half_cosine)
    best, kept, waited, done = math.inf, copy.deepcopy(model.state_dict()), 0, 0
    started = time.perf_counter()
    for epoch in range(epochs):
        model.train()
        start = int(torch.randint(steps, ()))
        x = trained[start : start + rows * steps].reshape(rows, steps)
        y = trained[start + 1 : start + 1 + rows * steps].reshape(rows, steps)
        total = 0.0
        order = torch.randperm(rows)[: rows // batch * batch].split(batch)
        for chosen in order:
            done += 1
            if adam == "keras":
                optimizer.param_groups[0]["eps"] = EPSILON / math.sqrt(1 - 0.999**done)
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x[chosen]).flatten(0, 1), y[chosen].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), o["clip"])
            optimizer.step()
            rate.step()
            total += loss.item()
        now = bits(model, *validation)
        if now < best:
            best, kept, waited = now, copy.deepcopy(model.state_dict()), 0
        else:
            waited += 1
        if not quiet:
            print(
                f"epoch {epoch + 1}/{epochs}: training {total / len(order) / math.log(2):.4f}, validation {now:.4f}, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )
        if waited >= o["patience"]:
            break
    model.load_state_dict(kept)
    return bits(model, *test)


def main() -> None:
    parser = argparse.ArgumentParser(description="Bits per character of PyTorch on the text of examples/char_lm.ts.")
    parser.add_argument("text", type=Path, help="what `examples/char_lm.ts --export` wrote")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--adam", choices=["keras", "pytorch"], default="keras")
    parser.add_argument("--quiet", action="store_true", help="no line an epoch")
    options = parser.parse_args()
    text = json.loads(options.text.read_text())
    reached = []
    for seed in options.seeds:
        reached.append(train(text, seed, options.adam, options.quiet))
        print(f"seed {seed}: {reached[-1]:.4f} bits per character", flush=True)
    print(f"median {statistics.median(reached):.4f}")


if __name__ == "__main__":
    main()
