"""Reading files that are not trusted: whatever is wrong with one is one line."""

import contextlib
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gridcode.errors import GridcodeError, InputError

# What readers raise of a file that is not there, is closed to this user, or is damaged. Libraries
# promise less: they check some fields of a format, and what the others hold reaches Python code.
UNREADABLE = (
    OSError,  # the file system; HDF5
    ValueError,  # JSON, TOML, text that is no UTF-8, NumPy; a NUL in the path
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,  # the header of an .npy file is a Python literal
    tokenize.TokenError,
    RuntimeError,  # HDF5; nesting that is too deep; encryption and methods that zipfile lacks
    MemoryError,  # a size in the file that nothing can hold
    ArithmeticError,  # sizes again
    LookupError,  # a part that another one speaks of
    TypeError,  # a value of another type
    AttributeError,
    AssertionError,
)


@contextlib.contextmanager
def reading(what: str, *, remedy: str = "") -> Iterator[None]:
    """Turn whatever a file makes its reader raise into an InputError of one line.

    The block must hold the reading alone: a mistake in other code would pass for a damaged file.

    Args:
        what: beginning of the line, such as "cannot read config.toml".
        remedy: what to do about it.
    """
    try:
        yield
    except GridcodeError:
        raise
    except UNREADABLE as error:
        hint = f"; {remedy}" if remedy else ""
        raise InputError(f"{what}: {first_line(error)}{hint}") from None


def first_line(error: BaseException) -> str:
    """The first line of what an error says, short; its kind where it says nothing."""
    text = str(error)
    if isinstance(error, OSError) and error.args:
        # xarray puts words and another error where the system has a number and words.
        text = error.strerror if isinstance(error.strerror, str) else str(error.args[0])
    line = (text.strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 200 else f"{line[:200]} ..."


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file or folder; errors as in `reading`."""
    with reading(f"cannot read '{os.fspath(path)}'"):
        try:
            Path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True
