"""Maps whose answer is known, for every tool to score.

    python make_maps.py FOLDER           (gridcode's environment) lattices, squares, bands, places,
    noise: FOLDER/planted.npz python make_maps.py FOLDER ratinabox (RatInABox's environment) grid
    cells of RatInABox: FOLDER/ratinabox.npz

All maps are 50 x 50 bins of 5 cm, smoothed by one bin. Each file holds `rate_maps` (unit, y, x),
and for every unit its `kind`, `noise`, `spacing_m` and `orientation_deg` (of the axis nearest to x;
NaN where there is no lattice, or one that is not hexagonal).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

ARENA_M, BIN_M = 2.5, 0.05
NOISE = (0.0, 0.3)  # standard deviation over the height of a field
ORIENTATIONS_DEG = (0.0, 7.0, 15.0, -23.0)

Unit = dict[str, Any]


def planted(generator: np.random.Generator) -> Iterator[Unit]:
    from gridcode.analysis.synthetic import (
        band_cell,
        bin_centres,
        lattice_cell,
        noise_maps,
        place_cell,
    )

    points = bin_centres(ARENA_M, BIN_M)

    def lattice(
        kind: str, noise: float, spacing_m: float, orientation_deg: float, **shape: float
    ) -> Unit:
        phase = tuple(generator.uniform(-spacing_m, spacing_m, 2))
        rate = lattice_cell(
            points, spacing_m=spacing_m, orientation_deg=orientation_deg, phase_m=phase, **shape
        )
        angles, ratio = (
            np.radians([orientation_deg, orientation_deg + shape.get("angle_deg", 60.0)]),
            shape.get("ratio", 1.0),
        )
        a, b = spacing_m * np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1.0], [ratio]]
        return {
            "kind": kind,
            "noise": noise,
            "rate": rate,
            "spacing_m": np.mean([np.hypot(*v) for v in (a, b, b - a)]),
            "orientation_deg": np.nan if shape else orientation_deg,
        }

    for noise in NOISE:
        for orientation in ORIENTATIONS_DEG:
            for spacing in (0.2, 0.25):
                yield lattice("hexagon, 4 to 5 bins apart", noise, spacing, orientation)
            for spacing in (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2):
                yield lattice("hexagon", noise, spacing, orientation)
        for spacing in (0.5, 0.8):
            for angle, ratio in ((70.0, 1.0), (80.0, 1.0), (70.0, 1.15), (66.0, 0.9)):
                yield lattice(
                    "sheared",
                    noise,
                    spacing,
                    generator.uniform(-30, 30),
                    angle_deg=angle,
                    ratio=ratio,
                )
        for spacing in (0.4, 0.6, 0.8):
            for orientation in (5.0, 30.0):
                yield lattice("square", noise, spacing, orientation, angle_deg=90.0)
        for spacing in (0.4, 0.7, 1.0):
            rate = band_cell(points, spacing_m=spacing, orientation_deg=generator.uniform(-90, 90))
            yield {
                "kind": "band",
                "noise": noise,
                "rate": rate,
                "spacing_m": np.nan,
                "orientation_deg": np.nan,
            }
        for width in (0.1, 0.2, 0.3):
            rate = place_cell(
                points, centre_m=tuple(generator.uniform(-0.8, 0.8, 2)), width_m=width
            )
            yield {
                "kind": "place",
                "noise": noise,
                "rate": rate,
                "spacing_m": np.nan,
                "orientation_deg": np.nan,
            }
    for correlation in (2.0, 3.0, 5.0):
        for rate in noise_maps(10, len(points), correlation_bins=correlation, generator=generator):
            yield {
                "kind": "noise",
                "noise": 0.0,
                "rate": rate,
                "spacing_m": np.nan,
                "orientation_deg": np.nan,
            }


def ratinabox(generator: np.random.Generator) -> Iterator[Unit]:
    """Grid cells of RatInABox, exactly and as Poisson spikes along an hour of its random motion.

    `gridscale` is the wavelength of its plane waves: fields lie 2 / sqrt(3) times as far apart, on
    axes 30 degrees from `orientation`.
    """
    from ratinabox import Agent, Environment
    from ratinabox.Neurons import GridCells

    np.random.seed(int(generator.integers(2**31)))  # noqa: NPY002 - what RatInABox draws from
    scale = np.tile([0.3, 0.4, 0.55, 0.75, 0.9, 1.0], 2)
    orientation = generator.uniform(0, np.pi / 3, len(scale))
    agent = Agent(Environment({"scale": ARENA_M}), {"dt": 0.1})
    cells = GridCells(
        agent,
        {
            "gridscale": scale,
            "orientation": orientation,
            "phase_offset": generator.uniform(0, 2 * np.pi, (len(scale), 2)),
        },
    )
    centres = (np.arange(round(ARENA_M / BIN_M)) + 0.5) * BIN_M
    points = np.stack(np.meshgrid(centres, centres), axis=-1)
    exact = cells.get_state(evaluate_at=None, pos=points.reshape(-1, 2)).reshape(
        -1, *points.shape[:2]
    )

    for _ in range(36000):
        agent.update()
    path = np.array(agent.history["pos"])
    spikes = generator.poisson(0.1 * 10.0 * cells.get_state(evaluate_at=None, pos=path))
    edges = np.linspace(0, ARENA_M, len(centres) + 1)

    def binned(weights: np.ndarray | None) -> np.ndarray:
        return np.histogram2d(path[:, 1], path[:, 0], (edges, edges), weights=weights)[0]

    occupancy = 0.1 * binned(None)
    with np.errstate(invalid="ignore"):
        sampled = np.stack([binned(s) / occupancy for s in spikes])
    for kind, maps in (("RatInABox", exact), ("RatInABox, one hour of spikes", sampled)):
        for rate, wavelength, angle in zip(maps, scale, orientation, strict=True):
            axis = (np.degrees(angle) + 30 + 30) % 60 - 30
            yield {
                "kind": kind,
                "noise": 0.0,
                "rate": rate,
                "spacing_m": 2 / np.sqrt(3) * wavelength,
                "orientation_deg": axis,
            }


def smoothed(rate: np.ndarray, noise: float, generator: np.random.Generator) -> np.ndarray:
    visited = np.isfinite(rate)
    rate = np.where(visited, rate + noise * generator.standard_normal(rate.shape), 0.0)
    weight = ndimage.gaussian_filter(visited.astype(float), 1.0, mode="constant")
    return np.where(visited, ndimage.gaussian_filter(rate, 1.0, mode="constant") / weight, np.nan)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("source", nargs="?", choices=["planted", "ratinabox"], default="planted")
    options = parser.parse_args()
    generator = np.random.default_rng(20)
    units = list({"planted": planted, "ratinabox": ratinabox}[options.source](generator))
    options.folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.folder / f"{options.source}.npz",
        rate_maps=np.stack([smoothed(u["rate"], u["noise"], generator) for u in units]),
        bin_size_m=BIN_M,
        **{
            name: np.array([u[name] for u in units])
            for name in ("kind", "noise", "spacing_m", "orientation_deg")
        },
    )
    print(f"{len(units)} maps in {options.folder / options.source}.npz")


if __name__ == "__main__":
    main()
