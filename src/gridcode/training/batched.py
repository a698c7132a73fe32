"""Many networks, one program: the training step of E independent networks as one graph of operations on the GPU.

Every tensor has the network's axis in front. Each network has its own seed, batches, learning rate and loss weights, and
comes out as it would alone. On a CUDA device the whole step, random numbers included, is captured once as a CUDA graph:
between logged steps Python does nothing but launch it. On the CPU the same program runs operation by operation, but only
the tests use it there: several networks are faster in turn (docs/performance.md).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.losses.batched import BatchedTerms, LossSettings, batched_objective, pair_terms_in_turn
from gridcode.losses.objective import isometry_weights
from gridcode.losses.pairwise import choose_states
from gridcode.models.integrator import norm_relu, rollout
from gridcode.models.network import GridNetwork
from gridcode.records import Batch
from gridcode.training.capture import no_collection, rounded_products, side_stream
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.training.step import SILENT_BELOW, Snapshot, not_finite
from gridcode.training.update import FusedUpdate, UpdateInTurn, gather_gradients, stack_parameters
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import Stream

# Settings that may differ between networks of one batch; all others shape the program.
VARIABLE = {
    "world": {"max_velocity_m"},
    "loss": {"sigma_x_m", "sigma_g", "separation", "invariance", "capacity", "isometry", "isometry_range_m", "isometry_ramp", "isometry_early_raw"},
    "training": {"seed", "learning_rate", "gradient_clip", "hold_steps", "warmup_steps", "final_fraction", "plateau_factor", "plateau_patience"},
}
# Steps whose rates and weights are worked out and sent to the device at once.
TABLE_STEPS = 1024
# Runs of the step before it is captured: libraries allocate and choose on the first ones.
WARM_UP = 3
# Names of the first rows of what a step shows.
TERMS = ("loss", "separation", "invariance", "capacity", "isometry")


def shape_of(config: Config) -> str:
    """What networks must have in common to train as one program, as text to compare."""
    data = config.model_dump(mode="json", exclude={"evaluation"})
    return repr({section: {k: v for k, v in values.items() if k not in VARIABLE.get(section, ())} for section, values in data.items()})


class _StreamsInTurn:
    """One batch's random numbers of each network, computed on the CPU."""

    def __init__(self, seeds: Sequence[int], batch: int, device: torch.device) -> None:
        self._streams = [Stream(seed, batch) for seed in seeds]
        self._device = device

    def uniform(self, *shape: int) -> Tensor:
        return torch.stack([s.uniform(*shape) for s in self._streams]).to(self._device)


class _StreamsOnDevice:
    """The same numbers from one kernel, of the batch whose number is on the device."""

    def __init__(self, seeds: Int[Tensor, " network"], batch: Int[Tensor, " network"]) -> None:
        from gridcode.kernels.uniform import philox_uniform

        self._draw = philox_uniform
        self._seeds, self._batch, self._block = seeds, batch, 0

    def uniform(self, *shape: int) -> Tensor:
        count = math.prod(shape)
        numbers = self._draw(self._seeds, self._batch, count, first_block=self._block)
        self._block += -(-count // 4)
        return numbers.view(-1, *shape)


class _Linear(torch.autograd.Function):
    """x W^T + b of every network; autograd's own would make the weights' gradient transposed and copy it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (d,) = gradients
        return torch.bmm(d, weight) if ctx.needs_input_grad[0] else None, torch.bmm(d.transpose(1, 2), x), d.sum(dim=1)


class BatchedTrainer:
    """Networks with their optimisers, schedules and random streams, trained together.

    Args:
        configs: a configuration for each network; they may differ in the settings of `VARIABLE` only.
        device: where to compute.
        kernels: use the Triton kernels for rollout, pair terms, random numbers and AdamW.
        graph: capture the step as a CUDA graph; needs a CUDA device and the kernels.

    Attributes:
        pace: steps that `advance_to` is best asked for at once; None for as many as one likes.
        step: optimiser steps done.
        failures: what went wrong, by index of the network; its weights are as they were before that step.

    Raises:
        InputError: configurations that differ in other settings, or a graph without what it needs.
    """

    pace: int | None = None

    def __init__(self, configs: Sequence[Config], *, device: torch.device | str = "cpu", kernels: bool = False, graph: bool = False) -> None:
        if len({shape_of(c) for c in configs}) != 1:
            raise InputError("networks trained together may differ only in seed, learning rate, loss weights and scales")
        if configs[0].model.connectivity_radius or configs[0].loss.neighbourhood_share:
            raise InputError("networks with local connectivity or neighbourhoods of units are not trained as one program")
        self.device = torch.device(device)
        if graph and not (kernels and self.device.type == "cuda"):
            raise InputError("a CUDA graph needs a CUDA device and the kernels")
        self.configs = list(configs)
        self.step = 0
        self.failures: dict[int, str] = {}
        self._kernels, self._graph_wanted = kernels, graph
        self._graph: torch.cuda.CUDAGraph | None = None
        config = configs[0]
        self._dtype = getattr(torch, config.training.precision)
        networks = [GridNetwork.from_config(c.model, generator=Generator().manual_seed(c.training.seed), dtype=self._dtype) for c in configs]
        self._layers = networks[0].transition.mlp
        self._stacked, self._weights, self._places = stack_parameters(networks, self.device)
        # Learning rate and the two isometry weights.
        self._rows = torch.zeros(TABLE_STEPS, 3, len(configs), dtype=torch.float64, device=self.device)
        self._rates = torch.zeros_like(self._rows[0])
        self._table: tuple[int, list[float]] = (-TABLE_STEPS, [])  # its first step, and the plateaus' factors it was made with
        self._update = (FusedUpdate if kernels else UpdateInTurn)(self._weights, self._places, config.training)
        self._settings = LossSettings.of([c.loss for c in configs], dtype=self._dtype, device=self.device)
        self._clip = self._column([c.training.gradient_clip or math.inf for c in configs])
        # Batches are drawn in float32 whatever the network's precision.
        self._max_velocity = self._column([c.world.max_velocity_m for c in configs]).to(torch.float32).view(-1, 1, 1)
        self._seeds = torch.tensor([c.training.seed for c in configs], dtype=torch.int64, device=self.device)
        # What the captured step counts for itself.
        self._row = torch.zeros((), dtype=torch.int64, device=self.device)
        self._batch = torch.zeros(len(configs), dtype=torch.int64, device=self.device)
        self._zero_states = torch.zeros(len(configs), dtype=torch.int64, device=self.device)
        self._failed = torch.zeros(len(configs), dtype=torch.float32, device=self.device)
        self._failed_at = torch.zeros(len(configs), dtype=torch.int64, device=self.device)
        self._loss_sum = torch.zeros(len(configs), dtype=torch.float64, device=self.device)
        self._shown = torch.zeros(7, len(configs), dtype=torch.float64, device=self.device)
        self._plateaus = [Plateau() for _ in configs]

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self.device)

    # -- one step ------------------------------------------------------------------------------------------

    def _matrices(self, velocities: Float[Tensor, "network velocity 2"]) -> Float[Tensor, "network velocity units units"]:
        x = velocities / self.configs[0].model.velocity_scale_m
        for place, layer in enumerate(self._layers):
            if isinstance(layer, nn.Linear):
                name = f"transition.mlp.{place}"
                x = _Linear.apply(x, self._stacked[f"{name}.weight"], self._stacked[f"{name}.bias"])
            else:
                x = layer(x)
        units = self.configs[0].model.units
        return x.view(*x.shape[:-1], units, units)

    def _states(self, batch: Batch) -> Float[Tensor, "network time trajectory units"]:
        matrices, start = self._matrices(batch.velocities), norm_relu(self._stacked["start"])
        norm = self.configs[0].model.norm
        if self._kernels:
            from gridcode.kernels.rollout import fused_rollout

            return fused_rollout(matrices, start, batch.orders, norm=norm)
        return torch.stack([rollout(w, g, orders, norm=norm) for w, g, orders in zip(matrices, start, batch.orders, strict=True)])

    def _terms(self, states: Float[Tensor, "network time trajectory units"], batch: Batch, stream: Any) -> BatchedTerms:
        loss = self.configs[0].loss
        pick = None
        if loss.pairs == "sampled":
            pick = choose_states(loss.sampled_states, of=states.shape[1] * states.shape[2], generator=stream)
        pairs: Any = pair_terms_in_turn
        if self._kernels:
            from functools import partial

            from gridcode.kernels.pairs import fused_pair_terms

            pairs = partial(fused_pair_terms, products=self.configs[0].training.products)
        return batched_objective(
            states,
            batch,
            loss,
            self._settings,
            pick=pick,
            isometry_weight=self._rates[1].to(self._dtype),
            early_raw_weight=self._rates[2].to(self._dtype),
            pair_terms_of_networks=pairs,
        )

    def _one_step(self) -> None:
        """The program: reads and writes only tensors that stay where they are."""
        config = self.configs[0]
        self._rates.copy_(self._rows.index_select(0, self._row.view(1)).squeeze(0))
        for parameter in self._stacked.values():
            parameter.grad = None  # so that backward keeps the gradients it makes instead of adding to old ones
        for part in range(config.training.accumulation):
            if self._kernels:
                stream: Any = _StreamsOnDevice(self._seeds, self._batch)
            else:
                number = self.step * config.training.accumulation + part
                stream = _StreamsInTurn([c.training.seed for c in self.configs], number, self.device)
            batch = draw_batch(
                steps=config.world.steps,
                trajectories=config.world.trajectories,
                max_velocity_m=self._max_velocity,
                distribution=config.world.velocities,
                kind=config.world.orders,
                generator=stream,
                dtype=self._dtype,
            )
            states = self._states(batch)
            terms = self._terms(states, batch, stream)
            (terms.total.sum() / config.training.accumulation).backward()
            self._batch += 1
            largest = states.detach().amax(dim=-1)
            self._zero_states += (largest <= 0).sum(dim=(1, 2)) * (self._failed == 0)
        gradient = gather_gradients(self._stacked, self._places)
        norm = torch.linalg.vector_norm(gradient, dim=1)
        total = terms.total.detach()
        broken = ~torch.isfinite(total + norm)
        self._failed_at.copy_(torch.where(broken & (self._failed == 0), self._batch, self._failed_at))
        going = self._failed == 0
        silent = (states.detach().amax(dim=(1, 2)) <= SILENT_BELOW).sum(dim=-1)
        shown = torch.stack([v.double() for v in (total, terms.separation, terms.invariance, terms.capacity, terms.isometry, norm, silent)])
        self._shown.copy_(torch.where(going, shown, self._shown))
        self._failed.copy_(torch.maximum(self._failed, broken.float()))
        self._loss_sum += torch.where(broken, 0.0, total.double())
        self._update(gradient, rates=self._rates[0], scales=(norm / self._clip).clamp_min(1.0), failed=self._failed)
        self._row += 1

    # -- many steps ----------------------------------------------------------------------------------------

    def advance_to(self, step: int) -> None:
        """Train up to a step (counted from the beginning); the device is waited for only at the end."""
        while self.step < step:
            self._fill_table()
            stop = min(step, self._table[0] + TABLE_STEPS)
            interval = self.configs[0].training.plateau_interval
            if self.configs[0].training.schedule == "plateau":
                stop = min(stop, (self.step // interval + 1) * interval)
            began = self.step
            while self.step < stop:
                self._launch()
                self.step += 1
            if self.configs[0].training.schedule == "plateau":
                self._observe(stop - began)
        self._collect_failures()

    def _launch(self) -> None:
        if not self._graph_wanted:
            with rounded_products(self.configs[0].training.products):
                self._one_step()
            return
        if self._graph is None:
            with rounded_products(self.configs[0].training.products):
                self._capture()
        assert self._graph is not None
        self._graph.replay()

    def _capture(self) -> None:
        kept = self._everything()
        saved = [t.clone() for t in kept]
        here = torch.cuda.current_stream(self.device)
        side = side_stream(torch.cuda.current_device())
        side.wait_stream(here)
        graph = torch.cuda.CUDAGraph()
        # A graph that is collected while another is captured would end the capture.
        with no_collection(), torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._one_step()
            with torch.cuda.graph(graph, stream=side):
                self._one_step()
        here.wait_stream(side)
        # The warm-up took real steps: put everything back. Optimiser tensors that it made go back to zero.
        with torch.no_grad():
            for tensor, before in zip(kept, saved, strict=True):
                tensor.copy_(before)
            for tensor in self._everything()[len(kept) :]:
                tensor.zero_()
        self._graph = graph

    def _everything(self) -> list[Tensor]:
        """All tensors that a step changes; the optimiser's own last, for they may come to be in the first step."""
        counters = [self._rates, self._row, self._batch, self._zero_states, self._failed, self._failed_at, self._loss_sum, self._shown]
        return [self._weights, *counters, *self._update.tensors()]

    def _fill_table(self) -> None:
        """Rates and isometry weights of the coming steps; worked out anew where a plateau has lowered its rate."""
        factors = [p.factor for p in self._plateaus]
        if self._table[0] <= self.step < self._table[0] + TABLE_STEPS and self._table[1] == factors:
            return
        steps = range(self.step, self.step + TABLE_STEPS)
        made: dict[str, Tensor] = {}  # networks that differ in their seed share theirs
        columns = []
        for c, plateau in zip(self.configs, self._plateaus, strict=True):
            key = f"{c.training.model_copy(update={'seed': 0})!r} {c.loss!r} {plateau.factor}"
            if key not in made:
                rows = [[learning_rate(c.training, s, plateau), *isometry_weights(c.loss, s)] for s in steps]
                made[key] = torch.tensor(rows, dtype=self._rows.dtype)
            columns.append(made[key])
        self._rows.copy_(torch.stack(columns, dim=2))
        self._row.zero_()
        self._batch.fill_(self.step * self.configs[0].training.accumulation)
        self._table = (self.step, factors)

    def _observe(self, steps: int) -> None:
        for config, plateau, loss in zip(self.configs, self._plateaus, self._loss_sum.tolist(), strict=True):
            plateau.observe(config.training, loss, steps)
        self._loss_sum.zero_()

    def _collect_failures(self) -> None:
        failed = self._failed.tolist()
        if not any(failed):
            return
        accumulation = self.configs[0].training.accumulation
        for e, (bad, batch) in enumerate(zip(failed, self._failed_at.tolist(), strict=True)):
            if bad and e not in self.failures:
                terms = dict(zip(TERMS, self._shown[: len(TERMS), e].tolist(), strict=True))
                self.failures[e] = not_finite(terms, batch // accumulation)

    # -- what came out -------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """The last step in numbers, a line of metrics for each network."""
        names = (*TERMS, "gradient_norm")
        shown = self._shown.T.tolist()
        rates, zero = self._rates[0].tolist(), self._zero_states.tolist()
        return [
            {
                "step": self.step,
                **dict(zip(names, values, strict=False)),
                "learning_rate": rate,
                "silent_units": int(values[6]),
                "zero_states": count,
            }
            for values, rate, count in zip(shown, rates, zero, strict=True)
        ]

    def snapshots(self) -> list[Snapshot]:
        """The present state of each network, on the CPU."""
        zero = self._zero_states.tolist()
        found = []
        for e, config in enumerate(self.configs):
            weights = {name: value.detach()[e].cpu() for name, value in self._stacked.items()}
            optimiser = {name: value.detach().cpu() for name, value in self._update.state(e).items()}
            found.append(Snapshot(weights, optimiser, self.step, zero[e], self._plateaus[e], config.training_hash))
        return found

    def restore(self, snapshots: Sequence[Snapshot]) -> None:
        """Go on from one snapshot for each network, all taken at one step.

        Raises:
            InputError: snapshots of different steps.
            RuntimeError: tensors of other networks.
        """
        if len({s.step for s in snapshots}) != 1:
            raise InputError("networks that train together must be at the same step")
        with torch.no_grad():
            for e, snapshot in enumerate(snapshots):
                for name, stacked in self._stacked.items():
                    stacked.detach()[e].copy_(snapshot.weights[name])
                self._update.restore(e, snapshot.optimiser)
        self._plateaus = [Plateau(**vars(s.plateau)) for s in snapshots]
        self._zero_states.copy_(torch.tensor([s.zero_states for s in snapshots]))
        for tensor in (self._failed, self._failed_at, self._loss_sum):
            tensor.zero_()
        self.failures.clear()
        self.step = snapshots[0].step
        self._table = (-TABLE_STEPS, [])
        self._graph = None
