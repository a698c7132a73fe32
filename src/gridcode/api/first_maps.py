"""Rate maps of a network while it trains: `maps.png` as soon as the lattice stands, and at the end.

Another process maps the snapshots of the training, so that they cost the training nothing where a
second core is idle; the maps over training of the evaluation are then there already. The process
ends with the command, however that ends.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import xarray as xr

from gridcode.errors import GridcodeError
from gridcode.report.collection import to_png
from gridcode.report.style import STYLE
from gridcode.report.training_maps import before_and_now
from gridcode.runs.files import write_atomically
from gridcode.runs.history import THRESHOLD, join_maps, keep_maps, map_step, share_above
from gridcode.runs.run import Run
from gridcode.training.loop import Progress

CHILD = (
    "import sys; from gridcode.executors.worker import end_with_parent; end_with_parent(); "
    "from gridcode.api.first_maps import map_until_end; map_until_end(sys.argv[1])"
)
POLL_S = 0.2
# The lattice stands where this share of the active units scores above `THRESHOLD`; the first
# picture comes at this share of the training at the latest.
STANDS, LATEST = 0.5, 0.5


class FirstMaps:
    """Maps a run's snapshots beside its training; `with FirstMaps(folder, say) as maps`.

    Args:
        folder: the run folder, which need not be there yet.
        say: called with a line of text for each picture, from another thread.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "FirstMaps":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._process is None:
            return
        if kind is None:
            self._reader.join()  # the last snapshot takes a second or two
        else:
            self._process.kill()
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()  # which ends it
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def follow(self, progress: Progress) -> None:
        """To be called after each step: the folder is that of a new run from the first one on."""
        if self._process is None and progress.step:
            # Its work is for one core; a second thread would be taken from the training.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", CHILD, str(self._folder.absolute())],
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._reader.start()

    def _read(self) -> None:
        assert self._process and self._process.stdout
        for line in self._process.stdout:
            self._say(f"{self._folder / 'maps.png'}: {line.strip()}")


def map_until_end(folder: str | os.PathLike[str]) -> None:
    """Map each snapshot of a run that trains, draw `maps.png`, keep the maps over training.

    Prints a line when the lattice stands, and one at the end of the training, where it returns.

    Args:
        folder: the run folder.
    """
    run = Run(folder)
    steps = run.config.training.steps
    maps: dict[int, xr.Dataset] = {}
    shown = False
    while steps not in maps:
        new = [found for found in run.snapshots() if found[0] not in maps]
        if not new:
            time.sleep(POLL_S)
        for step, path in new:
            try:
                maps[step] = map_step(run, path)
            except GridcodeError:  # left for the evaluation to tell
                return
            stands = step > 0 and (_share(maps[step]) > STANDS or step >= LATEST * steps)
            if step == steps or (stands and not shown):
                shown = True
                print(_draw(run, maps[min(maps)], maps[step], step), flush=True)
    if [step for step, _ in run.snapshots()] == sorted(maps):
        keep_maps(run, join_maps(maps))


def _share(maps: xr.Dataset) -> float:
    return float(share_above(maps.expand_dims("step"))[0])


def _draw(run: Run, before: xr.Dataset, now: xr.Dataset, step: int) -> str:
    """Write `maps.png`; returns what it shows, in words."""
    steps, arena = run.config.training.steps, float(now.attrs["arena_m"])
    found = (
        f"rate maps after {step:,} of {steps:,} steps in a {arena:g} m arena: "
        f"{100 * _share(now):.0f}% of active units score above {THRESHOLD:g}"
    )
    with mpl.rc_context(STYLE):
        figure = before_and_now(before, now, title=found[0].upper() + found[1:])
    write_atomically(run.maps_picture_path, to_png(figure, source=f"step {step} of {steps}"))
    return found
