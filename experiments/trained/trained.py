"""Types and modules of trained networks, and whether modules are sub-lattices of one lattice.

    gridcode train quick --seeds 0-15 && gridcode train dense --seeds 0-1
    OMP_NUM_THREADS=1 python experiments/trained/trained.py TABLE RUN...

Evaluates each run, without the test of space, and writes a row for each.
"""

import csv
import sys
from pathlib import Path

import gridcode
import gridcode.analysis.evaluate
from gridcode.analysis.cells.celltypes import TYPES
from gridcode.analysis.system import System


def row(folder):
    run = gridcode.Run(folder)
    config = run.config.override(
        {"evaluation.space": False, "evaluation.walks": ["smooth"]}
    ).evaluation
    step, start = gridcode.load_network(run).as_system()
    summary = gridcode.analysis.evaluate.evaluate_system(
        System(step, start, run.config.world.max_velocity_m), config=config
    ).summary
    head, modules = summary.headline, summary.modules
    relations = [
        f"{r.modules[0]}-{r.modules[1]} {r.verdict} {r.index or ''}".strip()
        for r in summary.relations
    ]
    return {
        "run": Path(folder).name,
        "units": head.units,
        "arena_m": head.arena_m,
        **{kind: summary.types[kind] for kind in TYPES},
        "n_modules": summary.n_modules,
        "n_independent": summary.n_independent_modules,
        "module_units": " ".join(str(m.n_units) for m in modules),
        "spacing_m": " ".join(f"{m.spacing_m:.3f}" for m in modules),
        "orientation_deg": " ".join(f"{m.orientation_deg:.1f}" for m in modules),
        "axis_ratio": " ".join(f"{m.axis_ratio:.2f}" for m in modules),
        "phase_uniformity_p": " ".join(f"{m.phase_uniformity_p:.3f}" for m in modules),
        "relations": "; ".join(relations),
    }


def main():
    out, *folders = sys.argv[1:]
    rows = []
    for folder in folders:
        rows.append(row(folder))
        print(rows[-1], flush=True)
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
