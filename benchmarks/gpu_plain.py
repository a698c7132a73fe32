"""The plain alternative to the GPU kernels: `stack_module_state`, `vmap` and `torch.compile`.

    python benchmarks/gpu_plain.py OUT.json [--seconds 90] [--compile-s 60]      all cases
    python benchmarks/gpu_plain.py --case PRESET NETWORKS [--compile-s 60]       one, as JSON lines

The same step as PyTorch has it without kernels of ours: networks stacked by
`torch.func.stack_module_state`, one network's loss mapped over them by `vmap`, gradients by
autograd, AdamW as PyTorch fuses it. Timed as it is, captured as a CUDA graph, compiled, and both; a
variant that fails or is not ready in time is left out and named. Batches are drawn beforehand,
which the kernels' times include. OUT.json is the file of `benchmarks/gpu.py`: beside each case
stands how many times as long as with the kernels it takes.

Cases compile side by side, and take turns on the GPU while they are timed.
"""

import argparse
import contextlib
import copy
import fcntl
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from gpu import TINY
from torch import Generator, Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from gridcode.config import Config, load_config
from gridcode.gpu.cuda_graph import no_collection
from gridcode.losses.pairwise import choose_states
from gridcode.losses.terms import SHORTEST_STEP, SMALLEST_SQUARE
from gridcode.models.network import GridNetwork
from gridcode.models.populations import make_network
from gridcode.models.recurrence import norm_relu
from gridcode.world.permutations import Batch, draw_batch
from gridcode.world.streams import Stream

# preset, networks: the kernels' cases with which they are compared come first in gpu.py.
CASES = [("quick", 16), ("paper", 1), ("quick", 1), ("dense", 16), ("dense", 1)]
Step = Callable[[], object]


class PlainLoss(nn.Module):
    """The objective of one network of one population on one batch, past the isometry ramp.

    No shape depends on values, as `vmap` needs: pairs and steps that do not count are masked.
    """

    def __init__(self, network: GridNetwork, config: Config) -> None:
        super().__init__()
        self.network, self.config = network, config

    def states(self, velocities: Tensor, orders: Tensor) -> Tensor:
        """States (step + 1, trajectory, unit); with Latin orders one dense product a step."""
        matrices = self.network.transition(velocities)
        trajectories, steps = orders.shape
        g = self.network.g0.expand(trajectories, -1)
        states = [g]
        for t in range(steps):
            if self.config.world.orders == "latin":
                sorted_by_velocity = orders[:, t].argsort(stable=True)
                grouped = g.index_select(0, sorted_by_velocity)
                grouped = grouped.view(steps, -1, g.shape[-1]) @ matrices.transpose(1, 2)
                h = grouped.reshape(g.shape).index_select(0, sorted_by_velocity.argsort())
            else:
                taken = matrices.index_select(0, orders[:, t])
                h = torch.bmm(taken, g.unsqueeze(2)).squeeze(2)
            g = norm_relu(h, norm=self.network.norm)
            states.append(g)
        return torch.stack(states)

    def forward(
        self, velocities: Tensor, orders: Tensor, positions: Tensor, pick: Tensor
    ) -> Tensor:
        """The loss; of `pick`, the states to compare, nothing is used where all pairs are."""
        loss = self.config.loss
        states = self.states(velocities, orders)
        g, x = states.flatten(0, 1), positions.flatten(0, 1)
        mean = g.mean(dim=0)
        total = -loss.capacity * (mean * mean).sum()
        if loss.pairs == "sampled":
            g, x = g.index_select(0, pick), x.index_select(0, pick)
        other = 1 - torch.eye(len(g), dtype=g.dtype, device=g.device)
        near = ((x[:, None] - x[None]).square().sum(-1) < loss.sigma_x_m**2) * other
        far = other - near
        length = (g * g).sum(dim=1)
        square = length[:, None] + length[None] - 2 * g @ g.T
        apart = (torch.exp(-square / (2 * loss.sigma_g**2)) * far).sum()
        alike = (square * near).sum()
        if loss.reduction == "mean":
            apart, alike = apart / far.sum().clamp_min(1), alike / near.sum().clamp_min(1)
        total = total + loss.separation * apart + loss.invariance * alike
        return total + loss.isometry * self._isometry(states, velocities, orders)

    def _isometry(self, states: Tensor, velocities: Tensor, orders: Tensor) -> Tensor:
        loss = self.config.loss
        moved = ((states[1:] - states[:-1]).square().sum(-1) + SMALLEST_SQUARE).sqrt()
        speed = torch.linalg.vector_norm(velocities, dim=1)[orders.T]
        counts = ((speed > 0) & (speed < loss.isometry_range_m)).to(moved.dtype)
        ratio = moved / speed.clamp_min(SHORTEST_STEP * loss.isometry_range_m)
        mean = (ratio * counts).sum() / counts.sum().clamp_min(1)
        variance = ((ratio - mean).square() * counts).sum() / (counts.sum() - 1).clamp_min(1)
        if loss.isometry_form == "raw":
            return variance
        return variance / mean.detach().clamp_min(SMALLEST_SQUARE) ** 2


def batches(config: Config, networks: int, device: str) -> tuple[Tensor, ...]:
    """Velocities, orders, positions and picked states of every network's first batch."""
    steps, trajectories = config.world.stage(joint=True)
    drawn: list[tuple[Batch, Tensor]] = []
    for seed in range(networks):
        stream = Stream(seed, 0)
        batch = draw_batch(
            steps=steps,
            trajectories=trajectories,
            max_velocity_m=config.world.max_velocity_m,
            distribution=config.world.velocities,
            kind=config.world.orders,
            generator=stream,
            dtype=getattr(torch, config.training.precision),
        )
        count = (steps + 1) * trajectories
        sampled = config.loss.pairs == "sampled"
        pick = choose_states(
            config.loss.sampled_states if sampled else 1, of=count, generator=stream
        )
        drawn.append((batch, pick))
    columns = zip(*((b.velocities, b.orders, b.positions, pick) for b, pick in drawn), strict=True)
    return tuple(torch.stack(column).to(device) for column in columns)


def plain_step(
    config: Config, networks: int, device: str, *, compiled: bool = False
) -> tuple[Step, dict[str, nn.Parameter]]:
    """One optimiser step of so many networks, and their weights with the networks on axis 0."""
    dtype = getattr(torch, config.training.precision)
    losses = [
        PlainLoss(
            make_network(config.model, generator=Generator().manual_seed(seed), dtype=dtype), config
        ).to(device)
        for seed in range(networks)
    ]
    stacked, _ = stack_module_state(losses)
    weights = {name: nn.Parameter(value.detach().clone()) for name, value in stacked.items()}
    skeleton = copy.deepcopy(losses[0]).to("meta")
    batch = batches(config, networks, device)

    def one(own: dict[str, Tensor], *given: Tensor) -> Tensor:
        return functional_call(skeleton, own, given)

    def total(own: dict[str, Tensor], given: tuple[Tensor, ...]) -> Tensor:
        return vmap(one)(own, *given).sum()

    if compiled:
        total = torch.compile(total)
    on_gpu = device != "cpu"
    optimiser = torch.optim.AdamW(
        weights.values(),
        lr=config.training.learning_rate,
        betas=config.training.betas,
        weight_decay=config.training.weight_decay,
        fused=True if on_gpu else None,
        capturable=on_gpu,
    )

    def step() -> None:
        optimiser.zero_grad()
        total(weights, batch).backward()
        if config.training.gradient_clip:
            gradients = [w.grad for w in weights.values() if w.grad is not None]
            squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients])
            factor = (config.training.gradient_clip / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1)
            for g in gradients:
                g.mul_(factor.view(-1, *[1] * (g.dim() - 1)))
        optimiser.step()

    return step, weights


def captured(step: Step) -> Step:
    """The step as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with no_collection(), torch.cuda.graph(graph):
        step()
    return graph.replay


def milliseconds(step: Step, device: str, seconds: float) -> float:
    """Median over windows of ten steps, one after the other."""
    wait: Callable[[], object] = torch.cuda.synchronize if device != "cpu" else lambda: None
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:
        wait()
        began = time.perf_counter()
        for _ in range(10):
            step()
        wait()
        taken.append(100 * (time.perf_counter() - began))
    return round(statistics.median(taken), 3)


@contextlib.contextmanager
def alone(lock: str | None) -> Iterator[None]:
    """No other case is timed inside the block."""
    with contextlib.ExitStack() as stack:
        if lock:
            file = stack.enter_context(open(lock, "w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End the block with a `TimeoutError` after so many seconds; 0 never does."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not ready within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_case(options: argparse.Namespace) -> None:
    """Time the variants of one case; a JSON line for each as soon as it is known."""
    preset, networks = options.case[0], int(options.case[1])
    device = "cpu" if options.rehearse else "cuda"
    config = load_config(preset).override({"training.accumulation": 1})
    if options.rehearse:
        config = config.override(TINY)
    seconds = 0.1 if options.rehearse else 1.0

    def say(variant: str, **found: object) -> None:
        print(json.dumps({"variant": variant, **found}), flush=True)

    for compiled in (False, True)[: 2 if options.compile_s else 1]:
        name = "compiled" if compiled else "vmap"
        began = time.perf_counter()
        try:
            step, _ = plain_step(config, networks, device, compiled=compiled)
            with at_most(options.compile_s if compiled else 0):
                step()
            ready = round(time.perf_counter() - began, 1)
            with alone(options.lock):
                say(name, step_ms=milliseconds(step, device, seconds), ready_s=ready)
            if device != "cpu":
                replay = captured(step)
                with alone(options.lock):
                    say(f"{name}, CUDA graph", step_ms=milliseconds(replay, device, seconds))
        except Exception as error:  # the other variants are worth having
            why = (str(error).strip().splitlines() or [repr(error)])[0][:200]
            # The compiler wraps the interruption in its errors.
            late = compiled and time.perf_counter() - began >= options.compile_s
            say(name, failed=f"not ready within {options.compile_s:g} s" if late else why)


def against_kernels(result: dict, preset: str, networks: int, variants: list[dict]) -> dict:
    """A case with the fastest variant, and how many times the kernels' time that takes."""
    times = {v["variant"]: v["step_ms"] for v in variants if "step_ms" in v}
    case = {"preset": preset, "networks": networks, "variants": variants}
    if not times:
        return case
    fastest = min(times, key=times.__getitem__)
    case |= {"fastest": fastest, "step_ms": times[fastest]}
    for kernels in result.get("cases", []):
        same = (kernels["preset"], kernels["networks"]) == (preset, networks)
        as_preset = kernels["overrides"] == {}
        if same and as_preset and "step_ms" in kernels:
            case["kernels_step_ms"] = kernels["step_ms"]
            case["times_the_kernels"] = round(times[fastest] / kernels["step_ms"], 2)
    return case


def run_all(options: argparse.Namespace) -> None:
    """All cases side by side, each in its own process; the result after each new line."""
    path = Path(options.out)
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    cases = CASES[:1] if options.rehearse else CASES
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for number, (preset, networks) in enumerate(cases):
            out = Path(folder) / f"{number}.jsonl"
            command = [sys.executable, __file__, "--case", preset, str(networks)]
            command += ["--compile-s", str(options.compile_s), "--lock", f"{folder}/lock"]
            command += ["--rehearse"] if options.rehearse else []
            with open(out, "w") as file:
                threads = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "3"}
                running.append((subprocess.Popen(command, stdout=file, env=threads), out))
        try:
            while any(process.poll() is None for process, _ in running):
                time.sleep(0.5)
                _write(path, result, cases, [out for _, out in running])
                if time.monotonic() > end:
                    print("plain alternative: out of time, the rest is left out", flush=True)
                    break
        finally:
            for process, _ in running:
                process.kill()
                process.wait()
        _write(path, result, cases, [out for _, out in running])
    for case in result["plain"]:
        print({key: value for key, value in case.items() if key != "variants"}, flush=True)


def _write(path: Path, result: dict, cases: list, outputs: list[Path]) -> None:
    result["plain"] = []
    for (preset, networks), out in zip(cases, outputs, strict=True):
        whole = [line for line in out.read_text().splitlines(keepends=True) if line[-1] == "\n"]
        variants = [json.loads(line) for line in whole]
        result["plain"].append(against_kernels(result, preset, networks, variants))
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?")
    parser.add_argument("--case", nargs=2, metavar=("PRESET", "NETWORKS"))
    parser.add_argument("--seconds", type=float, default=90, help="for all cases")
    parser.add_argument("--compile-s", type=float, default=60, help="0 leaves the compiler out")
    parser.add_argument("--lock", help=argparse.SUPPRESS)
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU")
    options = parser.parse_args()
    if options.case:
        run_case(options)
    elif options.out:
        run_all(options)
    else:
        parser.error("name a file to write, .json")


if __name__ == "__main__":
    main()
