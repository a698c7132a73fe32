"""How time and memory of a training step grow with each size, on one core.

    OMP_NUM_THREADS=1 python benchmarks/growth.py [--csv benchmarks/results/growth.csv] [--plot
    docs/images/growth.png]

From the shape of the preset `dense` (N=128, T=60, B=120, 1,000 sampled states) one size is changed
at a time; each point is a separate process, whose peak memory is thus its own. The exponent b of
cost ~ size^b is fitted to all points, and between the two largest, where fixed costs weigh least.
Several networks (E) train side by side as `gridcode train --seeds` does, with the preset `quick`
shortened to 300 steps; there the time is the wall time of the whole command.
"""

import argparse
import csv
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import gridcode
from gridcode.training.memory import keep_freed_memory
from gridcode.training.step import Trainer

BASE = {"N": 128, "T": 60, "B": 120, "S": 1000}
# Networks first: the peak memory of ended processes is known only as the largest so far.
SIZES = {
    "E": [1, 2, 4, 8],
    "N": [32, 64, 128, 256, 512],
    "T": [15, 30, 60, 120, 240],
    "B": [60, 120, 240, 480, 960],
    "S": [500, 1000, 2000, 4000, 7320],
}
KEYS = {
    "N": "model.units",
    "T": "world.steps",
    "B": "world.trajectories",
    "S": "loss.sampled_states",
}
WHAT = {
    "N": "units N",
    "T": "steps T (B = 120; 240 at the end)",
    "B": "trajectories B",
    "S": "states compared",
    "E": "networks E (all of quick,\n300 steps, wall time)",
}


def point(name: str, size: int) -> dict[str, float]:
    """Median CPU-ms of a step and peak memory, in this process."""
    torch.set_num_threads(1)
    keep_freed_memory()
    shape = BASE | {name: size}
    # Latin orders need B to be a multiple of T; independently shuffled ones would add padding to
    # the comparison.
    if shape["B"] % shape["T"]:
        shape["B"] = shape["T"] * max(1, round(shape["B"] / shape["T"]))
    trainer = Trainer(
        gridcode.load_config("dense").override({KEYS[key]: value for key, value in shape.items()})
    )
    trainer.step = 10**6
    taken: list[float] = []
    began = time.perf_counter()
    for _ in range(2):
        trainer.advance()
    while len(taken) < 3 or (time.perf_counter() - began < 5 and len(taken) < 100):
        start = time.process_time()
        trainer.advance()
        taken.append(1000 * (time.process_time() - start))
    return {
        "ms": statistics.median(taken),
        "ms_min": min(taken),
        "ms_max": max(taken),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def networks(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "gridcode",
            "train",
            "quick",
            "--seeds",
            f"0-{count - 1}",
            "--steps",
            "300",
            "--out",
            folder,
            "--quiet",
        ]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = 1000 * (time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"ms": wall, "ms_min": wall, "ms_max": wall, "memory_mb": peak * min(count, 2)}


def exponents(rows: list[dict[str, float]]) -> tuple[float, float]:
    """Least squares on all points in logarithms, and between the last two."""
    x, y = [math.log(r["size"]) for r in rows], [math.log(r["ms"]) for r in rows]
    mean_x, mean_y = statistics.mean(x), statistics.mean(y)
    fit = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum(
        (a - mean_x) ** 2 for a in x
    )
    return fit, (y[-1] - y[-2]) / (x[-1] - x[-2])


def plot(rows: list[dict[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    names = [*list(SIZES)[1:], "E"]
    figure, axes = plt.subplots(
        2, len(names), figsize=(14, 5.2), sharex="col", layout="constrained"
    )
    for column, name in enumerate(names):
        own = [r for r in rows if r["varied"] == name]
        sizes = [r["size"] for r in own]
        top, below = axes[:, column]
        seconds = name == "E"
        top.loglog(sizes, [r["ms"] / (1000 if seconds else 1) for r in own], "o-", color="#1f4e79")
        top.set_ylabel("time of all (s)" if seconds else "time of a step (CPU-ms)")
        below.semilogx(sizes, [r["memory_mb"] for r in own], "o-", color="#1f4e79")
        below.set_ylim(0, 1.1 * max(r["memory_mb"] for r in own))
        below.set_ylabel("peak memory (MB)")
        below.set_xticks(sizes, [f"{size:g}" for size in sizes])
        below.minorticks_off()
        top.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        top.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        top.yaxis.set_minor_formatter(NullFormatter())
        for axis in (top, below):
            axis.grid(alpha=0.3)
        fit, last = exponents(own)
        top.set_title(f"{WHAT[name]}\nexponent {fit:.2f}, at the end {last:.2f}", fontsize=9)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument(
        "--replot", action="store_true", help="draw --plot from the table in --csv, measure nothing"
    )
    parser.add_argument(
        "--point", nargs=2, metavar=("NAME", "SIZE"), help="measure one point in this process"
    )
    options = parser.parse_args()
    if options.point:
        print(json.dumps(point(options.point[0], int(options.point[1]))))
        return
    if options.replot:
        with options.csv.open(newline="") as file:
            plot(
                [
                    {key: value if key == "varied" else float(value) for key, value in row.items()}
                    for row in csv.DictReader(file)
                ],
                options.plot,
            )
        return
    rows = []
    for name, sizes in SIZES.items():
        for size in sizes:
            if name == "E":
                measured = networks(size)
            else:
                done = subprocess.run(
                    [sys.executable, __file__, "--point", name, str(size)],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                measured = json.loads(done.stdout)
            rows.append(
                {"varied": name, "size": size} | {k: round(v, 2) for k, v in measured.items()}
            )
            print(rows[-1], file=sys.stderr, flush=True)
        fit, last = exponents([r for r in rows if r["varied"] == name])
        print(
            f"{WHAT[name]}: time grows with exponent {fit:.2f}, between the two largest {last:.2f}",
            flush=True,
        )
    if options.csv:
        with options.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
