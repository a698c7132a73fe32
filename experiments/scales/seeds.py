"""Types, modules and path integration of trained networks: a row for each run folder.

    gridcode train laptop --seeds 0-9
    OMP_NUM_THREADS=1 python experiments/laptop/seeds.py experiments/laptop/seeds.csv runs/laptop-seed*

Maps on the smooth walk in a 4 m arena with 500 null maps. Path integration: 64 walkers on the smooth walk in a square of the side that
training covers, place
read from the state by the nearest state of a reference map, near where the walker was tracked to (`tracked`) or anywhere in the map
(`anywhere`); medians, metres.
"""

import csv
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import torch

import gridcode
from gridcode.analysis.celltypes import TYPES
from gridcode.analysis.decoding import integrate_paths, median, window_for
from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.reference import grow_reference, look_alike_m
from gridcode.world.trajectories import WALKS, training_extent_m

LATTICES = ("hexagonal", "sheared hexagonal", "square")
HORIZONS = (60, 1000)


def row(folder):
    """Everything about one run."""
    torch.set_num_threads(1)
    run = gridcode.Run(folder)
    step, start = gridcode.load_network(run).as_system()
    fastest = run.config.world.max_velocity_m
    config = run.config.override(
        {"arenas_m": [4.0], "adapt_arena": False, "walks": ["smooth"], "space": False, "evaluation.theory": False}
    ).evaluation
    summary = evaluate_system(step, start, max_step_m=fastest, config=config).summary
    head, modules = summary["headline"], summary["modules"]
    generator = np.random.default_rng([config.seed, 31])
    extent = training_extent_m(fastest, run.config.world.steps)
    reference = grow_reference(step, start, arena_m=extent + 2.0, max_step_m=fastest, generator=generator)
    alike = look_alike_m(reference, generator=generator)
    window = window_for(alike, max_step_m=fastest, bin_size_m=reference.bin_size_m)
    walk = WALKS["smooth"](arena_m=extent, steps=max(HORIZONS), walkers=64, max_step_m=fastest, generator=generator)
    errors = integrate_paths(step, start, walk, reference, window_m=window, horizons=HORIZONS)
    paths = {f"tracked_{steps}_m": f"{median(errors.tracked_m[i]):.4f}" for i, steps in enumerate(HORIZONS)}
    paths |= {f"anywhere_{steps}_m": f"{median(errors.anywhere_m[i]):.4f}" for i, steps in enumerate(HORIZONS)}
    lattices = sum(head["types"][kind] for kind in LATTICES)

    def listed(name, digits):
        return " ".join(f"{m[name]:.{digits}f}" for m in modules)

    return {
        "run": Path(folder).name,
        "active": head["active_units"],
        **{kind: head["types"][kind] for kind in TYPES},
        "lattice_share": f"{lattices / max(head['active_units'], 1):.3f}",
        "n_modules": head["n_modules"],
        "n_independent": head["n_independent_modules"],
        "module_units": " ".join(str(m["n_units"]) for m in modules),
        "spacing_m": listed("spacing_m", 3),
        "orientation_deg": listed("orientation_deg", 1),
        "axis_ratio": listed("axis_ratio", 2),
        **paths,
        "look_alike_m": f"{alike:.3f}",
        "cpu_seconds": round(run.manifest["cpu_seconds"]),
        "config_hash": run.config.content_hash,
    }


def main():
    out, *folders = sys.argv[1:]
    with multiprocessing.get_context("spawn").Pool(2) as pool, open(out, "w", newline="") as file:
        table = None
        for found in pool.imap(row, folders):
            if table is None:
                table = csv.DictWriter(file, list(found))
                table.writeheader()
            table.writerow(found)
            file.flush()
            print(found, flush=True)


if __name__ == "__main__":
    main()
