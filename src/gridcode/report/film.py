"""The film of a training: rate maps of the best units over time, with loss and grid cells.

A frame shows the maps of one snapshot; nothing is drawn in between.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from gridcode.errors import InputError
from gridcode.report.style import INK, draw_map, fill_isolated_bins, frame, module_colour, peak_of
from gridcode.runs.history import THRESHOLD

BACKGROUND, PANEL, FAINT, TEXT = "#0d1117", "#161c25", "#8b97a6", "#f2f5f8"
DARK: Any = {
    "figure.facecolor": BACKGROUND,
    "axes.facecolor": PANEL,
    "text.color": TEXT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "font.size": 9,
}
LOSS, COUNT = INK[4], INK[5]
SMALLEST, LARGEST = 240, 2160
# The last frame is shown this much longer; no frame is shorter than the second number.
HOLD_S, FASTEST_S = 1.0, 0.02
# The rectangle of the maps and the rows below them, as shares of the side.
LEFT, RIGHT, BOTTOM, TOP = 0.04, 0.96, 0.215, 0.865


@dataclass(frozen=True)
class Film:
    """A film, ready to be drawn frame by frame.

    Attributes:
        history: `rate` (step, unit, y, x), `grid_score` (step, unit), `silent` (step, unit); as
            `gridcode.runs.history` gives them.
        units: positions of the units to show, in order.
        module: (unit,) module of each of these, -1 for none.
        spacings_m: spacing of each module.
        metrics: logged lines with `step` and `loss`.
        title: such as `quick, seed 0`.
        size: side of the square picture, pixels.
    """

    history: xr.Dataset
    units: np.ndarray
    module: np.ndarray
    spacings_m: Sequence[float]
    metrics: Sequence[Mapping[str, Any]]
    title: str
    size: int = 720

    @property
    def steps(self) -> list[int]:
        """Training steps of the snapshots: one frame each."""
        return [int(step) for step in self.history["step"].values]

    @cached_property
    def counts(self) -> np.ndarray:
        """How many active units have a hexagonal score above 0.5, by snapshot."""
        above = np.nan_to_num(self.history["grid_score"].values, nan=-np.inf) > THRESHOLD
        return (above & ~self.history["silent"].values.astype(bool)).sum(axis=1)

    def frames(self, progress: Callable[[int, int], None] | None = None) -> Iterator[Image.Image]:
        """The pictures, one for each snapshot, all in the palette of the last one.

        Args:
            progress: called with (done, total).
        """
        # Whatever style the caller's own figures have, such as one that places axes by itself.
        with style.context(DARK, after_reset=True):
            drawing = _Drawing(self)
        palette = drawing.picture(len(self.steps) - 1).quantize(256)
        for number in range(len(self.steps)):
            picture = drawing.picture(number)
            yield picture.quantize(palette=palette, dither=Image.Dither.NONE)
            if progress:
                progress(number + 1, len(self.steps))

    def durations_ms(self, seconds: float) -> list[int]:
        """How long each frame is shown: all alike, the last a second longer, `seconds` in all.

        Raises:
            InputError: too short for so many snapshots.
        """
        number = len(self.steps)
        # In steps of 10 ms, as GIF has them.
        shown = int(100 * (seconds - HOLD_S) / number + 1e-6)
        if shown < 100 * FASTEST_S:
            least = HOLD_S + FASTEST_S * number
            raise InputError(
                f"a film of {number} snapshots needs {least:g} s or more, not {seconds:g}"
            )
        return [10 * shown] * (number - 1) + [round(1000 * seconds) - 10 * shown * (number - 1)]


class _Drawing:
    """One figure, whose maps, numbers and curves change from frame to frame."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.rate = fill_isolated_bins(film.history["rate"].values)
        figure = Figure(figsize=(7.2, 7.2), dpi=film.size / 7.2)
        self.canvas = FigureCanvasAgg(figure)
        self.images = self._draw_maps(figure)
        self._draw_head(figure)
        last, total = max(film.steps[-1], 1), film.history.sizes["unit"]
        figure.text(LEFT, 0.175, "training step", color=FAINT)
        self.step = figure.text(LEFT, 0.125, "", fontsize=26, weight="bold")
        self.count = figure.text(LEFT, 0.075, "", fontsize=13, color=COUNT, weight="bold")
        figure.text(LEFT, 0.05, f"hexagonal score > {THRESHOLD:g}", color=FAINT)
        known = [(row["step"], row["loss"]) for row in film.metrics if row.get("loss") is not None]
        logged = [(step, loss) for step, loss in known if step <= last and np.isfinite(loss)]
        self.curves: list[tuple[np.ndarray, Line2D, Text]] = []
        counted = np.column_stack([film.steps, film.counts])
        self._draw_curve(figure, 0.36, counted, (0.0, max(total, 1)), COUNT)
        if logged:
            # Losses start high: the few largest would flatten the rest.
            losses = np.array(logged, dtype=np.float64)
            low, high = float(losses[:, 1].min()), float(np.quantile(losses[:, 1], 0.98))
            losses[:, 1] = np.minimum(losses[:, 1], high)
            self._draw_curve(figure, 0.70, losses, (low, max(high, low + 1e-6)), LOSS)

    def _draw_maps(self, figure: Figure) -> list[AxesImage]:
        film = self.film
        aspect = film.history.sizes["y"] / film.history.sizes["x"]
        columns = _columns(len(film.units), (RIGHT - LEFT) / (TOP - BOTTOM) * aspect)
        rows = -(-len(film.units) // columns)
        grid = figure.add_gridspec(
            rows, columns, left=LEFT, right=RIGHT, bottom=BOTTOM, top=TOP, wspace=0.08, hspace=0.08
        )
        images = []
        for k, (unit, module) in enumerate(zip(film.units, film.module, strict=True)):
            ax = figure.add_subplot(grid[k])
            final = film.history.isel(step=-1, unit=int(unit))["rate"]
            frame(draw_map(ax, final, scale_bar=k == 0), int(module))
            ax.images[0].set_interpolation("bilinear")
            images.append(ax.images[0])
        return images

    def _draw_head(self, figure: Figure) -> None:
        film = self.film
        figure.text(LEFT, 0.935, film.title, fontsize=18, weight="bold")
        shown, total = len(film.units), film.history.sizes["unit"]
        side = film.history.attrs["arena_m"]
        parts = [f"{shown} of {total} units" if shown < total else f"{total} units"]
        figure.text(RIGHT, 0.9, f"square arena, {side:g} m", color=FAINT, ha="right")
        figure.text(LEFT, 0.9, parts[0], color=FAINT)
        # There is room for four modules.
        for k, module in enumerate(sorted({int(m) for m in film.module if m >= 0})[:4]):
            text, colour = f"■ {film.spacings_m[module]:.2f} m", module_colour(module)
            figure.text(0.24 + 0.13 * k, 0.9, text, color=colour)

    def _draw_curve(
        self,
        figure: Figure,
        left: float,
        points: np.ndarray,
        limits: tuple[float, float],
        colour: str,
    ) -> None:
        ax: Axes = figure.add_axes((left, 0.06, 0.26, 0.105))
        last = max(self.film.steps[-1], 1)
        pad = 0.06 * (limits[1] - limits[0])
        ax.set(xlim=(0, last), xticks=[0, last])
        ax.set(ylim=(limits[0] - pad, limits[1] + pad), yticks=limits)
        ax.set_xticklabels(["0", f"{last:,} steps"])
        ax.set_yticklabels([f"{value:.3g}" for value in limits])
        ax.get_xticklabels()[1].set_horizontalalignment("right")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        (line,) = ax.plot([], [], "o-", color=colour, linewidth=1.5, clip_on=False)
        line.set(markersize=4, markevery=[-1])
        title = ax.set_title("", loc="left", color=colour, fontsize=10, pad=4)
        self.curves.append((points, line, title))

    def picture(self, number: int) -> Image.Image:
        """The frame of one snapshot."""
        film, step = self.film, self.film.steps[number]
        for unit, image in zip(film.units, self.images, strict=True):
            rate = self.rate[number, unit]
            image.set_data(rate)
            image.set_clim(0, peak_of(rate))
        self.step.set_text(f"{step:,}")
        self.count.set_text(f"{film.counts[number]} of {film.history.sizes['unit']} units")
        titles = (f"units, score > {THRESHOLD:g}", "loss")
        for (points, line, title), name in zip(self.curves, titles, strict=False):
            shown = points[points[:, 0] <= step]
            line.set_data(*shown.T)
            title.set_text(f"loss: {shown[-1, 1]:.3f}" if name == "loss" and len(shown) else name)
        self.canvas.draw()
        return Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3].copy())


def _columns(count: int, aspect: float) -> int:
    """The number of columns with which `count` maps are largest.

    Args:
        count: how many maps.
        aspect: of the room for them, in sides of a map: width over height.
    """

    def side(columns: int) -> float:
        return min(aspect / columns, 1 / -(-count // columns))

    return max(range(1, count + 1), key=side)
