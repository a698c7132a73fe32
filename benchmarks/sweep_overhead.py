"""What a sweep costs beside its trainings: a task that does nothing, the journal, the table.

    OMP_NUM_THREADS=1 python benchmarks/sweep_overhead.py OUT.csv

Tasks: milliseconds by the clock for each, two at a time. Journal and table: CPU-seconds and
megabytes of so many finished trials.
"""

import csv
import random
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import gridcode
from gridcode.executors.processes import Processes
from gridcode.executors.ray_cluster import RayTasks
from gridcode.executors.slurm import SlurmTasks
from gridcode.executors.tasks import carry_out_all
from gridcode.sweep.journal import JOURNAL, TABLE, Journal
from gridcode.sweep.settings import Sweep
from gridcode.sweep.study import Study, Trial

FOUND = {
    **{"step": 4000, "silent_units": 0, "active": 64, "hexagonal": 56, "lattice": 58, "band": 1},
    **{"modules": 1, "independent": 1, "spacings_m": [1.0123], "path_steps": 250, "arena_m": 4.0},
}
DRAWN = ("loss", "separation", "invariance", "capacity", "isometry", "path_error_m")


def tasks(folder):
    kinds = {
        "processes": (1000, lambda: Processes(2)),
        "ray": (1000, lambda: RayTasks("local", jobs=2)),
        "submitit_local": (6, lambda: SlurmTasks({"cluster": "local"}, folder, jobs=2)),
    }
    for name, (count, make) in kinds.items():
        with closing(make()) as executor:
            warm = range(-min(count, 20), 0)  # all workers are started
            list(carry_out_all(executor, abs, warm))
            began = time.monotonic()
            done = list(carry_out_all(executor, abs, range(-count, 0)))
            took = time.monotonic() - began
            assert sum(one.result for one in done) == count * (count + 1) // 2
        yield f"task_{name}", count, "ms", 1e3 * took / count


def files(folder, count):
    config, chance = gridcode.load_config("quick"), random.Random(0)
    sweep = Sweep(seeds=count)
    study = Study(sweep, config)
    for k in range(count):
        found = FOUND | {name: chance.random() for name in DRAWN}
        study.trials.append(Trial(k, k, {}, "finished", found, {}, 40.1))
    journal = Journal(folder, sweep, config.training.steps)
    began = time.process_time()
    for trial in study.trials:
        journal.keep([trial])
    yield "journal_line", count, "ms", 1e3 * (time.process_time() - began) / count
    yield "journal_size", count, "MB", (folder / JOURNAL).stat().st_size / 1e6
    began = time.process_time()
    Journal(folder, sweep, config.training.steps)
    yield "journal_read", count, "s", time.process_time() - began
    began = time.process_time()
    journal.write_table(study.trials, now=True)
    yield "table_write", count, "s", time.process_time() - began
    yield "table_size", count, "MB", (folder / TABLE).stat().st_size / 1e6


with tempfile.TemporaryDirectory() as place, open(sys.argv[1], "w", newline="") as out:
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["part", "count", "unit", "value"])
    for part, count, unit, value in tasks(Path(place) / "jobs"):
        table.writerow([part, count, unit, f"{value:.3g}"])
    for count in (10_000, 100_000):
        folder = Path(place) / str(count)
        folder.mkdir()
        for part, _, unit, value in files(folder, count):
            table.writerow([part, count, unit, f"{value:.3g}"])
