"""Lines on standard error, and JSON on standard output."""

import contextlib
import json
import sys
from typing import Any

from gridcode.display import printable

# A line can quote a word of the command line or of a file, of any length.
LONGEST_LINE = 1000


def print_error(text: str) -> None:
    """Print an error or a warning as one line on standard error."""
    line = printable(text)
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
    if sys.stderr is not None:  # None where it was closed: print would take standard output
        with contextlib.suppress(OSError):  # nothing is left to say it on
            print(f"gridcode: {line}", file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print a result for scripts."""
    print(json.dumps(data, indent=1))
