"""CPU-seconds of a training until 90% of its units are on hexagonal lattices.

    OMP_NUM_THREADS=1 python experiments/speed/time_to_lattice.py VARIANT --seeds 0-7 --out FOLDER

Writes FOLDER/VARIANT.csv, a row per snapshot: the share of active units whose hexagonal score on a
coarse map exceeds 0.5, beside the CPU-seconds of training alone. FOLDER/VARIANT_final.csv has a row
per seed with the last state: types by null maps, modules and errors of path integration
(`experiments/scales/measure.py`). Times are of one thread.
"""

import argparse
import csv
import functools
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gridcode.config import load_config
from gridcode.losses.objective import objective
from gridcode.runs.history import map_snapshot, share_above
from gridcode.training.memory import keep_freed_memory
from gridcode.training.parts import Parts
from gridcode.training.step import Trainer
from gridcode.world.permutations import draw_batch

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "scales")]

from measure import measure  # noqa: E402
from optimisers import Muon, Soap  # noqa: E402

ARENA_M = 4.0
FIRST, EVERY = 200, 50
WANTED = 0.9
# Of the variant that begins with smaller batches: until this step.
SMALL_UNTIL = 1000


def small_batches(world, step, generator):
    """A third of the trajectories at first."""
    return draw_batch(
        steps=world.steps,
        trajectories=world.trajectories // 3 if step < SMALL_UNTIL else world.trajectories,
        max_velocity_m=world.max_velocity_m,
        distribution=world.velocities,
        kind=world.orders,
        generator=generator,
    )


def fewer_compared(loss, states, batch, step, generator):
    """Half of the compared states at first: a quarter of the pairs."""
    count = loss.sampled_states // 2 if step < SMALL_UNTIL else loss.sampled_states
    fewer = loss.model_copy(update={"sampled_states": count})
    return vars(objective(states, batch, fewer, step=step, generator=generator))


@dataclass(frozen=True)
class Variant:
    """What differs from the preset."""

    settings: dict[str, Any] = field(default_factory=dict)
    optimiser: Any = None
    small: bool = False

    def parts(self, config):
        """The parts that replace the built-in ones."""
        return Parts(
            optimiser=self.optimiser,
            batches=functools.partial(small_batches, config.world) if self.small else None,
            objective=functools.partial(fewer_compared, config.loss) if self.small else None,
        )


VARIANTS = {
    "quick": Variant(),
    "muon": Variant(optimiser=Muon),
    "soap": Variant(optimiser=Soap),
    "rate_2": Variant({"learning_rate": 2e-3, "hold_steps": 200}),
    "rate_3": Variant({"learning_rate": 3e-3, "hold_steps": 133}),
    "small": Variant(small=True),
    "cosine_2000": Variant({"schedule": "cosine", "training.steps": 2000}),
    "small_cosine_2000": Variant({"schedule": "cosine", "training.steps": 2000}, small=True),
}


def train(name, seed, *, steps=None, stop=False):
    """Snapshots of one training, and its last state; `stop` ends it once enough units are there."""
    variant = VARIANTS[name]
    config = load_config("quick").override(
        {"training.seed": seed, "training.device": "cpu", **variant.settings}
    )
    trainer = Trainer(config, parts=variant.parts(config))
    spent, rows, reached = 0.0, [], 0
    last = steps or config.training.steps
    while trainer.step < last:
        began = time.process_time()
        target = FIRST if trainer.step < FIRST else trainer.step + EVERY
        # Once enough units have fired on lattices twice, it is enough to look now and then.
        target = min(last, target if reached < 2 else trainer.step + 1000)
        while trainer.step < target:
            result = trainer.advance()
        spent += time.process_time() - began
        step, start = trainer.network.as_system()
        data = map_snapshot(
            step, start, arena_m=ARENA_M, max_step_m=config.world.max_velocity_m, seed=seed
        )
        share = float(share_above(data))
        reached = reached + 1 if share >= WANTED else 0
        rows.append(
            {
                "variant": name,
                "seed": seed,
                "step": trainer.step,
                "train_cpu_s": round(spent, 2),
                "hexagonal_share": round(share, 3),
                "silent": int(data["silent"].sum()),
                "loss": round(float(result.terms["total"].detach()), 4),
            }
        )
        print(rows[-1], flush=True)
        if stop and reached >= 2:
            break
    return config, trainer, rows


def seeds(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def append(path, rows):
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if new:
            table.writeheader()
        table.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("--seeds", type=seeds, default=range(4))
    parser.add_argument("--steps", type=int, help="end the training here")
    parser.add_argument("--stop", action="store_true", help="end it once 90% are on lattices")
    parser.add_argument("--measure", action="store_true", help="measure the state at --stop too")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        config, trainer, rows = train(options.variant, seed, steps=options.steps, stop=options.stop)
        append(options.out / f"{options.variant}{'_stop' if options.stop else ''}.csv", rows)
        told = {key: rows[-1][key] for key in ("variant", "seed", "step", "train_cpu_s", "loss")}
        if options.stop and not options.measure:
            continue
        final = told | measure(trainer.network, config)
        append(
            options.out / f"{options.variant}{'_stop' if options.stop else ''}_final.csv", [final]
        )
        print(final, flush=True)


if __name__ == "__main__":
    main()
