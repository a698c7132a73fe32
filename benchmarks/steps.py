"""What a training step costs here: each part beside its floor, the whole beside the naive step.

A floor is the larger of two times: the part's floating-point operations at the rate of this core's
own matrix product, and the bytes it cannot help moving at the rate at which this core reads a block
of that size; exponentials are added at their own measured rate. All three rates are measured in the
same run. CPU times are CPU-seconds, medians.
"""

import argparse
import copy
import dataclasses
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from gridcode.config import Config, load_config
from gridcode.errors import GridcodeError
from gridcode.gpu.cuda_graph import rounded_products
from gridcode.losses.objective import choose_compared, isometry_weights
from gridcode.losses.pairwise import pair_pass, sample_states
from gridcode.losses.terms import capacity, conformal_isometry, invariance, separation
from gridcode.models.populations import join, members_of
from gridcode.models.recurrence import rollout, rollout_reference
from gridcode.training.batched import BatchedTrainer
from gridcode.training.loop import pool_threads
from gridcode.training.memory import keep_freed_memory
from gridcode.training.parts import StandardObjective
from gridcode.training.step import Trainer
from gridcode.training.trainer_choice import kernels_unsupported_reason
from gridcode.version import __version__
from gridcode.world.streams import Stream

# Two stages of `modules`: each population by itself, then all together.
PRESETS = ("quick", "modules separate", "modules joint", "dense", "paper")
# Steps of a training that is past the ramp of the isometry and not at its end.
LONG, PAST_RAMP = 10**7, 10**6
PARTS = (
    *("matrices", "rollout forward", "rollout backward"),
    *("pair terms", "optimiser", "batch"),
)
# The naive step keeps all matrices of all trajectories and all pairs: below this much free memory
# it is left out.
NAIVE_BYTES = 12e9


@dataclass(frozen=True)
class Rates:
    """What this machine does with one thread, or what its GPU does."""

    gemm: float  # floating-point operations a second, square float32 product
    exp: float  # exponentials a second
    read: Callable[[float], float]  # bytes a second, of a block of so many bytes
    bf16: float | None = None  # floating-point operations a second of a GPU's bfloat16 products
    tf32: float | None = None  # the same of its TF32 products


def machine() -> dict[str, Any]:
    """What this machine is, without its name."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            (line.split(":")[1].strip() for line in lines if line.startswith("model name")), model
        )
    except OSError:
        pass
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _times(
    step: Callable[[], object], *, clock: Callable[[], float], least: int, seconds: float
) -> list[float]:
    """At least so many times, for about so many seconds."""
    taken: list[float] = []
    began = time.perf_counter()
    while len(taken) < least or (time.perf_counter() - began < seconds and len(taken) < 400):
        start = clock()
        step()
        taken.append(clock() - start)
    return taken


def cpu_rates() -> Rates:
    """Measured on one thread, in CPU-seconds like the steps; a few seconds."""
    a, b, out = (torch.randn(1024, 1024) for _ in range(3))
    gemm = (
        2
        * 1024**3
        / statistics.median(
            _times(lambda: torch.mm(a, b, out=out), clock=time.process_time, least=10, seconds=0.5)
        )
    )
    x = torch.randn(160_000)
    y = torch.empty_like(x)
    exp = len(x) / statistics.median(
        _times(lambda: torch.exp(x, out=y), clock=time.process_time, least=50, seconds=0.2)
    )
    known: dict[int, float] = {}

    def read(size: float) -> float:
        length = max(256, round(size / 4))
        if length not in known:
            block = torch.randn(length)
            known[length] = (
                4
                * length
                / statistics.median(
                    _times(block.sum, clock=time.process_time, least=20, seconds=0.1)
                )
            )
        return known[length]

    return Rates(gemm, exp, read)


def stage_of(config: Config) -> tuple[int, int]:
    """Steps and trajectories of the stage in which most of the training is."""
    joint = config.training.separate_steps < config.training.steps
    return config.world.stage(joint=joint and bool(config.training.separate_steps))


def case_config(case: str) -> Config:
    """The configuration of a case of `PRESETS`: one batch a step, of the stage that it names."""
    preset, _, stage = case.partition(" ")
    config = load_config(preset).override(
        {"training.accumulation": 1, "training.device": "cpu", "training.steps": LONG}
    )
    if not stage:
        return config
    return config.override({"training.separate_steps": 1 if stage == "joint" else LONG})


def floors(config: Config, rates: Rates) -> dict[str, float]:
    """Seconds below which the parts of one batch cannot go on one core.

    matrices: the last layer forward, its weights' and its inputs' gradient; rollout: all matrices
    read and one product a step, forward; the same and the matrices' gradient backward; pairs:
    distances and two sums over the upper triangle, and its exponentials; optimiser: weights,
    gradient and two moments read, all but the gradient written.
    """
    t, b = stage_of(config)
    populations = len(config.model.sizes)
    n = config.model.sizes[0]
    hidden = config.model.hidden_widths[-1]
    states = (
        (t + 1) * b if config.loss.pairs == "all" else min(config.loss.sampled_states, (t + 1) * b)
    )
    weights = 4 * hidden * n * n
    matrices = 4 * t * n * n

    # Populations by themselves compare their own states, joined ones those of all units.
    joint = config.training.separate_steps < config.training.steps
    comparisons = 1 if joint else populations
    width = n * populations if joint else n
    pairs = 3 * states**2 * width / rates.gemm
    if rates.bf16:
        # The kernel takes both products over all pairs, of one, two (TF32 runs at half the rate) or
        # six pieces.
        pairs = (
            4
            * states**2
            * width
            * {"bf16": 1, "tf32": 2, "float32": 6}[config.training.products]
            / rates.bf16
        )

    def larger(operations: float, moved: float, block: float) -> float:
        return max(operations / rates.gemm, moved / rates.read(block))

    each = {
        "matrices": larger(6 * t * hidden * n * n, 3 * weights + 2 * matrices, weights),
        "rollout forward": larger(2 * t * b * n * n, t * matrices, matrices),
        "rollout backward": larger(4 * t * b * n * n, t * matrices, matrices),
    }
    return {
        **{name: populations * seconds for name, seconds in each.items()},
        "pair terms": comparisons * (pairs + states**2 / 2 / rates.exp),
        "optimiser": populations * 7 * weights / rates.read(weights),
    }


def parts(config: Config, *, seconds: float) -> dict[str, list[float]]:
    """CPU-seconds of the parts of one batch, many times each."""
    trainer = Trainer(config)
    trainer.step = PAST_RAMP
    members = members_of(trainer.network)
    joint = trainer.step >= config.training.separate_steps
    terms = StandardObjective(config.loss, config.model.sizes)
    taken: dict[str, list[float]] = {}
    began = time.perf_counter()
    number = 0
    while number < 5 or (time.perf_counter() - began < seconds and number < 100):
        number += 1
        mark = time.process_time()
        spent = dict.fromkeys((*PARTS, "objective"), 0.0)

        def lap(name: str, spent: dict[str, float] = spent) -> None:
            nonlocal mark
            now = time.process_time()
            spent[name] += now - mark
            mark = now

        stream = Stream(0, number)
        batch = trainer.draw(stream)
        lap("batch")
        matrices = [network.transition(batch.velocities) for network in members]
        lap("matrices")
        w = [m.detach().requires_grad_() for m in matrices]
        g0 = [network.g0.detach().requires_grad_() for network in members]
        mark = time.process_time()
        states = [
            rollout(own, start, batch.orders, norm=network.norm)
            for own, start, network in zip(w, g0, members, strict=True)
        ]
        lap("rollout forward")
        cut = [own.detach().requires_grad_() for own in states]
        compared = [join(cut)] if joint else cut
        mark = time.process_time()
        chosen = choose_compared(batch, config.loss, generator=Stream(1, number))
        lap("batch")
        for own in compared:
            g, x = own.detach().flatten(0, 1), batch.positions.flatten(0, 1)
            if chosen.pick is not None:
                g, x = g[chosen.pick], x[chosen.pick]
            mark = time.process_time()
            pair_pass(
                g,
                x,
                sigma_x=config.loss.sigma_x_m,
                sigma_g=config.loss.sigma_g,
                weights=(config.loss.separation, config.loss.invariance),
                reduction=config.loss.reduction,
                pairs=chosen.pairs,
            )
            lap("pair terms")
        terms_of = terms.on(batch, PAST_RAMP, stream)
        mark = time.process_time()
        for own in compared:
            terms_of(own)["total"].backward()
        lap("objective")
        for own, its in zip(states, cut, strict=True):
            own.backward(its.grad)
        lap("rollout backward")
        trainer.optimiser.zero_grad(set_to_none=True)
        mark = time.process_time()
        for own, its in zip(matrices, w, strict=True):
            own.backward(its.grad)
        lap("matrices")
        trainer.optimiser.step()
        lap("optimiser")
        for name, value in spent.items():
            taken.setdefault(name, []).append(value)
    return taken


def naive_step(trainer: Trainer) -> None:
    """The same step as the method reads: plain loop, all matrices W(v), autograd."""
    config, members = trainer.config, members_of(trainer.network)
    loss = config.loss
    joint = trainer.step >= config.training.separate_steps
    for part in range(config.training.accumulation):
        stream = Stream(config.training.seed, part)
        batch = trainer.draw(stream)
        v = batch.velocities[batch.orders]
        each = [rollout_reference(m.transition, m.g0, v, norm=m.norm) for m in members]
        total = torch.zeros(())
        for g in [join(each)] if joint else each:
            compared, x = g, batch.positions
            if loss.pairs == "sampled":
                compared, x = sample_states(
                    g, x, count=loss.sampled_states, generator=copy.copy(stream)
                )
            total = (
                total
                + loss.separation
                * separation(compared, x, sigma_x=loss.sigma_x_m, sigma_g=loss.sigma_g)
                + loss.invariance * invariance(compared, x, sigma_x=loss.sigma_x_m)
                + loss.capacity * capacity(g)
            )
        weight, _ = isometry_weights(loss, PAST_RAMP)
        for g in each:
            total = total + weight / len(each) * conformal_isometry(
                g[:-1],
                g[1:],
                v.transpose(0, 1),
                sigma_x=loss.isometry_range_m,
                form=loss.isometry_form,
            )
        total.backward()
    torch.nn.utils.clip_grad_norm_(trainer.network.parameters(), config.training.gradient_clip)
    trainer.optimiser.step()
    trainer.optimiser.zero_grad(set_to_none=True)


def _free_bytes() -> float:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return float("inf")


def _ms(times: list[float]) -> dict[str, float]:
    return {
        name: round(1000 * f(times), 2)
        for name, f in (("median", statistics.median), ("min", min), ("max", max))
    }


def cpu_case(preset: str, *, naive: bool = True, seconds: float = 4.0) -> dict[str, Any]:
    """One preset on the CPU, in this process: its peak memory is the process's.

    Args:
        preset: its name; of accumulated batches one is timed.
        naive: time the naive step as well, where there is memory for it.
        seconds: about how long to time each thing.
    """
    config = case_config(preset)
    keep_freed_memory()
    torch.set_num_threads(1)
    trainer = Trainer(config)
    trainer.step = PAST_RAMP
    for _ in range(3):
        trainer.advance()
    whole = _times(trainer.advance, clock=time.process_time, least=4, seconds=seconds)
    one = statistics.median(
        _times(trainer.advance, clock=time.perf_counter, least=4, seconds=seconds / 2)
    )
    steps, trajectories = stage_of(config)
    result: dict[str, Any] = {
        "preset": preset,
        "shape": {"units": config.model.units, "steps": steps, "trajectories": trajectories},
        "pairs": config.loss.pairs if config.loss.pairs == "all" else config.loss.sampled_states,
        "step_cpu_ms": _ms(whole),
        "peak_memory_mb": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            / (2**20 if sys.platform == "darwin" else 2**10)
        ),
    }
    if (os.cpu_count() or 1) > 1:
        populations = len(config.model.sizes)
        with ThreadPoolExecutor(pool_threads(os.cpu_count() or 1, config.model.sizes)) as pool:
            # As training does: populations in threads, else threads inside each operation.
            trainer.workers = pool if populations > 1 else None
            torch.set_num_threads(1 if populations > 1 else 2)
            for _ in range(2):
                trainer.advance()
            two = statistics.median(
                _times(trainer.advance, clock=time.perf_counter, least=4, seconds=seconds / 2)
            )
            trainer.workers = None
            torch.set_num_threads(1)
        result["two_threads_speedup"] = round(one / two, 2)
    rates = cpu_rates()
    floor = floors(config, rates)
    measured = {
        name: statistics.median(times) for name, times in parts(config, seconds=seconds).items()
    }
    # A difference of two timings, which noise can turn below zero where the pairs take nearly all.
    objective_rest = max(0.0, measured.pop("objective") - measured["pair terms"])
    result["parts"] = [
        {
            "part": name,
            "floor_ms": round(1000 * low, 2),
            "ms": round(1000 * measured[name], 2),
            "share": round(low / measured[name], 2),
        }
        for name, low in floor.items()
    ]
    rest = [("batch", measured["batch"]), ("other terms", objective_rest)]
    result["parts"] += [
        {"part": name, "floor_ms": None, "ms": round(1000 * value, 2), "share": None}
        for name, value in rest
    ]
    whole_floor = sum(floor.values())
    result["floor_ms"] = round(1000 * whole_floor, 2)
    result["share_of_floor"] = round(whole_floor / statistics.median(whole), 2)
    result["rates"] = {
        "gemm_gflops": round(rates.gemm / 1e9, 1),
        "exp_ns": round(1e9 / rates.exp, 2),
    }
    result["rates"]["read_matrices_gb_s"] = round(
        rates.read(4 * steps * config.model.sizes[0] ** 2) / 1e9, 1
    )
    if naive and _free_bytes() > NAIVE_BYTES:
        slow = _times(
            lambda: naive_step(trainer), clock=time.process_time, least=1, seconds=seconds / 2
        )
        again = _times(trainer.advance, clock=time.process_time, least=3, seconds=seconds / 4)
        result["naive_cpu_ms"] = round(1000 * statistics.median(slow), 1)
        result["naive_over_fast"] = round(
            statistics.median(slow) / statistics.median(whole + again), 1
        )
    return result


def gpu_rates() -> Rates:
    """Ceilings of the GPU: products as the library takes them, and the fastest copy.

    A block that fits its cache is copied faster than a large one, a small one slower, since the
    launch takes longer than the copy: the fastest of three sizes bounds all of them.
    """

    def seconds(work: Callable[[], object]) -> float:
        work()
        torch.cuda.synchronize()
        taken = []
        for _ in range(10):
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            stop.record()
            torch.cuda.synchronize()
            taken.append(start.elapsed_time(stop) / 1000)
        return statistics.median(taken)

    def copied(size: float) -> float:
        block = torch.randn(round(size / 4), device="cuda")
        other = torch.empty_like(block)
        return 8 * block.numel() / seconds(lambda: other.copy_(block))

    a, b, out = (torch.randn(8192, 8192, device="cuda") for _ in range(3))
    gemm = 2 * 8192**3 / seconds(lambda: torch.mm(a, b, out=out))
    with rounded_products("tf32"):
        tf32 = 2 * 8192**3 / seconds(lambda: torch.mm(a, b, out=out))
    exp = a.numel() / seconds(lambda: torch.exp(a, out=out))
    a16, b16 = a.bfloat16(), b.bfloat16()
    bf16 = 2 * 8192**3 / seconds(lambda: torch.mm(a16, b16))
    fastest = max(copied(size) for size in (1.6e7, 1.3e8, 1e9))
    return Rates(gemm, exp, lambda _size: fastest, bf16, tf32)


def _floor_of_networks(config: Config, networks: int, rates: Rates, *, joint: bool) -> float:
    """Seconds below which one batch of so many networks cannot go in a stage of training."""
    if config.training.products != "float32" and rates.tf32:
        rates = dataclasses.replace(rates, gemm=rates.tf32)
    steps, trajectories = config.world.stage(joint=joint)
    sizes = config.model.sizes
    batch = {"world.steps": steps, "world.trajectories": trajectories, "model.populations": []}
    each = [floors(config.override(batch | {"model.units": n}), rates) for n in sizes]
    pairs = [parts.pop("pair terms") for parts in each]
    if joint and len(sizes) > 1:
        whole = config.override(batch | {"model.units": sum(sizes)})
        pairs = [floors(whole, rates)["pair terms"]]
    return networks * (sum(sum(parts.values()) for parts in each) + sum(pairs))


def gpu_case(
    preset: str,
    *,
    networks: int = 1,
    seconds: float = 5.0,
    overrides: dict[str, Any] | None = None,
    rates: Rates | None = None,
    device: str = "cuda",
) -> dict[str, Any]:
    """One preset on the GPU as training runs it: kernels, CUDA graph, networks in one program.

    Args:
        preset: its name; of accumulated batches one is timed.
        networks: trained as one program.
        seconds: about how long to time it.
        overrides: settings that differ from the preset's.
        rates: the ceilings; measured where they are not given.
        device: `cpu` runs the kernels in Triton's interpreter, one step: a rehearsal, no timing.

    Raises:
        GridcodeError: the kernels do not take this shape.
    """
    config = load_config(preset).override({"training.accumulation": 1, **(overrides or {})})
    reason = kernels_unsupported_reason(config)
    if reason:
        raise GridcodeError(f"the GPU kernels do not take this: {reason}")
    on_gpu = device == "cuda"
    wait: Callable[[], object] = torch.cuda.synchronize if on_gpu else lambda: None
    rates = rates or (gpu_rates() if on_gpu else cpu_rates())
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    trainer = BatchedTrainer(
        [config.override({"seed": seed}) for seed in range(networks)],
        device=device,
        kernels=True,
        graph=on_gpu,
    )
    warm_up, at_once = (20, 50) if on_gpu else (1, 1)
    trainer.advance_to(warm_up)
    wait()
    began, first = time.perf_counter(), trainer.step
    while trainer.step == first or time.perf_counter() - began < seconds:
        trainer.advance_to(trainer.step + at_once)
        wait()
    rate = (trainer.step - first) / (time.perf_counter() - began)
    joint = first >= config.training.separate_steps
    floor = _floor_of_networks(config, networks, rates, joint=joint)
    steps, trajectories = config.world.stage(joint=joint)
    return {
        "preset": preset,
        "shape": {"units": config.model.units, "steps": steps, "trajectories": trajectories},
        "pairs": config.loss.pairs if config.loss.pairs == "all" else config.loss.sampled_states,
        "products": config.training.products,
        "networks": networks,
        "steps_per_second": round(rate, 1),
        "step_ms": round(1000 / rate, 3),
        "floor_ms": round(1000 * floor, 3),
        "share_of_floor": round(floor * rate, 2),
        "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20) if on_gpu else None,
    }


def run(*, naive: bool = True) -> Iterator[dict[str, Any]]:
    """All presets on the CPU, and on a GPU where there is one, each in its own process.

    Raises:
        GridcodeError: a case failed.
    """
    kinds = ["cpu"] + (["gpu"] if torch.cuda.is_available() else [])
    # On a GPU the program takes a preset whole.
    for kind, preset in itertools.product(kinds, PRESETS):
        if kind == "gpu" and " " in preset:
            continue
        command = [sys.executable, __file__, kind, preset] + ([] if naive else ["--no-naive"])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise GridcodeError(f"the benchmark of {preset} on the {kind} failed: {reason}")
        yield {"device": kind, **json.loads(done.stdout)}


def print_case(case: dict[str, Any]) -> None:
    """Print the times of one case of the benchmark."""
    shape = case["shape"]
    pairs = "all pairs" if case["pairs"] == "all" else f"pairs of {case['pairs']} states"
    sizes = f"N={shape['units']} T={shape['steps']} B={shape['trajectories']}"
    print(f"\n{case['preset']} ({case['device']}): {sizes}, {pairs}")
    limits = f"floor {case['floor_ms']} ms, peak {case['peak_memory_mb']} MB"
    if case["device"] == "gpu":
        print(f"  {case['steps_per_second']} steps/s, {case['step_ms']} ms, {limits}")
        return
    step = case["step_cpu_ms"]
    print(f"  step {step['median']} CPU-ms ({step['min']} to {step['max']}), {limits}")
    if "naive_cpu_ms" in case:
        print(
            f"  naive step {case['naive_cpu_ms']} CPU-ms: {case['naive_over_fast']} times as much"
        )
    if "two_threads_speedup" in case:
        print(f"  two threads: {case['two_threads_speedup']} times as fast as one (wall time)")
    table = Table(box=None, pad_edge=False)
    for column in ("  part", "floor (ms)", "measured (CPU-ms)", "floor / measured"):
        table.add_column(column, justify="left" if column == "  part" else "right")
    for row in case["parts"]:
        table.add_row(
            f"  {row['part']}",
            *(
                "-" if row[key] is None else f"{row[key]:.2f}"
                for key in ("floor_ms", "ms", "share")
            ),
        )
    Console(soft_wrap=True).print(table, highlight=False)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="?", choices=["cpu", "gpu"], help="one case only, as JSON")
    parser.add_argument("preset", nargs="?", choices=PRESETS, help="of that case")
    parser.add_argument("--no-naive", action="store_true", help="leave out the naive step")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    if options.kind == "cpu":
        print(json.dumps(cpu_case(options.preset, naive=not options.no_naive)))
    elif options.kind == "gpu":
        print(json.dumps(gpu_case(options.preset)))
    elif options.json:
        cases = list(run(naive=not options.no_naive))
        result = {"machine": machine(), "gridcode": __version__, "cases": cases}
        print(json.dumps(result, indent=1))
    else:
        about = (f"{name}: {value}" for name, value in machine().items() if value is not None)
        print(", ".join(about), flush=True)
        for case in run(naive=not options.no_naive):
            print_case(case)


if __name__ == "__main__":
    main()
