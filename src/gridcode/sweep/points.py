"""The points of a search: values of the searched settings, one point after another."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy.stats import qmc

from gridcode.extras import needed
from gridcode.sweep.settings import Range, Search

Values = dict[str, Any]


@runtime_checkable
class Points(Protocol):
    """The points of a search.

    Args:
        search: what is searched.
    """

    def __init__(self, search: Search) -> None: ...

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
        InputError: Optuna is needed and not installed.
    """
    kinds: dict[str, type[Points]] = {"grid": Grid, "random": Random, "sobol": Sobol}
    return kinds.get(search.kind, Sampled)(search)


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
        searched = self._search.values
        drawn = np.random.default_rng([self._search.seed, number]).random(len(searched))
        return _scaled(searched, drawn)


class Sobol(_Untold):
    """A scrambled Sobol sequence: draws that fill the space more evenly than independent ones."""

    def point(self, number: int) -> Values:
        """The element of a number."""
        searched = self._search.values
        sequence = qmc.Sobol(len(searched), rng=self._search.seed)
        if number:
            sequence.fast_forward(number)
        return _scaled(searched, sequence.random(1)[0])


def _scaled(searched: Mapping[str, Range | tuple[Any, ...]], drawn: Iterable[float]) -> Values:
    """Values of settings from numbers in [0, 1)."""
    return {
        key: _value(values, float(at))
        for (key, values), at in zip(searched.items(), drawn, strict=True)
    }


def _value(values: Range | tuple[Any, ...], at: float) -> Any:
    if isinstance(values, tuple):
        return values[int(at * len(values))]
    # Whole numbers are rounded from bins of one around each.
    half = 0.5 if values.whole else 0.0
    low, high = values.low - half, values.high + half
    found = low * (high / low) ** at if values.log else low + (high - low) * at
    rounded = round(found) if values.whole else float(f"{found:.6g}")
    return min(max(rounded, values.low), values.high)


class Sampled(Points):
    """Points that a sampler of Optuna chooses from what became of the earlier ones.

    Each point is chosen by a new sampler, whose seed follows from that of the search and from the
    number of the point: the choice depends on nothing but these and the points told so far.
    """

    def __init__(self, search: Search) -> None:
        self._optuna = optuna = needed("optuna", "scale", f"a {search.kind} search")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._search = search
        self._study = optuna.create_study(direction=search.direction)
        self._trials: dict[int, Any] = {}
        space = optuna.distributions
        self._space = {key: self._distribution(space, v) for key, v in search.values.items()}

    @staticmethod
    def _distribution(space: Any, values: Range | tuple[Any, ...]) -> Any:
        if isinstance(values, tuple):  # by index: Optuna takes no lists as choices
            return space.CategoricalDistribution(range(len(values)))
        kind = space.IntDistribution if values.whole else space.FloatDistribution
        return kind(values.low, values.high, log=values.log)

    def _sampler(self, number: int) -> Any:
        samplers = self._optuna.samplers
        seed = int(np.random.default_rng([self._search.seed, number]).integers(2**31))
        if self._search.kind == "gp":
            return samplers.GPSampler(seed=seed)
        # A point in training counts as a bad one, so that points at a time differ.
        return samplers.TPESampler(seed=seed, constant_liar=True)

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
