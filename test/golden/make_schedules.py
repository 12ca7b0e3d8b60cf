"""Writes schedules.json: learning rates of PyTorch's schedulers, in float64, update by update.

Run it as `python test/golden/make_schedules.py` with PyTorch installed.
"""

import json
import pathlib
import warnings

import torch
from torch.optim import lr_scheduler

STEPS = 70


def rates(rate, make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = make(optimizer)
    seen = []
    for _ in range(STEPS):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return seen


def one_cycle(total, **options):
    # PyTorch counts no further than total_steps: its last rate stays.
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.8, total_steps=total, cycle_momentum=False, **options)
    seen = []
    for _ in range(total):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return seen + [seen[-1]] * (STEPS - total)


warnings.filterwarnings("ignore")
fixtures = {
    "step": rates(0.5, lambda o: lr_scheduler.StepLR(o, 7, gamma=0.3)),
    "exponential": rates(0.5, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    "cosine": rates(0.5, lambda o: lr_scheduler.CosineAnnealingLR(o, 69, eta_min=0.05)),
    "restarts": rates(0.5, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, T_mult=1, eta_min=0.05)),
    "restarts_double": rates(0.5, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, T_mult=2)),
    "restarts_triple": rates(0.5, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4, T_mult=3, eta_min=0.1)),
    "polynomial": rates(0.5, lambda o: lr_scheduler.PolynomialLR(o, 40, power=2.5)),
    "linear": rates(0.5, lambda o: lr_scheduler.LinearLR(o, 0.2, 1.0, total_iters=30)),
    "piecewise": rates(0.5, lambda o: lr_scheduler.MultiStepLR(o, [11, 12, 40], gamma=0.1)),
    "one_cycle": one_cycle(60),
    "one_cycle_linear": one_cycle(55, pct_start=0.45, anneal_strategy="linear", div_factor=10, final_div_factor=100),
    "one_cycle_three": one_cycle(64, pct_start=0.25, three_phase=True, div_factor=5.0, final_div_factor=7.0),
    "one_cycle_down": one_cycle(33, pct_start=0.0),
}
path = pathlib.Path(__file__).with_name("schedules.json")
path.write_text(json.dumps(fixtures, separators=(",", ":")) + "\n")
