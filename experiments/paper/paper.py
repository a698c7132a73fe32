"""The published settings beside the recipe over a few thousand steps, and their ambiguities.

    OMP_NUM_THREADS=1 python experiments/paper/paper.py [--runs runs/paper] [--jobs 2]

`as printed` compares all pairs of two batches a step, as published. The others draw 800 states of
one batch a step, an unbiased estimate of the same means, so that they come ten times as far in the
same time. Losses are comparable between rows with the same weights only; `score` weighs the terms
of every row in one way: separation + 0.3 invariance + 0.5 capacity (ideal code: -0.218).
"""

import argparse
import csv
from pathlib import Path

import numpy as np

import gridcode

HERE = Path(__file__).parent
SAMPLED = {"loss.pairs": "sampled", "training.accumulation": 1}
ROWS = {
    "as printed": ("paper", 100, {}),
    "sampled pairs, one batch": ("paper", 1000, SAMPLED),
    "sums instead of means": ("paper", 1000, {**SAMPLED, "loss.reduction": "sum"}),
    "isometry 0": ("paper", 1000, {**SAMPLED, "loss.isometry": 0.0}),
    "isometry 1": ("paper", 1000, {**SAMPLED, "loss.isometry": 1.0}),
    "start near the identity": ("paper", 1000, {**SAMPLED, "model.initialisation": "identity"}),
    "start near the identity, isometry 0": (
        "paper",
        1000,
        {**SAMPLED, "model.initialisation": "identity", "loss.isometry": 0.0},
    ),
    "start near the identity, isometry 0, rate 1e-3": (
        "paper",
        1000,
        {
            **SAMPLED,
            "model.initialisation": "identity",
            "loss.isometry": 0.0,
            "training.learning_rate": 1e-3,
        },
    ),
    "dense (recipe, one module)": ("dense", 1000, {}),
}
TERMS = ("separation", "invariance", "capacity", "isometry")
AT = (100, 200, 500, 1000)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/paper"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    configs = {}
    for name, (preset, steps, changes) in ROWS.items():
        folder = name.replace(" ", "-").replace(",", "").replace("(", "").replace(")", "")
        configs[folder] = gridcode.load_config(preset).override(
            {**changes, "training.steps": steps, "training.log_every": 50}
        )
    runs = gridcode.train_many(configs, out=options.runs, jobs=options.jobs)
    with (HERE / "paper.csv").open("w", newline="") as file:
        scores = [f"score_{step}" for step in AT]
        table = csv.DictWriter(
            file,
            ["settings", "steps", "cpu_ms_a_step", *scores, *TERMS, "silent_units", "config_hash"],
        )
        table.writeheader()
        for (name, (_, steps, _)), run in zip(ROWS.items(), runs, strict=True):
            lines = run.metrics()

            def score(line):
                return line["separation"] + 0.3 * line["invariance"] + 0.5 * line["capacity"]

            row = {
                "settings": name,
                "steps": steps,
                "cpu_ms_a_step": f"{1000 * run.manifest['cpu_seconds'] / steps:.1f}",
            }
            for step, column in zip(AT, scores, strict=True):
                near = [score(line) for line in lines if step - 100 < line["step"] <= step]
                row[column] = f"{np.mean(near):.4f}" if near and step <= steps else ""
            row |= {term: f"{np.mean([line[term] for line in lines[-4:]]):.4g}" for term in TERMS}
            row |= {
                "silent_units": lines[-1]["silent_units"],
                "config_hash": run.config.content_hash,
            }
            table.writerow(row)
            print(row, flush=True)


if __name__ == "__main__":
    main()
