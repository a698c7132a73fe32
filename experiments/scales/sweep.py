"""Train and measure the networks of a plan: every variant with every seed, a row each.

    python experiments/scales/sweep.py PLAN OUT.csv [--seconds S] [--weights FOLDER] [--workers N]

On a CUDA device all networks of one shape train as one program while processes on the CPU measure
those that are done; without one, each process trains and measures a network after the other. After
`--seconds` nothing new is begun. `--weights` keeps the packed weights. Plans: plans.py.
"""

import argparse
import csv
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from low_rank import factor, factored
from measure import measure
from plans import PLANS

from gridcode.config import Config, load_config
from gridcode.models.packing import pack_weights
from gridcode.models.populations import make_network
from gridcode.training.batched import BatchedTrainer, shape_of
from gridcode.training.memory import keep_freed_memory
from gridcode.training.parts import as_floats
from gridcode.training.step import Trainer

# Rows of a stack: more do not train faster, and delay the measuring.
MOST_ROWS = 256
EVALUATION = {"evaluation.samples_per_bin": 6, "evaluation.bin_size_m": 0.0625}


class Network(NamedTuple):
    """One network of a plan."""

    variant: str
    first: Config  # of the first stage
    config: Config  # of the second stage, and of both where the variant has one configuration
    how: dict  # how to measure

    @property
    def key(self):
        """What networks must share to be trained as one program."""
        return shape_of(self.first), shape_of(self.config), json.dumps(self.how)


def networks_of(plan):
    """Every network."""
    for variant in plan:
        for seed in variant["seeds"]:
            common = {
                **EVALUATION,
                **variant.get("set", {}),
                "training.snapshots": 0,
                "training.seed": seed,
            }
            first = load_config(variant["preset"]).override(common)
            yield Network(
                variant["name"],
                first,
                first.override(variant.get("second", {})),
                variant.get("measure", {}),
            )


def measured(name, config_text, weights, shown, how, keep):
    """A row of the table, and the packed weights."""
    torch.set_num_threads(1)
    config = Config.from_toml(config_text)
    network = make_network(config.model, generator=torch.Generator().manual_seed(0))
    network.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
    row = {
        "variant": name,
        "seed": config.training.seed,
        **shown,
        **measure(network, config, **how),
        "config_hash": config.content_hash,
    }
    packed = (
        pack_weights(
            factored(
                weights_of(network), factor(network, max_velocity_m=config.world.max_velocity_m)
            ),
            dtype="float16",
        )
        if keep
        else b""
    )
    return row, packed


def weights_of(network):
    """Tensors by name."""
    return dict(network.state_dict())


def trained_and_measured(name, first_text, config_text, how, keep):
    """The same after training, on one core."""
    torch.set_num_threads(1)
    keep_freed_memory()
    config = Config.from_toml(config_text)
    trainer, began = Trainer(Config.from_toml(first_text)), time.process_time()
    while trainer.step < config.training.steps:
        if trainer.step == config.training.separate_steps and trainer.config != config:
            before, trainer = trainer, Trainer(config)
            trainer.restore(before.snapshot())
        result = trainer.advance()
    shown = {
        **as_floats(result.terms),
        **trainer.compared(result),
        "silent_units": result.silent_units(),
        "train_s": time.process_time() - began,
    }
    return measured(name, config_text, weights_of(trainer.network), rounded(shown), how, keep)


def rounded(values):
    """Five digits are enough for a table; losses of the populations in one column."""
    values = {k: float(f"{v:.5g}") for k, v in values.items()}
    own = [v for k, v in values.items() if k.startswith("loss_")]
    return {k: v for k, v in values.items() if not k[-1].isdigit()} | {
        "population_losses": " ".join(map(str, own))
    }


def train_on_gpu(group, device):
    """Weights and last metrics of networks of one shape."""
    began = time.monotonic()
    trainer = BatchedTrainer([one.first for one in group], device=device, kernels=True, graph=True)
    if any(one.first != one.config for one in group):
        trainer.advance_to(group[0].config.training.separate_steps)
        before, trainer = (
            trainer,
            BatchedTrainer([one.config for one in group], device=device, kernels=True, graph=True),
        )
        trainer.restore(before.snapshots())
    trainer.advance_to(group[0].config.training.steps)
    rows, snapshots = trainer.rows(), trainer.snapshots()
    taken = time.monotonic() - began
    drop = {"step", "gradient_norm", "learning_rate", "zero_states"}
    for (name, _, config, how), row, snapshot in zip(group, rows, snapshots, strict=True):
        shown = rounded(
            {k: v for k, v in row.items() if k not in drop} | {"train_s": taken / len(group)}
        )
        yield name, config, how, {k: v.numpy() for k, v in snapshot.weights.items()}, shown
    print(
        f"trained {len(group)} networks like {group[0].variant} in {taken:.1f} s, "
        f"failures {trainer.failures}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", choices=sorted(PLANS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    began = time.monotonic()
    todo = list(networks_of(PLANS[options.plan]))
    done = set()
    for path in (table_of(options.out, quick) for quick in (False, True)):
        if path.exists():
            with open(path, newline="", encoding="utf-8") as file:
                done |= {(row["variant"], int(row["seed"])) for row in csv.DictReader(file)}
    todo = [one for one in todo if (one.variant, one.config.training.seed) not in done]
    keep = options.weights is not None
    if keep:
        options.weights.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(
        options.workers, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        jobs = []
        if torch.cuda.is_available():
            groups = {}
            for one in todo:
                groups.setdefault(one.key, []).append(one)
            for members in groups.values():
                most = max(1, MOST_ROWS // len(members[0].config.model.sizes))
                for group in (members[i : i + most] for i in range(0, len(members), most)):
                    if time.monotonic() - began > options.seconds:
                        print("no time for", {one.variant for one in group}, flush=True)
                        continue
                    for name, config, how, weights, shown in train_on_gpu(group, "cuda"):
                        jobs.append(
                            pool.submit(measured, name, config.to_toml(), weights, shown, how, keep)
                        )
        else:
            jobs = [
                pool.submit(
                    trained_and_measured,
                    n.variant,
                    n.first.to_toml(),
                    n.config.to_toml(),
                    n.how,
                    keep,
                )
                for n in todo
            ]
        left = options.seconds - (time.monotonic() - began)
        collect(jobs, options.out, options.weights, left)


def collect(jobs, out, folder, seconds):
    """Append rows to the tables as they come; after the time is over drop what is not begun."""
    try:
        for job in as_completed(jobs, timeout=seconds):
            row, packed = job.result()
            path = table_of(out, "kind" in row)
            fresh = not path.exists()
            with open(path, "a", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, list(row))
                if fresh:
                    table.writeheader()
                table.writerow(row)
            if packed:
                (folder / f"{row['variant']}-seed{row['seed']}.safetensors").write_bytes(packed)
    except TimeoutError:
        print(f"time is over: {sum(j.cancel() for j in jobs)} networks not measured", flush=True)


def table_of(out, quick):
    """Where rows go: those of a quick look have columns of their own."""
    return out.with_stem(f"{out.stem}_quick") if quick else out


if __name__ == "__main__":
    main()
