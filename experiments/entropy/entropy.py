"""Entropy of states and information about the place, of trained networks and planted codes.

    gridcode train quick --steps 2000 --seeds 0-4 --vary capacity=0,0.125,0.5,1,2 --out runs/entropy
    OMP_NUM_THREADS=1 python experiments/entropy/entropy.py networks RUN [RUN ...]
    OMP_NUM_THREADS=1 python experiments/entropy/entropy.py training RUN [RUN ...]
    OMP_NUM_THREADS=1 python experiments/entropy/entropy.py planted --seeds 0-4

A row of `NAME.csv` is a code in a square, `NAME_noise.csv` has one for each noise. What has its
rows is skipped. `training` measures the snapshots of a run, in the smaller square.
"""

import argparse
import csv
import itertools
import math
from pathlib import Path

import codes
import measures
import numpy as np
import torch

import gridcode
from gridcode.analysis.coding.capacity import capacity, collision_distance
from gridcode.analysis.coding.geometry import dimensions
from gridcode.api.verbs import system_of_network
from gridcode.cli.options import seeds as parse_seeds
from gridcode.runs.snapshots import load_network

HERE = Path(__file__).parent
KEY = ("code", "lambda_cap", "seed", "step", "side_m")
# Training covers the smaller square.
SIDES_M = (2.0, 4.0)
NOISES = (0.05, 0.1, 0.2)
MORE_NOISES = (0.025, *NOISES, 0.4, 0.8)
# In shares of the square root of the variance: 0.05, 0.1 and 0.2 where the variance is 0.4.
RELATIVE_NOISES = tuple(round(s / math.sqrt(0.4), 4) for s in NOISES)


def code_row(sampled):
    """What of a code does not depend on noise."""
    book = sampled.codebook
    entropy, local = measures.kozachenko_leonenko_bits(sampled.scattered)
    mean = book.mean(axis=0)
    found = {
        "mean_length": float(np.linalg.norm(mean)),
        "mean_cosine": float(mean @ mean),
        "variance": measures.power(book),
        "median_distance": _median_distance(book),
        "dimension": dimensions(book, generator=np.random.default_rng(0)).participation,
        "kl_bits": entropy,
        "kl_local_dimension": local,
        "vmf_bound_bits": measures.von_mises_fisher_bits(book),
        "walk_spread": math.nan,
    }
    if sampled.walked is not None:
        off = sampled.walked - book[sampled.ends]
        found["walk_spread"] = float(np.sqrt((off**2).sum(axis=1).mean()))
    return found


def _median_distance(book):
    some = np.random.default_rng(0).permutation(len(book))[:800]
    return float(np.median(np.sqrt(np.maximum(2 - 2 * book[some] @ book[some].T, 0))))


def noise_rows(sampled, levels):
    """Entropy, information, its bounds and places told apart at each (kind, noise)."""
    book, generator = sampled.codebook, np.random.default_rng(1)
    for kind, sigma in levels:
        bits, error = measures.shannon_bits(book, sigma, generator)
        delta = collision_distance(sigma)
        told = capacity(book, delta=delta).capacity
        row = {
            "noise_kind": kind,
            "sigma": sigma,
            "information_bits": bits,
            "information_error": error,
            "most_bits": math.log2(len(book)),
            "renyi_bits": measures.renyi_bits(book, sigma),
            "variance_bound_bits": measures.power_bound_bits(book, sigma),
            "covariance_bound_bits": measures.covariance_bound_bits(book, sigma),
            "places_told_apart": told,
            "packing_number": measures.packing_number(book, delta, generator),
            "after_walk_bits": math.nan,
        }
        if sampled.walked is not None:
            row["after_walk_bits"] = measures.read_bits(
                book, sampled.walked, sampled.ends, sigma, generator
            )
        yield row


def levels_of(sampled, noises, relative):
    spread = math.sqrt(measures.power(sampled.codebook))
    levels = [("absolute", sigma) for sigma in noises]
    return levels + [(f"{share:g} sqrt V", share * spread) for share in relative]


class Table:
    """Two CSV files that grow code by code."""

    def __init__(self, name):
        self.paths = HERE / f"{name}.csv", HERE / f"{name}_noise.csv"
        self.done = set()
        if self.paths[1].exists():
            with open(self.paths[1]) as file:
                self.done = {tuple(r[k] for k in KEY) for r in csv.DictReader(file)}

    def add(self, key, sampled, noises=NOISES, relative=RELATIVE_NOISES):
        """Measure a code, then write all its rows."""
        name = dict(zip(KEY, map(str, key), strict=True))
        whole, rows = (
            code_row(sampled),
            list(noise_rows(sampled, levels_of(sampled, noises, relative))),
        )
        _append(self.paths[0], [name | whole])
        _append(self.paths[1], [name | row for row in rows])
        self.done.add(tuple(name.values()))
        print(*key, *(f"{row['information_bits']:.2f}" for row in rows), flush=True)

    def has(self, key):
        """Whether a code has all its rows."""
        return tuple(map(str, key)) in self.done


def _append(path, rows):
    new = not path.exists()
    with open(path, "a", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if new:
            table.writeheader()
        table.writerows(
            {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def describe(run, step):
    model = run.config.model
    kind = " + ".join(map(str, model.populations)) or str(model.units)
    return kind, f"{run.config.loss.capacity:g}", run.config.training.seed, step


def system_at(run, step):
    """The network at a step, from its snapshot."""
    network = load_network(dict(run.snapshots())[step], run.config)
    return system_of_network(network, run.config.world)


def networks(folders):
    """Each run at its end, and populations also before they are joined, in both squares."""
    table = Table("networks")
    for folder in folders:
        run = gridcode.Run(folder)
        stages = run.config.training.separate_steps, run.config.training.steps
        for step, side in itertools.product(filter(None, stages), SIDES_M):
            key = (*describe(run, step), f"{side:g}")
            if not table.has(key):
                small = side == SIDES_M[0]
                sampled = codes.of_system(system_at(run, step), side, walks=small)
                table.add(key, sampled, noises=MORE_NOISES if small else NOISES)


def training(folders, snapshots):
    """Snapshots of each run, evenly spread over those that were kept; the first is untrained."""
    table = Table("training")
    for folder in folders:
        run = gridcode.Run(folder)
        kept = run.snapshots()
        for i in np.unique(np.linspace(0, len(kept) - 1, snapshots).round().astype(int)):
            step = kept[i][0]
            key = (*describe(run, step), f"{SIDES_M[0]:g}")
            if not table.has(key):
                table.add(key, codes.of_system(system_at(run, step), SIDES_M[0]), relative=())


def planted(seeds):
    """Codes with known answers, in both squares."""
    table = Table("planted")
    for seed in seeds:
        for name, code in codes.planted(seed).items():
            for side in SIDES_M:
                key = (name, "", seed, "", f"{side:g}")
                if not table.has(key):
                    table.add(key, codes.of_code(code, side))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("networks", "training", "planted"))
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--seeds", type=parse_seeds, default="0-4", help="of planted codes")
    parser.add_argument("--snapshots", type=int, default=13, help="of each run of `training`")
    chosen = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    if chosen.what == "planted":
        planted(chosen.seeds)
    elif chosen.what == "training":
        training(chosen.runs, chosen.snapshots)
    else:
        networks(chosen.runs)


if __name__ == "__main__":
    main()
