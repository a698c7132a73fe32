"""RatInABox both ways (optional extra `rats`).

- `neurons`: a trained network as cells of an agent (`GridNeurons`).
- `recordings`: what agents and cells did, to score like recorded cells.
- `motion`: an agent's motion as training batches and as walks.

Source: George et al. 2024, "RatInABox, a toolkit for modelling locomotion and neuronal activity in
    continuous environments", eLife.
"""

from gridcode.extras import needed

needed("ratinabox", "rats", "gridcode.interop.ratinabox")

from gridcode.interop.ratinabox.motion import AgentBatches, agent_walk  # noqa: E402
from gridcode.interop.ratinabox.neurons import GridNeurons  # noqa: E402
from gridcode.interop.ratinabox.recordings import recording_from_ratinabox  # noqa: E402

__all__ = ["AgentBatches", "GridNeurons", "agent_walk", "recording_from_ratinabox"]
