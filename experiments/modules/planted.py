"""Populations with 0 to 5 known modules and units without a lattice, as noisy rate maps."""

from dataclasses import dataclass

import numpy as np

from gridcode.analysis.synthetic import band_cell, bin_centres, lattice_cell, noise_maps, place_cell

ARENAS_M = (2.2, 2.5, 3.0, 4.0)
BINS_M = (0.025, 0.04, 0.05)
SPACINGS_M = (0.3, 1.2)
RATIOS = (1.3, 1.6)
JUNK = 0.3
JUNK_KINDS = ("silent", "noise", "place", "band")


@dataclass(frozen=True)
class Planted:
    """One population.

    Attributes:
        rate_maps: (unit, y, x), in random order of units.
        module: (unit,) the planted module; -1 for junk.
        kind: what each unit is.
    """

    rate_maps: np.ndarray
    module: np.ndarray
    kind: np.ndarray
    arena_m: float
    bin_size_m: float
    noise: float
    sheared: bool
    spacings_m: np.ndarray


def sheared_lattice(
    positions, *, spacing_m, orientation_deg, stretch, along_deg, angle_deg, phase_m, width
):
    """A lattice stretched by exp(stretch) along one direction and squeezed as much across it."""
    a = np.radians(along_deg)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    back = turn @ np.diag([np.exp(-stretch), np.exp(stretch)]) @ turn.T
    return lattice_cell(
        positions @ back,
        spacing_m=spacing_m,
        orientation_deg=orientation_deg,
        angle_deg=angle_deg,
        phase_m=phase_m,
        width=width,
    )


def junk_cell(kind, centres, bin_size_m, generator):
    arena = centres.shape[0] * bin_size_m
    if kind == "silent":
        return np.zeros(centres.shape[:2])
    if kind == "noise":
        map_ = noise_maps(
            1,
            len(centres),
            correlation_bins=generator.uniform(0.08, 0.2) / bin_size_m,
            generator=generator,
        )[0]
        return map_ / map_.max()
    if kind == "place":
        return place_cell(
            centres,
            centre_m=tuple(generator.uniform(-arena / 2, arena / 2, 2)),
            width_m=generator.uniform(0.1, 0.3),
        )
    return band_cell(
        centres,
        spacing_m=generator.uniform(0.3, 1.2),
        orientation_deg=generator.uniform(-90, 90),
        phase_m=generator.uniform(0, 1),
    )


def draw(modules: int, generator: np.random.Generator) -> Planted:
    """A population of modules of 10 to 20 units; 30% of all units, or 60 units, have no lattice."""
    arena, size = generator.choice(ARENAS_M), generator.choice(BINS_M)
    centres = bin_centres(arena, size)
    noise = generator.uniform(0.0, 0.3)
    sheared = bool(generator.random() < 0.5)
    low, high = SPACINGS_M
    most = min(RATIOS[1], (high / low) ** (1 / max(modules - 1, 1)))
    ratios = generator.uniform(RATIOS[0], most, max(modules - 1, 0))
    relative = np.cumprod([1.0, *ratios])[:modules]
    spacings = relative * generator.uniform(low, high / relative[-1]) if modules else np.zeros(0)
    maps, module, kind = [], [], []
    for m, spacing in enumerate(spacings):
        orientation, width = generator.uniform(-30, 30), generator.uniform(0.12, 0.2)
        stretch, along = (
            (generator.uniform(0.0, 0.15), generator.uniform(0, 180)) if sheared else (0.0, 0.0)
        )
        square = sheared and generator.random() < 0.2
        for _ in range(generator.integers(10, 21)):
            cell = sheared_lattice(
                centres,
                spacing_m=spacing * np.exp(generator.normal(0, 0.02)),
                orientation_deg=orientation + generator.normal(0, 1.0),
                stretch=0.0 if square else stretch,
                along_deg=along,
                angle_deg=90.0 if square else 60.0,
                phase_m=tuple(generator.uniform(-spacing, spacing, 2)),
                width=width,
            )
            maps.append(cell)
            module.append(m)
            kind.append("square" if square else "sheared" if sheared else "hexagonal")
    for _ in range(round(len(maps) * JUNK / (1 - JUNK)) if modules else 60):
        chosen = str(generator.choice(JUNK_KINDS))
        maps.append(junk_cell(chosen, centres, size, generator))
        module.append(-1)
        kind.append(chosen)
    stack = np.stack(maps)
    loud = np.array([k != "silent" for k in kind])
    stack[loud] += noise * generator.standard_normal(stack[loud].shape)
    order = generator.permutation(len(stack))
    return Planted(
        rate_maps=stack[order],
        module=np.array(module)[order],
        kind=np.array(kind)[order],
        arena_m=float(arena),
        bin_size_m=float(size),
        noise=float(noise),
        sheared=sheared,
        spacings_m=spacings,
    )
