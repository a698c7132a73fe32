"""A first picture of a packaged network: rate maps of its best units, in seconds."""

import math
import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gridcode.models.populations import members_of
from gridcode.packaged.networks import Pretrained
from gridcode.report.collection import to_png
from gridcode.report.figures import best_of_each_module
from gridcode.report.style import draw_map, frame
from gridcode.runs.files import one_line_errors, write_atomically
from gridcode.runs.history import map_snapshot
from gridcode.version import __version__

COLUMNS, ROWS = 10, 6
# The arena holds this many spacings of the network's largest module.
SPACINGS = 3.5


def write_picture(found: Pretrained, out: str | os.PathLike[str]) -> Path:
    """Walk the network through an arena and write the rate maps of its best units as PNG.

    Frames have the colour of the population. The arena holds 3.5 spacings of the largest module;
    nothing is compared with null maps: that is what `gridcode evaluate` does.

    Raises:
        InputError: the file cannot be written.
    """
    spacing = max((module.spacing_m for module in found.scores.modules), default=1.0)
    arena_m = float(math.ceil(SPACINGS * spacing))
    fastest = found.config.world.max_velocity_m
    data = map_snapshot(*found.as_system(), arena_m=arena_m, max_step_m=fastest)
    sizes = [len(member.g0) for member in members_of(found.network)]
    data["module"] = ("unit", np.repeat(np.arange(len(sizes)), sizes))
    chosen = best_of_each_module(data, COLUMNS * ROWS)
    figure = Figure(figsize=(COLUMNS, 1.06 * ROWS + 0.4), layout="constrained")
    axes = figure.subplots(ROWS, COLUMNS).ravel()
    for number, ax in enumerate(axes):
        ax.set_axis_off()
        if number < len(chosen):
            unit = int(chosen[number])
            draw_map(ax, data["rate"].isel(unit=unit), scale_bar=number == 0)
            frame(ax, int(data["module"].values[unit]))
    figure.suptitle(
        f"{found.name}: rate maps of the best {len(chosen)} of {sum(sizes)} units in a "
        f"{arena_m:g} m arena; frames: population",
        fontsize=8,
    )
    source = (
        f"gridcode {__version__}, packaged network {found.name}, weights {found.details.weights}"
    )
    with one_line_errors(f"cannot write '{out}'"):
        write_atomically(out, to_png(figure, source=source))
    return Path(out)
