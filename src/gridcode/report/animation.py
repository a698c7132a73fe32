"""Films as files: GIF and WebP by Pillow, MP4 by the program ffmpeg where it is installed."""

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gridcode.errors import GridcodeError, InputError

SUFFIXES = (".gif", ".mp4", ".webp")
MP4_FRAMES_PER_S = 25


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
    frames: Iterable[np.ndarray], palette: np.ndarray, durations_ms: Sequence[int], *, suffix: str
) -> bytes:
    """A film as the bytes of its file; GIF and WebP loop forever.

    Args:
        frames: (y, x) indices into the palette; all the same shape.
        palette: (colour, 3) at most 256 colours, red, green, blue.
        durations_ms: how long each frame is shown.
        suffix: one of `SUFFIXES`.

    Raises:
        InputError: see `check_suffix`.
        GridcodeError: ffmpeg failed.
    """
    check_suffix(f"film{suffix}")
    if suffix == ".mp4":
        return _mp4(frames, palette, durations_ms)
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    pictures = []
    for frame in frames:
        picture = Image.fromarray(frame)
        picture.putpalette(colours.tobytes())
        pictures.append(picture)
    out = io.BytesIO()
    if suffix == ".gif":
        # Not optimised: every frame keeps the one palette of the file.
        pictures[0].save(
            out,
            "GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=list(durations_ms),
            loop=0,
            optimize=False,
            disposal=1,
        )
    else:
        whole = [picture.convert("RGB") for picture in pictures]
        whole[0].save(
            out,
            "WEBP",
            save_all=True,
            append_images=whole[1:],
            duration=list(durations_ms),
            loop=0,
            quality=88,
            method=3,
        )
    return out.getvalue()


def _mp4(frames: Iterable[np.ndarray], palette: np.ndarray, durations_ms: Sequence[int]) -> bytes:
    """H.264 in the form that every player and slide program reads; frames are repeated, so that each lasts as long as it should."""
    # As indices: whole pictures of a long film would take gigabytes.
    pictures = list(frames)
    height, width = pictures[0].shape[:2]
    ends = np.cumsum(durations_ms)
    times = (np.arange(round(ends[-1] * MP4_FRAMES_PER_S / 1000)) + 0.5) * 1000 / MP4_FRAMES_PER_S
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "film.mp4"
        command = [
            *(
                "ffmpeg",
                "-nostdin",
                "-loglevel",
                "error",
                "-y",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-s",
                f"{width}x{height}",
            ),
            *(
                "-r",
                str(MP4_FRAMES_PER_S),
                "-i",
                "-",
                "-an",
                "-c:v",
                "libx264",
                "-preset",
                "medium",
                "-crf",
                "18",
                "-pix_fmt",
                "yuv420p",
            ),
            # Odd sizes do not exist in yuv420p; players start before all is loaded; no time of
            # encoding in the file.
            *(
                "-vf",
                "scale=trunc(iw/2)*2:trunc(ih/2)*2:out_color_matrix=bt709",
                "-colorspace",
                "bt709",
                "-color_primaries",
                "bt709",
            ),
            *("-color_trc", "bt709", "-movflags", "+faststart", "-fflags", "+bitexact", str(out)),
        ]
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors) as process:
                assert process.stdin is not None
                try:
                    for place in np.searchsorted(ends, times, side="right").tolist():
                        process.stdin.write(palette[pictures[place]].tobytes())
                except BrokenPipeError:
                    pass  # ffmpeg has said why on its standard error
                with_problem = _closed(process)
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
        if with_problem or not out.is_file():
            raise GridcodeError(
                f"ffmpeg could not write the film ({said[-1] if said else 'no message'}); write a .gif instead"
            )
        return out.read_bytes()


def _closed(process: "subprocess.Popen[bytes]") -> bool:
    """Close a program's input and wait for its end: whether it failed."""
    assert process.stdin is not None
    try:
        process.stdin.close()
    except BrokenPipeError:
        return True
    return process.wait() != 0
