"""Writing files whole: a crash, a full disk or a killed process never leaves half of one."""

import contextlib
import errno
import glob
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from gridcode.errors import InputError
from gridcode.reading import first_line

# A temporary file older than this was left behind by a process that was killed.
LEFT_OVER_S = 3600.0


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends.

    Raises:
        OSError: it could not be written; a file that was there before is untouched, and nothing is
            left behind.
    """
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_OVER_S:
                left.unlink()
    temporary = _beside(path)
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    # The rename itself must survive a power cut; not every system can flush a folder.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file as a whole; errors as in `replacing`."""
    with replacing(path) as temporary:
        # Names of files need not be UTF-8: what cannot be written of them becomes a question mark.
        temporary.write_bytes(data.encode(errors="replace") if isinstance(data, str) else data)


def check_writable(path: str | os.PathLike[str], *, folder: bool = False) -> None:
    """Refuse, before minutes are spent on it, a file or folder that cannot be written.

    A file is made beside its place, as `replacing` will do, and removed again: the system's answer
    covers permissions, read-only disks, full disks and names that are too long.

    Args:
        path: a file, whose folder must exist; or a folder, which may be missing with its parents.
        folder: whether it is a folder.

    Raises:
        InputError: it cannot be written.
    """
    what, target = f"cannot write '{path}'", Path(path)
    if "\0" in str(path):
        raise InputError(f"{what}: a name cannot hold a NUL character")
    with one_line_errors(what):
        # A device or pipe would be replaced by a file of its name.
        if target.exists() and not folder and not target.is_file():
            kind = "it is a folder" if target.is_dir() else "it is no ordinary file"
            raise InputError(f"{what}: {kind}")
        place = target if folder else target.parent
        while folder and not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            why = f"'{place}' is a file" if place.exists() else f"there is no folder '{place}'"
            raise InputError(f"{what}: {why}")
        temporary = _beside(place / ".new" if folder else target)
        try:
            open(temporary, "xb").close()
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


class HeldError(InputError):
    """Another process holds what was asked for."""


@contextlib.contextmanager
def holding(path: str | os.PathLike[str], held: str) -> Iterator[None]:
    """Hold a lock file; the lock ends with the process.

    Args:
        path: the file; it stays.
        held: the error where another process holds it.

    Raises:
        HeldError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no flock: the user must avoid two processes at one folder.
        yield
        return
    with open(path, "w") as file:
        # The explorer takes the lock for some microseconds to see whether a training holds it:
        # try again before reporting one.
        for left in (2, 1, 0):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not left:
                    raise HeldError(held) from None
                time.sleep(0.02)
        yield


@contextlib.contextmanager
def one_line_errors(what: str) -> Iterator[None]:
    """Turn OSErrors into a one-line InputError.

    Args:
        what: beginning of the line, such as "cannot write 'report.html'".
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{what}: {reason(error)}") from None


def _beside(path: Path) -> Path:
    """A temporary file in the same folder."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def reason(error: OSError) -> str:
    """Why a file could not be read or written, in a few words."""
    # HDF5 reports a full disk in the middle of a long text.
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or f"errno = {errno.ENOSPC}" in str(error):
        return "the disk is full"
    return first_line(error)
