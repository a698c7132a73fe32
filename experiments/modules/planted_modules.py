"""Is the planted number of modules found, from maps?

    python experiments/modules/planted_modules.py experiments/modules/planted.csv --draws 200 python
    experiments/modules/planted_modules.py experiments/modules/planted_all_pass.csv --draws 200
    --candidates all python experiments/modules/planted_modules.py
    experiments/modules/noise_all_pass.csv --noise --draws 100 --candidates all

One row per draw, see README.md. Draw i plants 1 + i mod 5 modules (`planted.py`); with `--noise`
none: 100 maps of noise of one smoothness, or 60 of mixed junk. Candidates are the units with a
lattice of any shape that is significant against random-phase maps (p <= 0.01), or with
`--candidates all` every unit to which any lattice could be fitted: the least favourable mask there
is.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from planted import ARENAS_M, BINS_M, Planted, draw
from sklearn.metrics import adjusted_rand_score

from gridcode.analysis.cells.celltypes import any_lattice_p_value
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.significance import significance
from gridcode.analysis.modules.detection import Modules, find_modules
from gridcode.analysis.synthetic import noise_maps

LEVEL = 0.01
NULL_MAPS = 199
COLUMNS = (
    *(
        "draw",
        "planted",
        "found",
        "arena_m",
        "bin_size_m",
        "noise",
        "sheared",
        "spacings_m",
        "units",
        "junk",
        "candidates",
        "junk_candidates",
    ),
    *("in_modules", "junk_in_modules", "rand_index", "spacing_error", "largest_p_value", "seconds"),
)


def candidates(planted: Planted, vectors_m: np.ndarray, mode: str, seed: int) -> np.ndarray:
    fitted = np.isfinite(vectors_m).all(axis=(1, 2))
    if mode == "all":
        return fitted
    tested = significance(planted.rate_maps, seed=seed, nulls=NULL_MAPS, workers=1)
    p_values = any_lattice_p_value(tested.p_value, tested.lattice_p_value, tested.square_p_value)
    return fitted & (np.nan_to_num(p_values, nan=1.0) <= LEVEL)


def noise_draw(index: int, generator: np.random.Generator) -> Planted:
    """Even draws: 100 maps of one smoothness; odd draws: 60 silent, noise, place and band cells."""
    if index % 2:
        return draw(0, generator)
    arena, size = generator.choice(ARENAS_M), generator.choice(BINS_M)
    bins = round(arena / size)
    maps = noise_maps(
        100, bins, correlation_bins=generator.uniform(0.06, 0.3) / size, generator=generator
    )
    none = np.full(100, -1)
    return Planted(
        maps, none, np.array(["noise"] * 100), float(arena), float(size), 0.0, False, np.zeros(0)
    )


def row(index: int, planted: Planted, mode: str) -> dict[str, object]:
    started = time.perf_counter()
    scores = score_maps(planted.rate_maps, bin_size_m=planted.bin_size_m)
    candidate = candidates(planted, scores.vectors_m, mode, index)
    modules = find_modules(
        scores.vectors_m,
        candidate=candidate,
        arena_m=planted.arena_m,
        generator=np.random.default_rng(index),
    )
    grid = planted.module >= 0
    inside = modules.label >= 0
    return {
        "draw": index,
        "planted": len(planted.spacings_m),
        "found": len(modules),
        "arena_m": planted.arena_m,
        "bin_size_m": planted.bin_size_m,
        "noise": round(planted.noise, 3),
        "sheared": int(planted.sheared),
        "spacings_m": " ".join(f"{s:.3f}" for s in planted.spacings_m),
        "units": len(grid),
        "junk": int((~grid).sum()),
        "candidates": int(candidate.sum()),
        "junk_candidates": int((candidate & ~grid).sum()),
        "in_modules": int((inside & grid).sum()),
        "junk_in_modules": int((inside & ~grid).sum()),
        "rand_index": round(
            rand_index(planted.module[inside & grid], modules.label[inside & grid]), 3
        ),
        "spacing_error": spacing_error(planted, modules),
        "largest_p_value": max((m.p_value for m in modules.modules), default=""),
        "seconds": round(time.perf_counter() - started, 2),
    }


def rand_index(truth: np.ndarray, label: np.ndarray) -> float:
    return adjusted_rand_score(truth, label) if len(truth) > 1 else float("nan")


def spacing_error(planted: Planted, modules: Modules) -> object:
    """Largest relative error of a hexagonal module's spacing, where the number is right."""
    if planted.sheared or not 0 < len(modules) == len(planted.spacings_m):
        return ""
    found = np.array([m.spacing_m for m in modules.modules])
    return round(float(np.abs(found / planted.spacings_m - 1).max()), 4)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--candidates", choices=("significant", "all"), default="significant")
    parser.add_argument("--noise", action="store_true")
    asked = parser.parse_args()
    right = 0
    with asked.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for index in range(asked.draws):
            generator = np.random.default_rng([11, index])
            planted = (
                noise_draw(index, generator) if asked.noise else draw(1 + index % 5, generator)
            )
            one = row(index, planted, asked.candidates)
            table.writerow(one)
            file.flush()
            right += one["found"] == one["planted"]
    print(f"{right} of {asked.draws} draws right")


if __name__ == "__main__":
    main()
