"""Trains and measures networks on images of one object under known actions.

    python experiments/latent_actions/study.py --seeds 0-4

One row a network in networks.csv; rows that are there are not made again. A network takes about
half a minute of one core. The expectation is in README.md.
"""

import argparse
import csv
import functools
import itertools
import time
from pathlib import Path

import numpy as np
import torch
from measure import decoding, path_invariance, pixel_decoding
from network import ActionNetwork, infonce, later_images, next_image, sic
from world import WORLDS, draw_sequences

TABLE = Path(__file__).with_name("networks.csv")
STEPS, RATE, WARMUP, CLIP = 1000, 2e-3, 100, 1.0
IMAGES = 256  # encoded at a step, beside the start images
TEMPERATURE = 0.1
# Weights of separation, invariance and capacity: as published, and chosen in tuning.py.
PUBLISHED = functools.partial(sic, images=IMAGES, weights=(1.0, 0.1, 0.5), two_views=False)
SIC = functools.partial(sic, images=IMAGES, weights=(2.0, 1.0, 0.0), two_views=True)
INFONCE = functools.partial(infonce, images=IMAGES, temperature=TEMPERATURE)
# Objective, orders of actions, whether poses are claimed to be sums.
METHODS = {
    "SIC, permuted": (SIC, "permuted", False),
    "InfoNCE, independent": (INFONCE, "independent", False),
    "SIC, independent": (SIC, "independent", False),
    "SIC as published": (PUBLISHED, "permuted", False),
    "SIC, permuted, sums": (SIC, "permuted", True),
    "InfoNCE, permuted": (INFONCE, "permuted", False),
    "later images": (functools.partial(later_images, images=IMAGES), "independent", False),
    "next image": (functools.partial(next_image, images=IMAGES), "independent", False),
    "untrained": (None, "independent", False),
}


def rate(step, steps):
    """Linear warm-up, then a cosine to 2% of the peak."""
    cosine = 0.02 + 0.98 * (1 + np.cos(np.pi * step / steps)) / 2
    return RATE * min(1.0, (step + 1) / WARMUP) * cosine


def train(network, objective, world, orders, generator, *, sums, steps):
    """Train in place; the mean loss of the last tenth of the steps."""
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    losses = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate(step, steps)
        batch = draw_sequences(world, orders, generator, sums=sums)
        loss = objective(network, batch, generator)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def row_of(world, method, seed, steps):
    """Train one network and measure it."""
    began = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = ActionNetwork()
    objective, orders, sums = METHODS[method]
    row = {"world": world, "method": method, "seed": seed, "steps": steps, "loss": ""}
    if objective is not None:
        loss = train(network, objective, world, orders, generator, sums=sums, steps=steps)
        row["loss"] = round(loss, 4)
    row["train_cpu_s"] = round(time.process_time() - began, 1)
    tests = torch.Generator().manual_seed(10_000 + seed)
    with torch.inference_mode():
        found = decoding(network, world, tests) | path_invariance(network, world, tests)
        found |= pixel_decoding(tests)
    return row | {name: round(value, 4) for name, value in found.items()}


def jobs(seeds, steps, methods):
    """All networks of the study that have no row yet."""
    done = set()
    if TABLE.exists():
        with open(TABLE, newline="", encoding="utf-8") as file:
            done = {(r["world"], r["method"], r["seed"], r["steps"]) for r in csv.DictReader(file)}
    for seed, method, world in itertools.product(seeds, methods, WORLDS):
        sums_are_right = METHODS[method][2] and world == "frame"
        if not sums_are_right and (world, method, str(seed), str(steps)) not in done:
            yield world, method, seed, steps


def append(row):
    """Add a row to the table."""
    new = not TABLE.exists()
    with open(TABLE, "a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            table.writeheader()
        table.writerow(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-4", help="first-last")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no network after these")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    torch.set_num_threads(1)
    began = time.monotonic()
    for job in jobs(range(first, last + 1), options.steps, options.methods):
        if time.monotonic() - began > 60 * options.minutes:
            break
        row = row_of(*job)
        append(row)
        print(*job, row["knn_place_px_16"], row["any_start_16"], flush=True)


if __name__ == "__main__":
    main()
