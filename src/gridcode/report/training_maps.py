"""A picture of a network in training: the same units before it and now."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.report.figures import by_score
from gridcode.report.style import RATE_COLOURS, fill_isolated_bins, number, peak_of

COLUMNS, ROWS = 6, 6
# Of a map's side: between maps, with room for the score above.
GAP, TITLE = 0.08, 0.2


def before_and_now(before: xr.Dataset, now: xr.Dataset, *, title: str) -> Figure:
    """Rate maps of the best units, at the beginning on the left and now on the right.

    Above each map: its hexagonal score. Colours: from 0 to the map's own peak.

    Args:
        before: `rate` (unit, y, x), `grid_score` and `silent` (unit,) of the untrained network.
        now: the same of the trained one, whose best units are shown, best first.
        title: what is seen.
    """
    units = by_score(now)[: COLUMNS * ROWS]
    columns = min(COLUMNS, len(units))
    rows = -(-len(units) // columns)
    figure = Figure(figsize=(2 * 0.95 * columns + 0.6, 1.1 * rows + 0.55))
    figure.suptitle(title, fontsize=8)
    for place, (name, data) in enumerate((("before training", before), ("now", now))):
        ax = figure.add_subplot(1, 2, place + 1)
        _mosaic(ax, data.isel(unit=units), columns)
        ax.set_title(name, fontsize=8)
    return figure


def _mosaic(ax: Axes, data: xr.Dataset, columns: int) -> None:
    """All maps as one image: drawing one axes for each takes seconds."""
    bins = data.sizes["y"]
    tall, wide = round((1 + TITLE) * bins), round((1 + GAP) * bins)
    rows = -(-data.sizes["unit"] // columns)
    image = np.ones((rows * tall, columns * wide, 4))
    shown = fill_isolated_bins(data["rate"].values.astype(np.float64))
    for k, (rate, score) in enumerate(zip(shown, data["grid_score"].values, strict=True)):
        row, column = divmod(k, columns)
        top, left = row * tall + tall - bins, column * wide
        picture = RATE_COLOURS(np.ma.masked_invalid(rate[::-1] / peak_of(rate)))
        image[top : top + bins, left : left + data.sizes["x"]] = picture
        ax.text(left + bins / 2, top - 1.5, number(score), fontsize=5.5, ha="center", va="bottom")
    ax.imshow(image, interpolation="nearest")
    ax.set_axis_off()
