"""Records of dynamics and mechanism."""

from gridcode.analysis.records.base import Number, Numbers, Quartiles, Record


class GainsRecord(Record):
    """Response of one step to small changes of the state, on and off the manifold."""

    on: tuple[Quartiles, ...]
    rotation_deg: Quartiles
    off_largest: Quartiles
    off_median: Quartiles
    leak_on: Quartiles
    leak_off: Quartiles
    singular_values: Numbers


class PerturbationStepRecord(Record):
    """What is left of perturbations after `steps`, as shares of their size."""

    steps: int
    on: Quartiles
    on_to_off: Quartiles
    off: Quartiles
    off_to_on_m: Quartiles
    unrelated: Quartiles


class PerturbationRecord(Record):
    """Perturbations of `size_m` along and off the manifold, followed over time."""

    size_m: float
    rows: tuple[PerturbationStepRecord, ...]
    off_half_life_steps: Number
    reason: str = ""


class FixedPointRecord(Record):
    """One fixed point at rest: position in the unit cell, moduli of its leading eigenvalues."""

    visits: int
    position_m: tuple[Number, Number] | None
    spread_m: Number
    moduli: Numbers
    turn_deg: Number
    alignment: Number


class ReturnMapRecord(Record):
    """What states do at rest: drift, fixed points, stability.

    `drift_first_m` and `drift_m` are metres per step at the first step and the median of ten;
    `distinct` fixed points were seen, `estimated` is how many there are; `way_m` and `steps` lead
    from a state to its fixed point.
    """

    moved: Quartiles
    moved_over_unrelated: Number
    drift_first_m: Quartiles
    drift_m: Quartiles
    drift_common_m: Number
    outcomes: dict[str, int]
    distinct: int
    coverage: Number
    estimated: Number
    per_unit_cell: Number
    spacing_m: Number
    within: Number
    between: Number
    moduli: tuple[Quartiles, ...]
    stable_share: Number
    alignment: Quartiles
    alignment_by_chance: Number
    way_m: Quartiles
    steps: Quartiles
    points: tuple[FixedPointRecord, ...]
    period_error: Number
    reason: str = ""


class CommutatorRecord(Record):
    """How far two moves made in either order end apart."""

    distance: Quartiles
    displacement_m: Quartiles
    over_one_move: Number
    over_unrelated: Number


class LyapunovRecord(Record):
    """Lyapunov exponents per step with standard errors; `slow` of them lie before the gap."""

    exponents: Numbers
    standard_errors: Numbers
    interval: tuple[Numbers, ...]
    neutral: int
    slow: int
    gap: Number
    fades_in_steps: Numbers
    alignment: Quartiles


class DynamicsRecord(Record):
    """Whether the system is a continuous attractor; parts that failed are None, with a reason."""

    states: int
    gains: GainsRecord | None = None
    perturbation: PerturbationRecord | None = None
    return_map: ReturnMapRecord | None = None
    commutator: CommutatorRecord | None = None
    lyapunov: LyapunovRecord | None = None
    reason: str = ""


class SpectrumRecord(Record):
    """Eigenvalues and singular values of W(v) by velocity, and what W(0) does to active units."""

    velocities_m: tuple[tuple[Number, Number], ...]
    radius: Numbers
    largest_singular_value: Numbers
    smallest_singular_value: Numbers
    near_one: tuple[int, ...]
    largest_turn_deg: Numbers
    active_units: Number
    gain: Number
    rectified: Number
    active_largest_singular_value: Number
    active_radius: Number


class BlocksRecord(Record):
    """Share of the squared weights within modules against shuffled labels."""

    groups: tuple[int, ...]
    coupling: tuple[Numbers, ...]
    within: Number
    with_diagonal: Number
    expected: Number
    p_value: Number
    reason: str = ""


class ProfileRecord(Record):
    """Weights of one module against phase difference, and how the profile moves with velocity."""

    module: int
    explained_at_rest: Number
    velocities: tuple[tuple[Number, Number], ...]
    explained: Numbers
    shift_m: tuple[tuple[Number, Number], ...]
    matrix: tuple[tuple[Number, Number], ...]
    null_95: Number
    p_value: Number
    slope: Number
    slope_with_self: Number
    turn_deg: Number
    isotropy: Number
    r2: Number
    slope_null_95: Number
    shift_p_value: Number
    reason: str = ""


class GeneratorsRecord(Record):
    """How nearly W(v) is the exponential of generators that commute."""

    speeds_m: Numbers
    exponential: Numbers
    linear: Numbers
    changed: Numbers
    commutator: Number
    permuted: Number
    rotated: Number
    p_value: Number
    group_commutator: Number
    on_states: Number
    on_states_permuted: Number
    reason: str = ""


class MechanismRecord(Record):
    """The trained weights: spectra, blocks by module, phase profiles and generators of moves."""

    spectrum: SpectrumRecord
    blocks: BlocksRecord
    profiles: tuple[ProfileRecord, ...]
    generators: GeneratorsRecord
