"""CPU time and memory of one training step, beside the naive reference in the same run.

    OMP_NUM_THREADS=1 python benchmarks/step_time.py [--json]

Each case runs in a process of its own, so that its peak memory is its own; the naive step (plain loop over time, all
matrices W(v) of all trajectories, the terms as written, autograd) does the same work on the same batches. Medians of
CPU-seconds with the range; the two are timed in turn.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

import gridcode
from gridcode.losses.objective import isometry_weights
from gridcode.losses.pairwise import sample_states
from gridcode.losses.terms import capacity, conformal_isometry, invariance, separation
from gridcode.models.integrator import rollout_reference
from gridcode.training.memory import keep_freed_memory
from gridcode.training.step import Trainer

# name: preset, overrides, steps timed, naive steps timed
CASES = {
    "N=64 T=40 B=80, 800 sampled states": ("quick", {}, 60, 3),
    "N=128 T=60 B=120, 1000 sampled states": ("laptop", {}, 40, 2),
    "N=128 T=60 B=120, exact pairs": ("laptop", {"loss.pairs": "all"}, 6, 1),
    "N=128 T=60 B=130, exact pairs (preset paper, one batch of two)": ("paper", {"training.accumulation": 1}, 4, 0),
}


def naive_step(trainer: Trainer) -> None:
    """The same optimiser step, written as the method reads."""
    config = trainer.config
    batch = trainer.draw()
    network = trainer.network
    network.zero_grad(set_to_none=True)
    v = batch.velocities[batch.orders]
    g = rollout_reference(network.transition, network.g0, v, norm=network.norm)
    compared, x = g, batch.positions
    if config.loss.pairs == "sampled":
        compared, x = sample_states(g, x, count=config.loss.sampled_states, generator=trainer.generator)
    total = config.loss.separation * separation(compared, x, sigma_x=config.loss.sigma_x_m, sigma_g=config.loss.sigma_g)
    total = total + config.loss.invariance * invariance(compared, x, sigma_x=config.loss.sigma_x_m) + config.loss.capacity * capacity(g)
    weight, _ = isometry_weights(config.loss, 10**9)
    total = total + weight * conformal_isometry(g[:-1], g[1:], v.transpose(0, 1), sigma_x=config.loss.sigma_x_m, form=config.loss.isometry_form)
    total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.training.gradient_clip)
    trainer.optimiser.step()


def cpu_seconds(step: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.process_time()
        step()
        taken.append(time.process_time() - began)
    return taken


def run_case(name: str, *, naive: bool) -> dict[str, object]:
    preset, overrides, steps, naive_steps = CASES[name]
    torch.set_num_threads(1)
    keep_freed_memory()
    trainer = Trainer(gridcode.load_config(preset).override(overrides))
    trainer.step = 10**6  # past the isometry ramp: the full objective
    cpu_seconds(trainer.advance, 3)
    fast = cpu_seconds(trainer.advance, steps // 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    slow = cpu_seconds(lambda: naive_step(trainer), naive_steps) if naive else []
    fast += cpu_seconds(trainer.advance, steps - steps // 2)
    ms = [round(1000 * f(fast), 1) for f in (statistics.median, min, max)]
    result: dict[str, object] = {"case": name, "cpu_ms_median": ms[0], "cpu_ms_min": ms[1], "cpu_ms_max": ms[2], "peak_memory_mb": round(peak)}
    if slow:
        result |= {
            "naive_cpu_ms_median": round(1000 * statistics.median(slow), 1),
            "naive_over_fast": round(statistics.median(slow) / statistics.median(fast), 1),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-naive", action="store_true", help="leave out the naive steps (gigabytes of memory at N=128)")
    parser.add_argument("--case", help="run one case in this process")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(options.case, naive=not options.no_naive)))
        return
    extra = ["--no-naive"] if options.no_naive else []
    rows = [
        json.loads(subprocess.run([sys.executable, __file__, "--case", name, *extra], check=True, capture_output=True, text=True).stdout)
        for name in CASES
    ]
    for row in rows:
        naive = f"   naive {row['naive_cpu_ms_median']} CPU-ms, {row['naive_over_fast']} times as much" if "naive_over_fast" in row else ""
        cost = f"{row['cpu_ms_median']:7.1f} CPU-ms ({row['cpu_ms_min']} to {row['cpu_ms_max']})"
        print(f"{row['case']:64s} {cost}  peak {row['peak_memory_mb']} MB{naive}", file=sys.stderr)
    if options.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
