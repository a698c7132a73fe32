"""What a user waits for: each command's wall and CPU seconds, beside another version and a floor.

    python benchmarks/waits.py benchmarks/results/waits.csv [--before FOLDER] [--only NAME ...]

FOLDER is a checkout of another version (`git worktree add FOLDER REVISION`); each command runs with
it and with this version in turn, both as a user would run it, on as many cores as there are. CPU
seconds are user and system time of the command and of all that it started.

A floor is what cannot be avoided: for a short command an interpreter that imports what it needs;
for a training the sum of the floors of its steps (`benchmarks/steps.py`); for an evaluation that
start, and the network's steps along all walks at the rate of this core's matrix product.
"""

import argparse
import csv
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps import Rates

ROOT = Path(__file__).parents[1]
START = "import torch, xarray, scipy.signal, h5netcdf"
PICTURES = f"{START}, matplotlib.pyplot"
POLL_S = 0.1


@dataclass(frozen=True)
class Wait:
    """One thing that a user waits for.

    Attributes:
        name: of its row.
        command: arguments of `gridcode`; RUN, MODULES and OUT are folders.
        floor: seconds below which it cannot go, from (run folder).
        marks: files that appear on the way, each with a row: patterns in OUT by name.
    """

    name: str
    command: tuple[str, ...]
    floor: Callable[[Path], float] | None = None
    marks: Mapping[str, str] = field(default_factory=dict)


def importing(what: str) -> Callable[[Path], float]:
    """CPU seconds of an interpreter that imports modules."""
    return lambda _: run([sys.executable, "-c", what], ROOT)[1]


def rates() -> "Rates":
    """Of one core."""
    import torch
    from steps import cpu_rates

    torch.set_num_threads(1)
    return cpu_rates()


def training_floor(preset: str) -> Callable[[Path], float]:
    """Seconds of all steps of a preset, at the rates of this core."""

    def floor(_: Path) -> float:
        from steps import floors

        from gridcode.config import load_config

        config = load_config(preset)
        return config.training.steps * sum(floors(config, rates()).values())

    return floor


def walking_floor(folder: Path) -> float:
    """Seconds of the start, and of the network's steps along all walks of an evaluation."""
    import gridcode

    run_ = gridcode.Run(folder)
    model, evaluation = run_.config.model, run_.config.evaluation
    sizes = model.populations or (model.units,)
    weights = sum(2 * n * n * (model.hidden_widths[-1] + 1) for n in sizes)
    bins = sum((arena / evaluation.bin_size_m) ** 2 for arena in evaluation.arenas_m)
    states = len(evaluation.walks) * bins * evaluation.samples_per_bin
    return importing(START)(folder) + states * weights / rates().gemm


WAITS = (
    Wait("help", ("--help",), importing("pass")),
    Wait(
        "demo",
        ("demo", "--out", "OUT", "--quiet"),
        marks={"demo, first picture": "*.png", "demo, report": "report.html"},
    ),
    Wait("demo --pretrained", ("demo", "--pretrained", "--out", "OUT", "--quiet"), None),
    Wait(
        "pretrained modules-192, picture",
        ("pretrained", "modules-192", "--out", "OUT", "--picture", "OUT.png"),
        importing(PICTURES),
    ),
    Wait("train quick", ("train", "quick", "--out", "OUT", "--quiet"), training_floor("quick")),
    Wait("train modules", ("train", "modules", "--out", "OUT", "--quiet")),
    Wait(
        "evaluate, 64 units, no theory",
        ("evaluate", "RUN", "--theory", "false", "--quiet"),
        walking_floor,
    ),
    Wait("evaluate, 64 units, all", ("evaluate", "RUN", "--quiet"), walking_floor),
    Wait(
        "evaluate, 192 units, no theory",
        ("evaluate", "MODULES", "--theory", "false", "--quiet"),
        walking_floor,
    ),
    Wait("evaluate, 192 units, all", ("evaluate", "MODULES", "--quiet"), walking_floor),
    Wait("report, 64 units", ("report", "RUN", "--quiet"), importing(PICTURES)),
    Wait("score, 29 mouse cells", ("score", "example"), importing(START)),
)


def run(
    command: list[str],
    package: Path,
    *,
    out: Path | None = None,
    marks: Mapping[str, str] | None = None,
) -> tuple[float, float, dict[str, float]]:
    """Wall and CPU seconds of a command, and wall seconds until files appear in its folder."""
    variables = os.environ | {"PYTHONPATH": str(package / "src")}
    began = time.perf_counter()
    seen: dict[str, float] = {}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=errors)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not ended:
            for name, pattern in (marks or {}).items():
                if name not in seen and out and any(out.rglob(pattern)):
                    seen[name] = time.perf_counter() - began
            time.sleep(POLL_S)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if process.returncode:
            errors.seek(0)
            why = errors.read().decode(errors="replace").strip()
            raise RuntimeError(why or f"exit code {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, seen


def measure(
    wait: Wait, package: Path, runs: dict[str, Path]
) -> tuple[float, float, dict[str, float]]:
    """What `run` says of one wait with one version."""
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / name.lower() for name in ("OUT", *runs)}
        for name, source in runs.items():
            if name in wait.command:
                shutil.copytree(source, places[name])
        words = [
            word.replace("OUT", str(places["OUT"]))
            if "OUT" in word
            else str(places.get(word, word))
            for word in wait.command
        ]
        command = [sys.executable, "-m", "gridcode", *words]
        return run(command, package, out=places["OUT"], marks=wait.marks)


def prepare(folder: Path, package: Path, chosen: list[Wait]) -> dict[str, Path]:
    """Trained networks that some waits need, made by one version."""
    made: dict[str, Path] = {}
    for name, network in (("RUN", "quick-64"), ("MODULES", "modules-192")):
        if any(name in wait.command for wait in chosen):
            made[name] = folder / name
            command = ["-m", "gridcode", "pretrained", network, "--out", str(made[name])]
            run([sys.executable, *command], package)
    return made


def machine() -> str:
    """The processor and the number of cores."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="table to write, .csv; rows of others stay")
    parser.add_argument("--before", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows whose names begin so")
    arguments = parser.parse_args()
    chosen = [
        wait for wait in WAITS if not arguments.only or wait.name.startswith(tuple(arguments.only))
    ]
    rows = {}
    if arguments.out.exists():
        with arguments.out.open(newline="", encoding="utf-8") as file:
            rows = {row["wait"]: row for row in csv.DictReader(file)}
    with tempfile.TemporaryDirectory() as folder:
        versions = {"now": ROOT}
        if arguments.before:
            versions = {"before": arguments.before} | versions
        runs = {
            version: prepare(Path(folder) / version, package, chosen)
            for version, package in versions.items()
        }
        for wait in chosen:
            found = {name: {"wait": name, "machine": machine()} for name in names_of(wait)}
            for version, package in versions.items():
                try:
                    wall, cpu, seen = measure(wait, package, runs[version])
                except RuntimeError as error:
                    print(f"{wait.name}, {version}: {error}", flush=True)
                    continue
                for name, seconds in seen.items():
                    found[name][f"{version}_wall_s"] = f"{seconds:.1f}"
                found[wait.name] |= {
                    f"{version}_wall_s": f"{wall:.1f}",
                    f"{version}_cpu_s": f"{cpu:.1f}",
                }
            if wait.floor:
                named = [runs["now"][word] for word in wait.command if word in runs["now"]]
                found[wait.name]["floor_s"] = f"{wait.floor(named[0] if named else ROOT):.1f}"
            for name, row in found.items():
                rows[name] = row | {"load": f"{os.getloadavg()[0]:.1f}"}
                print(rows[name], flush=True)
            every = [name for one in WAITS for name in names_of(one)]
            write(arguments.out, [rows[name] for name in every if name in rows])
    print(as_markdown(list(rows.values())))


def as_markdown(rows: list[dict[str, str]]) -> str:
    """The table of docs/performance.md; without CPU seconds the ratio is of wall seconds."""

    def pair(row: dict[str, str], version: str) -> str:
        wall, cpu = (row.get(f"{version}_{clock}_s") or "-" for clock in ("wall", "cpu"))
        return f"{wall} / {cpu}"

    def ratio(row: dict[str, str]) -> str:
        for clock in ("cpu", "wall"):
            before, now = (row.get(f"{version}_{clock}_s") for version in ("before", "now"))
            if before and now and float(now):
                return f"{float(before) / float(now):.1f}"
        return "-"

    lines = ["| what | floor | before: wall / CPU | now: wall / CPU | before / now |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for row in rows:
        cells = [row["wait"], row.get("floor_s") or "-", pair(row, "before"), pair(row, "now")]
        lines.append(f"| {' | '.join([*cells, ratio(row)])} |")
    return "\n".join(lines)


def names_of(wait: Wait) -> list[str]:
    """Names of the rows of a wait."""
    return [*wait.marks, wait.name]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Write the table, complete after every row."""
    names = ["wait", "floor_s"]
    names += [f"{v}_{k}" for v in ("before", "now") for k in ("wall_s", "cpu_s")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*names, "load", "machine"], restval="")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
