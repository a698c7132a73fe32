"""What trained networks hold, under tests: types, modules, and whether modules are more than one lattice and its sub-lattices.

    gridcode train quick --seeds 0-15 && gridcode train dense --seeds 0-1 OMP_NUM_THREADS=1 python
    experiments/trained/trained.py experiments/trained/types_and_modules.csv runs/quick-seed*
    runs/dense-seed*

Evaluates each run (without the test of space, which has a table of its own) and writes a row for
each.
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
    head, modules = summary["headline"], summary["modules"]

    def listed(name, digits):
        return " ".join(f"{m[name]:.{digits}f}" for m in modules)

    return {
        "run": Path(folder).name, "units": head["units"], "arena_m": head["arena_m"],
        **{kind: head["types"][kind] for kind in TYPES},
        "n_modules": head["n_modules"], "n_independent": head["n_independent_modules"],
        "module_units": " ".join(str(m["n_units"]) for m in modules), "spacing_m": listed("spacing_m", 3),
        "orientation_deg": listed("orientation_deg", 1), "axis_ratio": listed("axis_ratio", 2),
        "phase_uniformity_p": listed("phase_uniformity_p", 3),
        "relations": "; ".join(f"{r['modules'][0]}-{r['modules'][1]} {r['verdict']} {r['index'] or ''}".strip() for r in summary["relations"]),
    }  # fmt: skip


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
