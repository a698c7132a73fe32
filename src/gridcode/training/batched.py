"""Many networks, one program: the training step of E independent networks at once on the GPU.

The first axis of every tensor is the network. Each network has its own seed, batches, learning rate
and loss weights, and is trained as it would be alone. On a CUDA device the whole step, random
numbers included, is captured once as a CUDA graph: between logged steps Python only launches it. On
the CPU the same program runs operation by operation, for tests only: several networks are faster
one after the other there (docs/performance.md).
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.gpu.cuda_graph import no_collection, rounded_products, side_stream
from gridcode.losses.batched_terms import (
    BatchedTerms,
    LossSettings,
    batched_isometry,
    batched_objective,
    pair_terms_in_turn,
)
from gridcode.losses.objective import isometry_weights
from gridcode.losses.pairwise import choose_states
from gridcode.models.populations import join, make_network, members_of
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.training.stack import PopulationStack, stack_populations
from gridcode.training.step import COMPARED, SILENT_BELOW, Snapshot, not_finite, population_prefix
from gridcode.world.permutations import Batch, draw_batch
from gridcode.world.streams import Stream

# Settings that may differ between networks of one batch; all others shape the program.
VARIABLE = {
    "world": {"max_velocity_m"},
    "loss": {
        *("sigma_x_m", "sigma_g", "separation", "invariance", "capacity"),
        *("isometry", "isometry_range_m", "isometry_ramp", "isometry_early_raw"),
    },
    "training": {
        *("seed", "learning_rate", "joint_learning_rate", "gradient_clip", "hold_steps"),
        *("warmup_steps", "final_fraction", "plateau_factor", "plateau_patience"),
    },
}
# Steps whose rates and weights are computed and sent to the device at once.
TABLE_STEPS = 1024
# Steps before the capture: libraries allocate memory and choose algorithms in the first ones.
WARM_UP = 3
ONLY_PLANE = "the GPU kernels know worlds of two dimensions only"
# Names of the first rows of the numbers of a step.
TERMS = ("loss", "separation", "invariance", "capacity", "isometry")


def shape_of(config: Config) -> str:
    """The settings that networks of one program must share, as text to compare."""
    data = config.model_dump(mode="json", exclude={"evaluation"})
    return repr(
        {
            section: {k: v for k, v in values.items() if k not in VARIABLE.get(section, ())}
            for section, values in data.items()
        }
    )


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
        from gridcode.gpu.uniform import philox_uniform

        self._draw = philox_uniform
        self._seeds, self._batch, self._block = seeds, batch, 0

    def uniform(self, *shape: int) -> Tensor:
        count = math.prod(shape)
        numbers = self._draw(self._seeds, self._batch, count, first_block=self._block)
        self._block += -(-count // 4)
        return numbers.view(-1, *shape)


class BatchedTrainer:
    """Networks with their optimisers, schedules and random streams, trained together.

    Args:
        configs: a configuration for each network; they may differ in the settings of `VARIABLE`
            only.
        device: where to compute.
        kernels: use the Triton kernels for rollout, pair terms, random numbers and AdamW.
        graph: capture the step as a CUDA graph; needs a CUDA device and the kernels.

    Attributes:
        pace: best number of steps in one call of `advance_to`; None for any number.
        step: optimiser steps done.
        failures: error messages by index of the network, whose weights are as before that step.

    Raises:
        InputError: configurations that differ in other settings, or a graph without device or
            kernels, or kernels in a world of other than two dimensions.
    """

    pace: int | None = None

    def __init__(
        self,
        configs: Sequence[Config],
        *,
        device: torch.device | str = "cpu",
        kernels: bool = False,
        graph: bool = False,
    ) -> None:
        if len({shape_of(c) for c in configs}) != 1:
            raise InputError(
                "networks trained together may differ only in seed, learning rate, "
                "loss weights and scales"
            )
        self.device = torch.device(device)
        if kernels and configs[0].world.dimensions != 2:
            raise InputError(ONLY_PLANE)
        if graph and not (kernels and self.device.type == "cuda"):
            raise InputError("a CUDA graph needs a CUDA device and the kernels")
        self.configs = list(configs)
        self.step = 0
        self.failures: dict[int, str] = {}
        self._kernels, self._graph_wanted = kernels, graph
        self._graph: torch.cuda.CUDAGraph | None = None
        config = configs[0]
        self._dtype = getattr(torch, config.training.precision)
        networks = [
            make_network(
                c.model,
                generator=Generator().manual_seed(c.training.seed),
                dtype=self._dtype,
                dimensions=c.world.dimensions,
            )
            for c in configs
        ]
        self._stacks = stack_populations(
            [members_of(n) for n in networks], config, device=self.device, kernels=kernels
        )
        # Learning rate and the two isometry weights.
        self._rows = torch.zeros(
            TABLE_STEPS, 3, len(configs), dtype=torch.float64, device=self.device
        )
        self._rates = torch.zeros_like(self._rows[0])
        # Its first step, and the plateaus' factors behind it.
        self._table: tuple[int, list[float]] = (-TABLE_STEPS, [])
        self._settings = LossSettings.of(
            [c.loss for c in configs], dtype=self._dtype, device=self.device
        )
        self._clip = self._column([c.training.gradient_clip or math.inf for c in configs])
        # Batches are drawn in float32 for every precision of the network.
        self._max_velocity = (
            self._column([c.world.max_velocity_m for c in configs]).to(torch.float32).view(-1, 1, 1)
        )
        self._seeds = torch.tensor(
            [c.training.seed for c in configs], dtype=torch.int64, device=self.device
        )
        # Counters of the captured step.
        self._row = torch.zeros((), dtype=torch.int64, device=self.device)
        self._batch = torch.zeros(len(configs), dtype=torch.int64, device=self.device)
        self._zero_states = torch.zeros(len(configs), dtype=torch.int64, device=self.device)
        self._failed = torch.zeros(len(configs), dtype=torch.float32, device=self.device)
        self._failed_at = torch.zeros(len(configs), dtype=torch.int64, device=self.device)
        self._loss_sum = torch.zeros(len(configs), dtype=torch.float64, device=self.device)
        self._shown = torch.zeros(7, len(configs), dtype=torch.float64, device=self.device)
        self._plateaus = [Plateau() for _ in configs]
        # States of each population, and batch, of the newest step.
        self._last: tuple[list[Tensor], Batch] | None = None

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self.device)

    # -- one step ------------------------------

    @property
    def _separate(self) -> bool:
        """Whether the next step is in the first stage, which trains each population by itself."""
        return self.step < self.configs[0].training.separate_steps

    def _in_order(self, by_stack: Sequence[Tensor]) -> list[Tensor]:
        """Values of every row of every stack as a tensor (network, ...) for each population."""
        found: dict[int, Tensor] = {}
        for stack, values in zip(self._stacks, by_stack, strict=True):
            found |= dict(zip(stack.which, stack.by_network(values).unbind(dim=1), strict=True))
        return [found[index] for index in range(len(found))]

    def _choose(self, states: Tensor, stream: Any) -> Tensor | None:
        loss = self.configs[0].loss
        if loss.pairs == "all":
            return None
        count = states.shape[1] * states.shape[2]
        return choose_states(loss.sampled_states, of=count, generator=stream)

    def _isometry(
        self, stack: PopulationStack | None, states: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        def each(values: Tensor) -> Tensor:
            return stack.each(values) if stack else values

        weight, early = (each(self._rates[row].to(self._dtype)) for row in (1, 2))
        loss = self.configs[0].loss
        return batched_isometry(
            states, batch, loss, self._settings.map(each), weight=weight, early_raw_weight=early
        )

    def _objective(
        self,
        stack: PopulationStack | None,
        states: Tensor,
        batch: Batch,
        pick: Tensor | None,
        isometry: tuple[Tensor, Tensor],
    ) -> BatchedTerms:
        config = self.configs[0]
        pairs: Any = pair_terms_in_turn
        if self._kernels:
            from gridcode.gpu.pairs import fused_pair_terms

            pairs = functools.partial(fused_pair_terms, products=config.training.products)
        settings = self._settings
        if stack:
            settings, pick = settings.map(stack.each), None if pick is None else stack.each(pick)
        return batched_objective(
            states,
            batch,
            config.loss,
            settings,
            pick=pick,
            isometry=isometry,
            pair_terms_of_networks=pairs,
        )

    def _terms_of_each(
        self, by_stack: Sequence[Tensor], batch: Batch, pick: Tensor | None
    ) -> list[BatchedTerms]:
        """The objective of every population by itself, in the order of a network's populations."""
        found = []
        for stack, states in zip(self._stacks, by_stack, strict=True):
            own = stack.batch(batch)
            found.append(
                self._objective(stack, states, own, pick, self._isometry(stack, states, own))
            )
        columns = {
            name: self._in_order([getattr(terms, name) for terms in found])
            for name in vars(found[0])
        }
        return [
            BatchedTerms(**dict(zip(columns, values, strict=True)))
            for values in zip(*columns.values(), strict=True)
        ]

    def _terms_of_whole(
        self, by_stack: Sequence[Tensor], batch: Batch, pick: Tensor | None
    ) -> BatchedTerms:
        """The objective of all units; isometry of all or, as configured, the populations' mean."""
        states = join(self._in_order(by_stack))
        if self.configs[0].loss.isometry_of == "whole" or len(self.configs[0].model.sizes) == 1:
            isometry = self._isometry(None, states, batch)
        else:
            parts = [
                self._isometry(stack, own, stack.batch(batch))
                for stack, own in zip(self._stacks, by_stack, strict=True)
            ]
            weighted, shown = (
                torch.stack(self._in_order(values)).mean(dim=0)
                for values in zip(*parts, strict=True)
            )
            isometry = weighted, shown
        return self._objective(None, states, batch, pick, isometry)

    def _one_step(self) -> None:
        """The program: it reads and writes only tensors at fixed addresses."""
        config = self.configs[0]
        steps, trajectories = config.world.stage(joint=not self._separate)
        self._rates.copy_(self._rows.index_select(0, self._row.view(1)).squeeze(0))
        for stack in self._stacks:
            stack.forget_gradients()
        for part in range(config.training.accumulation):
            if self._kernels:
                stream: Any = _StreamsOnDevice(self._seeds, self._batch)
            else:
                number = self.step * config.training.accumulation + part
                stream = _StreamsInTurn(
                    [c.training.seed for c in self.configs], number, self.device
                )
            batch = draw_batch(
                steps=steps,
                trajectories=trajectories,
                max_velocity_m=self._max_velocity,
                distribution=config.world.velocities,
                kind=config.world.orders,
                dimensions=config.world.dimensions,
                generator=stream,
                dtype=self._dtype,
            )
            by_stack = [stack.states(stack.batch(batch)) for stack in self._stacks]
            pick = self._choose(by_stack[0], stream)
            if self._separate:
                each = self._terms_of_each(by_stack, batch, pick)
                terms = BatchedTerms(
                    **{
                        name: torch.stack([getattr(t, name) for t in each]).mean(dim=0)
                        for name in vars(each[0])
                    }
                )
            else:
                terms = self._terms_of_whole(by_stack, batch, pick)
            (terms.total.sum() / config.training.accumulation).backward()
            self._batch += 1
            by_stack = [states.detach() for states in by_stack]
            self._last = (by_stack, batch)
            zero = [(states.amax(dim=-1) <= 0).sum(dim=(1, 2)) for states in by_stack]
            self._zero_states += torch.stack(self._in_order(zero)).sum(dim=0) * (self._failed == 0)
        gradients = [stack.gradient() for stack in self._stacks]
        norms = self._in_order(
            [torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients]
        )
        norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms), dim=0)
        total = terms.total.detach()
        broken = ~torch.isfinite(total + norm)
        self._failed_at.copy_(
            torch.where(broken & (self._failed == 0), self._batch, self._failed_at)
        )
        going = self._failed == 0
        quiet = [(states.amax(dim=(1, 2)) <= SILENT_BELOW).sum(dim=-1) for states in by_stack]
        silent = torch.stack(self._in_order(quiet)).sum(dim=0)
        shown = torch.stack(
            [
                v.double()
                for v in (
                    total,
                    terms.separation,
                    terms.invariance,
                    terms.capacity,
                    terms.isometry,
                    norm,
                    silent,
                )
            ]
        )
        self._shown.copy_(torch.where(going, shown, self._shown))
        self._failed.copy_(torch.maximum(self._failed, broken.float()))
        self._loss_sum += torch.where(broken, 0.0, total.double())
        scales = (norm / self._clip).clamp_min(1.0)
        for stack, gradient in zip(self._stacks, gradients, strict=True):
            stack.update(gradient, rates=self._rates[0], scales=scales, failed=self._failed)
        self._row += 1

    # -- many steps ------------------------------

    def advance_to(self, step: int) -> None:
        """Train up to a step (counted from the beginning); waits for the device only at the end."""
        while self.step < step:
            self._fill_table()
            stop = min(step, self._table[0] + TABLE_STEPS)
            border = self.configs[0].training.separate_steps
            if self._separate:
                stop = min(stop, border)
            elif self.step == border:
                self._graph = None  # Another stage is another program.
            training = self.configs[0].training
            plateau = training.schedule == "plateau"
            if plateau:
                stop = min(stop, self.step + training.plateau_interval - self._plateaus[0].seen)
            began = self.step
            while self.step < stop:
                self._launch()
                self.step += 1
            if plateau:
                self._observe(stop - began)
            if self.step == border:
                # The second stage minimises something else.
                self._plateaus = [Plateau() for _ in self.configs]
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
        # A graph that is deleted while another is captured would end the capture.
        with no_collection(), torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._one_step()
            with torch.cuda.graph(graph, stream=side):
                self._one_step()
        here.wait_stream(side)
        # The warm-up took real steps: restore all tensors. Those that the optimiser has made since
        # go back to zero.
        with torch.no_grad():
            for tensor, before in zip(kept, saved, strict=True):
                tensor.copy_(before)
            for tensor in self._everything()[len(kept) :]:
                tensor.zero_()
        self._graph = graph

    def _everything(self) -> list[Tensor]:
        """All tensors that a step changes; those that the optimiser may make later come last."""
        counters = [
            self._rates,
            self._row,
            self._batch,
            self._zero_states,
            self._failed,
            self._failed_at,
            self._loss_sum,
            self._shown,
        ]
        return [
            *(s.weights for s in self._stacks),
            *counters,
            *(t for s in self._stacks for t in s.tensors()),
        ]

    def _fill_table(self) -> None:
        """Rates and isometry weights of the next steps; new if a plateau has lowered its rate."""
        factors = [p.factor for p in self._plateaus]
        if self._table[0] <= self.step < self._table[0] + TABLE_STEPS and self._table[1] == factors:
            return
        steps = range(self.step, self.step + TABLE_STEPS)
        made: dict[str, Tensor] = {}  # Networks that differ in their seed only share theirs.
        columns = []
        for c, plateau in zip(self.configs, self._plateaus, strict=True):
            key = f"{c.training.model_copy(update={'seed': 0})!r} {c.loss!r} {plateau.factor}"
            if key not in made:
                rows = [
                    [learning_rate(c.training, s, plateau), *isometry_weights(c.loss, s)]
                    for s in steps
                ]
                made[key] = torch.tensor(rows, dtype=self._rows.dtype)
            columns.append(made[key])
        self._rows.copy_(torch.stack(columns, dim=2))
        self._row.zero_()
        self._batch.fill_(self.step * self.configs[0].training.accumulation)
        self._table = (self.step, factors)

    def _observe(self, steps: int) -> None:
        for config, plateau, loss in zip(
            self.configs, self._plateaus, self._loss_sum.tolist(), strict=True
        ):
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

    # -- results ------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """The numbers of the last step, a line of metrics for each network."""
        names = (*TERMS, "gradient_norm")
        shown = self._shown.T.tolist()
        rates, zero = self._rates[0].tolist(), self._zero_states.tolist()
        return [
            {
                "step": self.step,
                **dict(zip(names, values, strict=False)),
                **compared,
                "learning_rate": rate,
                "silent_units": int(values[6]),
                "zero_states": count,
            }
            for values, compared, rate, count in zip(
                shown, self._compared(), rates, zero, strict=True
            )
        ]

    @torch.no_grad()
    def _compared(self) -> list[dict[str, float]]:
        """The result of `Trainer.compared` for each network."""
        if len(self.configs[0].model.sizes) == 1 or self._last is None:
            return [{} for _ in self.configs]
        by_stack, batch = self._last
        stream = _StreamsInTurn(
            [c.training.seed for c in self.configs], COMPARED + self.step, self.device
        )
        pick = self._choose(by_stack[0], stream)
        with rounded_products(self.configs[0].training.products):
            found = {"": self._terms_of_whole(by_stack, batch, pick)}
            found |= {
                f"_{k}": terms
                for k, terms in enumerate(self._terms_of_each(by_stack, batch, pick), start=1)
            }
        names = {"total": "loss"} | {name: name for name in TERMS[1:]}
        values = {
            f"{names[key]}{end}": value.tolist()
            for end, terms in found.items()
            for key, value in vars(terms).items()
        }
        return [
            dict(zip(values, column, strict=True)) for column in zip(*values.values(), strict=True)
        ]

    def snapshots(self) -> list[Snapshot]:
        """The present state of each network, on the CPU."""
        zero = self._zero_states.tolist()
        found = []
        for e, config in enumerate(self.configs):
            weights: dict[str, Tensor] = {}
            optimiser: dict[str, Tensor] = {}
            for index, own, moments in sorted(
                (part for s in self._stacks for part in s.snapshot(e)), key=lambda part: part[0]
            ):
                prefix = population_prefix(config.model, index)
                weights |= {prefix + name: value for name, value in own.items()}
                optimiser |= {prefix + name: value for name, value in moments.items()}
            found.append(
                Snapshot(
                    weights, optimiser, self.step, zero[e], self._plateaus[e], config.training_hash
                )
            )
        return found

    def restore(self, snapshots: Sequence[Snapshot]) -> None:
        """Continue from one snapshot for each network, all of one step.

        Raises:
            InputError: snapshots of different steps.
            RuntimeError: tensors of other networks.
        """
        if len({s.step for s in snapshots}) != 1:
            raise InputError("networks that train together must be at the same step")
        for e, snapshot in enumerate(snapshots):
            for stack in self._stacks:
                for index in stack.which:
                    prefix = population_prefix(self.configs[0].model, index)
                    own = [
                        {
                            name.removeprefix(prefix): value
                            for name, value in part.items()
                            if name.startswith(prefix)
                        }
                        for part in (snapshot.weights, snapshot.optimiser)
                    ]
                    stack.restore(e, index, *own)
        self._plateaus = [Plateau(**vars(s.plateau)) for s in snapshots]
        self._zero_states.copy_(torch.tensor([s.zero_states for s in snapshots]))
        for tensor in (self._failed, self._failed_at, self._loss_sum):
            tensor.zero_()
        self.failures.clear()
        self.step = snapshots[0].step
        self._table = (-TABLE_STEPS, [])
        self._graph = None
