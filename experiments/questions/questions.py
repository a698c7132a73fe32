"""What sets the period, the number of modules and the shape of the lattice: sweeps of settings.

    OMP_NUM_THREADS=1 python experiments/questions/questions.py [QUESTION ...] [--runs
    runs/questions] [--jobs 2] [--seeds 0-4]

Each question is a preset, a budget, and a list of changes. Networks are trained and measured as in
`gridcode ablate` (smooth walk, 4 m arena, 200 null maps), resumed where they were left, and written
to QUESTION.csv and QUESTION.png beside this file.
"""

import argparse
import csv
import dataclasses
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

import gridcode
from gridcode.paper.ablation.score import score_run
from gridcode.paper.ablation.training import plan_runs, train_ablation
from gridcode.paper.ablation.variants import Variant
from gridcode.report.style import STYLE

HERE = Path(__file__).parent
COLUMNS = (
    *(
        "question",
        "value",
        "seed",
        "status",
        "active_units",
        "hexagonal_share",
        "sheared_share",
        "square_share",
        "band_share",
        "lattice_share",
    ),
    *(
        "n_modules",
        "n_independent",
        "spacings_m",
        "spacing_median_m",
        "axis_ratio_median",
        "field_size_m",
        "loss",
        "loss_separation",
        "loss_invariance",
    ),
    *("path_error_m", "cpu_seconds", "config_hash"),
)


@dataclass(frozen=True)
class Question:
    """A sweep: values on the horizontal axis and what each changes in the preset."""

    text: str
    axis: str
    preset: str
    steps: int
    changes: dict[float, dict[str, object]]
    shown: tuple[tuple[str, str], ...]


def step(v, **more):
    # The MLP sees velocities relative to the largest, as at 0.15 m; isometry stays on steps below
    # 0.05 m where there are any.
    return {"world.max_velocity_m": v, "model.velocity_scale_m": v, **more}


# The preset `quick` has other paths and an earlier isometry since.
QUICK_OF_THEN = {
    "world.steps": 40,
    "world.trajectories": 80,
    "loss.isometry": 0.1,
    "loss.isometry_ramp": [800, 1800],
}


def walk(steps, squares=2):
    return {"world.steps": steps, "world.trajectories": squares * steps}


PERIOD = (("spacing_median_m", "spacing of modules (m)"), ("lattice_share", "units on lattices"))
QUESTIONS = {
    "step": Question(
        "Does the period follow the step, at the same number of steps (the area grows with it)?",
        "half-side of the velocities (m/step)",
        "quick",
        800,
        {v: step(v) for v in (0.05, 0.1, 0.15, 0.2, 0.3)},
        PERIOD,
    ),
    "step_same_area": Question(
        "Does the period follow the step, over the same area (steps T in proportion to 1 / v^2)?",
        "half-side of the velocities (m/step)",
        "quick",
        800,
        {
            0.1: step(0.1, **walk(90, 1)),
            0.15: step(0.15),
            0.2: step(0.2, **walk(22, 4)),
            0.3: step(0.3, **walk(10, 8)),
        },
        PERIOD,
    ),
    "area": Question(
        "Does the period follow the area, at the same step (it grows with T)?",
        "steps of a path, T",
        "quick",
        800,
        {20: walk(20, 4), 40: walk(40), 60: walk(60), 80: walk(80, 1)},
        PERIOD,
    ),
    "sigma_x": Question(
        "Does the period follow sigma_x?",
        "sigma_x (m)",
        "quick",
        800,
        {s: {"loss.sigma_x_m": s} for s in (0.025, 0.05, 0.1, 0.15)},
        PERIOD,
    ),
    "units": Question(
        "Does the period follow the number of units?",
        "units, N",
        "quick",
        800,
        {n: {"model.units": n} for n in (32, 48, 64, 96)},
        PERIOD,
    ),
    "isometry": Question(
        "Does the isometry's weight decide the shape of the lattice?",
        "isometry weight",
        "quick",
        800,
        {
            w: {"loss.isometry": w, "loss.isometry_ramp": [200, 600]}
            for w in (0.0, 0.03, 0.1, 0.3, 1.0)
        },
        (
            ("axis_ratio_median", "axis ratio"),
            ("hexagonal_share", "hexagonal"),
            ("square_share", "square"),
        ),
    ),
}


def _score(job):
    torch.set_num_threads(1)
    trained, folder = job
    return score_run(trained, folder, arena_m=4.0, nulls=200).row


def answer(name, *, seeds, runs, jobs):
    """Train and measure one question's networks; write its table and figure."""
    question = QUESTIONS[name]
    config = gridcode.load_config(question.preset).override(
        {**QUICK_OF_THEN, "training.steps": question.steps}
    )
    variants = [
        Variant(f"{name} {value:g}", changes, question.text)
        for value, changes in question.changes.items()
    ]
    folder = runs / name
    trained = train_ablation(plan_runs(config, variants=variants, seeds=seeds), folder, jobs=jobs)
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        rows = pool.map(_score, [(t, folder) for t in trained], chunksize=1)
    values = [value for value in question.changes for _ in seeds]
    rows = [
        dataclasses.asdict(row)
        | {
            "question": name,
            "value": value,
            "spacings_m": list(row.spacings_m),
            "spacing_median_m": float(np.median(row.spacings_m)) if row.spacings_m else None,
        }
        for row, value in zip(rows, values, strict=True)
    ]
    with (HERE / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", restval="")
        table.writeheader()
        table.writerows(
            {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    draw(name, rows)
    print(
        name,
        *(f"{r['value']:g}: {r['n_modules']}/{r['n_independent']} {r['spacings_m']}" for r in rows),
        sep="\n  ",
        flush=True,
    )


def draw(name, rows):
    """A panel for each quantity: a dot per network, a line through the medians."""
    question = QUESTIONS[name]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(question.shown), figsize=(3 * len(question.shown), 2.6), constrained_layout=True
        )
        values = list(question.changes)
        for axis, (column, label) in zip(axes, question.shown, strict=True):
            found = [
                [
                    float(r[column])
                    for r in rows
                    if r["value"] == v and r.get(column) not in (None, "")
                ]
                for v in values
            ]
            for place, own in enumerate(found):
                spread = (np.arange(len(own)) - (len(own) - 1) / 2) * 0.08
                axis.plot(place + spread, own, "o", ms=4, color="C0", alpha=0.7)
            known = [place for place, own in enumerate(found) if own]
            axis.plot(known, [np.median(found[place]) for place in known], "-", color="C1", lw=1)
            axis.set_xticks(range(len(values)), [f"{v:g}" for v in values])
            axis.set_xlabel(question.axis)
            axis.set_ylabel(label)
            axis.set_ylim(bottom=0)
        figure.savefig(HERE / f"{name}.png", dpi=110)
        plt.close(figure)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)} [all]"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/questions"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", default="0-4")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    for name in options.questions or QUESTIONS:
        answer(name, seeds=seeds, runs=options.runs, jobs=options.jobs)


if __name__ == "__main__":
    main()
