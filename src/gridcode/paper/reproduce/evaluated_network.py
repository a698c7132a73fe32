"""A trained network with its evaluation, and its rate maps on any walk in any arena."""

import functools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.evaluate import Evaluation, evaluate_system, group_name, map_arena
from gridcode.analysis.records import HeadlineRecord, Summary
from gridcode.analysis.system import System, roll
from gridcode.api.verbs import load_network
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models.packing import weights_digest
from gridcode.models.populations import Network
from gridcode.packaged import pretrained, pretrained_names
from gridcode.runs.run import Run
from gridcode.world.walks import WALKS, training_extent_m

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class NetworkRow:
    """Counts of one network; `types` holds the number of units by type.

    `weights` is the digest of its weights.
    """

    network: str
    weights: str
    seed: int
    capacity: float
    arena_m: float
    units: int
    active_units: int
    lattice_units: int
    lattice_share_of_active: float | None
    units_in_modules: int
    modules: int
    independent_modules: int
    smallest_spacing_m: float | None
    largest_spacing_m: float | None
    types: dict[str, int]


@dataclass(eq=False)
class EvaluatedNetwork:
    """A network with what was measured of it; nothing is written into its run folder.

    Attributes:
        name: of the run folder or of the packaged network; unique among those of a figure.
        network: the network.
        config: what it was trained with and is evaluated with.
        run: its run folder; None for a packaged network.
        metrics: lines logged in its training, where they are known.
        progress: called with (what, done, total).
    """

    name: str
    network: Network
    config: Config
    run: Run | None = None
    metrics: Sequence[Mapping[str, Any]] = ()
    progress: Progress | None = None
    _maps: dict[str, xr.Dataset] = field(default_factory=dict)

    @classmethod
    def of_run(cls, run: Run, name: str, progress: Progress | None = None) -> "EvaluatedNetwork":
        """The network of a run's newest checkpoint.

        Raises:
            InputError: the run has no intact checkpoint, or a world of other than two dimensions.
        """
        run.check_plane("the figures of the paper")
        return cls(name, load_network(run), run.config, run, run.metrics(), progress)

    @functools.cached_property
    def system(self) -> System:
        """The network as a system."""
        step, start = self.network.as_system()
        longest = self.config.world.max_velocity_m
        return System(step, start, longest, self.extent_m)

    @property
    def extent_m(self) -> float:
        """Side of the square that training covered, metres."""
        world = self.config.world
        return training_extent_m(world.max_velocity_m, world.longest_steps)

    @functools.cached_property
    def evaluation(self) -> Evaluation:
        """The run's own evaluation, or a new one of cells and modules.

        A new one is made where the run has none that can be read and is of these weights.
        """
        if self._kept is not None:
            return self._kept
        # Other walks and arenas are mapped when a figure asks for them.
        quick = self.config.evaluation.model_copy(
            update={"theory": False, "space": False, "walks": self.config.evaluation.walks[:1]}
        )
        return evaluate_system(self.system, config=quick, progress=self.named_progress())

    @functools.cached_property
    def _kept(self) -> Evaluation | None:
        """The run's own evaluation, None where it cannot be read or is not of these weights."""
        if self.run is None or not self.run.summary_path.is_file():
            return None
        try:
            evaluation = Evaluation(*self.run.read_evaluation())
            problem = self.run.out_of_date(evaluation.summary)
        except InputError as error:
            problem = str(error)
        if problem:
            warnings.warn(f"{self.name} is measured again: {problem}", stacklevel=2)
            return None
        return evaluation

    @property
    def summary(self) -> Summary:
        """What the evaluation found."""
        return self.evaluation.summary

    @property
    def headline(self) -> HeadlineRecord:
        """The arena that modules and types come from."""
        assert self.summary.headline is not None  # every network has one
        return self.summary.headline

    @functools.cached_property
    def data(self) -> xr.Dataset:
        """Maps, types and modules of that arena."""
        return self.evaluation.headline()

    @property
    def active(self) -> Int[np.ndarray, " chosen"]:
        """Indices of units that are not silent."""
        return np.flatnonzero(~self.data["silent"].values)

    @property
    def lattice_units(self) -> Int[np.ndarray, " chosen"]:
        """Indices of units with a significant lattice."""
        return np.flatnonzero(np.isin(self.data["type"].values.astype(str), LATTICE_TYPES))

    def row(self) -> NetworkRow:
        """Units, modules and spacings."""
        summary, head, lattices = self.summary, self.headline, len(self.lattice_units)
        spacing = [module.spacing_m for module in summary.modules]
        return NetworkRow(
            network=self.name,
            weights=weights_digest(self.network.state_dict()),
            seed=self.config.training.seed,
            capacity=self.config.loss.capacity,
            arena_m=head.arena_m,
            units=head.units,
            active_units=head.active_units,
            lattice_units=lattices,
            lattice_share_of_active=lattices / head.active_units if head.active_units else None,
            units_in_modules=sum(module.n_units for module in summary.modules),
            modules=summary.n_modules,
            independent_modules=summary.n_independent_modules,
            smallest_spacing_m=min(spacing, default=None),
            largest_spacing_m=max(spacing, default=None),
            types=summary.types,
        )

    def maps(self, walk: str, arena_m: float) -> xr.Dataset:
        """Rate maps and scores on a walk in a square arena of this side (metres)."""
        name = group_name(walk, arena_m)
        if name not in self._maps:
            # A new evaluation takes too long for the maps of one arena.
            evaluated = "evaluation" in vars(self) or self._kept is not None
            if evaluated and name in self.evaluation.maps.children:
                self._maps[name] = self.evaluation.maps[name].to_dataset()
            else:
                self._maps[name] = self._map(name, walk, arena_m)
        return self._maps[name]

    def _map(self, name: str, walk: str, arena_m: float) -> xr.Dataset:
        config, progress, done = self.config.evaluation, self.named_progress(), 0

        def tick(n: int) -> None:
            nonlocal done
            done += n
            if progress:
                progress(name, done, config.walk_steps)

        return map_arena(self.system, walk=walk, arena_m=arena_m, config=config, progress=tick)

    def states(
        self, walk: str, arena_m: float, *, walkers: int, steps: int, stream: int
    ) -> tuple[Float[np.ndarray, "sample unit"], Float[np.ndarray, "sample 2"]]:
        """States and positions (metres) along walks, walker by walker, the start included.

        Args:
            walk: name of the walk.
            arena_m: side of the arena.
            walkers: how many.
            steps: of each walker.
            stream: a number for each figure, so that figures draw independent random numbers.
        """
        path = WALKS[walk](
            arena_m=arena_m,
            steps=steps,
            walkers=walkers,
            max_step_m=self.system.max_step_m,
            generator=np.random.default_rng([self.config.evaluation.seed, 60 + stream]),
        )
        states = roll(self.system, path)
        flat, places = (
            np.swapaxes(a, 0, 1).reshape(-1, a.shape[-1]).astype(np.float64)
            for a in (states, path.positions)
        )
        return flat, places

    def named_progress(self) -> Progress | None:
        """The progress callback, with the network's name before the task."""
        progress = self.progress
        if progress is None:
            return None
        return lambda what, done, total: progress(f"{self.name}: {what}", done, total)


def open_networks(
    runs: Sequence[Run | str | os.PathLike[str]] | None, progress: Progress | None = None
) -> list[EvaluatedNetwork]:
    """Networks of run folders, in their order; without run folders those in the package.

    Raises:
        InputError: a folder that is no run or has no checkpoint, no folders, or no packaged
            networks.
    """
    if runs is None:
        packaged = [pretrained(name) for name in pretrained_names()]
        if not packaged:
            raise InputError("there are no trained networks in the package: give --runs")
        return [
            EvaluatedNetwork(p.name, p.network, p.config, None, p.details.metric_rows(), progress)
            for p in packaged
        ]
    if not runs:
        raise InputError("no run folders were given")
    found: dict[str, EvaluatedNetwork] = {}
    for run in [run if isinstance(run, Run) else Run(run) for run in runs]:
        # Folders of the same name get a number. Their paths would not mean anything to readers.
        base = name = run.folder.resolve().name
        number = 1
        while name in found:
            number += 1
            name = f"{base} ({number})"
        found[name] = EvaluatedNetwork.of_run(run, name, progress)
    return list(found.values())
