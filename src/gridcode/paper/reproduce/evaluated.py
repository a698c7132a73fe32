"""What figures ask of a network: its evaluation, and its rate maps on any walk in any arena; what its run has measured is read."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.evaluate import SUMMARY_FORMAT, evaluate_system, group_name, map_arena
from gridcode.analysis.system import Step, System, roll
from gridcode.errors import InputError
from gridcode.paper.reproduce.sources import Source
from gridcode.world.walks import WALKS, training_extent_m


class Probe:
    """A network with what was measured of it; nothing is written into its run folder.

    Args:
        source: the network.
        progress: called with (what, done, total).
    """

    def __init__(
        self, source: Source, progress: Callable[[str, int, int], None] | None = None
    ) -> None:
        self.source = source
        self.name = source.name
        self.config = source.config
        self.progress = progress
        self._maps: dict[str, xr.Dataset] = {}

    @functools.cached_property
    def system(self) -> tuple[Step, Float[np.ndarray, " unit"]]:
        """One step of the network, and its state at the origin."""
        return self.source.network.as_system()

    @property
    def max_step_m(self) -> float:
        """Longest step of training, metres."""
        return self.config.world.max_velocity_m

    @property
    def extent_m(self) -> float:
        """Side of the square that training covered, metres."""
        return training_extent_m(self.max_step_m, self.config.world.longest_steps)

    @functools.cached_property
    def evaluation(self) -> tuple[dict[str, Any], xr.DataTree]:
        """Summary and maps of the run's own evaluation; where there is none, or one of another version, of a new one without theory and space."""
        run = self.source.run
        if run is not None and run.summary_path.is_file():
            try:
                summary, maps = run.read_evaluation()
            except InputError:  # damaged, or without its maps: measured again below
                summary = {}
            if summary.get("format") == SUMMARY_FORMAT:
                return summary, maps
        # Other walks and arenas are mapped when a figure asks for them.
        quick = self.config.evaluation.model_copy(
            update={"theory": False, "space": False, "walks": self.config.evaluation.walks[:1]}
        )
        step, start = self.system
        found = evaluate_system(
            System(step, start, self.max_step_m), config=quick, progress=self.report()
        )
        return found.summary, found.maps

    @property
    def summary(self) -> dict[str, Any]:
        """The evaluation's scores."""
        return self.evaluation[0]

    @functools.cached_property
    def headline(self) -> xr.Dataset:
        """Maps, types and modules of the arena that verdicts rest on."""
        return self.evaluation[1][self.summary["headline"]["group"]].to_dataset()

    @property
    def active(self) -> Int[np.ndarray, " chosen"]:
        """Units that are not silent, as places in the datasets."""
        return np.flatnonzero(~self.headline["silent"].values)

    @property
    def lattice_units(self) -> Int[np.ndarray, " chosen"]:
        """Units with a significant lattice, as places in the datasets."""
        return np.flatnonzero(np.isin(self.headline["type"].values.astype(str), LATTICE_TYPES))

    def maps(self, walk: str, arena_m: float) -> xr.Dataset:
        """Rate maps and scores on a walk in a square arena of this side (metres)."""
        name = group_name(walk, arena_m)
        if name not in self._maps:
            # A new evaluation is not worth it for the maps of one arena.
            evaluated = "evaluation" in vars(self) or (
                self.source.run is not None and self.source.run.summary_path.is_file()
            )
            held = self.evaluation[1] if evaluated else None
            if held is not None and name in held.children:
                self._maps[name] = held[name].to_dataset()
            else:
                step, start = self.system
                done, config = 0, self.config.evaluation
                show = self.report()

                def tick(n: int) -> None:
                    nonlocal done
                    done += n
                    if show:
                        show(name, done, config.walk_steps)

                self._maps[name] = map_arena(
                    System(step, start, self.max_step_m), walk=walk, arena_m=arena_m, config=config, progress=tick
                )  # fmt: skip
        return self._maps[name]

    def states(
        self, walk: str, arena_m: float, *, walkers: int, steps: int, stream: int
    ) -> tuple[Float[np.ndarray, "sample unit"], Float[np.ndarray, "sample 2"]]:
        """States and places (metres) along walks, walker by walker, the start included; `stream` keeps the random numbers of one figure apart."""
        step, start = self.system
        generator = np.random.default_rng([self.config.evaluation.seed, 60 + stream])
        path = WALKS[walk](
            arena_m=arena_m,
            steps=steps,
            walkers=walkers,
            max_step_m=self.max_step_m,
            generator=generator,
        )
        states = roll(System(step, start, self.max_step_m), path)
        flat, places = (
            np.swapaxes(a, 0, 1).reshape(-1, a.shape[-1]).astype(np.float64)
            for a in (states, path.positions)
        )
        return flat, places

    def report(self) -> Callable[[str, int, int], None] | None:
        """The progress callback, with the network's name before what is done."""
        progress = self.progress
        return (
            None
            if progress is None
            else lambda what, done, total: progress(f"{self.name}: {what}", done, total)
        )
