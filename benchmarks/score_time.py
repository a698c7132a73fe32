"""Time of scoring cells with their null maps, beside the scores of opexebo and spatial-maps.

    OMP_NUM_THREADS=1 python benchmarks/score_time.py benchmarks/results/score_time.csv \
        [--peers PYTHON] [--other-version FOLDER]

CPU seconds a unit on one core, imports apart, 500 null maps a unit. Half of the units are grid
cells of 2 to 5 periods, the others place cells, border cells and noise, all as Poisson spikes along
a walk of 20 minutes. The other tools score gridcode's random-phase maps; given is the time of 501
maps, what a p-value of their score would take. PYTHON is an interpreter that has them, where this
one does not (opexebo 0.7.2 needs NumPy below 2.4). FOLDER holds the package of another version of
gridcode, for the ratio.

`gb_of_1000_units` is the peak memory of 60 units, and what 940 more would add if memory grows on
as from 30 units to 60.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments" / "roc"))
NULLS, PEER_MAPS = 500, 10
# Bins a side and units of each population.
SIZES = ((40, 32), (100, 30), (100, 60))


def cells(bins, units):
    """Rate maps (unit, y, x)."""
    from planted import FAMILIES, GRID, MARGIN, lattice, session

    from gridcode.analysis.cells.binning import rebin

    generator = np.random.default_rng(bins)
    inside = slice(MARGIN, MARGIN + GRID)
    grid = [
        lattice(generator, periods=generator.uniform(2, 5))[inside, inside]
        for _ in range(units // 2)
    ]
    makers = list(FAMILIES.values())
    rest = [makers[k % len(makers)](1, generator)[0] for k in range(units - len(grid))]
    return rebin(session(np.array(grid + rest), np.full(units, 500), generator, bins=bins))


def score_file(path):
    """CPU seconds and peak memory of this process for the maps of a file, as JSON."""
    import gridcode
    from gridcode.recordings.recording import recording_from_maps

    maps = np.load(path)
    recording = recording_from_maps(maps, bin_size_m=1 / maps.shape[1])
    gridcode.score(recording_from_maps(maps[:2], bin_size_m=1 / maps.shape[1]), nulls=99)
    start = time.process_time()
    gridcode.score(recording, nulls=NULLS, seed=0)
    seconds = time.process_time() - start
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))


def time_peers(path):
    """CPU seconds a map of each of the other tools that are installed, as JSON."""
    maps = np.load(path)
    print(json.dumps({name: seconds_a_map(score, maps) for name, score in peers().items()}))


def in_a_process(how, path, *, python=sys.executable, folder=None):
    """The JSON of another process, on one core: threads are as many as cores."""
    variables = dict(os.environ) | ({"PYTHONPATH": str(folder)} if folder else {})
    core = min(os.sched_getaffinity(0))
    ran = subprocess.run(
        [python, __file__, how, path],
        env=variables,
        check=True,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return json.loads(ran.stdout.splitlines()[-1])


def peers():
    """Scores of other tools that are installed, each of one map (y, x)."""
    found: dict[str, Callable] = {}
    try:
        import opexebo

        found["opexebo"] = lambda m: opexebo.analysis.grid_score(
            opexebo.analysis.autocorrelation(m), bin_width=1.0
        )
    except ImportError:
        pass
    try:
        from spatial_maps.gridcells import gridness

        found["spatial-maps"] = gridness
    except ImportError:
        pass
    return found


def seconds_a_map(score, maps):
    score(maps[0])
    start = time.process_time()
    for one in maps:
        score(one)
    return (time.process_time() - start) / len(maps)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?")
    parser.add_argument("--other-version", type=Path)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    for hidden in ("--score", "--time-peers"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.score:
        score_file(arguments.score)
        return
    if arguments.time_peers:
        time_peers(arguments.time_peers)
        return
    if not arguments.out:
        parser.error("name a table to write, .csv")
    from gridcode.analysis.cells.nulls import random_phase_maps

    rows, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        for bins, units in SIZES:
            maps, path = cells(bins, units), f"{folder}/{bins}_{units}.npy"
            np.save(path, maps)
            cpu_s, gb = in_a_process("--score", path)
            memory.append(gb)
            row = {"tool": "gridcode", "bins": bins, "units": units}
            rows.append(row | {"cpu_s_a_unit": cpu_s / units, "peak_gb": gb})
            print(rows[-1], flush=True)
            if (bins, units) == SIZES[-1]:
                continue
            if arguments.other_version:
                cpu_s, gb = in_a_process("--score", path, folder=arguments.other_version)
                row = row | {"tool": "gridcode, other version", "peak_gb": gb}
                rows.append(row | {"cpu_s_a_unit": cpu_s / units})
                print(rows[-1], flush=True)
            nulls = random_phase_maps(maps[0], PEER_MAPS, generator=np.random.default_rng(0))
            np.save(f"{folder}/nulls.npy", np.nan_to_num(nulls))
            found = in_a_process("--time-peers", f"{folder}/nulls.npy", python=arguments.peers)
            for name, cpu_s in found.items():
                row = {"tool": name, "bins": bins, "units": 1}
                rows.append(row | {"cpu_s_a_unit": cpu_s * (NULLS + 1)})
                print(rows[-1], flush=True)
    few, many = (units for _, units in SIZES[1:])
    growth = (memory[2] - memory[1]) / (many - few)
    at_40 = next(r["cpu_s_a_unit"] for r in rows)
    for row in rows:
        row["cpu_s_a_unit"] = round(row["cpu_s_a_unit"], 3)
        row["times_gridcode"] = round(row["cpu_s_a_unit"] / at_40, 1) if row["bins"] == 40 else ""
        row["peak_gb"] = round(row["peak_gb"], 2) if "peak_gb" in row else ""
        last = row["units"] == many
        row["gb_of_1000_units"] = round(memory[2] + growth * (1000 - many), 2) if last else ""
    with open(arguments.out, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
