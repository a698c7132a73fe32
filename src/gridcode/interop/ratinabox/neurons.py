"""A trained network as cells of a RatInABox agent: their rates integrate the agent's path."""

import copy
import math
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from ratinabox.Neurons import Neurons
from typing_extensions import override

from gridcode.errors import InputError
from gridcode.interop.sources import system_from

# Places a side at which the highest rate is sought.
PLACES = 21


class GridNeurons(Neurons):  # type: ignore[misc]
    """Cells of a trained network, driven by the displacements of a RatInABox agent.

    The network starts at the agent's position and is then told displacements alone: what it knows
    of position drifts. It knows no walls; the agent does. The agent's displacements are added up
    until they are long enough for a step (`step_m`); in between, rates are those of one more step,
    as far as the agent has come.

    Rates at given positions (`evaluate_at="all"` or `pos=`) do not drift: each is the state after a
    straight walk from the origin. Beyond the extent of the training (`system.extent_m`) rates are
    less regular and positions read from them less exact.

    `default_params` in RatInABox's way, beside those of `Neurons` (`min_fr`, `max_fr`, `noise_std`
    and so on); `n` is the number of units.

    - `network`: a run or its folder, a packaged network or its name, or a `System`.
    - `gain`: metres of the network for each metre of the agent; 2 halves the spacing of grids.
    - `origin`: (2,) the place in the environment where the network's origin lies, metres; None: the
      middle.
    - `step_m`: displacements add up to this, metres of the network, before the network takes a
      step; None: its longest step. 0: a step at every update.
    - `correct_every`: seconds after which the state becomes that of the agent's position again, as
      if by a landmark; None: never.

    Rates are the units' activity with one factor for all units, so that the highest rate of any
    unit in the environment is `max_fr`; activity of 0 is `min_fr`. Noise is that of `Neurons`,
    added to the rates; it does not reach the network.

    Args:
        Agent: the agent, in an environment of two dimensions.
        params: parameters that differ from `default_params`.

    Attributes:
        system: the network.

    Raises:
        InputError: no such network, or parameters that make no sense.
    """

    default_params: ClassVar[dict[str, Any]] = {
        "network": "quick-64",
        "name": "GridNeurons",
        "gain": 1.0,
        "origin": None,
        "step_m": None,
        "correct_every": None,
    }

    def __init__(self, Agent: Any, params: dict[str, Any] | None = None) -> None:  # noqa: N803
        given = dict(params or {})
        self.params = copy.deepcopy(GridNeurons.default_params) | given
        self.system = system_from(self.params["network"])
        given["n"] = self.params["n"] = self._checked(Agent)
        super().__init__(Agent, self.params)
        corners = np.asarray(Agent.Environment.extent, dtype=np.float64).reshape(2, 2)
        self.origin = corners.mean(axis=1) if self.origin is None else np.asarray(self.origin)
        if self.step_m is None:
            self.step_m = self.system.max_step_m
        x, y = (np.linspace(*ends, PLACES) for ends in corners)
        grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        self._highest = float(self._activity(self._at(grid)).max())
        if not 0 < self._highest < math.inf:
            raise InputError("the network has no activity in this environment")
        self.correct()

    def _checked(self, agent: Any) -> int:
        """The number of units, after a look at the parameters."""
        params, units = self.params, self.system.units
        if agent.Environment.dimensionality != "2D":
            raise InputError("GridNeurons need an environment of two dimensions")
        if params.get("n", units) != units:
            raise InputError(f"n is the network's number of units, {units}, not {params['n']}")
        for name, least in (("gain", 0), ("correct_every", 0)):
            value = params[name]
            if value is not None and not least < value < math.inf:
                raise InputError(f"{name} must be more than 0, not {value}")
        longest = self.system.max_step_m
        if params["step_m"] is not None and not 0 <= params["step_m"] <= longest:
            raise InputError(
                f"step_m must be 0 to {longest:g}, the network's longest step, "
                f"not {params['step_m']}"
            )
        return units

    def correct(self) -> None:
        """Set the state to that of the agent's position, as if it had been told where it is."""
        self._seen = np.array(self.Agent.pos, dtype=np.float64)
        self._anchor = self._state = self._at(self._seen[None])
        self._moved = np.zeros((1, 2))
        self._corrected_s = self.Agent.t

    @override
    def get_state(self, evaluate_at: str | None = "agent", **kwargs: Any) -> np.ndarray:
        """Rates of the cells, (n, positions) Hz.

        Args:
            evaluate_at: `agent`, as far as the network knows where it is; `all`, at every place of
                the environment; None, at `pos`.
            kwargs: `pos`, (positions, 2) metres; others are left aside.

        Raises:
            InputError: positions of another shape.
        """
        if evaluate_at == "agent":
            self._follow()
            return self._rates(self._state)
        if evaluate_at == "all":
            return self._rates(self._at(self.Agent.Environment.flattened_discrete_coords))
        pos = np.asarray(kwargs.get("pos"), dtype=np.float64)
        if pos.shape[-1:] != (2,):
            raise InputError(f"pos must be (positions, 2) metres, not {pos.shape}")
        return self._rates(self._at(pos.reshape(-1, 2)))

    def _follow(self) -> None:
        """Move the state on by as much as the agent has moved since it was last seen."""
        due = self.correct_every is not None
        if due and self.Agent.t - self._corrected_s >= self.correct_every - 1e-9:
            self.correct()
            return
        now = np.array(self.Agent.pos, dtype=np.float64)
        environment = self.Agent.Environment
        way = environment.get_vectors_between___accounting_for_environment(now, self._seen)
        way = self.gain * way.reshape(1, 2)
        if np.linalg.norm(self._moved + way) > self.step_m:
            self._anchor, self._moved = self._state, way
        else:
            self._moved = self._moved + way
        self._seen = now
        if self.system.position_code is not None:
            self._state = self._at(now[None])
            return
        self._state = self._walked(self._anchor, self._moved)

    def _at(self, pos: Float[np.ndarray, "place 2"]) -> Float[np.ndarray, "place variable"]:
        """States of places in the environment, each after a straight walk from the origin."""
        places = self.gain * (pos - self.origin)
        if self.system.position_code is not None:
            return self.system.position_code(places)
        return self._walked(self.system.starts(len(places)), places)

    def _walked(
        self,
        states: Float[np.ndarray, "place variable"],
        displacements: Float[np.ndarray, "place 2"],
    ) -> Float[np.ndarray, "place variable"]:
        """States after these displacements, each cut into equal steps that are short enough."""
        length = np.linalg.norm(displacements, axis=1)
        steps = np.maximum(1, np.ceil(length / self.system.max_step_m - 1e-9)).astype(int)
        states, each = np.array(states), displacements / steps[:, None]
        for taken in range(steps.max(initial=0)):
            on = steps > taken
            states[on] = self.system.step(states[on], each[on])
        return states

    def _activity(self, states: np.ndarray) -> np.ndarray:
        # A code of positions gives the units' activity itself.
        code = self.system.position_code is not None
        return states if code else self.system.activity(states)

    def _rates(self, states: Float[np.ndarray, "place variable"]) -> np.ndarray:
        share = self._activity(states).T / self._highest
        return self.min_fr + (self.max_fr - self.min_fr) * share
