"""Agents and neurons of RatInABox, by what they offer: nothing of that package is imported."""

from typing import Any, Literal

import numpy as np
import xarray as xr

from gridcode.errors import InputError
from gridcode.recordings.recording import Recording, recording_from_maps, recording_from_path


def recording_from_ratinabox(
    agent: Any,
    neurons: Any,
    *,
    use: Literal["firingrate", "spikes", "maps"] = "firingrate",
    **settings: Any,
) -> Recording:
    """A recording of what a RatInABox agent did and its neurons' activity along it.

    Args:
        agent: with `history` of t, pos and, if there is one, head_direction.
        neurons: `Neurons` of that agent.
        use: `firingrate` or `spikes` of their history, or `maps`: the rates at every place of the
            environment, whose rows run from the top.
        settings: for the maps drawn, as of `recording_from_path` or `recording_from_maps`.

    Raises:
        InputError: an agent or neurons without history, or with different times; an environment
            that is not of two dimensions.
    """
    if use == "maps":
        return _from_state(agent, neurons, settings)
    if use not in ("firingrate", "spikes"):
        raise InputError(f"use must be firingrate, spikes or maps, not {use}")
    path, units = getattr(agent, "history", None), getattr(neurons, "history", None)
    for who, history, needed in (("agent", path, ("t", "pos")), ("neurons", units, ("t", use))):
        if history is None or any(not len(history.get(key, ())) for key in needed):
            raise InputError(
                f"the {who} must have a history of {' and '.join(needed)}: update first"
            )
    assert path is not None and units is not None
    positions = np.asarray(path["pos"], dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise InputError(f"positions must be (time, 2), not {positions.shape}: a 2D environment")
    head = np.asarray(path.get("head_direction", ()), dtype=np.float64)
    if len(head):
        settings["head_direction_deg"] = np.degrees(np.arctan2(head[:, 1], head[:, 0])) % 360.0
    values = np.asarray(units[use], dtype=bool if use == "spikes" else np.float64)
    return recording_from_path(
        positions,
        np.asarray(path["t"]),
        activity=values,
        activity_time_s=np.asarray(units["t"]),
        **settings,
    )


def _from_state(agent: Any, neurons: Any, settings: dict[str, Any]) -> Recording:
    environment = getattr(agent, "Environment", None)
    places = np.asarray(getattr(environment, "discrete_coords", np.zeros(0)), dtype=np.float64)
    if places.ndim != 3 or places.shape[2] != 2:
        raise InputError("the agent has no environment of two dimensions")
    rates = np.asarray(neurons.get_state(evaluate_at="all"), dtype=np.float64)
    maps = rates.reshape(len(rates), *places.shape[:2])
    labels = {"x": places[0, :, 0], "y": places[:, 0, 1]}
    labelled = xr.DataArray(maps, dims=("unit", "y", "x"), coords=labels)
    return recording_from_maps(labelled, **settings)
