r"""Modules by peak selection on one sheet of neurons (Khona, Chandra and Fiete 2025).

Rows of the sheet run along the dorsoventral axis. Input u and rate s of the neuron at x follow

$$ \tau \dot u = -u + b(x) + \int W(x, x') s(x') dx', \qquad s = [u]_+. $$

The interaction W has a local part, the difference of two Gaussians of nearly equal width, whose
width grows smoothly along the axis, and a part that is the same everywhere, inhibition at the
distance d,

$$ W = \alpha (W_g(x - x'; \sigma(x)) - a\, \delta(|x - x'| - d) / 2 \pi d). $$

A pattern grows with the wave number k at which the Fourier transform of W is largest. That of W_g
has one broad peak, at $k \propto 1 / \sigma$; that of the fixed part is $-a J_0(k d)$, close to
$\cos(k d - \phi)$ with $\phi = 5 \pi / 4$, whose peaks are at $k d = 2 \pi m + \phi$. The broad
peak selects the nearest of these, so the period jumps while the width grows smoothly, and
successive modules have periods with the ratio

$$ \frac{m + 1 + \phi / 2 \pi}{m + \phi / 2 \pi}. $$

The animal's velocity moves the pattern: it shifts the recurrent weights, as in Zhang 1996, in
place of four populations with shifted weights in the publication. The sheet closes on itself
across the axis; its input fades out at both ends.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from scipy import fft
from typing_extensions import override

from gridcode.analysis.system import System
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import Count, EvaluationConfig, Metres

Sheets = Float[np.ndarray, "walker row column"]

# Inverse variance of the narrow Gaussian of the graded part over that of the wide one.
WIDTHS = 1.05
# Harmonics of the rates across the axis up to this wave number, per neuron, reach the others.
FINEST = 2.0


class PeakSelection(Recipe):
    """Settings of the sheet. Lengths on it are in neurons."""

    name: ClassVar = "peak_selection"
    title: ClassVar = "peak selection (2025)"
    family: ClassVar = "attractor"
    source: ClassVar = (
        "Khona, Chandra and Fiete 2025, Global modules robustly emerge from local interactions "
        "and smooth gradients, Nature"
    )
    put_in: ClassVar = (
        "connections, graded along the axis and one fixed distance, which sets the ratios; one "
        "gain of velocity"
    )
    integrates: ClassVar = True

    rows: Annotated[int, Field(ge=32, le=1000)] = 300
    """Neurons along the dorsoventral axis."""
    columns: Annotated[int, Field(ge=16, le=500)] = 64
    """Neurons across it."""
    distance: Annotated[float, Field(ge=4, le=200)] = 26.0
    """Distance d of the fixed inhibition, neurons."""
    fixed: Annotated[float, Field(ge=0, le=10)] = 1.5
    """Strength a of the fixed inhibition; 0: the period follows the graded part smoothly."""
    strength: Annotated[float, Field(gt=1, le=10)] = 1.2
    """Strength of all interactions: the growth of a pattern against decay."""
    peaks: tuple[Annotated[float, Field(gt=0.2)], Annotated[float, Field(gt=0.2)]] = (4.0, 1.2)
    """Peak of the graded part at the first and the last row, as k d / 2 pi; geometric between."""
    fade: Annotated[int, Field(ge=1, le=200)] = 8
    """Rows at each end over which the input fades out."""
    gain: Annotated[float, Field(ge=1, le=1000)] = 14.0
    """How far the pattern moves for one metre of the animal, neurons."""
    time_step: Annotated[float, Field(gt=0, le=0.3)] = 0.2
    """Step of the dynamics, time constants."""
    substeps: Annotated[int, Field(ge=1, le=100)] = 3
    """Steps of the dynamics in one step of the animal."""
    relaxation: Count = 2000
    """Steps of the dynamics from noise, at rest."""
    observed: Annotated[int, Field(ge=1, le=1024)] = 64
    """Neurons that are analysed: a random sample, without the ends of the sheet."""
    room_m: Metres = 2.4
    """Side of the room in which it walks, metres; maps are made in one of twice the side."""

    @model_validator(mode="after")
    def _fits(self) -> "PeakSelection":
        if self.columns < 2 * self.distance:
            raise ValueError(f"columns must be twice the distance of {self.distance:g} or more")
        if self.rows < 2 * self.fade + self.distance:
            raise ValueError("rows must be more than both ends that fade and the distance")
        if self.observed > (self.rows - 2 * self.fade) * self.columns:
            raise ValueError("observed must be at most the neurons between the ends")
        return self

    @property
    @override
    def steps(self) -> int:
        return self.relaxation

    @property
    @override
    def units(self) -> int:
        return self.observed

    @property
    @override
    def extent_m(self) -> float:
        return self.room_m

    @override
    def evaluation(self) -> EvaluationConfig:
        """With fewer samples and conditions than usual: a step of the sheet is costly."""
        return EvaluationConfig(
            arenas_m=(2 * self.room_m,),
            adapt_arena=False,
            walks=("smooth",),
            bin_size_m=0.08,
            samples_per_bin=5.0,
            space_arenas=(),
            space_walks=(),
            space_steps=(200, 200),
        )

    @override
    def begin(self, generator: np.random.Generator) -> "Sheet":
        shape = (1, self.rows, self.columns)
        inputs = 1 + 0.1 * generator.standard_normal(shape)
        inner = np.arange(self.fade * self.columns, (self.rows - self.fade) * self.columns)
        chosen = np.sort(generator.choice(inner, self.observed, replace=False))
        return Sheet(self, {"inputs": inputs.astype(np.float32), "observed": chosen})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> "Sheet":
        return Sheet(self, weights)

    @override
    def system(self, weights: Arrays) -> System:
        """State: inputs of all neurons, then the rates of those that are analysed."""
        sheet, chosen = Sheet(self, weights), weights["observed"]
        size = self.rows * self.columns

        def with_rates(inputs: np.ndarray) -> np.ndarray:
            return np.concatenate([inputs, np.maximum(inputs[:, chosen], 0)], axis=1)

        def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
            inputs = states[:, :size].reshape(-1, self.rows, self.columns)
            shift = velocities * (self.gain / self.substeps)
            for _ in range(self.substeps):
                inputs = sheet.after(inputs, shift.astype(np.float32))
            return with_rates(inputs.reshape(len(inputs), size))

        return System(
            step,
            with_rates(weights["inputs"].reshape(1, size))[0],
            self.max_step_m,
            extent_m=self.extent_m,
            observed=np.arange(size, size + self.observed),
        )

    def graded_peaks(self) -> Float[np.ndarray, " row"]:
        """Wave number of the peak of the graded part at each row, 1 / neuron."""
        first, last = np.asarray(self.peaks) * 2 * np.pi / self.distance
        along = np.clip((np.arange(self.rows) - self.fade) / (self.rows - 2 * self.fade), 0, 1)
        peaks: Float[np.ndarray, " row"] = first * (last / first) ** along
        return peaks

    def interaction(self) -> Float[np.ndarray, "harmonic row row"]:
        """W from each row to each, by harmonics across the axis."""
        # The transform of e^(-c B r^2) - e^(-B r^2) is pi / B times `transform` at k^2 / 4 B.
        q = np.linspace(0.01, 6, 20_000)
        transform = np.exp(-q / WIDTHS) / WIDTHS - np.exp(-q)
        # Both neurons' widths count alike: W is symmetric, so a pattern at rest does not drift.
        peaks = self.graded_peaks()
        inverse = (np.outer(peaks, peaks) / (4 * q[transform.argmax()]))[None]
        row, column = np.arange(self.rows), np.arange(self.columns)
        across = np.minimum(column, self.columns - column)
        squared = across[:, None, None] ** 2 + (row[:, None] - row) ** 2
        graded = np.exp(-WIDTHS * inverse * squared) - np.exp(-inverse * squared)
        graded *= inverse / (np.pi * transform.max())
        # One neuron wide; its sum is that of a whole ring, also at the ends of the sheet.
        ring = np.exp(-((np.sqrt(squared) - self.distance) ** 2) / 2)
        ring /= (2 * np.pi) ** 1.5 * self.distance
        harmonics = fft.fft(self.strength * (graded - self.fixed * ring), axis=0).real
        kept = min(self.columns // 2, int(FINEST * self.columns / (2 * np.pi))) + 1
        return harmonics[:kept].astype(np.float32)


class Sheet:
    """The dynamics of the sheet."""

    def __init__(self, recipe: PeakSelection, weights: Arrays) -> None:
        self._recipe, self._weights = recipe, weights

    @cached_property
    def _interaction(self) -> Float[np.ndarray, "harmonic row row"]:
        return self._recipe.interaction()

    @cached_property
    def _drive(self) -> Float[np.ndarray, "row 1"]:
        rows = np.arange(self._recipe.rows)
        from_end = np.minimum(rows, rows[::-1])
        drive = np.minimum(from_end / self._recipe.fade, 1.0)
        return drive[:, None].astype(np.float32)

    def after(self, inputs: Sheets, shift: Float[np.ndarray, "walker 2"] | None = None) -> Sheets:
        """Inputs one time step later.

        Args:
            inputs: (walker, row, column) u.
            shift: (walker, 2) how far the pattern moves in it along columns and rows, neurons.
        """
        time_step = np.float32(self._recipe.time_step)
        _, rows, columns = inputs.shape
        kept = len(self._interaction)
        rates = fft.rfft(np.maximum(inputs, 0), axis=2)[..., :kept]
        flat = np.ascontiguousarray(rates.transpose(2, 1, 0)).view(np.float32)
        recurrent = np.matmul(self._interaction, flat).view(np.complex64).transpose(2, 1, 0)
        change = time_step * recurrent
        if shift is not None:
            turns_x = np.exp(-2j * np.pi / columns * shift[:, :1] * np.arange(kept))
            turns_y = np.exp(-2j * np.pi * shift[:, 1:] * fft.fftfreq(rows))
            moved = fft.fft(recurrent, axis=1) * turns_y[..., None].astype(np.complex64)
            moved = fft.ifft(moved, axis=1) * turns_x[:, None].astype(np.complex64)
            # A pattern at rest, u = b + W s, moves by exactly the shift.
            change += moved - recurrent
        change = fft.irfft(change, n=columns, axis=2)
        after: Sheets = inputs + time_step * (self._drive - inputs) + change
        return after

    def advance(self, _step: int, _generator: np.random.Generator) -> Mapping[str, float]:
        """Relax for one time step; mean rate, and the mean change of an input in the step."""
        before = self._weights["inputs"]
        self._weights["inputs"] = self.after(before)
        rate = np.maximum(self._weights["inputs"], 0).mean()
        change = np.abs(self._weights["inputs"] - before).mean()
        return {"rate": float(rate), "change": float(change)}

    def weights(self) -> Arrays:
        """Inputs of all neurons, and which neurons are analysed."""
        return self._weights

    def rest(self) -> Arrays:
        """Nothing more."""
        return {}
