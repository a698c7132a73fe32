"""The log as TensorBoard's event file, written by tensorboard's own classes."""

import os
import time
from typing import Any

from gridcode.extras import needed
from gridcode.logs.content import metrics_in, settings_of
from gridcode.runs.run import Run


def load() -> Any:
    """The package.

    Raises:
        InputError: it is not installed.
    """
    return needed("tensorboard", "logs", "a log for TensorBoard")


class TensorBoardLog:
    """One event file in the run folder, so that `tensorboard --logdir runs` names runs by folder.

    Args:
        run: the run; its earlier event file is emptied.

    Raises:
        InputError: tensorboard is not installed.
        OSError: the file cannot be written.
    """

    def __init__(self, run: Run) -> None:
        load()
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.plugins.text.summary_v2 import text_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary, self._text = event_pb2.Event, summary_pb2.Summary, text_pb
        self._step = 0
        earlier = run.event_files()
        path = run.event_path(1 + max((number for number, _ in earlier), default=0))
        # Not EventFileWriter: it puts the machine's name into the file's.
        self._file = RecordWriter(open(path, "wb"))  # noqa: SIM115 - open until `finish`
        self._add(file_version="brain.Event:2")
        # TensorBoard then forgets what it has read of this run from an earlier file.
        self._add(session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
        self._add(summary=hparams_pb(settings_of(run), trial_id=run.config.content_hash))
        self._file.flush()
        # A TensorBoard that reads the newest of these goes on to the new file only if it stays.
        for number, (_, old) in enumerate(reversed(earlier)):
            if number:
                old.unlink(missing_ok=True)
            else:
                os.truncate(old, 0)

    def write(self, rows: list[dict[str, Any]]) -> None:
        """See `Log`."""
        for row in rows:
            self._step = row["step"]
            self._add_scalars(metrics_in(row))
        self._file.flush()

    def finish(self, verdict: str | None, numbers: dict[str, float]) -> None:
        """See `Log`."""
        self._add_scalars(numbers)
        if verdict:
            self._add(summary=self._text("evaluation/verdict", verdict))
        self._file.close()

    def _add_scalars(self, numbers: dict[str, float]) -> None:
        # Not tensorboard's `scalar_pb`: some of its readers keep such values of an earlier file.
        values = [self._summary.Value(tag=name, simple_value=numbers[name]) for name in numbers]
        self._add(summary=self._summary(value=values))

    def _add(self, **content: Any) -> None:
        event = self._event(wall_time=time.time(), step=self._step, **content)
        self._file.write(event.SerializeToString())
