"""Optional packages, imported where they are used; one line of advice where one is missing."""

import importlib
from typing import Any

from gridcode.errors import InputError


def needed(module: str, extra: str, use: str) -> Any:
    """An optional package, imported.

    Args:
        module: what to import, such as `pyarrow.parquet`.
        extra: the extra of gridcode that installs it.
        use: what needs it, the first words of the error.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise  # The package is there; something that it needs is not.
        raise InputError(f"{use} needs {package}: pip install 'gridcode[{extra}]'") from None
