"""The points of a search: values of the searched settings, one point after another."""

import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gridcode.errors import InputError
from gridcode.extras import needed
from gridcode.reading import first_line
from gridcode.sweep.settings import Range, Search

Values = dict[str, Any]


@runtime_checkable
class Points(Protocol):
    """The points of a search."""

    def point(self, number: int) -> Values:
        """Values by setting; the points before it must have been asked for or set."""

    def set_known(self, number: int, values: Mapping[str, Any]) -> None:
        """Take a point that an earlier command drew."""

    def tell(self, number: int, step: int, value: float | None, *, whole: bool) -> None:
        """What became of a point.

        Args:
            number: of the point.
            step: it was trained to.
            value: its metric; None where it failed.
            whole: whether it was trained to its end.
        """


def points_of(search: Search) -> Points:
    """The points of a search.

    Raises:
        InputError: Optuna, or what its sampler needs, is not installed.
    """
    if search.kind == "grid":
        return Grid(search)
    return Random(search) if search.kind == "random" else Sampled(search)


class _Untold(Points):
    """Points that do not depend on what became of others."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def set_known(self, number: int, values: Mapping[str, Any]) -> None:
        """Nothing to do: each point is known from its number."""

    def tell(self, number: int, step: int, value: float | None, *, whole: bool) -> None:
        """Nothing to do."""


class Grid(_Untold):
    """All combinations; the last setting varies fastest."""

    def point(self, number: int) -> Values:
        """The combination of a number."""
        found: Values = {}
        for key, values in reversed(self._search.values.items()):
            assert isinstance(values, tuple)
            number, index = divmod(number, len(values))
            found[key] = values[index]
        return dict(reversed(found.items()))


class Random(_Untold):
    """Independent draws: each follows from the seed of the search and its number."""

    def point(self, number: int) -> Values:
        """The draw of a number."""
        rng = np.random.default_rng([self._search.seed, number])
        return {key: _draw(values, rng) for key, values in self._search.values.items()}


def _draw(values: Range | tuple[Any, ...], rng: np.random.Generator) -> Any:
    if isinstance(values, tuple):
        return values[int(rng.integers(len(values)))]
    low, high = values.low, values.high
    if values.log:
        # Whole numbers are rounded from bins of one around each.
        half = 0.5 if values.whole else 0.0
        drawn = math.exp(rng.uniform(math.log(low - half), math.log(high + half)))
    elif values.whole:
        return int(rng.integers(int(low), int(high), endpoint=True))
    else:
        drawn = float(rng.uniform(low, high))
    rounded = round(drawn) if values.whole else float(f"{drawn:.6g}")
    return min(max(rounded, low), high)


class Sampled(Points):
    """Points that a sampler of Optuna chooses from what became of the earlier ones.

    Each point is chosen by a new sampler, whose seed follows from that of the search and from the
    number of the point: the choice depends on nothing but these and the points told so far. CMA-ES
    alone carries more from point to point and begins anew in a new command.
    """

    def __init__(self, search: Search) -> None:
        self._optuna = optuna = needed("optuna", "scale", f"a {search.kind} search")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._search = search
        self._study = optuna.create_study(direction=search.direction)
        self._trials: dict[int, Any] = {}
        space = optuna.distributions
        self._space = {key: self._distribution(space, v) for key, v in search.values.items()}
        self._sampler(0)

    @staticmethod
    def _distribution(space: Any, values: Range | tuple[Any, ...]) -> Any:
        if isinstance(values, tuple):  # by index: Optuna takes no lists as choices
            return space.CategoricalDistribution(range(len(values)))
        kind = space.IntDistribution if values.whole else space.FloatDistribution
        return kind(values.low, values.high, log=values.log)

    def _sampler(self, number: int) -> Any:
        samplers = self._optuna.samplers
        seed = int(np.random.default_rng([self._search.seed, number]).integers(2**31))
        making = {
            # A point in training counts as a bad one, so that points at a time differ.
            "tpe": functools.partial(samplers.TPESampler, constant_liar=True),
            "gp": samplers.GPSampler,
            "cmaes": samplers.CmaEsSampler,
            "qmc": functools.partial(samplers.QMCSampler, scramble=True),
            "nsga2": samplers.NSGAIISampler,
        }
        # A sequence of quasi-random numbers is one sequence.
        seed = self._search.seed if self._search.kind == "qmc" else seed
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that some samplers are experimental
                return making[self._search.kind](seed=seed)
        except ImportError as error:
            why = first_line(error)
            raise InputError(f"the {self._search.kind} search needs a package: {why}") from None

    def point(self, number: int) -> Values:
        """The sampler's choice."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.sampler = self._sampler(number)
            trial = self._study.ask(fixed_distributions=self._space)
        self._trials[number] = trial
        lists = self._search.values
        return {
            key: values[trial.params[key]] if isinstance(values, tuple) else trial.params[key]
            for key, values in lists.items()
        }

    def set_known(self, number: int, values: Mapping[str, Any]) -> None:
        """Put a point into the study."""
        indices: Values = {}
        for key, value in values.items():
            listed = self._search.values[key]
            indices[key] = _index(listed, value) if isinstance(listed, tuple) else value
        self._study.enqueue_trial(indices)
        self.point(number)

    def tell(self, number: int, step: int, value: float | None, *, whole: bool) -> None:
        """Tell the study."""
        state = self._optuna.trial.TrialState
        trial = self._trials.pop(number)
        if value is None:
            self._study.tell(trial, state=state.FAIL)
        elif whole:
            self._study.tell(trial, value)
        else:
            trial.report(value, step)
            self._study.tell(trial, state=state.PRUNED)


def _index(values: Sequence[Any], value: Any) -> int:
    # JSON made lists of tuples.
    return next(i for i, one in enumerate(values) if one == value)
