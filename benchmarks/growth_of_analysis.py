"""How the analysis grows: scores, evaluations, reports and the explorer's list, on one core.

    OMP_NUM_THREADS=1 python benchmarks/growth_of_analysis.py OUT.csv [--quick] [--only PART ...]
        [--run RUN] [--chromium NAME]

Parts: `units` and `bins`, `gridcode.score` of synthetic cells (half lattice cells, half noise) with
99 null maps, of many units of 40 x 40 bins and of 8 units of many bins; `evaluation`, of an
untrained network of many units in one arena of 2 m, without theory; `report`, the page of a run of
many units; `explorer`, the list of many runs of 192 units, as the server answers first, when all
are read, and when nothing has changed. Reports and lists are of an evaluated run of the packaged
network `modules-192`, or of RUN, whose units are repeated or left out. With --chromium a browser
opens the list of most runs and clicks (benchmarks/viewer.py).

Each point is a separate process, so that its peak memory is known. Times are CPU-seconds, of
`explorer` seconds by the clock too. The exponent b of cost ~ size^b is fitted to all points, and
between the two largest; what ten times the largest would cost by the latter is said beside it.
"""

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from growth import exponents

SIZES = {
    "units": [10, 30, 100, 300, 1000, 2000],
    "bins": [20, 40, 80, 120, 200],
    "evaluation": [32, 64, 128, 256],
    "report": [64, 128, 256, 512],
    "explorer": [50, 150, 500],
}
QUICK = {
    "units": [10, 30, 100],
    "bins": [20, 40, 80],
    "evaluation": [32, 64],
    "report": [64, 512],
    "explorer": [20, 50],
}
WHAT = {
    "units": "score: units, of 40 x 40 bins",
    "bins": "score: bins a side, of 8 units",
    "evaluation": "evaluation: units, one arena, no theory",
    "report": "report: units",
    "explorer": "explorer: runs of 192 units",
}
NULLS = 99
CHEAP = {
    "evaluation.arenas_m": [2.0],
    "evaluation.walks": ["smooth"],
    "evaluation.adapt_arena": False,
    "evaluation.space": False,
    "evaluation.theory": False,
    "evaluation.nulls": NULLS,
}


def cells(units: int, bins: int):
    """Rate maps (unit, y, x) of an arena of 1.6 m: lattice cells and smooth noise in turn."""
    import numpy as np

    from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps

    generator = np.random.default_rng(units)
    centres = bin_centres(1.6, 1.6 / bins)
    maps = noise_maps(units, bins, correlation_bins=bins / 16, generator=generator)
    for unit in range(0, units, 2):
        x, y = generator.uniform(-0.3, 0.3, 2)
        lattice = lattice_cell(
            centres,
            spacing_m=(0.35, 0.5)[unit // 2 % 2] * generator.normal(1, 0.01),
            orientation_deg=(5.0, 20.0)[unit // 2 % 2] + generator.normal(0, 0.5),
            phase_m=(x, y),
        )
        noise = maps[unit] / maps[unit].max()
        maps[unit] = lattice + 0.3 * noise
    return maps


def score_cells(units: int, bins: int) -> dict[str, Any]:
    import gridcode
    from gridcode.recordings.recording import recording_from_maps

    maps = cells(units, bins)
    gridcode.score(recording_from_maps(maps[:2], bin_size_m=1.6 / bins), nulls=NULLS)  # imports
    began = time.process_time()
    found = gridcode.score(recording_from_maps(maps, bin_size_m=1.6 / bins), nulls=NULLS)
    seconds = time.process_time() - began
    return {"cost": seconds, "note": f"{found.summary.n_modules} modules"}


def evaluate_network(units: int) -> dict[str, Any]:
    from torch import Generator

    import gridcode
    from gridcode.analysis.evaluate import evaluate_system
    from gridcode.analysis.system import System
    from gridcode.models.populations import make_network
    from gridcode.world.walks import training_extent_m

    config = gridcode.load_config("quick").override({"model.units": units, **CHEAP})
    config = config.override({"evaluation.space": True})
    network = make_network(config.model, generator=Generator().manual_seed(0))
    fastest = config.world.max_velocity_m
    extent = training_extent_m(fastest, config.world.longest_steps)
    system = System(*network.as_system(), fastest, extent)
    began = time.process_time()
    evaluate_system(system, config=config.evaluation, sigma_x_m=config.loss.sigma_x_m)
    return {"cost": time.process_time() - began, "note": ""}


def evaluated_run(folder: Path) -> Path:
    """The packaged network of 192 units as a run, evaluated cheaply unless it comes evaluated."""
    import gridcode

    command = [sys.executable, "-m", "gridcode", "pretrained", "modules-192", "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    run = gridcode.Run(folder)
    if run.read_summary() is None:
        gridcode.evaluate(run, config=run.config.override(CHEAP).evaluation)
    return run.folder


def with_units(run_folder: Path, units: int):
    """A run's summary and arrays with so many units: its own, again and again."""
    import numpy as np

    import gridcode

    run = gridcode.Run(run_folder)
    summary, maps = run.read_evaluation()
    there = len(summary.units)
    chosen = np.arange(units) % there
    records = tuple(
        summary.units[k].model_copy(update={"unit": number}) for number, k in enumerate(chosen)
    )
    types = {kind: sum(r.type == kind for r in records) for kind in summary.types}
    summary = summary.model_copy(update={"units": records, "types": types})
    tree = maps.map_over_datasets(
        lambda data: data.isel(unit=chosen) if "unit" in data.dims else data
    )
    tree = tree.map_over_datasets(
        lambda data: data.assign_coords(unit=np.arange(units)) if "unit" in data.coords else data
    )
    return run, summary, tree


def write_page(run_folder: Path, units: int) -> dict[str, Any]:
    from gridcode.runs.run import Run
    from gridcode.viewer.page import PICTURES, run_page

    run, summary, tree = with_units(run_folder, units)
    drawn = {name: run.folder / "figures" / f"{name}.png" for name in PICTURES}
    figures = {name: path.read_bytes() for name, path in drawn.items() if path.is_file()}
    with tempfile.TemporaryDirectory() as folder:
        larger = Path(folder) / "run"
        shutil.copytree(run.folder, larger, ignore=shutil.ignore_patterns("report.html", "film*"))
        run = Run(larger)
        theory = run.read_theory()
        run.write_evaluation(summary, tree, theory)
        began = time.process_time()
        size = len(run_page(run, summary, figures).encode())
        seconds = time.process_time() - began
    return {"cost": seconds, "page_mb": size / 1e6, "note": f"{len(tree.children)} arenas"}


def list_runs(run_folder: Path, runs: int) -> dict[str, Any]:
    """First answer, seconds until all runs are read, and a later answer when nothing changed."""
    from gridcode.viewer.library import Entry, Library
    from gridcode.viewer.run_status import run_rows

    with tempfile.TemporaryDirectory(dir=run_folder.parent) as folder:
        for number in range(runs):
            copy = Path(folder) / f"run-{number:03d}"
            shutil.copytree(run_folder, copy, copy_function=os.link)
        warm = Library([Path(folder) / "run-000"])
        run_rows(warm.entries(), set())  # imports
        library, read = Library([folder]), set[Entry]()
        answers: list[float] = []
        began = time.process_time()
        while len(read) < runs:
            clock = time.perf_counter()
            run_rows(library.entries(), read)
            answers.append(time.perf_counter() - clock)
        seconds = time.process_time() - began
        clock, cpu = time.perf_counter(), time.process_time()
        run_rows(library.entries(), read)
        return {
            "cost": time.process_time() - cpu,
            "first_answer_s": answers[0],
            "longest_answer_s": max(answers),
            "later_answer_s": time.perf_counter() - clock,
            "all_read_cpu_s": seconds,
            "note": f"{len(answers)} answers until all are read",
        }


def point(part: str, size: int, run_folder: str | None) -> dict[str, Any]:
    if part == "units":
        found = score_cells(size, 40)
    elif part == "bins":
        found = score_cells(8, size)
    elif part == "evaluation":
        found = evaluate_network(size)
    else:
        assert run_folder
        found = (write_page if part == "report" else list_runs)(Path(run_folder), size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"memory_mb": peak / (2**20 if sys.platform == "darwin" else 2**10)}


def in_a_process(part: str, size: int, run_folder: Path | None) -> dict[str, Any]:
    command = [sys.executable, __file__, "--point", part, str(size)]
    command += ["--run", str(run_folder)] if run_folder else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)


def measure(
    parts: dict[str, list[int]], run_folder: Path | None, out: Path
) -> list[dict[str, Any]]:
    """Rows of all points; the table is written after each."""
    rows: list[dict[str, Any]] = []
    for part, sizes in parts.items():
        for size in sizes:
            needs_run = part in ("report", "explorer")
            found = in_a_process(part, size, run_folder if needs_run else None)
            row = {"part": part, "size": size}
            row |= {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
            write_table(out, rows)
        own = [row | {"ms": max(row["cost"], 1e-3)} for row in rows if row["part"] == part]
        fit, last = exponents(own)
        ten = own[-1]["cost"] * 10**last
        print(
            f"{WHAT[part]}: exponent {fit:.2f}, between the two largest {last:.2f}; "
            f"at {10 * own[-1]['size']:,} some {ten:,.1f} CPU-s",
            flush=True,
        )
        rows[-1] |= {"exponent": round(fit, 2), "exponent_at_the_end": round(last, 2)}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, help="the table, .csv")
    parser.add_argument("--quick", action="store_true", help="small sizes only: two minutes")
    parser.add_argument("--only", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--run", type=Path, help="an evaluated run for pages and lists")
    parser.add_argument("--chromium", help="name or path of a browser for the list of most runs")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        print(json.dumps(point(options.point[0], int(options.point[1]), options.run)))
        return
    if not options.out:
        parser.error("name a table to write, .csv")
    sizes = QUICK if options.quick else SIZES
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        run_folder = options.run
        if run_folder is None and {"report", "explorer"} & {*options.only}:
            run_folder = evaluated_run(Path(folder) / "run")
        parts = {part: sizes[part] for part in options.only}
        rows = measure(parts, run_folder, options.out)
        if options.chromium and run_folder:
            import viewer

            runs = sizes["explorer"][-1]
            found = viewer.measure_runs(run_folder, runs, options.chromium)
            print(json.dumps(found, indent=1))
            rows += [
                {"part": name, "size": runs, "cost": value["median"] / 1000}
                for name, value in found.items()
                if isinstance(value, dict)
            ]
    write_table(options.out, rows)


if __name__ == "__main__":
    main()
