"""What all records share: frozen, typed, one rule of rounding, one way to JSON and back."""

import math
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

# The context in which `Record.model_validate` takes what a record wrote: rounded, and from JSON.
AS_WRITTEN = {"as written": True}


def rounded(value: Any) -> float | None:
    """Round to seven significant digits, more than any measure is good for; None: not finite."""
    try:
        if value is None or not math.isfinite(value):
            return None
    except (TypeError, OverflowError):
        raise ValueError("it must be a number or null") from None
    return float(f"{float(value):.7g}")


def _measured(value: Any, info: Any) -> float | None:
    """Rounded, where that was not done before."""
    if info.context is AS_WRITTEN and type(value) is float and math.isfinite(value):
        return value
    return rounded(value)


def _known(value: Any, info: Any) -> Any:
    """The same for a number that is always known."""
    return _measured(value, info) if isinstance(value, float | np.floating) else value


# A measured number; None where it could not be measured.
Number = Annotated[float | None, BeforeValidator(_measured)]
# The same, where it always can.
Known = Annotated[float, BeforeValidator(_known)]
Numbers = tuple[Number, ...]
# Lower quartile, median and upper quartile.
Quartiles = tuple[Number, Number, Number]
# Two lattice vectors (x, y) as rows, metres.
Vectors = tuple[tuple[Number, Number], tuple[Number, Number]]


R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """A frozen record of numbers and words; arrays and NumPy scalars are accepted for either."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_numpy(cls, data: Any, info: Any) -> Any:
        if info.context is AS_WRITTEN or not isinstance(data, dict):
            return data
        return {
            name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            for name, value in data.items()
        }

    @classmethod
    def of(cls: type[R], found: object, **more: Any) -> R:
        """The record of an object that has attributes of the same names.

        Args:
            found: the object, such as a dataclass of arrays.
            more: fields that it lacks, or that differ.
        """
        names = cls.model_fields.keys() - more.keys()
        return cls(**{name: getattr(found, name) for name in names if hasattr(found, name)}, **more)


def quartiles(values: Any) -> Quartiles:
    """Quartiles of the finite values; three None where there are none."""
    values = np.asarray(values, dtype=np.float64)
    known = values[np.isfinite(values)]
    if not known.size:
        return (None, None, None)
    low, median, high = np.quantile(known, (0.25, 0.5, 0.75))
    return (rounded(low), rounded(median), rounded(high))
