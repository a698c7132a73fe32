"""Deformed boxes, walls that correct the state, and the map from places to a module's phases."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from gridcode.analysis.cells.ratemaps import rate_maps
from gridcode.analysis.system import System, roll
from gridcode.world.walks import smooth_walk

SIDE_M = 2.0
BINS = 40
# The outer 5% of the box at each wall.
ZONE_BINS = 2
NARROW = 0.25
TURN_DEG = 30.0


@dataclass(frozen=True)
class World:
    """A box as a map of the familiar one.

    Attributes:
        name: of the world.
        place: familiar places (..., 2) to places in this world, metres.
        stretch: how much longer a step can become.
        linear: (2, 2) the same map as a matrix, None where it is not linear.
        compass_deg: turn of the velocities that the network is given.
    """

    name: str
    place: Callable[[np.ndarray], np.ndarray]
    stretch: float = 1.0
    linear: np.ndarray | None = None
    compass_deg: float = 0.0


def turn(degrees: float) -> np.ndarray:
    """The matrix that turns columns anticlockwise."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def linear_world(name: str, matrix: np.ndarray, *, compass_deg: float = 0.0) -> World:
    """A world that is a linear map of the familiar box."""
    longest = max(1.0, float(np.linalg.norm(matrix, 2)))
    return World(name, lambda q: q @ matrix.T, longest, matrix, compass_deg)


def stretched(x: float, y: float = 1.0) -> World:
    """The box x times as long and y times as wide."""
    return linear_world(f"{x:g} x {y:g}", np.diag([x, y]))


def _trapezoid(q: np.ndarray) -> np.ndarray:
    height = NARROW + (1 - NARROW) * (q[..., 0] / SIDE_M + 0.5)
    return np.stack([q[..., 0], q[..., 1] * height], axis=-1)


FAMILIAR = stretched(1.0)
TRAPEZOID = World("trapezoid", _trapezoid, 1.1)
TURNED = linear_world("turned box", turn(TURN_DEG))
COMPASS = linear_world("turned compass", np.eye(2), compass_deg=TURN_DEG)


def paths(
    world: World, *, steps: int, walkers: int, max_step_m: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Familiar places, places in the world, (step + 1, walker, 2), and the network's velocities."""
    walk = smooth_walk(
        arena_m=SIDE_M,
        steps=steps,
        walkers=walkers,
        max_step_m=max_step_m / world.stretch,
        generator=np.random.default_rng(seed),
    )
    places = world.place(walk.positions)
    velocities = np.diff(places, axis=0) @ turn(world.compass_deg).T
    return walk.positions, places, velocities


def familiar_states(system: System, *, seed: int = 2) -> np.ndarray:
    """Mean states (y, x, unit) in the familiar box on paths as short as those of the training."""
    walk = smooth_walk(
        arena_m=SIDE_M,
        steps=80,
        walkers=512,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(seed),
    )
    states = roll(system, walk)[1:]
    maps = rate_maps(
        walk.positions[1:].reshape(-1, 2),
        states.reshape(-1, states.shape[-1]),
        arena_m=SIDE_M,
        bin_size_m=SIDE_M / BINS,
    )
    mean = maps["rate"].values.transpose(1, 2, 0)
    unknown = np.isnan(mean[..., 0])
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return mean[tuple(nearest)]


def landmarks(familiar: np.ndarray, anchor: str) -> np.ndarray:
    """What each bin of the zone along the walls pulls to, (y, x, unit); NaN elsewhere.

    Args:
        familiar: mean states of the familiar box.
        anchor: `place`, the mean state of this bin; `wall`, of the whole row of bins along the
            nearest wall; `shuffled`, of another bin of the zone, drawn at random once; `ends`, as
            `place`, at the west and the east wall only.
    """
    y, x = np.meshgrid(np.arange(BINS), np.arange(BINS), indexing="ij")
    depth = np.minimum(np.minimum(x, BINS - 1 - x), np.minimum(y, BINS - 1 - y))
    if anchor == "ends":
        depth = np.minimum(x, BINS - 1 - x)
    zone = depth < ZONE_BINS
    pulled = np.full(familiar.shape, np.nan)
    if anchor == "wall":
        by_x = np.minimum(x, BINS - 1 - x) <= np.minimum(y, BINS - 1 - y)
        rows, columns = familiar.mean(axis=1), familiar.mean(axis=0)
        mean = np.where(by_x[..., None], columns[None], rows[:, None])
        # All states have one length.
        mean *= np.linalg.norm(familiar[zone], axis=-1).mean() / np.linalg.norm(
            mean, axis=-1, keepdims=True
        )
        pulled[zone] = mean[zone]
    else:
        states = familiar[zone]
        if anchor == "shuffled":
            states = np.random.default_rng(3).permutation(states)
        pulled[zone] = states
    return pulled


def bins_of(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of familiar places."""
    index = np.clip((q / SIDE_M + 0.5) * BINS, 0, BINS - 1).astype(int)
    return index[..., 1], index[..., 0]


def follow(
    system: System,
    familiar_places: np.ndarray,
    velocities: np.ndarray,
    pull: np.ndarray | None,
    alpha: float,
) -> np.ndarray:
    """States (step + 1, walker, unit) along paths, pulled near the walls."""
    state = system.starts(velocities.shape[1])
    states = [state]
    for v, q in zip(velocities, familiar_places[1:], strict=True):
        state = system.step(state, v)
        if pull is not None and alpha:
            target = pull[bins_of(q)]
            near = np.isfinite(target[:, :1])
            state = np.where(near, (1 - alpha) * state + alpha * target, state)
        states.append(state)
    return np.stack(states)


@dataclass(frozen=True)
class PhaseMap:
    """Which familiar place a module's phases stand for: shift + linear @ place, modulo the lattice.

    Attributes:
        linear: (2, 2); the identity where the lattice is the familiar one.
        shift: (2,) metres.
        consistency: mean resultant of the phases about this map, 0 to 1.
    """

    linear: np.ndarray
    shift: np.ndarray
    consistency: float


def binned(
    places: np.ndarray, phasors: np.ndarray, side_m: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Mean place and mean phasors in every square bin that has ten samples or more."""
    index = np.floor(places / side_m).astype(int)
    _, which, count = np.unique(index, axis=0, return_inverse=True, return_counts=True)
    which = which.ravel()
    columns = np.concatenate([places, phasors.real, phasors.imag], axis=1)
    mean = np.stack([np.bincount(which, c) / count for c in columns.T], axis=1)
    mean = mean[count >= 10]
    waves = phasors.shape[1]
    return mean[:, :2], mean[:, 2 : 2 + waves] + 1j * mean[:, 2 + waves :]


def fit_phase_map(
    places: np.ndarray, phasors: np.ndarray, waves: np.ndarray, guesses: list[np.ndarray]
) -> PhaseMap:
    """The linear map of places that agrees best with phases.

    Args:
        places: (bin, 2) metres.
        phasors: (bin, wave) mean phasors.
        waves: (wave, 2) wave vectors of the familiar lattice.
        guesses: linear maps to start from; the best end counts.
    """

    def agreement(linear: np.ndarray, shift: np.ndarray) -> float:
        angle = 2 * np.pi * (places @ linear.T + shift) @ waves.T
        return float((phasors * np.exp(-1j * angle)).real.mean())

    best = PhaseMap(np.full((2, 2), np.nan), np.full(2, np.nan), -np.inf)
    for guess in guesses:
        # The phase of each wave at this guess, and the shift nearest to all three.
        angle = 2 * np.pi * places @ guess.T @ waves.T
        mean = (phasors * np.exp(-1j * angle)).mean(axis=0)
        shift = best_shift(mean, waves)
        fit = optimize.minimize(
            lambda p: -agreement(p[:4].reshape(2, 2), p[4:]),
            np.append(guess.ravel(), shift),
            method="BFGS",
        )
        if -fit.fun > best.consistency:
            best = PhaseMap(fit.x[:4].reshape(2, 2), fit.x[4:], float(-fit.fun))
    return best


def best_shift(mean: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """The shift (2,) in the unit cell whose phases are nearest to those of three mean waves."""
    line = np.arange(16) / 16
    cell = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    shifts = (cell - np.rint(cell)) @ np.linalg.inv(waves[:2]).T

    def height(shift: np.ndarray) -> np.ndarray:
        return (mean * np.exp(-2j * np.pi * shift @ waves.T)).real.sum(axis=-1)

    fit = optimize.minimize(lambda s: -float(height(s)), shifts[height(shifts).argmax()])
    return fit.x


def modulo_lattice(displacement: np.ndarray, vectors_m: np.ndarray) -> np.ndarray:
    """The shortest displacement (2,) that differs by a lattice vector."""
    whole = np.arange(-6, 7)
    vectors = np.stack(np.meshgrid(whole, whole), axis=-1).reshape(-1, 2) @ vectors_m
    left = displacement - vectors
    return left[np.hypot(*left.T).argmin()]
