"""The film of a training: rate maps of the best units, step after step, with what grows below them.

Every frame is drawn as indices into one palette, so that all formats show the same picture and a
GIF needs no dithering. A frame shows one snapshot's measured maps and nothing in between.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from jaxtyping import Float, UInt8
from PIL import Image, ImageColor, ImageDraw, ImageFont

from gridcode.errors import InputError
from gridcode.report.style import BARS_M, INK, RATE_COLOURS
from gridcode.runs.history import THRESHOLD

BACKGROUND, PANEL, FAINT, TEXT = "#0d1117", "#161c25", "#8b97a6", "#f2f5f8"
NEVER_VISITED = "#3a4350"
LEVELS = 64
SHADES = 12
# Everything but maps is drawn this much larger and reduced: smooth edges and letters.
FINE = 2
SMALLEST, LARGEST = 240, 2160
# In 720ths of the side of the film.
MARGIN, TOP, BOTTOM, GAP = 28, 96, 148, 12
HOLD_S = 1.0
FASTEST_S = 0.02
LOSS, COUNT = INK[4], INK[5]


@dataclass(frozen=True)
class Film:
    """A film, ready to be drawn frame by frame.

    Attributes:
        history: `rate` (step, unit, y, x), `minmax` (step, unit), `silent` (step, unit); as
            `gridcode.runs.history` gives them.
        units: places of the units to show, in order.
        module: (unit,) module of each of these, -1 for none.
        spacings_m: spacing of each module.
        metrics: logged lines with `step` and `loss`.
        title: such as `quick, seed 0`.
        size: side of the picture, pixels.
        threshold: hexagonal score above which a unit is counted; a convention, not a test.
    """

    history: xr.Dataset
    units: np.ndarray
    module: np.ndarray
    spacings_m: Sequence[float]
    metrics: Sequence[Mapping[str, Any]]
    title: str
    size: int = 720
    threshold: float = THRESHOLD

    @property
    def steps(self) -> list[int]:
        """Training steps of the snapshots: one frame each."""
        return [int(step) for step in self.history["step"].values]

    @cached_property
    def palette(self) -> UInt8[np.ndarray, "colour 3"]:
        """All colours of the film: first those of maps, then the shades of everything else on the background."""
        maps = 255 * RATE_COLOURS(np.linspace(0, 1, LEVELS))[:, :3]
        background = np.array(ImageColor.getrgb(BACKGROUND))
        shades = [np.array([ImageColor.getrgb(c) for c in (NEVER_VISITED, BACKGROUND, PANEL)])]
        for colour, count in ((TEXT, 3 * SHADES), (FAINT, SHADES), *((ink, SHADES) for ink in INK)):
            share = np.arange(1, count + 1)[:, None] / count
            shades.append(background + share * (np.array(ImageColor.getrgb(colour)) - background))
        return np.concatenate([maps, *shades]).round().astype(np.uint8)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many active units score above the threshold, by snapshot."""
        above = np.nan_to_num(self.history["minmax"].values, nan=-np.inf) > self.threshold
        return (above & ~self.history["silent"].values.astype(bool)).sum(axis=1)

    def frames(
        self, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[UInt8[np.ndarray, "y x"]]:
        """The pictures, one for each snapshot, as indices into the palette.

        Args:
            progress: called with (done, total).
        """
        places = _places(
            len(self.units), self.size, self.history.sizes["y"] / self.history.sizes["x"]
        )
        still = self._indices(self._still(places))
        low = self.size - self._u(BOTTOM)
        for number in range(len(self.steps)):
            picture = still.copy()
            picture[low:] = self._indices(self._below(number))
            for unit, (left, top, width, height) in zip(self.units, places, strict=True):
                picture[top : top + height, left : left + width] = _levels(
                    self.history["rate"].values[number, unit], width, height
                )
            yield picture
            if progress:
                progress(number + 1, len(self.steps))

    def durations_ms(self, seconds: float) -> list[int]:
        """How long each frame is shown, in steps of 10 ms: all alike, the last one a second longer, `seconds` together.

        Raises:
            InputError: too short for so many snapshots.
        """
        number = len(self.steps)
        hold = int(100 * (seconds - HOLD_S) / number + 1e-6)
        if hold < 100 * FASTEST_S:
            raise InputError(
                f"a film of {number} snapshots needs {HOLD_S + FASTEST_S * number:g} s or more, not {seconds:g}"
            )
        return [10 * hold] * (number - 1) + [round(1000 * seconds) - 10 * hold * (number - 1)]

    def _u(self, length: float) -> int:
        return round(length * self.size / 720)

    def _font(self, points: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        return ImageFont.truetype(
            str(mpl.get_data_path()) + f"/fonts/ttf/{name}", round(points * FINE * self.size / 720)
        )

    def _indices(self, picture: Image.Image) -> UInt8[np.ndarray, "y x"]:
        """A drawing reduced to its final size, in the palette's nearest colours besides those of maps."""
        small = np.asarray(
            picture.resize((picture.width // FINE, picture.height // FINE), Image.Resampling.BOX),
            dtype=np.int32,
        )
        code = small[..., 0] << 16 | small[..., 1] << 8 | small[..., 2]
        found, place = np.unique(code, return_inverse=True)
        colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
        chrome = self.palette[LEVELS + 1 :].astype(np.int32)
        nearest = ((colours[:, None] - chrome[None]) ** 2).sum(axis=2).argmin(axis=1)
        return (nearest[place.reshape(code.shape)] + LEVELS + 1).astype(np.uint8)

    def _still(self, places: Sequence[tuple[int, int, int, int]]) -> Image.Image:
        """What does not change: title, scale bar, modules, frames."""
        picture = Image.new("RGB", (FINE * self.size, FINE * self.size), BACKGROUND)
        draw = ImageDraw.Draw(picture)
        edge, total = FINE * self._u(MARGIN), self.history.sizes["unit"]
        draw.text(
            (edge, FINE * self._u(24)), self.title, TEXT, self._font(24, bold=True), anchor="lt"
        )
        x, y = float(edge), FINE * self._u(64)
        small = self._font(13)
        shown = (
            f"{len(self.units)} of {total} units"
            if len(self.units) < total
            else f"{total} unit{'s' if total != 1 else ''}"
        )
        draw.text((x, y), shown, FAINT, small, anchor="lt")
        x += draw.textlength(shown, small) + FINE * self._u(20)
        # Spacings alone: with the arena's size on the same line there is room for no more than four
        # of them.
        for number in sorted({int(m) for m in self.module if m >= 0})[:4]:
            side = FINE * self._u(11)
            draw.rectangle((x, y, x + side, y + side), fill=INK[number % len(INK)])
            words = f"{self.spacings_m[number]:.2f} m"
            draw.text((x + side + FINE * self._u(7), y), words, FAINT, small, anchor="lt")
            x += side + draw.textlength(words, small) + FINE * self._u(25)
        self._scale(draw, places[0][2])
        for module, (left, top, width, height) in zip(self.module, places, strict=True):
            colour, line = (
                (INK[int(module) % len(INK)], self._u(3))
                if module >= 0
                else (FAINT, max(1, self._u(1)))
            )
            draw.rectangle(
                (
                    FINE * (left - line),
                    FINE * (top - line),
                    FINE * (left + width + line) - 1,
                    FINE * (top + height + line) - 1,
                ),
                fill=colour,
            )
        return picture

    def _scale(self, draw: ImageDraw.ImageDraw, width: int) -> None:
        """A scale bar as long as its length in a map, with the arena's size."""
        side = float(self.history.attrs["arena_m"])
        length = next((b for b in BARS_M if b <= 0.3 * side), BARS_M[-1])
        right, y = FINE * (self.size - self._u(MARGIN)), FINE * self._u(36)
        left = right - FINE * round(width * length / side)
        draw.rectangle((left, y - FINE * self._u(2), right, y + FINE * self._u(2)), fill=TEXT)
        draw.text(
            ((left + right) / 2, y - FINE * self._u(8)),
            f"{length:g} m",
            TEXT,
            self._font(13),
            anchor="mb",
        )
        draw.text(
            (right, FINE * self._u(64)),
            f"square arena, {side:g} m",
            FAINT,
            self._font(13),
            anchor="rt",
        )

    def _below(self, number: int) -> Image.Image:
        """Step, number of hexagonal units, loss: as words on the left, as growing curves on the right."""
        picture = Image.new("RGB", (FINE * self.size, FINE * self._u(BOTTOM)), BACKGROUND)
        draw = ImageDraw.Draw(picture)
        u = lambda length: FINE * self._u(length)  # noqa: E731 (the unit of all lengths below)
        step, last, total = self.steps[number], max(self.steps[-1], 1), self.history.sizes["unit"]
        draw.text((u(MARGIN), u(10)), "training step", FAINT, self._font(13), anchor="lt")
        draw.text((u(MARGIN), u(30)), f"{step:,}", TEXT, self._font(34, bold=True), anchor="lt")
        draw.text(
            (u(MARGIN), u(80)),
            f"{self.counts[number]} of {total} units",
            COUNT,
            self._font(15, bold=True),
            anchor="lt",
        )
        draw.text(
            (u(MARGIN), u(100)),
            f"hexagonal score > {self.threshold:g}",
            FAINT,
            self._font(12),
            anchor="lt",
        )
        known = [row for row in self.metrics if row.get("loss") is not None and row["step"] <= last]
        logged = [
            (int(row["step"]), float(row["loss"])) for row in known if np.isfinite(row["loss"])
        ]
        loss = [(s, value) for s, value in logged if s <= step]
        counted = list(
            zip(self.steps[: number + 1], self.counts[: number + 1].tolist(), strict=True)
        )
        values = [value for _, value in logged]
        draw_at = self._curve
        draw_at(
            draw,
            222,
            f"units, score > {self.threshold:g}",
            counted,
            (0.0, float(max(total, 1))),
            COUNT,
            last,
            f"{total}",
            "0",
            steps=True,
        )
        if values:
            # Losses start high: the few largest would flatten the rest.
            low, high = min(values), float(np.quantile(values, 0.98))
            pad = 0.06 * max(high - low, 1e-6)
            now = f": {loss[-1][1]:.3f}" if loss else ""
            draw_at(
                draw,
                470,
                f"loss{now}",
                loss,
                (low - pad, high + pad),
                LOSS,
                last,
                f"{high:.2f}",
                f"{low:.2f}",
            )
        return picture

    def _curve(
        self,
        draw: ImageDraw.ImageDraw,
        left: float,
        title: str,
        points: Sequence[tuple[int, float]],
        limits: tuple[float, float],
        colour: str,
        last: int,
        upper: str,
        lower: str,
        *,
        steps: bool = False,
    ) -> None:
        u = lambda length: FINE * length * self.size / 720  # noqa: E731 (as above)
        box = (u(left + 34), u(30), u(left + 222), u(106))
        draw.rectangle(box, fill=PANEL)
        draw.text((box[0], u(10)), title, colour, self._font(13), anchor="lt")
        for text, y, anchor in ((upper, box[1], "rt"), (lower, box[3], "rb")):
            draw.text((box[0] - u(6), y), text, FAINT, self._font(11), anchor=anchor)
        draw.text((box[0], box[3] + u(6)), "0", FAINT, self._font(11), anchor="lt")
        draw.text((box[2], box[3] + u(6)), f"{last:,} steps", FAINT, self._font(11), anchor="rt")

        def at(step: int, value: float) -> tuple[float, float]:
            share = (min(max(value, limits[0]), limits[1]) - limits[0]) / (limits[1] - limits[0])
            return box[0] + (box[2] - box[0]) * step / last, box[3] - (box[3] - box[1]) * share

        line = [at(*point) for point in points]
        if len(line) > 1:
            draw.line(line, fill=colour, width=round(u(1.8)), joint="curve")
        for x, y in line if steps else line[-1:]:
            radius = u(3.5 if (x, y) == line[-1] else 1.8)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def best_of_each_module(data: xr.Dataset, count: int) -> np.ndarray:
    """Places of the `count` best units, module after module, best score first; each module gets room in proportion to its units.

    Args:
        data: an evaluation's headline: `minmax`, `silent` and `module` of every unit.
        count: how many; all where there are fewer.
    """
    score = np.where(
        np.isfinite(data["minmax"].values) & ~data["silent"].values.astype(bool),
        data["minmax"].values,
        -9.0,
    )
    module = data["module"].values
    order = np.argsort(-score, kind="stable")
    queues = [order[module[order] == m] for m in sorted({int(m) for m in module if m >= 0})]
    inside = sum(len(q) for q in queues)
    room = min(count, inside)
    share = np.array([len(q) * room / max(inside, 1) for q in queues])
    take = np.floor(share).astype(int)
    for k in np.argsort(take - share, kind="stable")[: room - int(take.sum())]:
        take[k] += 1
    rest = order[module[order] < 0][: max(0, count - room)]
    chosen = [*(q[:n] for q, n in zip(queues, take.tolist(), strict=True)), rest]
    return np.concatenate(chosen).astype(np.int64)


def _places(count: int, size: int, aspect: float) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of every map, as large as fit, in the middle."""
    unit = size / 720
    width, height, gap = size - 2 * MARGIN * unit, size - (TOP + BOTTOM) * unit, GAP * unit
    best, columns = 0.0, 1
    for n in range(1, count + 1):
        rows = -(-count // n)
        side = min((width - (n - 1) * gap) / n, (height - (rows - 1) * gap) / rows / aspect)
        if side > best:
            best, columns = side, n
    wide, tall = max(1, int(best)), max(1, int(best * aspect))
    rows = -(-count // columns)
    left = round((size - columns * wide - (columns - 1) * gap) / 2)
    top = round(TOP * unit + max(0.0, (height - rows * tall - (rows - 1) * gap) / 2))
    return [
        (
            left + round((k % columns) * (wide + gap)),
            top + round((k // columns) * (tall + gap)),
            wide,
            tall,
        )
        for k in range(count)
    ]


def _levels(
    rate: Float[np.ndarray, "y x"], width: int, height: int
) -> UInt8[np.ndarray, "height width"]:
    """A map as indices into the palette, coloured from 0 to its own peak; linear between the middles of bins, grey where never visited."""
    known = np.isfinite(rate)
    peak = float(rate[known].max()) if known.any() else 0.0
    rows, columns = _between(rate.shape[0], height), _between(rate.shape[1], width)
    values = rows @ np.where(known, rate, 0.0) @ columns.T
    weight = rows @ known.astype(np.float64) @ columns.T
    level = np.rint(
        (LEVELS - 1) * np.clip(values / np.maximum(weight, 1e-9) / max(peak, 1e-12), 0, 1)
    )
    # Upwards in the arena is upwards in the picture.
    return np.where(weight < 0.5, LEVELS, level)[::-1].astype(np.uint8)


def _between(bins: int, pixels: int) -> Float[np.ndarray, "pixel bin"]:
    """Weights of bins in the middles of pixels: linear between the middles of bins."""
    place = np.clip((np.arange(pixels) + 0.5) * bins / pixels - 0.5, 0, bins - 1)
    return np.clip(1 - np.abs(place[:, None] - np.arange(bins)[None]), 0, 1)
