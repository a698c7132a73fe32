"""Record of a decoded position."""

from gridcode.analysis.records.base import Known, Number, Numbers, Record, Vectors


class PositionRecord(Record):
    """Error of the position decoded from cells, in metres; see docs/metrics.md.

    With `module` and `vectors_m` the place is decoded up to a vector of that module's lattice.
    """

    module: int | None
    kind: str
    units: tuple[int | str, ...]
    windows: int
    window_s: Known
    median_error_m: Known
    fold_median_m: Numbers
    chance_m: Known
    chance_5_95_m: tuple[Number, Number]
    constant_m: Known
    p_value: Known
    vectors_m: Vectors | None
    notes: tuple[str, ...]
