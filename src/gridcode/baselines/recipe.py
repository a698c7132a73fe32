"""What every baseline is: settings, a way to make it step by step, and the system it becomes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from gridcode.analysis.system import System
from gridcode.config import EvaluationConfig, Section

Arrays = dict[str, np.ndarray]


@runtime_checkable
class Growth(Protocol):
    """A model while it is made.

    It keeps no random state: each step draws from its own generator, so that a model which goes on
    from a checkpoint is the same as one made without a break.
    """

    def advance(self, step: int, generator: np.random.Generator, /) -> Mapping[str, float]:
        """Take one step.

        Args:
            step: its number, from 1.
            generator: random numbers of this step.

        Returns:
            What to log by name, such as `loss`.
        """

    def weights(self) -> Arrays:
        """What the system is made of."""

    def rest(self) -> Arrays:
        """What else is needed to go on, such as an optimiser's moments."""


class Recipe(Section, ABC):
    """A model of grid cells from the literature: its settings are the fields.

    Attributes:
        name: on the command line.
        title: in tables, with year.
        family: of the paper's section 4.
        source: the publication.
        put_in: what is put in by hand.
        integrates: whether it integrates its path; others are given their position.
        everywhere: whether its code is defined outside of the box it was made for.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[
        Literal["basis of space", "attractor", "normative", "supervised", "self-supervised"]
    ]
    source: ClassVar[str]
    put_in: ClassVar[str]
    integrates: ClassVar[bool] = False
    everywhere: ClassVar[bool] = True

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many steps it takes to make it."""

    @property
    @abstractmethod
    def units(self) -> int:
        """How many units are analysed."""

    @property
    @abstractmethod
    def extent_m(self) -> float:
        """Side of the square that it is made for, metres."""

    @property
    def modules_put_in(self) -> int:
        """How many modules of grid cells are put in by hand; 0: none is."""
        return 0

    @property
    def max_step_m(self) -> float:
        """Longest step of walks, metres: as in self-supervised training."""
        return 0.15

    def evaluation(self) -> EvaluationConfig:
        """How to evaluate it: in its own square, and in a larger one where its code goes on."""
        return EvaluationConfig(
            arenas_m=(self.extent_m,), adapt_arena=self.everywhere, walks=("smooth",)
        )

    @abstractmethod
    def begin(self, generator: np.random.Generator) -> Growth:
        """The model before its first step.

        Args:
            generator: of what is random at the start.
        """

    @abstractmethod
    def resume(self, weights: Arrays, rest: Arrays) -> Growth:
        """The model after some steps, from what `Growth` gave."""

    @abstractmethod
    def system(self, weights: Arrays) -> System:
        """The system that the finished model is."""
