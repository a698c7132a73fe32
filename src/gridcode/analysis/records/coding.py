"""Records of coding properties."""

from gridcode.analysis.records.base import Number, Numbers, Record


class PropertyRecord(Record):
    """One property: its headline, the unit, whether `high` or `low` is good, and chance."""

    headline: Number = None
    unit: str
    better: str
    null: Number = None
    expected: Number = None
    reason: str = ""


class CapacityRecord(Record):
    """Distinguishable places in a square of `side_m`, by `units`; `low` and `high` bound it."""

    side_m: Number
    units: int
    capacity: Number
    low: Number
    high: Number
    at_least: Number
    collisions: int
    pairs: int


class GrowthRecord(Record):
    """Whether capacity grows exponentially or as a power with the number of modules."""

    verdict: str
    rate: Number
    rate_interval: Numbers
    exponent: Number
    exponent_interval: Numbers
    last_exponent_interval: Numbers
    exponential_rate: Number
    exponential_error: Number
    power_error: Number
    reason: str


class IndependentModulesRecord(Record):
    """As how many independent modules the code acts."""

    number: Number
    standard_error: Number
    null: Number
    reason: str


class CapacityProperty(PropertyRecord):
    """log2 of the distinguishable places in the arena, bits."""

    unit: str = "bits"
    better: str = "high"
    expected_of_independent_modules: Number = None
    arena: CapacityRecord | None = None
    by_area: tuple[CapacityRecord, ...] = ()
    area_exponent: Number = None
    area_exponent_error: Number = None
    by_units: tuple[CapacityRecord, ...] = ()
    by_modules: tuple[CapacityRecord, ...] = ()
    growth_with_modules: GrowthRecord | None = None
    independent_modules: IndependentModulesRecord | None = None


class SeparationProperty(PropertyRecord):
    """1% quantile of neural distance over its plateau."""

    unit: str = "of the plateau"
    better: str = "high"
    confusable: Number = None
    null_confusable: Number = None
    low_quantile: Number = None
    plateau: Number = None


class DecorrelationProperty(PropertyRecord):
    """Root mean square of the correlation curve beyond half the arena."""

    unit: str = "correlation"
    better: str = "low"
    length_m: Number = None
    distance_m: Numbers = ()
    mean: Numbers = ()
    quartiles: tuple[Numbers, ...] = ()


class EqualNormProperty(PropertyRecord):
    """Coefficient of variation of the length of states."""

    unit: str = "coefficient of variation"
    better: str = "low"
    mean: Number = None
    note: str = ""


class UpdateProperty(PropertyRecord):
    """R^2 of one linear operator for each displacement."""

    unit: str = "R^2"
    better: str = "high"
    null_r_square: Number = None
    step_m: Number = None
    step_variation: Number = None
    step_variation_by_direction: Number = None
    null_step_variation: Number = None


class AlgebraicProperty(PropertyRecord):
    """Resultant of sums of phases."""

    unit: str = "resultant"
    better: str = "high"
    resultant: Numbers = ()
    null_resultant: Numbers = ()
    power: Numbers = ()
    waves_per_m: tuple[Numbers, ...] = ()
    side_m: Number = None


class WhitenedProperty(PropertyRecord):
    """Participation ratio over the number of units."""

    unit: str = "of the units"
    better: str = "high"
    participation: Number = None
    null_participation: Number = None
    eigenvalues: Numbers = ()
    module_updates: Numbers = ()
    module_variation: Number = None
    null_module_variation: Number = None
    module_reason: str = ""


class CorrectionProperty(PropertyRecord):
    """Share of catastrophic errors under the noise."""

    unit: str = "share of readings"
    better: str = "low"
    sigma: Numbers = ()
    local_error_m: Numbers = ()
    expected_m: Numbers = ()
    catastrophic: Numbers = ()
    ambiguous: Number = None
    threshold_sigma: Number = None
    threshold_reason: str = ""
    radius_m: Number = None


class PropertiesRecord(Record):
    """The eight properties of one code."""

    capacity: CapacityProperty
    separation: SeparationProperty
    decorrelation: DecorrelationProperty
    equal_norm: EqualNormProperty
    update: UpdateProperty
    algebraic: AlgebraicProperty
    whitened: WhitenedProperty
    correction: CorrectionProperty


class CodeRecord(Record):
    """One code, the network's or one to compare with; noise relative to the length of states."""

    code: str = ""
    arena_m: float
    beyond_m: float | None
    units: int
    places: int
    noise: float
    error_rate: float
    sigma: Number
    delta: Number
    rms_length: Number
    properties: PropertiesRecord


class CodingRecord(Record):
    """The network's code beside four others of as many units."""

    codes: tuple[CodeRecord, ...]
