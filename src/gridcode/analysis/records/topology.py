"""Records of state space and topology."""

from gridcode.analysis.records.base import Number, Numbers, Record, Vectors


class TopologyRecord(Record):
    """Betti numbers of a cloud of states against shuffled clouds.

    p-values are by dimension (pieces, loops, voids); `longest` holds the longest bars of each
    dimension and `null_95` what 95% of the shuffles stay below, both over the cloud's scale.
    """

    betti: tuple[int, ...]
    by_gap: tuple[int, ...]
    p_value: Numbers
    torus: bool
    torus_p_value: Number
    product: Number
    longest: tuple[Numbers, ...]
    null_95: Numbers
    alive_between: Numbers
    landmarks: int


class KnownShapeRecord(TopologyRecord):
    """The same measurement of a code of known shape, at the same places."""

    name: str
    of_module: int | None
    expected_torus: bool
    as_expected: bool


class RingsRecord(Record):
    """Projections on the lattice's three waves: correlation of their phase with the position's."""

    correlation: Numbers
    chance_95: Numbers
    place_error_m: Numbers
    radius_spread: Numbers


class CircularCoordinatesRecord(Record):
    """Decoded circular coordinates against lattice phases, up to a whole-number `matrix`."""

    matrix: tuple[tuple[int, ...], ...] | None
    correlation: Numbers | None
    unimodular: bool | None
    reason: str = ""


class StatesRecord(Record):
    """State space of the population (`module` None) or of one module."""

    name: str
    module: int | None
    n_units: int
    explained: Numbers
    dimension: Number
    shuffled_dimension: Number
    topology: TopologyRecord
    rings: RingsRecord | None
    rings_reason: str
    toroidal: CircularCoordinatesRecord | None


class SkippedRecord(Record):
    """What was not measured, and why."""

    name: str
    n_units: int
    reason: str


class StateSpaceRecord(Record):
    """State space of the population and of every module, with codes of known shape beside."""

    samples: int
    nulls: int
    whole_vectors_m: Vectors | None
    populations: tuple[StatesRecord, ...]
    skipped: tuple[SkippedRecord, ...]
    controls: tuple[KnownShapeRecord, ...]
