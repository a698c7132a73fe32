"""Turns of a sphere: trainings and measures, a row a network.

    python experiments/spaces/sphere.py OUT.csv --runs FOLDER [--seeds 0-4] [--only NAME ...]

Trains `quick` without isometry for 1,000 steps in each condition (CONDITIONS) with seeds 0 to 4,
and measures each network on held-out walks. Skips what has its row, resumes what was stopped.

Isometry is left out everywhere: it compares |dg| with |v|, and a turn by |v| moves a point near its
axis by less.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch

import gridcode
from gridcode.analysis.navigation.neural_distance import distance_curve
from gridcode.training.parts import Batches
from gridcode.world.permutations import draw_velocities
from gridcode.world.spaces import Circle, Space, Sphere, Torus

RADIUS_M = 0.5
AREA = 4 * np.pi * RADIUS_M**2
SPACES: dict[str, Space] = {
    "sphere": Sphere(RADIUS_M),
    "torus": Torus((AREA**0.5, AREA**0.5)),
    "circle": Circle(AREA**0.5),
    "sphere of 0.25 m": Sphere(0.25),
    "sphere of 1 m": Sphere(1.0),
}
STEPS = 1000
# Space that is measured, orders of velocities, whether positions are those of the space, and steps
# of training. The paper's rule, that all orders of the same velocities end at one place, is
# `summed`: positions are sums of the turns.
CONDITIONS = {
    "sphere": ("sphere", "latin", True, STEPS),
    "sphere, one order": ("sphere", "identity", True, STEPS),
    "sphere, summed": ("sphere", "latin", False, STEPS),
    "torus": ("torus", "latin", True, STEPS),
    "torus, one order": ("torus", "identity", True, STEPS),
    "torus, summed": ("torus", "latin", False, STEPS),
    "circle": ("circle", "latin", True, STEPS),
    "sphere of 0.25 m": ("sphere of 0.25 m", "latin", True, STEPS),
    "sphere of 1 m": ("sphere of 1 m", "latin", True, STEPS),
    "sphere, untrained": ("sphere", "latin", True, 1),
    "torus, untrained": ("torus", "latin", True, 1),
}
WALKERS = 600
LIBRARY = 6000
NEAR_M = 0.3


def config_of(name: str, seed: int) -> gridcode.Config:
    space, orders, _, steps = CONDITIONS[name]
    return gridcode.load_config("quick").override(
        {
            "world.dimensions": SPACES[space].axes,
            "orders": orders,
            "isometry": 0.0,
            "isometry_early_raw": 0.0,
            "training.steps": steps,
            "training.seed": seed,
            "snapshots": 0,
            "threads": 1,
            "device": "cpu",
        }
    )


def trained(name: str, seed: int, runs: Path) -> gridcode.Run:
    space, _, own, _ = CONDITIONS[name]
    config = config_of(name, seed)
    batches: Batches | None = SPACES[space].batches(config.world) if own else None
    folder = runs / f"{name.replace(', ', '-').replace(' ', '-')}-seed{seed}"
    there = (folder / "config.toml").exists()
    return gridcode.train(None if there else config, out=folder, batches=batches)


def walks(space: Space, config: gridcode.Config, *, steps: int, walkers: int, seed: int):
    """Independent velocities as in training, (step, walker, axis), and where they lead."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    drawn = draw_velocities(
        steps * walkers,
        max_velocity_m=config.world.max_velocity_m,
        distribution=config.world.velocities,
        dimensions=space.axes,
        generator=generator,
    ).view(steps, walkers, space.axes)
    return drawn.numpy(), space.path(drawn.double()).numpy()


def rolled(network, velocities: np.ndarray) -> np.ndarray:
    """States along walks, (time, walker, unit)."""
    step, start = network.as_system()
    states = [np.tile(start, (velocities.shape[1], 1))]
    for v in velocities:
        states.append(step(states[-1], v))
    return np.stack(states)


def invariance(positions: np.ndarray, states: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Squared neural distance left at one place as a share of that of unrelated places; plateau.

    Pairs are of different walkers: they came by different paths.
    """
    walker = np.tile(np.arange(positions.shape[1]), len(positions))
    curve = distance_curve(
        positions.reshape(-1, positions.shape[-1]),
        states.reshape(-1, states.shape[-1]),
        generator=np.random.default_rng(seed),
        group=walker,
        longest_m=float(np.ptp(positions)),
    )
    return curve.same_place**2 / curve.plateau_square, curve.plateau, curve.decorrelation_m


def decoded(known, known_m, states, positions) -> float:
    """Median distance from the place of the most similar known state, metres."""
    nearest = np.argmax(states @ known.T, axis=1)
    return float(np.median(np.linalg.norm(known_m[nearest] - positions, axis=1)))


def decoded_near(known, known_m, states, positions) -> tuple[float, float]:
    """The same among known states within NEAR_M of the true place, and of one drawn from them.

    A code that repeats itself in space says where a walker is only near where it was last.
    """
    errors: list[tuple[float, float]] = []
    for g, x in zip(states, positions, strict=True):
        away = np.linalg.norm(known_m - x, axis=1)
        near = away < NEAR_M
        if near.sum() > 1:
            errors.append((away[near][np.argmax(known[near] @ g)], away[near].mean()))
    found, drawn = np.median(errors, axis=0)
    return float(found), float(drawn)


def reordered(network, space: Space, velocities: np.ndarray, seed: int) -> dict[str, float]:
    """Two orders of the same displacements: how far their ends and their states are apart."""
    order = np.random.default_rng(seed).permuted(
        np.broadcast_to(np.arange(len(velocities))[:, None], velocities.shape[:2]), axis=0
    )
    other = np.take_along_axis(velocities, order[..., None], axis=0)
    ends = [space.path(torch.from_numpy(v).double()).numpy()[-1] for v in (velocities, other)]
    states = [rolled(network, v)[-1] for v in (velocities, other)]
    apart_m = np.linalg.norm(ends[0] - ends[1], axis=1)
    apart = np.linalg.norm(states[0] - states[1], axis=1)
    moves = apart_m.std() > 1e-6
    return {
        "ends_apart_m": float(np.median(apart_m)),
        "states_apart": float(np.median(apart)),
        "correlation": float(np.corrcoef(apart_m, apart)[0, 1]) if moves else float("nan"),
    }


def measure(run: gridcode.Run, name: str) -> dict[str, float]:
    network, config = gridcode.load_network(run), run.config
    space, seed = SPACES[CONDITIONS[name][0]], config.training.seed
    steps = config.world.steps
    velocities, positions = walks(space, config, steps=4 * steps, walkers=WALKERS, seed=seed)
    states = rolled(network, velocities)
    half = WALKERS // 2
    short, long = slice(steps // 2, steps + 1), slice(4 * steps - steps // 2, 4 * steps + 1)
    pick = np.random.default_rng(seed).permutation((steps + 1) * half)[:LIBRARY]
    known = states[: steps + 1, :half].reshape(-1, states.shape[-1])[pick]
    known_m = positions[: steps + 1, :half].reshape(-1, positions.shape[-1])[pick]
    shuffled = np.random.default_rng(seed).permutation(known_m)
    found: dict[str, float] = {}
    for label, part, at in (("30", short, steps), ("120", long, 4 * steps)):
        ends = known, known_m, states[at, half:], positions[at, half:]
        near, drawn = decoded_near(*ends)
        left, plateau, decorrelation = invariance(positions[part], states[part], seed)
        found |= {
            f"left_{label}": left,
            f"plateau_{label}": plateau,
            f"decorrelation_m_{label}": decorrelation,
            f"decoded_m_{label}": decoded(*ends),
            f"chance_m_{label}": decoded(known, shuffled, *ends[2:]),
            f"near_m_{label}": near,
            f"near_chance_m_{label}": drawn,
        }
    return found | reordered(network, space, velocities[:steps], seed)


def row_of(name: str, seed: int, runs: Path) -> dict[str, object]:
    torch.set_num_threads(1)
    run = trained(name, seed, runs)
    measured = {key: round(value, 5) for key, value in measure(run, name).items()}
    last = run.metrics()[-1]
    losses = {key: round(last[key], 5) for key in ("loss", "separation", "invariance", "capacity")}
    return {
        "condition": name,
        "seed": seed,
        "units": run.config.model.units,
        "steps": run.config.training.steps,
        **measured,
        **losses,
        "silent": last["silent_units"],
        "training_cpu_s": run.manifest["cpu_seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--only", nargs="*", default=list(CONDITIONS))
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        for name in given.only:
            with open(given.out, "a+", newline="") as file:
                file.seek(0)
                done = {(r["condition"], int(r["seed"])) for r in csv.DictReader(file)}
            if (name, seed) in done:
                continue
            row = row_of(name, seed, given.runs)
            with open(given.out, "a", newline="") as file:
                writer = csv.DictWriter(file, list(row))
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)


if __name__ == "__main__":
    main()
