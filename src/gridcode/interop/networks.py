"""The units of a run's network or of a packaged network, evaluated, with a walk if wanted."""

import os
from pathlib import Path
from typing import Any

import xarray as xr

from gridcode.analysis.records import Summary
from gridcode.analysis.records.measures import described
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.interop.cells import Cells, flat
from gridcode.interop.simulation import walk_session
from gridcode.interop.sources import system_from
from gridcode.packaged.networks import Pretrained, pretrained, pretrained_names
from gridcode.reading import is_there
from gridcode.runs.run import Run


def cells_of_network(
    what: Run | Pretrained | str | os.PathLike[str],
    *,
    minutes: float,
    step_s: float | None,
    spikes_hz: float | None,
    seed: int,
) -> Cells:
    """The units of an evaluated run, or of a packaged network.

    Args:
        what: the run or its folder, the packaged network or its name.
        minutes: of a walk; 0: none.
        step_s: as of `gridcode.interop.simulation.walk_session`, and the following.
        spikes_hz: as there.
        seed: as there.

    Raises:
        InputError: neither a run nor a packaged network, not evaluated, or without a checkpoint.
    """
    if not isinstance(what, Run | Pretrained):
        what = _named(Path(what))
    config, name = what.config, what.name if isinstance(what, Pretrained) else what.folder.name
    summary, data = _evaluated(what)
    session = None
    if minutes:
        assert summary.headline is not None
        session = walk_session(
            system_from(what),
            arena_m=summary.headline.arena_m,
            minutes=minutes,
            steps=config.evaluation.walk_steps,
            step_s=step_s,
            spikes_hz=spikes_hz,
            seed=seed,
        )
    return Cells(name, summary, data, _origin(summary, config), session, simulated=True)


def _named(path: Path) -> Run | Pretrained:
    """The run in a folder, else the packaged network of the name."""
    if is_there(path):
        return Run(path)
    names = pretrained_names()
    if str(path) not in names:
        known = f"; packaged networks are {', '.join(names)}"
        raise InputError(f"there is no run folder, file or packaged network '{path}'{known}")
    return pretrained(str(path))


def _evaluated(what: Run | Pretrained) -> tuple[Summary, xr.Dataset]:
    if isinstance(what, Run):
        what.check_plane("the export")
        summary = what.evaluated()
        what.warn_if_out_of_date(summary)
        assert summary.headline is not None
        return summary, described(what.read_maps(summary.headline.group))
    found = what.read_evaluation()
    if found is None:
        raise InputError(f"'{what.name}' comes without an evaluation: unpack and evaluate it")
    return found.summary, described(found.headline())


def _origin(summary: Summary, config: Config) -> dict[str, str]:
    origin: dict[str, Any] = summary.origin.model_dump(mode="json") if summary.origin else {}
    settings = {"evaluation_settings": origin.pop("settings", {})}
    return flat("", origin | settings | {"config": config.model_dump(mode="json")})
