"""What was found on a line or in a volume, in one paragraph."""

import numpy as np

from gridcode.analysis.records.dimensions import LineRecord, VolumeRecord


def paragraph(found: LineRecord | VolumeRecord) -> str:
    """The finding in words."""
    return line_paragraph(found) if isinstance(found, LineRecord) else volume_paragraph(found)


def line_paragraph(found: LineRecord) -> str:
    """What was found on a line."""
    words = (
        f"On a line of {found.side_m:g} m {found.periodic} of {found.active} active units have a "
        f"period beyond {found.nulls} null lines with their own fields in other places."
    )
    if found.groups:
        groups = ", ".join(f"{g.period_m:.2f} m ({g.units} units)" for g in found.groups)
        words += f" Groups of one period: {groups}."
    for ratio in found.ratios:
        words += (
            f" {found.groups[ratio.second].period_m:.2f} over "
            f"{found.groups[ratio.first].period_m:.2f} m is {ratio.ratio:.2f}, nearest "
            f"{ratio.numerator}/{ratio.denominator}; a random ratio is as near in "
            f"{ratio.chance:.0%} of cases."
        )
    return words + _path_words(found)


def volume_paragraph(found: VolumeRecord) -> str:
    """What was found in a volume."""
    words = (
        f"In a cube of {found.side_m:g} m, of {found.active} active units {found.lattice} have a "
        f"lattice in space, {found.columns} columns and {found.planes} planes beyond "
        f"{found.nulls} random fields with the same spectrum. {found.local_order} units have "
        "local order: their fields are spaced more evenly than hard spheres placed at random."
    )
    lattice = found.shared_lattice
    if lattice is None:
        words += " No three independent waves are shared by many units: no common lattice."
    else:
        lengths = np.linalg.norm(np.array(lattice.vectors_m), axis=1)
        words += (
            f" {lattice.explained:.0%} of all waves (by chance {lattice.chance:.0%}) are of one "
            f"lattice with shortest vectors of {', '.join(f'{v:.2f}' for v in lengths)} m; balls "
            f"of that spacing fill {lattice.packing:.2f} of space (face-centred cubic 0.74)."
        )
    return words + _path_words(found)


def _path_words(found: LineRecord | VolumeRecord) -> str:
    if found.path_error_m is None:
        return ""
    return (
        f" After {found.path_steps} steps the place read from the state is "
        f"{found.path_error_m:.3f} m off (median)."
    )
