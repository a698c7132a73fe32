r"""A sheet of neurons on a torus: local inhibition, four preferred directions, velocity input.

Burak and Fiete (2009), equations 1 to 4, for n x n neurons with periodic boundaries:

$$ \tau \frac{ds_i}{dt} + s_i = f\Bigl(\sum_j W_{ij} s_j + B_i\Bigr), \quad f(x) = \max(x, 0) $$

$$ W_{ij} = g\, W_0(x_i - x_j - l\, \hat e_{\theta_j}), \quad
   W_0(x) = a\, e^{-\gamma |x|^2} - e^{-\beta |x|^2}, \quad B_i = 1 + \alpha\, \hat e_{\theta_i}
   \cdot v $$

with a = 1. The authors' program has ds/dt + s / tau = f instead, that is g = tau in ms: with g = 1
these weights form no pattern.

Each block of 2 x 2 neurons prefers east and west (even rows), north and south (odd rows). Rows and
columns are kept in the order even, odd, so that the neurons of one direction are one block.

A neuron fires f / tau spikes per ms, and each spike adds 1 to its s. With `noise` > 0 the number of
spikes in a time step is normal with that mean, and a variance of `noise` squared times the mean.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Float

# The kernel has no power at short waves: those below this share of its largest power are left out.
LEAST_POWER = 1e-5
# Walkers whose states stay in the cache together.
TOGETHER = 8


class Sheet:
    """The sheet and its time steps.

    Args:
        neurons: along a side; even.
        wavelength: lambda, with beta = 3 / lambda^2 and gamma = 1.05 beta, in neurons.
        shift: l, neurons.
        strength: g, with a = 1.
        rate: time step over tau.
        noise: coefficient of variation of the spikes.
    """

    def __init__(
        self,
        *,
        neurons: int,
        wavelength: float,
        shift: int,
        strength: float,
        rate: float,
        noise: float = 0.0,
    ) -> None:
        self.neurons, self.rate, self.noise = neurons, rate, noise
        beta = 3 / wavelength**2
        gamma = 1.05 * beta
        waves = np.arange(neurons // 2) * (2 * np.pi / neurons)

        def power(square: np.ndarray) -> np.ndarray:
            """The Fourier transform of W_0 at |k|^2."""
            centre = np.pi / gamma * np.exp(-square / (4 * gamma))
            return np.asarray(centre - np.pi / beta * np.exp(-square / (4 * beta)))

        known = np.abs(power(waves**2)) > LEAST_POWER * np.abs(power(waves**2)).max()
        self._waves = waves[: np.flatnonzero(known).max() + 1]
        even, odd = np.arange(0, neurons, 2), np.arange(1, neurons, 2)
        k = np.repeat(self._waves, 2)[1:]  # of the cosine and the sine of each wave, and constant
        single = np.float32
        self._kernel = (rate * strength * power(k[:, None] ** 2 + k**2)).astype(single)
        # A neuron acts as one at its place plus the shift: the four shifted kernels are one kernel.
        self._east_west = np.concatenate([self._basis(even + shift), self._basis(odd - shift)])
        self._even, self._odd = self._basis(even), self._basis(odd)
        north_south = [self._basis(odd + shift), self._basis(odd - shift)]
        self._y = np.concatenate([self._even, *north_south]).T.copy()
        # Two more functions carry the velocity input: 1 on even, and 1 on odd rows or columns.
        blocks = np.repeat(np.eye(2, dtype=single), neurons // 2, axis=0)
        places = np.concatenate([self._basis(np.concatenate([even, odd])), blocks], axis=1)
        self._to_y, self._to_x = places, places.T.copy()

    @cached_property
    def order(self) -> np.ndarray:
        """Rows, or columns, in the order even, odd."""
        return np.concatenate([np.arange(0, self.neurons, 2), np.arange(1, self.neurons, 2)])

    def by_parity(self, sheet: Float[np.ndarray, "*shape y x"]) -> Float[np.ndarray, "*shape y x"]:
        """A sheet in the order of its places as one in the order of states."""
        return np.asarray(sheet[..., self.order[:, None], self.order])

    def by_place(self, sheet: Float[np.ndarray, "*shape y x"]) -> Float[np.ndarray, "*shape y x"]:
        """The inverse of `by_parity`."""
        back = np.argsort(self.order)
        return np.asarray(sheet[..., back[:, None], back])

    def run(
        self,
        states: Float[np.ndarray, "walker y x"],
        drive: Float[np.ndarray, "walker 2"],
        steps: int,
        *,
        envelope: Float[np.ndarray, "y x"] | None = None,
        generator: np.random.Generator | None = None,
    ) -> Float[np.ndarray, "walker y x"]:
        """States after some time steps, in single precision.

        Args:
            states: activity s, in the order of `by_parity`.
            drive: velocity input alpha v, along x and y.
            steps: how many time steps (forward Euler).
            envelope: added to the input B, in the order of `by_parity`.
            generator: of the noise; needed where there is noise.
        """
        out = np.array(states, dtype=np.float32)
        added = None if envelope is None else (self.rate * envelope).astype(np.float32)
        for first in range(0, len(out), TOGETHER):
            part = slice(first, first + TOGETHER)
            self._run(out[part], drive[part], steps, added, generator)
        return out

    def _run(
        self,
        s: np.ndarray,
        drive: np.ndarray,
        steps: int,
        envelope: np.ndarray | None,
        generator: np.random.Generator | None,
    ) -> None:
        half, waves = self.neurons // 2, len(self._kernel)
        rows = np.empty((len(s), 3 * half, waves), dtype=np.float32)
        input_waves = np.zeros((len(s), waves + 2, waves + 2), dtype=np.float32)
        east, north = drive[:, 0], drive[:, 1]
        corner = np.array([[1 + east, 1 - east], [1 + north, 1 - north]]).transpose(2, 0, 1)
        input_waves[:, waves:, waves:] = self.rate * corner
        columns = np.empty((len(s), waves + 2, self.neurons), dtype=np.float32)
        f = np.empty_like(s)  # times rate
        for _ in range(steps):
            np.matmul(s[:, :half], self._east_west, out=rows[:, :half])
            np.matmul(s[:, half:, :half], self._even, out=rows[:, half : 2 * half])
            np.matmul(s[:, half:, half:], self._odd, out=rows[:, 2 * half :])
            np.multiply(np.matmul(self._y, rows), self._kernel, out=input_waves[:, :waves, :waves])
            np.matmul(input_waves, self._to_x, out=columns)
            np.matmul(self._to_y, columns, out=f)
            if envelope is not None:
                f += envelope
            np.maximum(f, np.float32(0), out=f)
            s *= np.float32(1 - self.rate)
            s += f
            if self.noise:
                assert generator is not None
                spread = np.sqrt(f) * np.float32(self.noise)
                s += spread * generator.standard_normal(s.shape, dtype=np.float32)

    def _basis(self, places: np.ndarray) -> Float[np.ndarray, "place function"]:
        """Cosines and sines at these places, orthonormal over the sheet."""
        angle = places[:, None] * self._waves
        pairs = np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(len(places), -1)
        scaled = np.delete(pairs, 1, axis=1) * np.sqrt(2 / self.neurons)
        scaled[:, 0] /= np.sqrt(2)
        return np.asarray(scaled, dtype=np.float32)
