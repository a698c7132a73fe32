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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
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
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


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


def reason(error: OSError) -> str:
    """Why a file could not be read or written, in a few words."""
    # HDF5 reports a full disk in the middle of a long text.
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or f"errno = {errno.ENOSPC}" in str(error):
        return "the disk is full"
    return error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
