"""Records of neural distances, path integration and robustness."""

from gridcode.analysis.records.base import Number, Numbers, Quartiles, Record


class CurveRecord(Record):
    """Neural distance in bins of physical distance (metres)."""

    distance_m: Numbers
    mean: Numbers
    sd: Numbers
    quartiles: tuple[Numbers, ...]
    pairs: tuple[int, ...]


class InvarianceRecord(Record):
    """Squared neural distance between two paths of `steps` to the same place.

    `fraction` is relative to states of unrelated places.
    """

    steps: int
    square: Number
    fraction: Number


class DecodingRecord(Record):
    """Error of the position decoded from the state after `steps`, metres, quartiles over walkers.

    `tracked_m` is decoded near the position decoded before, `anywhere_m` in the whole reference
    map; `dead_reckoning_m` is a model with independent errors of the same size each step;
    `chance_m` a random position within the tracker's window.
    """

    steps: int
    tracked_m: Quartiles
    anywhere_m: Quartiles
    dead_reckoning_m: Quartiles
    chance_m: Number
    match: Number
    common_m: Number
    scatter_m: Number
    lost_share: Number


class SpaceRecord(Record):
    """One walk in one arena: neural distances, path invariance and path integration.

    `nearest_alias_m` is the distance to the nearest place with a similar state: the spacing of a
    periodic code.
    """

    walk: str
    arena_m: float
    arena_over_training: float
    walkers: int
    plateau: Number
    decorrelation_m: Number
    same_place: Number
    slope_per_m: Number
    curve: CurveRecord
    origin: CurveRecord
    unrelated_square: Number
    invariance: tuple[InvarianceRecord, ...]
    noise_m: Number
    growth_exponent: Number
    decoding: tuple[DecodingRecord, ...]
    reasons: dict[str, str]
    window_m: Number
    nearest_alias_m: Number


class RobustnessErrorRecord(Record):
    """Errors after `steps` under one disturbance, metres; quartiles over walkers.

    `perfect_m` is a perfect integrator's error, `reading_m` that of decoding alone.
    """

    steps: int
    tracked_m: Quartiles
    anywhere_m: Quartiles
    perfect_m: Quartiles
    reading_m: Quartiles
    chance_m: Number
    lost_share: Number


class RobustnessRecord(Record):
    """Path integration under one disturbance: `kind` and its `level`."""

    kind: str
    level: float
    errors: tuple[RobustnessErrorRecord, ...]
    reason: str = ""
