"""How a lattice differs from place to place: density, spacing, fields and resolution in discs.

All measures read the states at the places of a square grid (`ReferenceMap`), reached by short
paths, of the units of one module.
"""

from dataclasses import dataclass

import numpy as np
from goals import GOAL_M, RADIUS_M
from scipy import ndimage

from gridcode.analysis.cells.fields import find_fields
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.lattice import reduced
from gridcode.analysis.cells.phases import fit_waves, wave_vectors
from gridcode.analysis.modules.detection import find_modules

# Places from which the module's waves are fitted: half the side of a square, metres.
FITTED_M = 1.2
# Two fields are neighbours where they lie within this share of the spacing from a lattice vector.
NEIGHBOUR = 0.35
# The map of local density: half its side and its step, metres.
MAPPED_M, MAP_STEP_M = 1.2, 0.2
HEXAGON = np.array([[1, 0], [0, 1], [-1, 1], [-1, 0], [0, -1], [1, -1]])
# Control discs at the goal's distance from the origin that do not overlap with it, degrees.
RING_DEG = (60, 90, 120, 150, 180, 210, 240, 270, 300)


def discs():
    """Centres of the goal, of the mirrored disc (180) and of the other control discs, by angle."""
    far = np.hypot(*GOAL_M)
    return {
        a: far * np.array([np.cos(np.radians(a)), np.sin(np.radians(a))]) for a in (0, *RING_DEG)
    }


@dataclass(frozen=True)
class Code:
    """States (y, x, unit) at the middles of bins, with the places (y, x, 2) in metres."""

    states: np.ndarray
    bin_size_m: float

    @property
    def places(self):
        """Middles of the bins (y, x, 2), metres."""
        line = (np.arange(len(self.states)) - (len(self.states) - 1) / 2) * self.bin_size_m
        return np.stack(np.meshgrid(line, line), axis=-1)

    @property
    def maps(self):
        """Rate maps (unit, y, x)."""
        return np.ascontiguousarray(self.states.transpose(2, 0, 1)).astype(np.float64)

    def warped(self, density):
        """The code with fields drawn into the goal, denser there by this share in the mean.

        The state of x is that of x + a (x - c) exp(-|x - c|^2 / 2 r^2), as in a network whose
        velocity input is the change of that sum. The mean divergence in the disc is 2 a exp(-1/2).
        """
        amount = (np.sqrt(1 + density) - 1) / np.exp(-0.5)
        away = self.places - np.array(GOAL_M)
        reach = np.exp(-(away**2).sum(-1, keepdims=True) / (2 * RADIUS_M**2))
        read = (self.places + amount * away * reach) / self.bin_size_m + (len(self.states) - 1) / 2
        at = [read[..., 1], read[..., 0]]
        moved = [ndimage.map_coordinates(m, at, order=3, mode="nearest") for m in self.maps]
        return Code(np.stack(moved, axis=-1), self.bin_size_m)


@dataclass(frozen=True)
class Lattice:
    """The largest module of a code: its units and its lattice vectors (x, y), metres."""

    units: np.ndarray
    vectors_m: np.ndarray


def largest_module(code, seed=0):
    """The largest module and the scores of all units; None where there is no module."""
    scores = score_maps(code.maps, bin_size_m=code.bin_size_m)
    candidate = np.nan_to_num(scores.corrected) > 0.5
    found = find_modules(
        scores.vectors_m,
        candidate=candidate,
        arena_m=len(code.states) * code.bin_size_m,
        generator=np.random.default_rng(seed),
        nulls=199,
    )
    if not len(found):
        return None, scores
    module = max(found.modules, key=lambda m: len(m.units))
    return Lattice(module.units, module.vectors_m), scores


class Phases:
    """Phases of the module's three waves at every place, and the lattice that they follow.

    On a perfect lattice wave j at place x is exp(2 pi i k_j x). The slope of its phase over a disc
    is the local wave vector; the waves of the whole are corrected by their mean slope.
    """

    def __init__(self, code, lattice):
        self.code = code
        g = code.states[..., lattice.units].astype(np.float64)
        inner = (np.abs(code.places) <= FITTED_M).all(axis=-1)
        waves = wave_vectors(lattice.vectors_m)
        for _ in range(3):
            angle = 2 * np.pi * code.places @ waves.T
            reader, _ = fit_waves(g[inner], angle[inner])
            self.wave = reader(g.reshape(-1, g.shape[-1])).reshape(*g.shape[:2], 3)
            two = np.linalg.lstsq(waves, self._slopes(inner), rcond=None)[0]
            waves = waves @ two
        self.waves = waves
        self.vectors_m = reduced(np.linalg.inv(waves[:2]).T[None])[0]

    def _slopes(self, mask):
        """Local wave vectors (wave, 2) over a mask, cycles per metre."""
        found = []
        for axis in (1, 0):
            ahead, here = (np.roll(self.wave, s, axis=axis)[mask] for s in (-1, 1))
            turned = np.angle((ahead * here.conj()).sum(axis=0))
            found.append(turned / (4 * np.pi * self.code.bin_size_m))
        return np.stack(found, axis=-1)

    def density(self, mask):
        """Fields per area in a mask over that of the whole lattice, minus 1."""
        local = np.linalg.lstsq(self.waves, self._slopes(mask), rcond=None)[0]
        return float(np.linalg.det(local)) - 1

    def towards_m(self, centre_m):
        """Mean displacement of fields towards a centre, in the ring of one to two radii around."""
        away = self.code.places - centre_m
        far = np.linalg.norm(away, axis=-1)
        ring = (far >= RADIUS_M) & (far < 2 * RADIUS_M)
        expected = np.exp(2j * np.pi * self.code.places @ self.waves.T)
        # Against the phase of the ring itself, so that few phases wrap around.
        ahead = self.wave[ring] * expected[ring].conj()
        phase = np.angle(ahead * ahead.sum(axis=0).conj())
        shift = phase / (2 * np.pi) @ np.linalg.pinv(self.waves).T
        return float((shift * away[ring] / far[ring, None]).sum(axis=1).mean())


class FieldList:
    """Fields of the units of a module that the border does not cut, and pairs of neighbours."""

    def __init__(self, code, lattice, vectors_m):
        found = find_fields(code.maps[lattice.units], bin_size_m=code.bin_size_m)
        self.centre = found.centre_m
        usual = np.array([np.median(found.peak[found.unit == u]) for u in found.unit])
        self.height = found.peak / usual
        self.expected = len(lattice.units) / abs(np.linalg.det(vectors_m))
        unit, centre = found.unit[~found.cut], found.centre_m[~found.cut]
        middle, ratio = [], []
        for u in np.unique(unit):
            own = centre[unit == u]
            apart = own[None] - own[:, None]
            for ideal in HEXAGON[:3] @ vectors_m:
                length = np.linalg.norm(ideal)
                off = np.linalg.norm(apart - ideal, axis=-1)
                i, j = np.nonzero(off < NEIGHBOUR * length)
                middle.append((own[i] + own[j]) / 2)
                ratio.append(apart[i, j] @ ideal / length**2)
        self.middle = np.concatenate(middle)
        ratio = np.concatenate(ratio)
        inner = (np.abs(self.middle) <= FITTED_M).all(axis=1)
        self.ratio = ratio / ratio[inner].mean()

    def spacing(self, centre_m):
        """Mean distance of neighbours whose middle lies in a disc over that of all, minus 1."""
        inside = np.linalg.norm(self.middle - centre_m, axis=1) < RADIUS_M
        return (float(self.ratio[inside].mean()) - 1 if inside.any() else np.nan), int(inside.sum())

    def count(self, centre_m):
        """Fields in a disc over the number of an even cover, minus 1."""
        inside = np.linalg.norm(self.centre - centre_m, axis=1) < RADIUS_M
        return int(inside.sum()) / float(np.pi * RADIUS_M**2 * self.expected) - 1

    def peak(self, centre_m):
        """Mean height of the fields in a disc over the median field of the unit, minus 1."""
        inside = np.linalg.norm(self.centre - centre_m, axis=1) < RADIUS_M
        return float(self.height[inside].mean()) - 1 if inside.any() else np.nan


def resolution(code):
    """Change of the state per metre at every place (y, x), mean of both directions."""
    squares = [
        ((np.roll(code.states, -1, axis=a) - np.roll(code.states, 1, axis=a)) ** 2).sum(-1)
        for a in (0, 1)
    ]
    return np.sqrt(sum(squares) / 2) / (2 * code.bin_size_m)


def read(code, places):
    """States at any places (place, unit), between bins by linear interpolation."""
    at = np.asarray(places) / code.bin_size_m + (len(code.states) - 1) / 2
    return np.stack(
        [ndimage.map_coordinates(m, at.T[::-1], order=1, mode="nearest") for m in code.maps], -1
    )


def aperiodic(code, vectors_m, mask):
    """Squared distance of states one lattice vector apart, in that of unrelated places.

    Args:
        code: the states.
        vectors_m: lattice vectors.
        mask: places to look at.

    Returns:
        (place, unit), means over the six shortest lattice vectors that lead to a place in the map.
        The sum over units is 0 on a lattice and 1 for states that say nothing of each other.
    """
    here, own = code.places[mask], code.states[mask]
    total, count = np.zeros(own.shape), np.zeros((len(own), 1))
    for ideal in HEXAGON @ vectors_m:
        inside = (np.abs(here + ideal) <= code.places.max()).all(axis=1)
        total[inside] += (read(code, here[inside] + ideal) - own[inside]) ** 2
        count[inside] += 1
    g = code.states[(np.abs(code.places) <= FITTED_M).all(axis=-1)]
    unrelated = 2 * ((g**2).sum(axis=1).mean() - (g.mean(axis=0) ** 2).sum())
    return total / np.maximum(count, 1) / unrelated


def local_map(phases):
    """Rows (x, y, density, aperiodic) of discs all over the arena."""
    code = phases.code
    line = np.arange(-MAPPED_M, MAPPED_M + 1e-9, MAP_STEP_M).round(3)
    mapped = (np.abs(code.places) <= MAPPED_M + RADIUS_M).all(axis=-1)
    same = np.full(mapped.shape, np.nan)
    same[mapped] = aperiodic(code, phases.vectors_m, mapped).sum(axis=1)
    rows = []
    for centre in np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2):
        disc = np.linalg.norm(code.places - centre, axis=-1) < RADIUS_M
        values = phases.density(disc), float(same[disc].mean())
        names = ("x_m", "y_m", "density", "aperiodic")
        rows.append(dict(zip(names, (*centre.tolist(), *values), strict=True)))
    return rows


def measure_places(code, phases, lattice):
    """Rows of local measures: of the goal (angle 0) and each control disc, and of their aliases.

    Aliases are the places one lattice vector away, as far as the map holds them; their row is the
    mean over them.
    """
    fields = FieldList(code, lattice, phases.vectors_m)
    change = resolution(code)
    usual = change[(np.abs(code.places) <= FITTED_M).all(axis=-1)].mean()
    reach = code.places.max() - 2 * RADIUS_M

    def row(centre_m):
        mask = np.linalg.norm(code.places - centre_m, axis=-1) < RADIUS_M
        spacing, pairs = fields.spacing(centre_m)
        return {
            "density": phases.density(mask),
            "towards_m": phases.towards_m(centre_m),
            "spacing": spacing,
            "pairs": pairs,
            "fields": fields.count(centre_m),
            "peak": fields.peak(centre_m),
            "resolution": float(change[mask].mean() / usual) - 1,
        }

    rows = []
    for angle, centre in discs().items():
        mask = np.linalg.norm(code.places - centre, axis=-1) < RADIUS_M
        by_unit = aperiodic(code, phases.vectors_m, mask).mean(axis=0)
        rest = np.delete(by_unit, lattice.units)
        whole = {"aperiodic": float(by_unit.sum()), "aperiodic_rest": float(rest.sum())}
        rows.append({"place": angle, "aliases": 0, **row(centre), **whole})
        near = [a for a in centre + HEXAGON @ phases.vectors_m if np.abs(a).max() < reach]
        around = [row(a) for a in near]
        if around:
            means = {name: float(np.mean([r[name] for r in around])) for name in around[0]}
            rows.append(
                {"place": angle, "aliases": len(near), **means, **dict.fromkeys(whole, np.nan)}
            )
    return rows
