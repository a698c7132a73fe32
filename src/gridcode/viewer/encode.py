"""Arrays small enough for a page: a byte a value, compressed, as text.

A value is low + (high - low) byte / 254, off by 1/508 of the range at worst; byte 255 is a value
that is missing. The browser undoes this in `static/decode.js`.
"""

import base64
import gzip
import json
import math
from typing import Any

import numpy as np

LEVELS, MISSING = 254, 255
# Level 6 gains 3% over this and takes five times as long.
COMPRESSION = 1


def encode_array(
    values: np.ndarray, *, lead: int = 0, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    """An array of numbers as a small dictionary, ready for JSON.

    Args:
        values: any shape; NaN is missing.
        lead: how many leading axes have a separate range for each index, such as 1 for maps
            (unit, y, x) that are scaled one by one.
        low: lower end of every range; None takes the smallest value.
        high: upper end; None takes the largest. Values beyond the ends are cut to them.

    Returns:
        `shape`, `lead`, `low` and `high` (a number for each index of the leading axes, 0 where all
        is missing), `bytes`.
    """
    flat = np.asarray(values, dtype=np.float32).reshape(
        math.prod(values.shape[:lead]), math.prod(values.shape[lead:])
    )
    known = np.isfinite(flat)
    lows = _ends(np.where(known, flat, np.inf).min(axis=1, initial=np.inf), low)
    highs = _ends(np.where(known, flat, -np.inf).max(axis=1, initial=-np.inf), high)
    span = np.where(highs > lows, highs - lows, 1.0)
    with np.errstate(invalid="ignore"):
        levels = np.rint((flat - lows[:, None]) * (LEVELS / span)[:, None])
    coded = np.where(known, np.clip(np.nan_to_num(levels), 0, LEVELS), MISSING).astype(np.uint8)
    return {
        "shape": list(values.shape),
        "lead": lead,
        "low": [_short(v) for v in lows],
        "high": [_short(v) for v in highs],
        "bytes": base64.b64encode(gzip.compress(coded.tobytes(), COMPRESSION, mtime=0)).decode(),
    }


def decode_array(coded: dict[str, Any]) -> np.ndarray:
    """The array that `encode_array` was given, rounded; what the browser sees."""
    lead = coded["lead"]
    raw = np.frombuffer(gzip.decompress(base64.b64decode(coded["bytes"])), dtype=np.uint8)
    raw = raw.reshape(len(coded["low"]), math.prod(coded["shape"][lead:]))
    low, high = np.array(coded["low"])[:, None], np.array(coded["high"])[:, None]
    values = np.where(raw == MISSING, np.nan, low + (high - low) * raw / LEVELS)
    return values.reshape(coded["shape"])


def _ends(found: np.ndarray, given: float | None) -> np.ndarray:
    ends = np.where(np.isfinite(found), found, 0.0) if given is None else np.full(len(found), given)
    return ends.astype(np.float64)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def numbers(values: np.ndarray, digits: int = 3) -> list[Any]:
    """Numbers as nested lists, rounded; None where one is missing or infinite."""
    rounded = np.round(np.asarray(values, dtype=np.float64), digits)
    if rounded.ndim > 1:
        return [numbers(row, digits) for row in rounded]
    return [None if not math.isfinite(v) else v for v in rounded.tolist()]


def as_json(document: Any) -> str:
    """A document as JSON without spaces; NaN and infinity, which JSON lacks, become null."""
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":"), default=str)
    except ValueError:
        return json.dumps(_finite(document), allow_nan=False, separators=(",", ":"), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
