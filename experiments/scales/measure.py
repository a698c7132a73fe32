"""Types, modules, their relations and path integration of a trained network as one row of numbers.

    OMP_NUM_THREADS=1 python experiments/scales/measure.py TABLE.csv RUN [RUN ...]

Maps on the smooth walk in a square arena of `ARENA_M`, with `NULLS` null maps a unit. Path
integration: 64 walkers on the smooth walk in a square of the side that training covers; place read
from the state by the nearest state of a reference map, near where the walker was last (`tracked`)
or anywhere in the map (`anywhere`); medians in metres. A walker is lost where its tracked place is
more than `LOST_M` off: half of the smallest spacing that these networks have.
"""

import csv
import math
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import torch

import gridcode
from gridcode.analysis.cells.celltypes import LATTICE_TYPES, TYPES
from gridcode.analysis.evaluate import map_arena
from gridcode.analysis.navigation.decoding import integrate_paths, median, window_for
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.analysis.population import analyse_population
from gridcode.analysis.system import System
from gridcode.models.populations import members_of
from gridcode.world.walks import WALKS, training_extent_m

ARENA_M = 6.0
NULLS = 99
LOST_M = 0.3
HORIZONS = (60, 1000)


def measure(network, config, *, arena_m=ARENA_M, nulls=NULLS, paths=True, seed=0):
    """What the table has of one network."""
    began = time.process_time()
    step, start = network.as_system()
    fastest = config.world.max_velocity_m
    data = map_arena(
        System(step, start, fastest), walk="smooth", arena_m=arena_m, config=config.evaluation
    )
    if not nulls:
        return {**quick_look(data), "measure_cpu_s": round(time.process_time() - began, 1)}
    population = analyse_population(
        data, silent_below=config.evaluation.silent_below, nulls=nulls, workers=1
    )
    types, modules, relations = (
        population.data["type"].values,
        population.modules.modules,
        population.relations,
    )
    active = int((types != "silent").sum())
    on_lattice = np.isin(types, LATTICE_TYPES)
    owner = np.repeat(
        np.arange(len(members_of(network))), [m.transition.units for m in members_of(network)]
    )

    def listed(values, digits):
        return " ".join(f"{v:.{digits}f}" for v in values)

    spacings = [m.spacing_m for m in modules]
    row = {
        "active": active,
        **{kind: int((types == kind).sum()) for kind in TYPES},
        "lattice_share": round(int(on_lattice.sum()) / max(active, 1), 3),
        "n_modules": len(modules),
        "n_independent": relations.independent,
        "module_units": " ".join(str(len(m.units)) for m in modules),
        "spacing_m": listed(spacings, 3),
        "orientation_deg": listed([m.orientation_deg for m in modules], 1),
        "axis_ratio": listed([m.axis_ratio for m in modules], 2),
        "largest_over_smallest": round(max(spacings) / min(spacings), 3) if spacings else "",
        "verdicts": " ".join(
            f"{r.first}-{r.second}:{r.verdict.replace(' ', '_')}" for r in relations.pairs
        ),
        "population_lattice_share": listed(
            [on_lattice[owner == k].mean() for k in range(owner.max() + 1)], 2
        ),
        "population_type": ", ".join(
            max(TYPES, key=lambda kind: int((types[owner == k] == kind).sum()))
            for k in range(owner.max() + 1)
        ),
        "population_module": " ".join(
            _mode(population.data["module"].values[owner == k]) for k in range(owner.max() + 1)
        ),
    }
    if paths:
        row |= path_errors(step, start, config, seed=seed)
    return row | {"measure_cpu_s": round(time.process_time() - began, 1)}


def quick_look(data):
    """Medians over units of one population with an ellipse-corrected score above 0.5."""
    on = data["corrected"].values > 0.5
    hexagonal = float((data["grid_score"].values[on] > 0.5).mean()) if on.any() else 0.0
    square = float((data["square"].values[on] > 0.5).mean()) if on.any() else 0.0
    ratio, spacing = (
        round(float(np.median(data[name].values[on])), 3) if on.any() else ""
        for name in ("axis_ratio", "spacing_m")
    )
    kind = (
        "none"
        if on.mean() < 0.5
        else "hexagonal"
        if hexagonal > 0.5
        else "square"
        if square > 0.5
        else "sheared"
    )
    silent = int(data["silent"].values.sum())
    scores = {
        "on_lattice": round(float(on.mean()), 3),
        "hexagonal_share": round(hexagonal, 3),
        "square_share": round(square, 3),
    }
    return {"kind": kind, **scores, "axis_ratio": ratio, "spacing_m": spacing, "silent": silent}


def _mode(labels):
    labels = labels[labels >= 0]
    return str(np.bincount(labels).argmax()) if len(labels) else "-"


def path_errors(step, start, config, *, seed=0):
    """Errors of path integration, metres."""
    fastest = config.world.max_velocity_m
    generator = np.random.default_rng([seed, 31])
    extent = training_extent_m(fastest, config.world.longest_steps)
    system = System(step, start, fastest)
    reference = build_reference_map(system, arena_m=extent + 2.0, generator=generator)
    alike = nearest_alias_m(reference, generator=generator)
    window = window_for(alike, max_step_m=fastest, bin_size_m=reference.bin_size_m)
    walk = WALKS["smooth"](
        arena_m=extent, steps=max(HORIZONS), walkers=64, max_step_m=fastest, generator=generator
    )
    errors = integrate_paths(system, walk, reference, window_m=window, horizons=HORIZONS)
    found = {}
    for i, steps in enumerate(HORIZONS):
        found[f"tracked_{steps}_m"] = round(median(errors.tracked_m[i]), 4)
        found[f"anywhere_{steps}_m"] = round(median(errors.anywhere_m[i]), 4)
        lost = ~(errors.tracked_m[i] <= LOST_M)
        found[f"lost_{steps}"] = round(float(lost.mean()), 3)
    return found | {"look_alike_m": round(alike, 3)}


def _run(folder):
    torch.set_num_threads(1)
    run = gridcode.Run(folder)
    last = run.metrics()[-1]
    told = {
        "run": Path(folder).name,
        "seed": run.config.training.seed,
        "loss": round(last["loss"], 4),
    }
    row = told | measure(gridcode.load_network(run), run.config)
    return row | {
        "train_cpu_s": round(run.manifest["cpu_seconds"]),
        "config_hash": run.config.content_hash,
    }


def write_rows(path, rows):
    """A CSV file, written as rows come."""
    table = None
    with open(path, "w", newline="", encoding="utf-8") as file:
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, list(row))
                table.writeheader()
            table.writerow(row)
            file.flush()
            print(
                {
                    k: v
                    for k, v in row.items()
                    if v != "" and not (isinstance(v, float) and math.isnan(v))
                },
                flush=True,
            )


def main():
    out, *folders = sys.argv[1:]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        write_rows(out, pool.imap(_run, folders))


if __name__ == "__main__":
    main()
