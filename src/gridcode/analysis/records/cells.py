"""Records of units, modules and arenas."""

from gridcode.analysis.records.base import Known, Number, Quartiles, Record, Vectors


class UnitRecord(Record):
    """One unit; see docs/metrics.md for every measure.

    p-values are of the unit against its own null maps. Lengths are in metres, angles in degrees.
    Direction, speed, borders and `tuning` are of recordings alone.
    """

    unit: int | str
    type: str
    module: int | None
    silent: bool
    grid_score: Number
    minmax: Number
    p_value: Number
    lattice_p_value: Number
    square_p_value: Number
    band_p_value: Number
    any_lattice_p_value: Number
    q_value: Number
    null_95: Number
    spatial_p_value: Number
    shift_p_value: Number
    mean60: Number
    square: Number
    corrected: Number
    spacing_m: Number
    spacing_error_m: Number
    orientation_deg: Number
    orientation_error_deg: Number
    axis_ratio: Number
    ellipse_deg: Number
    peaks_used: Number
    field_count: Number
    field_size_m: Number
    peak_rate: Number
    mean_rate: Number
    information_bits: Number
    information_bits_per_s: Number
    sparsity: Number
    coherence: Number
    stability: Number
    vectors_m: Vectors | None
    phase: tuple[Number, Number] | None
    mean_vector_length: Number = None
    preferred_direction_deg: Number = None
    direction_p_value: Number = None
    speed_score: Number = None
    speed_p_value: Number = None
    border_score: Number = None
    border_p_value: Number = None
    tuning: str = ""
    tuning_evidence: str = ""
    scores: dict[str, Number]
    evidence: str
    reason: str


class ModuleRecord(Record):
    """One module: units that share a lattice.

    `ratio_to_next` is the spacing of the next larger module over its own. `phase_uniformity_p`
    tests the phases of its units for uniformity; `phase_coverage` is their share of the unit cell.
    """

    module: int
    n_units: int
    spacing_m: Known
    orientation_deg: Known
    axis_ratio: Known
    spacing_spread: Number
    orientation_spread_deg: Number
    p_value: Number
    ratio_to_next: Number
    phase_uniformity_p: Number
    phase_coverage: Number
    vectors_m: Vectors
    units: tuple[int | str, ...]


class RelationRecord(Record):
    """Whether two modules are commensurate: `index` cells of each in the lattice common to both."""

    modules: tuple[int, int]
    verdict: str
    index: int | None
    error: Number
    chance_p_value: Number


class SettingsRecord(Record):
    """Null, levels and seed that the verdicts rest on."""

    null: str
    nulls: int
    level: float
    false_discovery_rate: float
    null_seed: int
    spatial_test: str


class ArenaRecord(Record):
    """One arena and walk: counts, shares above a fixed score, quartiles over active units."""

    group: str
    walk: str
    arena_m: float
    bin_size_m: float
    visited_share: Number
    samples_per_bin: Number
    units: int
    active_units: int
    silent_units: int
    hexagonal_share: Number
    lattice_share: Number
    square_share: Number
    stability_quartiles: Quartiles | None
    minmax_quartiles: Quartiles | None
    mean60_quartiles: Quartiles | None
    square_quartiles: Quartiles | None
    corrected_quartiles: Quartiles | None
    spacing_m_quartiles: Quartiles | None
    orientation_deg_quartiles: Quartiles | None
    axis_ratio_quartiles: Quartiles | None


class HeadlineRecord(ArenaRecord):
    """The arena that modules and p-values come from.

    `resolved`: it holds enough periods of nearly all lattices.
    """

    resolved: bool
    score_threshold: float


class MatchRecord(Record):
    """A module of the headline's arena and the module of another arena that has its units."""

    modules: tuple[int, int]
    shared_units: int
    spacing_change: Number
    rotation_deg: Number


class StabilityRecord(Record):
    """Whether the same units form the same modules in another arena or on another walk."""

    group: str
    n_modules: int
    rand_index: Number
    common_units: int
    matches: tuple[MatchRecord, ...]
