"""Maps at one step of a training, when somebody asks for them: from the snapshot of that step, in a second or so, kept in memory."""

import threading

import numpy as np

from gridcode.analysis.history import map_snapshot
from gridcode.api import history_arena_m
from gridcode.errors import InputError
from gridcode.runs import Run
from gridcode.training import snapshots
from gridcode.viewer import pictures
from gridcode.viewer.data import Document


class SnapshotMaps:
    """Computes one snapshot at a time, so that a hurried slider does not take all cores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def document(self, run: Run, step: int) -> Document | None:
        """Maps at a step: `runs/ID/history/STEP`; None where no weights of that step were kept.

        Args:
            run: the run.
            step: a step of the training.

        Raises:
            InputError: the snapshot, or the maps that were kept, are damaged.
        """
        kept = run.read_history()
        if kept is not None and step in kept["step"].values:
            at = int(np.flatnonzero(kept["step"].values == step)[0])
            return pictures.snapshot_document(kept.isel(step=at), step)
        path = dict(run.snapshots()).get(step)
        if path is None:
            return None
        with self._lock:
            try:
                system = snapshots.load_network(path, run.config).as_system()
            except (KeyError, ValueError) as error:
                raise InputError(f"the snapshot of step {step} cannot be read ({error})") from None
            config = run.config
            arena_m, max_step_m = history_arena_m(run), config.world.max_velocity_m
            data = map_snapshot(*system, arena_m=arena_m, max_step_m=max_step_m, seed=config.evaluation.seed)
        return pictures.snapshot_document(data, step)
