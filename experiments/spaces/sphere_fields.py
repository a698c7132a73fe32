"""The waves that firing fields on a sphere and on a torus are made of.

    python experiments/spaces/sphere_fields.py OUT.csv --runs FOLDER [--seeds 0-4] [--maps MAPS.csv]

For the networks of sphere.py. The rate of each unit is a sum of waves, fitted to states on held-out
walks: spherical harmonics of degree 1 to 10 on the sphere, where a degree l has the wave number
sqrt(l (l + 1)) / radius, and plane waves up to the same wave number on the torus. Of each network:
the mean wave number, weighted by power; the variance that the waves explain; the share of a unit's
power that its strongest degree (on the torus: ring of equal wave number) has, and the same of
random fields of the network's mean spectrum, the null: units that do not choose. Even degrees are
alike at opposite points of the sphere, odd ones opposite. MAPS.csv gets the fitted rates of the
first four active units of the first seed on the sphere.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.special import sph_harm_y
from sphere import RADIUS_M, SPACES, rolled, trained, walks

import gridcode

DEGREES = 10
STEPS = (15, 45)
CONDITIONS = (
    *("sphere", "sphere of 0.25 m", "sphere of 1 m", "torus"),
    *("sphere, untrained", "torus, untrained"),
)
NULLS = 2000


def on_sphere(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real harmonics at some places, the group and the wave number of each."""
    radius_m = np.linalg.norm(x[0])
    polar, around = np.arccos(np.clip(x[:, 2] / radius_m, -1, 1)), np.arctan2(x[:, 1], x[:, 0])
    waves, degree = [], []
    for n in range(1, DEGREES + 1):
        for m in range(n + 1):
            wave = sph_harm_y(n, m, polar, around)
            parts = [wave.real] if m == 0 else [2**0.5 * wave.real, 2**0.5 * wave.imag]
            waves += parts
            degree += [n] * len(parts)
    group = np.array(degree)
    return (
        (4 * np.pi) ** 0.5 * np.stack(waves, axis=1),
        group,
        np.sqrt(group * (group + 1)) / radius_m,
    )


def on_torus(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plane waves, likewise; a group is a ring of wave vectors of one length."""
    side = SPACES["torus"].sides_m[0]
    phase = np.stack([np.arctan2(x[:, 1], x[:, 0]), np.arctan2(x[:, 3], x[:, 2])], axis=1)
    most = (DEGREES * (DEGREES + 1)) ** 0.5 / RADIUS_M * side / (2 * np.pi)
    whole = int(most)
    waves, square = [], []
    for m in range(whole + 1):
        for n in range(-whole, whole + 1):
            if (m == 0 and n <= 0) or m * m + n * n > most**2:
                continue
            angle = phase @ np.array([m, n])
            waves += [2**0.5 * np.cos(angle), 2**0.5 * np.sin(angle)]
            square += [m * m + n * n] * 2
    group = np.array(square)
    return np.stack(waves, axis=1), group, np.sqrt(group) * 2 * np.pi / side


def strongest(power: np.ndarray) -> np.ndarray:
    """Share of the strongest group, of each row."""
    return power.max(axis=1) / power.sum(axis=1)


def fit(name: str, seed: int, runs: Path):
    """States of active units, the design matrix at their places, and the fitted amplitudes."""
    run = trained(name, seed, runs)
    space = SPACES[name.partition(",")[0]]
    velocities, x = walks(space, run.config, steps=STEPS[1], walkers=400, seed=seed)
    states = rolled(gridcode.load_network(run), velocities)
    x = x[STEPS[0] :].reshape(-1, x.shape[-1])
    g = states[STEPS[0] :].reshape(len(x), -1)
    g = g[:, g.max(axis=0) > 1e-3]
    waves, group, number = (on_sphere if name.startswith("sphere") else on_torus)(x)
    design = np.concatenate([np.ones((len(x), 1)), waves], axis=1)
    return g, design, np.linalg.lstsq(design, g, rcond=None)[0], group, number


def write_maps(path: Path, seed: int, runs: Path) -> None:
    """Fitted rates of four units on a grid of the sphere, a row a place."""
    _, _, fitted, _, _ = fit("sphere", seed, runs)
    polar, around = np.meshgrid(
        np.pi * (np.arange(24) + 0.5) / 24, 2 * np.pi * np.arange(48) / 48 - np.pi, indexing="ij"
    )
    places = [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)]
    waves, _, _ = on_sphere(RADIUS_M * np.stack(places, axis=-1).reshape(-1, 3))
    rates = fitted[0, :4] + waves @ fitted[1:, :4]
    latitude, longitude = 90 - np.degrees(polar).ravel(), np.degrees(around).ravel()
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["latitude_deg", "longitude_deg", *(f"unit_{k + 1}" for k in range(4))])
        for place, rate in zip(zip(latitude, longitude, strict=True), rates, strict=True):
            writer.writerow([*(f"{p:.2f}" for p in place), *(f"{r:.3f}" for r in rate)])


def row(name: str, seed: int, runs: Path) -> dict[str, object]:
    g, design, fitted, group, number = fit(name, seed, runs)
    power = fitted[1:] ** 2
    explained = 1 - ((design @ fitted - g) ** 2).sum() / ((g - g.mean(axis=0)) ** 2).sum()
    groups, first, size = np.unique(group, return_index=True, return_counts=True)
    by_group = np.stack([power[group == one].sum(axis=0) for one in groups], axis=1)
    shares = by_group / by_group.sum(axis=1, keepdims=True)
    generator = np.random.default_rng(seed)
    random = shares.mean(axis=0) * generator.chisquare(size, (NULLS, len(size))) / size
    top = groups[np.argmax(shares.mean(axis=0))]
    return {
        "condition": name,
        "seed": seed,
        "active": g.shape[1],
        "explained": round(float(explained), 4),
        "wave_number_per_m": round(float(shares.mean(axis=0) @ number[first]), 3),
        "strongest_group": int(top),
        "even_share": round(float(shares.mean(axis=0)[groups % 2 == 0].sum()), 4),
        "strongest_share": round(float(np.median(strongest(by_group))), 4),
        "strongest_share_random": round(float(np.median(strongest(random))), 4),
        **{
            f"share_{k + 1}": round(float(s), 4)
            for k, s in enumerate(shares.mean(axis=0)[:DEGREES])
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--maps", type=Path)
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if given.maps:
        write_maps(given.maps, seeds[0], given.runs)
    rows = [row(name, seed, given.runs) for name in CONDITIONS for seed in seeds]
    with open(given.out, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
