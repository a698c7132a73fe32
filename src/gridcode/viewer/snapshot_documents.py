"""Maps at one step of a training, when somebody asks for them: from the snapshot of that step, in a second or so, kept in memory."""

import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from gridcode.errors import InputError
from gridcode.runs.history import kept_history, map_step
from gridcode.runs.run import Run
from gridcode.viewer import pictures
from gridcode.viewer.data import Document
from gridcode.viewer.library import signature

# Of networks of 128 units half a megabyte each.
KEPT = 64


class SnapshotMaps:
    """Computes one snapshot at a time, so that a hurried slider does not take all cores; each once, however often the training logs meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, Document] = OrderedDict()

    def document(self, run: Run, step: int) -> Document | None:
        """Maps at a step: `runs/ID/history/STEP`; None where no weights of that step were kept.

        Args:
            run: the run.
            step: a step of the training.

        Raises:
            InputError: the snapshot, or the maps that were kept, are damaged.
        """
        path = dict(run.snapshots()).get(step)
        made_of = (path, run.history_path, run.summary_path, run.folder / "config.toml")
        key = (str(run.folder), step, *(signature(each) if each else None for each in made_of))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            history = kept_history(run)
            if history is not None and step in history["step"].values:
                found = history.isel(step=int(np.flatnonzero(history["step"].values == step)[0]))
            elif path is not None:
                try:
                    found = map_step(run, path)
                except (KeyError, ValueError) as error:
                    raise InputError(
                        f"the snapshot of step {step} cannot be read ({error})"
                    ) from None
            else:
                return None
            self._kept[key] = pictures.snapshot_document(found, step)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
