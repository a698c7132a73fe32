"""Networks of the line, of the line with two ends and of the volume (line.md, volume.md).

    python experiments/spaces/lattice_runs.py CONDITION OUT [--seeds 0-4] [--steps N]

CONDITION is one of `CONDITIONS`. Finished runs are left as they are.

Expected, written before any of these networks was trained:

- `line`: one ring. W(v) that integrate paths commute, so that a code without drift is a sum of
  plane waves; with 64 units to tell apart two metres of line, one period of at least the trained
  range (95% of paths end within +-0.93 m), cut into narrow fields, pays less than a short period
  whose aliases separation punishes. So: one group of cells, a period of 2 m or more, one field a
  period. Nothing asks for several modules on a line.
- `line-3`: three rings that need not be of one period; as the joint code has to tell places apart
  only together, periods shorter than in `line`. Ratio: open; no preferred ratio of whole numbers.
- `ends`: movement beyond an end is lost, so orders matter and paths do not commute. No period;
  fields crowd at the ends, or the two ends share few states with the middle.
- `volume`: if a code integrates paths exactly, it has to be a sum of few waves, and a global
  lattice (three independent waves) rather than local order; with 64 units fields are few and
  large, and columns or planes are possible for single units. Local order alone would be a sign of
  paths that are not integrated. Weaker than in the plane: positive pairs are rarer.

Written later, each after what it names:

- `volume-long` and `plane-long`, after `volume-grown` had integrated paths over a cube of
  2.1 m with one or two fields a unit: longer paths give room for several periods. If a volume is
  as a plane, a lattice of about v sqrt(T) = 1.3 m grows, and states return at its vectors.
- `volume-fcc`, `volume-bcc`, `volume-cubic`, after one network of the first had been seen:
  a lattice stays and its loss is lower than that of `volume-grown`, lowest for face-centred cubic.
- `volume-places`, after these: a planted code of one field a unit is no better than
  `volume-grown`. If it were as good as a lattice, imitation would be the cause and not the lattice.
"""

import argparse
from pathlib import Path

from imitation import PLANTED, Imitation

import gridcode
from gridcode.world.spaces import Line

LINE_M = 1.0  # the trained paths of 30 steps reach 0.93 m either way: half of them meet an end

ONE = {"steps": 2000, "world.dimensions": 1}
THREE = {
    "world.dimensions": 1,
    "populations": [22, 21, 21],
    "separate_steps": 600,
    "steps": 2600,
    "schedule": "cosine",
    "invariance": 0.6,
    "isometry_of": "populations",
    "joint_steps": 60,
    "joint_trajectories": 60,
}
# In a volume few steps are as short as 0.05 m; as many as in the plane are shorter than 0.08 m.
VOLUME = {**ONE, "world.dimensions": 3, "isometry_range_m": 0.08}
GROWN = {
    **VOLUME,
    "populations": [64],
    "world.steps": 15,
    "separate_steps": 1500,
    "steps": 4000,
    "joint_steps": 40,
    "joint_trajectories": 80,
    "sigma_x_m": 0.1,
    "invariance": 0.6,
}
LONG = {**GROWN, "steps": 6500, "joint_steps": 80, "schedule": "cosine"}
WIDE = {
    **GROWN,
    "world.steps": 30,
    "world.trajectories": 90,
    "separate_steps": 2500,
    "steps": 7000,
    "joint_steps": 60,
    "joint_trajectories": 60,
    "sampled_states": 1500,
    "model.hidden_widths": [128],
    "schedule": "cosine",
}
# Led to a planted code for `IMITATED` steps, then the objective alone; see imitation.py.
IMITATED = 2500
LED = {
    **VOLUME,
    "world.steps": 40,
    "world.trajectories": 80,
    "steps": IMITATED + 3000,
    "schedule": "cosine",
    "sigma_x_m": 0.1,
    "invariance": 0.6,
    "isometry_ramp": [IMITATED, IMITATED + 300],
    "isometry_early_raw": 0.0,
}
CONDITIONS = {
    "line": ONE,
    "line-3": THREE,
    "ends": ONE,
    "volume": VOLUME,
    "line-untrained": {**ONE, "steps": 1},
    "volume-untrained": {**VOLUME, "steps": 1},
    # Added after `volume` had failed: short paths, more positive pairs, more weight on them.
    "volume-short": {**VOLUME, "world.steps": 15, "sigma_x_m": 0.1, "invariance": 0.6},
    "volume-grown": GROWN,
    # Added after `volume-grown`: over more room; the plane with the same recipe as control.
    "volume-long": LONG,
    "plane-long": {**LONG, "world.dimensions": 2, "isometry_range_m": 0.05},
    # Would other settings bring a lattice? One network each.
    "volume-160": {**LONG, "joint_steps": 160, "joint_trajectories": 160},
    "volume-sigma-g-0.6": {**LONG, "sigma_g": 0.6},
    "volume-wide": {**WIDE, "populations": [64]},
    "volume-wide-128": {**WIDE, "populations": [128]},
    # Would a lattice stay?
    "volume-fcc": LED,
    "volume-bcc": LED,
    "volume-cubic": LED,
    "volume-places": LED,
}


def train(condition, seed, folder, steps):
    """The trained run: new, resumed, or as it is in its folder."""
    changes = {**CONDITIONS[condition], "seed": seed, "snapshots": 0, "checkpoint_every": 200}
    if steps:
        changes["steps"] = steps
    config = gridcode.load_config("quick").override(changes)
    batches = Line(LINE_M).batches(config.world) if condition == "ends" else None
    code = condition.removeprefix("volume-")
    imitation = Imitation(config.loss, code, IMITATED) if code in PLANTED else None
    there = (folder / "config.toml").is_file()
    return gridcode.train(
        None if there else config, out=folder, batches=batches, objective=imitation
    )


def seeds_of(text):
    """Seeds from `3` or `0-4`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("condition", choices=CONDITIONS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of("0-4"))
    parser.add_argument("--steps", type=int, default=0)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        folder = arguments.out / f"{arguments.condition}-seed{seed}"
        run = train(arguments.condition, seed, folder, arguments.steps)
        print(folder.name, run.metrics()[-1], flush=True)


if __name__ == "__main__":
    main()
