"""Films as files: GIF and WebP by Pillow, MP4 by the program ffmpeg where it is installed."""

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gridcode.errors import GridcodeError, InputError

SUFFIXES = (".gif", ".mp4", ".webp")


def check_suffix(out: str | os.PathLike[str]) -> str:
    """The format of a film by its file name.

    Raises:
        InputError: a format that is not written, or MP4 without ffmpeg.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"'{out}' must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(
            f"MP4 needs ffmpeg, which is not on the PATH; write a .gif instead of '{out}'"
        )
    return suffix


def encode(
    frames: Sequence[Image.Image], durations_ms: Sequence[int], *, suffix: str, comment: str = ""
) -> bytes:
    """A film as the bytes of its file; GIF and WebP loop forever.

    Args:
        frames: pictures of one palette and one size.
        durations_ms: how long each frame is shown.
        suffix: one of `SUFFIXES`.
        comment: written into the file; as XMP in WebP.

    Raises:
        InputError: see `check_suffix`.
        GridcodeError: ffmpeg failed.
    """
    check_suffix(f"film{suffix}")
    if suffix == ".mp4":
        return _mp4(frames, durations_ms, comment)
    out = io.BytesIO()
    # A GIF keeps the one palette of all frames; WebP has none.
    options: dict[str, Any] = {"optimize": False, "disposal": 1, "comment": comment.encode()}
    if suffix == ".webp":
        frames = [frame.convert("RGB") for frame in frames]
        options = {"quality": 88, "method": 3, "xmp": comment.encode()}
    frames[0].save(
        out,
        suffix[1:],
        save_all=True,
        append_images=frames[1:],
        duration=list(durations_ms),
        loop=0,
        **options,
    )
    return out.getvalue()


def _mp4(frames: Sequence[Image.Image], durations_ms: Sequence[int], comment: str) -> bytes:
    """H.264 with 25 frames a second, in the form that every player reads."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["ffconcat version 1.0"]
        for number, (frame, shown) in enumerate(zip(frames, durations_ms, strict=True)):
            frame.save(f"{folder}/{number}.png")
            lines += [f"file {number}.png", f"duration {shown / 1000}"]
        # The last file again: some versions ignore its duration.
        lines.append(lines[-2])
        Path(folder, "frames.txt").write_text("\n".join(lines) + "\n")
        # No time of encoding in the file, so that the same frames give the same bytes.
        command = (
            "ffmpeg -nostdin -loglevel error -y -f concat -i frames.txt"
            " -vf fps=25,scale=out_color_matrix=bt709 -pix_fmt yuv420p -c:v libx264 -crf 18"
            " -colorspace bt709 -color_primaries bt709 -color_trc bt709"
            f" -t {sum(durations_ms) / 1000} -movflags +faststart -fflags +bitexact"
        )
        done = subprocess.run(
            [*command.split(), "-metadata", f"comment={comment}", "film.mp4"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        out = Path(folder, "film.mp4")
        if done.returncode or not out.is_file():
            message = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise GridcodeError(
                f"ffmpeg could not write the film ({message}); write a .gif instead"
            )
        return out.read_bytes()
