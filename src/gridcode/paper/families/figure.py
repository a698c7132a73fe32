"""The figure of the comparison: maps of every model, and a dot per model, seed and number."""

from collections.abc import Mapping, Sequence

import xarray as xr
from matplotlib.figure import Figure

from gridcode.paper.ablation import figure as lines
from gridcode.paper.families.measure import FamilyRow
from gridcode.paper.families.members import MAIN, MODELS

PANELS: tuple[lines.Panel, ...] = (
    ("lattice_share", "lattice cells\n(share of active)", 0.0, 1.0, False),
    ("lattice_share_beyond", "the same around the\ntrained square", 0.0, 1.0, False),
    ("n_independent", "independent\nmodules", 0.0, 3.0, True),
    ("path_1000_m", "path error after\n1,000 steps (m)", 0.0, None, False),
    ("path_1000_at_3", "the same in 3 times\nthe trained side (m)", 0.0, None, False),
    ("capacity_2m_bits", "places told apart\nin 2 m (bits)", 0.0, None, False),
)
REFERENCE = MODELS[0]


def draw(rows: Sequence[FamilyRow], examples: Mapping[str, xr.Dataset | None]) -> Figure:
    """A line for each model; models that answer the questions alone are left out."""
    shown = [row for row in rows if row.question == MAIN]
    return lines.draw(shown, examples, panels=PANELS, reference=REFERENCE, names_width=1.1)
