"""A training at the published settings, in slices that go on from each other.

    python experiments/published/published.py OUT --seconds 200 [--resume FOLDER] [--work FOLDER]

Trains the preset `paper`, seed 0, for about so many seconds and stops behind a checkpoint. After
each checkpoint the run is packed into OUT as published.tar.xz.aa, .ab, ...: its settings, manifest,
log and the newest checkpoint with all moments of the optimiser, in pieces that each stay under
16 MB. The next call finds these pieces in FOLDER (OUT itself, or a copy of it) and goes on, bit for
bit as if it had not stopped. `cat published.tar.xz.* | tar xJ` unpacks them by hand.
"""

import argparse
import io
import lzma
import os
import tarfile
import threading
import time
from pathlib import Path

from gridcode.config import Config, load_config
from gridcode.runs.run import Run
from gridcode.training.loop import Progress, train_run

PIECES = "published.tar.xz."
PIECE_BYTES = 15_000_000
# Weights are float32: the coder is told of words of four bytes.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 0, "lc": 0, "lp": 2, "pb": 2}]
# Set once: a run goes on only with the settings it began with.
SETTINGS = {"snapshots": 0, "checkpoint_every": 10_000, "log_every": 1000}
TINY = {
    "world.steps": 6,
    "world.trajectories": 6,
    "model.units": 8,
    "model.hidden_widths": [8],
    "training.steps": 1_000_000,
    "training.checkpoint_every": 4,
    "training.log_every": 2,
    "training.device": "cpu",
}


class _Enough(Exception):
    """The slice is over."""


def settings(*, rehearse: bool = False) -> Config:
    """The published settings; of a rehearsal, tiny."""
    return load_config("paper").override(SETTINGS | (TINY if rehearse else {}))


def pack(run: Run, out: Path) -> None:
    """Write the run with its newest checkpoint in pieces; older pieces go once these are there."""
    buffer = io.BytesIO()
    newest = run.checkpoints()[:1]
    files = [run.folder / name for name in ("config.toml", "manifest.json", "metrics.jsonl")]
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in files + newest:
            tar.add(path, str(path.relative_to(run.folder)))
    data = lzma.compress(buffer.getvalue(), filters=FILTERS)
    pieces = [data[i : i + PIECE_BYTES] for i in range(0, len(data), PIECE_BYTES)]
    out.mkdir(parents=True, exist_ok=True)
    names = [f"{PIECES}a{chr(ord('a') + number)}" for number in range(len(pieces))]
    for name, piece in zip(names, pieces, strict=True):
        (out / f".{name}").write_bytes(piece)
    for name in names:
        os.replace(out / f".{name}", out / name)
    for old in out.glob(f"{PIECES}*"):
        if old.name not in names:
            old.unlink()


def unpack(pieces: Path, folder: Path) -> Run | None:
    """The run in a folder of pieces, or None where there are none."""
    found = sorted(pieces.glob(f"{PIECES}*"))
    if not found:
        return None
    data = lzma.decompress(b"".join(path.read_bytes() for path in found))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder, filter="data")
    return Run(folder)


def train_slice(run: Run, out: Path, *, seconds: float, stop_at: int | None = None) -> None:
    """Train on for about so many seconds, at least to the next checkpoint; pack at each."""
    end = time.monotonic() + seconds
    every = run.config.training.checkpoint_every
    last = time.monotonic()
    packing: threading.Thread | None = None

    def look(progress: Progress) -> None:
        nonlocal last, packing
        if progress.step % every or progress.step == 0:
            return
        if packing:
            packing.join()
        now = time.monotonic()
        took, last = now - last, now
        loss = (progress.metrics or {}).get("loss")
        print(f"published: step {progress.step}, loss {loss}", flush=True)
        # Packing takes seconds, in which the training goes on.
        packing = threading.Thread(target=pack, args=(run, out))
        packing.start()
        if now + 1.2 * took + 10 > end:
            raise _Enough

    try:
        train_run(run, progress=look, stop_at=stop_at)
    except _Enough:
        pass
    finally:
        if packing:
            packing.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--resume", type=Path, help="folder of the pieces to go on from [OUT]")
    parser.add_argument("--work", type=Path, default=Path("runs") / "published", help="run folder")
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU")
    options = parser.parse_args()
    if (options.work / "config.toml").exists():
        run = Run(options.work)
    else:
        run = next(
            (
                found
                for pieces in (options.out, options.resume)
                if pieces and (found := unpack(pieces, options.work))
            ),
            None,
        ) or Run.create(options.work, settings(rehearse=options.rehearse))
    print(f"published: from step {run.manifest.get('step', 0)}", flush=True)
    train_slice(run, options.out, seconds=options.seconds)


if __name__ == "__main__":
    main()
