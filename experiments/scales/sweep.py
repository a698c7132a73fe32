"""Train and measure the networks of a plan: every variant with every seed, a row each.

    python experiments/scales/sweep.py PLAN OUT.csv [--seconds S] [--weights FOLDER] [--workers N]

On a CUDA device all networks of one shape train as one program while processes on the CPU measure those that are done; without one, each process
trains and measures a network after the other. After `--seconds` nothing new is begun. `--weights` keeps the packed weights. Plans: plans.py.
"""

import argparse
import csv
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from gridcode.config import Config, load_config
from gridcode.models.packing import factor, pack_weights
from gridcode.models.populations import make_network
from gridcode.training.batched import BatchedTrainer, shape_of
from gridcode.training.memory import keep_freed_memory
from gridcode.training.step import Trainer
from measure import measure
from plans import PLANS

# Rows of a stack: more do not train faster, and delay the measuring.
MOST_ROWS = 256
EVALUATION = {"evaluation.samples_per_bin": 6, "evaluation.bin_size_m": 0.0625}


def networks_of(plan):
    """(variant, configuration, how to measure) of every network."""
    for variant in plan:
        config = load_config(variant["preset"]).override({**EVALUATION, **variant.get("set", {}), "training.snapshots": 0})
        for seed in variant["seeds"]:
            yield variant["name"], config.override({"training.seed": seed}), variant.get("measure", {})


def measured(name, config_text, weights, shown, how, keep):
    """A row of the table, and the packed weights."""
    torch.set_num_threads(1)
    config = Config.from_toml(config_text)
    network = make_network(config.model, generator=torch.Generator().manual_seed(0))
    network.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
    row = {"variant": name, "seed": config.training.seed, **shown, **measure(network, config, **how), "config_hash": config.content_hash}
    packed = pack_weights(weights_of(network), dtype="float16", factors=factor(network, max_velocity_m=config.world.max_velocity_m)) if keep else b""
    return row, packed


def weights_of(network):
    """Tensors by name."""
    return dict(network.state_dict())


def trained_and_measured(name, config_text, how, keep):
    """The same after training, on one core."""
    torch.set_num_threads(1)
    keep_freed_memory()
    config = Config.from_toml(config_text)
    trainer, began = Trainer(config), time.process_time()
    while trainer.step < config.training.steps:
        result = trainer.advance()
    shown = {**result.terms.floats(), **trainer.compared(result), "silent_units": result.silent_units(), "train_s": time.process_time() - began}
    return measured(name, config_text, weights_of(trainer.network), rounded(shown), how, keep)


def rounded(values):
    """Five digits are enough for a table; losses of the populations in one column."""
    values = {k: float(f"{v:.5g}") for k, v in values.items()}
    own = [v for k, v in values.items() if k.startswith("loss_")]
    return {k: v for k, v in values.items() if not k[-1].isdigit()} | {"population_losses": " ".join(map(str, own))}


def train_on_gpu(group, device):
    """Weights and last metrics of networks of one shape."""
    began = time.monotonic()
    trainer = BatchedTrainer([c for _, c, _ in group], device=device, kernels=True, graph=True)
    trainer.advance_to(group[0][1].training.steps)
    rows, snapshots = trainer.rows(), trainer.snapshots()
    taken = time.monotonic() - began
    drop = {"step", "gradient_norm", "learning_rate", "zero_states"}
    for (name, config, how), row, snapshot in zip(group, rows, snapshots, strict=True):
        shown = rounded({k: v for k, v in row.items() if k not in drop} | {"train_s": taken / len(group)})
        yield name, config, how, {k: v.numpy() for k, v in snapshot.weights.items()}, shown
    print(f"trained {len(group)} networks like {group[0][0]} in {taken:.1f} s, failures {trainer.failures}", flush=True)


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
    if options.out.exists():
        with open(options.out, newline="", encoding="utf-8") as file:
            done = {(row["variant"], int(row["seed"])) for row in csv.DictReader(file)}
    todo = [one for one in todo if (one[0], one[1].training.seed) not in done]
    keep = options.weights is not None
    if keep:
        options.weights.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = []
        if torch.cuda.is_available():
            groups = {}
            for one in todo:
                groups.setdefault((shape_of(one[1]), json.dumps(one[2])), []).append(one)
            for members in groups.values():
                most = max(1, MOST_ROWS // len(members[0][1].model.sizes))
                for group in (members[i : i + most] for i in range(0, len(members), most)):
                    if time.monotonic() - began > options.seconds:
                        print("no time for", {one[0] for one in group}, flush=True)
                        continue
                    for name, config, how, weights, shown in train_on_gpu(group, "cuda"):
                        jobs.append(pool.submit(measured, name, config.to_toml(), weights, shown, how, keep))
        else:
            jobs = [pool.submit(trained_and_measured, name, config.to_toml(), how, keep) for name, config, how in todo]
        left = options.seconds - (time.monotonic() - began)
        collect(jobs, options.out, options.weights, left)


def collect(jobs, out, folder, seconds):
    """Append rows to the table as they come; after the time is over drop what is not begun."""
    fresh = not out.exists()
    with open(out, "a", newline="", encoding="utf-8") as file:
        table = None
        try:
            for job in as_completed(jobs, timeout=seconds):
                row, packed = job.result()
                if table is None:
                    columns = list(row)
                    table = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
                    if fresh:
                        table.writeheader()
                table.writerow(row)
                file.flush()
                if packed:
                    (folder / f"{row['variant']}-seed{row['seed']}.safetensors").write_bytes(packed)
        except TimeoutError:
            print(f"time is over: {sum(j.cancel() for j in jobs)} networks not measured", flush=True)


if __name__ == "__main__":
    main()
