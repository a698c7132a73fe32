"""Records of codes on a line and in a volume."""

from gridcode.analysis.records.base import Known, Number, Quartiles, Record
from gridcode.analysis.records.origin import OriginRecord


class LineUnitRecord(Record):
    """One unit on a line; lengths in metres (`gridcode.analysis.dimensions.line.Periods`)."""

    unit: int
    silent: bool
    periodic: bool
    group: int | None
    period_m: Number
    similarity: Number
    p_value: Number
    fields: int
    width_m: Number
    stability: Number


class PeriodGroupRecord(Record):
    """Cells of one period (`gridcode.analysis.dimensions.groups.PeriodGroup`)."""

    period_m: Known
    spread: Known
    units: int


class PeriodRatioRecord(Record):
    """Two groups' periods (`gridcode.analysis.dimensions.groups.PeriodRatio`)."""

    first: int
    second: int
    ratio: Known
    numerator: int
    denominator: int
    miss: Known
    chance: Known


class LineRecord(Record):
    """What was found on a line."""

    dimensions: int = 1
    side_m: Known
    bin_size_m: Known
    walk: str
    nulls: int
    seed: int
    active: int
    periodic: int
    width_m: Quartiles
    stability: Quartiles
    path_error_m: Number
    path_steps: int
    groups: tuple[PeriodGroupRecord, ...]
    ratios: tuple[PeriodRatioRecord, ...]
    units: tuple[LineUnitRecord, ...]
    origin: OriginRecord | None = None


class VolumeUnitRecord(Record):
    """One unit in a volume; lengths in metres (`dimensions.waves.Waves`, `.order.LocalOrder`)."""

    unit: int
    silent: bool
    global_order: str
    waves: int
    strongest_wave: Number
    fields: int
    diameter_m: Number
    distance_m: Number
    variation: Number
    hard_spheres: Number
    p_poisson: Number
    p_hard_spheres: Number
    stability: Number


class SharedLatticeRecord(Record):
    """The lattice behind most waves (`gridcode.analysis.dimensions.shared.SharedLattice`)."""

    vectors_m: tuple[tuple[Known, Known, Known], ...]
    packing: Known
    explained: Known
    chance: Known


class VolumeRecord(Record):
    """What was found in a volume."""

    dimensions: int = 3
    side_m: Known
    bin_size_m: Known
    walk: str
    nulls: int
    seed: int
    active: int
    lattice: int
    columns: int
    planes: int
    local_order: int
    stability: Quartiles
    path_error_m: Number
    path_steps: int
    shared_waves: int
    shared_lattice: SharedLatticeRecord | None
    units: tuple[VolumeUnitRecord, ...]
    origin: OriginRecord | None = None
