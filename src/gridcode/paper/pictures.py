"""Pictures as files beside the texts that belong to them."""

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from gridcode.errors import InputError
from gridcode.runs.files import write_atomically


def write_files(folder: Path, name: str, figure: Figure, texts: Mapping[str, str]) -> list[Path]:
    """Write `name.png`, `name.pdf` and the texts (by file name) into a folder that exists.

    Raises:
        InputError: they cannot be written.
    """
    files: dict[str, bytes | str] = {}
    for kind in ("png", "pdf"):
        drawn = io.BytesIO()
        # Without its date the same numbers give the same file.
        metadata = {"CreationDate": None} if kind == "pdf" else None
        figure.savefig(drawn, format=kind, dpi=200, metadata=metadata)
        files[f"{name}.{kind}"] = drawn.getvalue()
    files |= texts
    try:
        for file, data in files.items():
            write_atomically(folder / file, data)
    except OSError as error:
        raise InputError(f"cannot write to '{folder}': {error.strerror or error}") from None
    return [folder / file for file in files]
