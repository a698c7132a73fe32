"""Do modules rescale with a box? Trained networks in deformed boxes, with and without walls.

    python experiments/deformed/rescaling.py --runs RUNS --networks modules-192 modules-seed11 ...

Adds rows to rescaling.csv and drift.csv; networks that have theirs are skipped. Expectation: see
README.md.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from networks import Known, load
from worlds import (
    COMPASS,
    FAMILIAR,
    SIDE_M,
    TRAPEZOID,
    TURNED,
    World,
    best_shift,
    binned,
    familiar_states,
    fit_phase_map,
    follow,
    landmarks,
    modulo_lattice,
    paths,
    stretched,
    turn,
)

HERE = Path(__file__).parent
STEPS, WALKERS, SETTLING = 300, 96, 60
DRIFT_STEPS, DRIFT_AT = 600, (100, 300, 600)
# Boundary signals: which state walls pull to, and by what weight a step.
SIGNALS = (("none", 0.0), ("place", 0.1), ("place", 0.3), ("wall", 0.1))
CONTROL = ("shuffled", 0.3)
WORLDS = (
    FAMILIAR,
    stretched(1.4),
    stretched(0.7),
    stretched(1.4, 1.4),
    stretched(0.7, 0.7),
    TRAPEZOID,
    TURNED,
    COMPASS,
)
SWEEP = tuple(stretched(x) for x in (0.6, 0.8, 0.9, 1.1, 1.2, 1.3, 1.5, 1.6))


def conditions() -> list[tuple[World, str, float]]:
    """Worlds and boundary signals."""
    tested = [(world, *signal) for world in WORLDS for signal in SIGNALS]
    tested.append((WORLDS[1], *CONTROL))
    tested += [(world, "place", 0.3) for world in SWEEP]
    return tested + [(world, "ends", 0.3) for world in (*WORLDS[:3], *SWEEP)]


def last_wall(familiar: np.ndarray) -> np.ndarray:
    """-1 after the west wall, 1 after the east wall, 0 before either, (time, walker)."""
    reach = 0.45 * SIDE_M
    x = familiar[..., 0]
    touched = np.where(x > reach, 1, np.where(x < -reach, -1, 0))
    last = np.zeros_like(touched)
    for t in range(1, len(last)):
        last[t] = np.where(touched[t] != 0, touched[t], last[t - 1])
    return last


def agreement(phasors: np.ndarray, places: np.ndarray, waves: np.ndarray) -> float:
    """How well phases agree with these places, at the best constant shift, -1 to 1."""
    mean = (phasors * np.exp(-2j * np.pi * places @ waves.T)).mean(axis=0)
    return float((mean * np.exp(-2j * np.pi * best_shift(mean, waves) @ waves.T)).real.mean())


def east_west(
    phasors: np.ndarray, places: np.ndarray, wall: np.ndarray, waves: np.ndarray
) -> np.ndarray:
    """Shift (2,) of the represented place after the west wall against after the east wall."""
    residual = phasors * np.exp(-2j * np.pi * places @ waves.T)
    west, east = residual[wall < 0].mean(axis=0), residual[wall > 0].mean(axis=0)
    return best_shift(west * east.conj(), waves)


def measured(known: Known, world: World, familiar, places, states) -> list[dict]:
    """A row a module, and for the trapezoid one for its narrow and its wide half."""
    q, p = (x[SETTLING:].reshape(-1, 2) for x in (familiar, places))
    states = states[SETTLING:].reshape(len(p), -1)
    wall = last_wall(familiar)[SETTLING:].ravel()
    parts = {"whole": np.ones(len(p), dtype=bool)}
    if world is TRAPEZOID:
        parts |= {"narrow": p[:, 0] < 0, "wide": p[:, 0] > 0}
    rows = []
    for index, module in enumerate(known.modules):
        waves, phasors = known.waves(index), known.phasors(states, index)
        for part, chosen in parts.items():
            here, z = p[chosen], phasors[chosen]
            guesses = [np.eye(2)]
            if world.linear is not None:
                guesses.append(turn(world.compass_deg) @ np.linalg.inv(world.linear))
            fit = fit_phase_map(*binned(here, z), waves, guesses)
            shift = east_west(z, here, wall[chosen], waves)
            longer = np.array([world.place(np.array([SIDE_M, 0.0]))[0] - SIDE_M, 0.0])
            rest = modulo_lattice(longer, module.vectors_m)
            miss = modulo_lattice(shift - longer, module.vectors_m)
            rows.append(
                {
                    "part": part,
                    "module": index,
                    "units": len(module.units),
                    "spacing_m": module.spacing_m,
                    "orientation_deg": module.orientation_deg,
                    "axis_ratio": module.axis_ratio,
                    "a_xx": fit.linear[0, 0],
                    "a_xy": fit.linear[0, 1],
                    "a_yx": fit.linear[1, 0],
                    "a_yy": fit.linear[1, 1],
                    "consistency": fit.consistency,
                    "follows_path": agreement(z, here, waves),
                    "follows_box": agreement(z, q[chosen], waves),
                    "east_west_x_m": shift[0],
                    "east_west_y_m": shift[1],
                    "east_west_miss_m": np.hypot(*miss),
                    "rest_x_m": rest[0],
                    "rest_y_m": rest[1],
                }
            )
    return rows


def rescaling_rows(known: Known) -> list[dict]:
    """All conditions on one network."""
    familiar = familiar_states(known.system)
    pulls = {
        anchor: landmarks(familiar, anchor) for anchor in ("place", "wall", "shuffled", "ends")
    }
    rows = []
    for world, anchor, alpha in conditions():
        q, p, velocities = paths(
            world, steps=STEPS, walkers=WALKERS, max_step_m=known.system.max_step_m, seed=5
        )
        states = follow(known.system, q, velocities, pulls.get(anchor), alpha)
        told = {"network": known.name, "seed": known.seed, "world": world.name}
        told |= {"anchor": anchor, "alpha": alpha}
        rows += [told | row for row in measured(known, world, q, p, states)]
    return rows


def drift_rows(known: Known) -> list[dict]:
    """Error of the represented place, modulo the lattice, over time in the familiar box."""
    familiar = familiar_states(known.system)
    q, p, velocities = paths(
        FAMILIAR, steps=DRIFT_STEPS, walkers=WALKERS, max_step_m=known.system.max_step_m, seed=6
    )
    rows = []
    for anchor, alpha in SIGNALS:
        pull = None if anchor == "none" else landmarks(familiar, anchor)
        states = follow(known.system, q, velocities, pull, alpha)
        for index, module in enumerate(known.modules):
            waves = known.waves(index)
            row = {"network": known.name, "seed": known.seed, "anchor": anchor, "alpha": alpha}
            row |= {"module": index, "spacing_m": module.spacing_m}
            for t in DRIFT_AT:
                late = slice(t - 20, t + 1)
                z = known.phasors(states[late].reshape(-1, states.shape[-1]), index)
                places = p[late].reshape(-1, 2)
                off = np.angle(z * np.exp(-2j * np.pi * places @ waves.T)) / (2 * np.pi)
                error = np.hypot(*(off @ np.linalg.pinv(waves).T).T)
                row[f"error_{t}_m"] = float(np.median(error))
            rows.append(row)
    return rows


def add_rows(path: Path, rows: list[dict]) -> None:
    """Append rows to a table."""
    rows = [
        {k: round(v, 4) if isinstance(v, float | np.floating) else v for k, v in row.items()}
        for row in rows
    ]
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if new:
            table.writeheader()
        table.writerows(rows)


def done(path: Path) -> set[str]:
    """Names of the networks that have rows."""
    if not path.exists():
        return set()
    with path.open(encoding="utf-8") as file:
        return {row["network"] for row in csv.DictReader(file)}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--networks", nargs="+", required=True)
    options = parser.parse_args()
    for name in options.networks:
        if name in done(HERE / "drift.csv"):
            continue
        known = load(options.runs, name)
        add_rows(HERE / "rescaling.csv", rescaling_rows(known))
        add_rows(HERE / "drift.csv", drift_rows(known))
        print(name, known.modules, flush=True)


if __name__ == "__main__":
    main()
