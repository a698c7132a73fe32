"""Where the networks of a figure come from: run folders, or the package."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridcode.api.verbs import load_network
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models.populations import Network
from gridcode.packaged import pretrained, pretrained_names
from gridcode.runs.run import Run


@dataclass(frozen=True)
class Source:
    """A trained network.

    Attributes:
        name: of the run folder or of the packaged network; unique among the sources of a figure.
        network: the network.
        config: what it was trained with and is evaluated with.
        run: its run folder; None for a packaged network.
        metrics: lines logged in its training, where they are known.
    """

    name: str
    network: Network
    config: Config
    run: Run | None = None
    metrics: Sequence[Mapping[str, Any]] = ()


def open_sources(runs: Sequence[Run | str | os.PathLike[str]] | None) -> list[Source]:
    """Networks of run folders, in their order; without run folders those in the package.

    Raises:
        InputError: a folder that is no run or has no checkpoint, no folders, or no packaged
            networks.
    """
    if runs is None:
        return _packaged()
    if not runs:
        raise InputError("no run folders were given")
    opened = [run if isinstance(run, Run) else Run(run) for run in runs]
    found: list[Source] = []
    for run in opened:
        # Folders of the same name are told apart by number, never by their paths: what is written
        # here is for others to read.
        own = run.folder.resolve().name
        taken = {source.name for source in found}
        name = next(
            n for n in (own, *(f"{own} ({k})" for k in range(2, len(opened) + 2))) if n not in taken
        )
        found.append(Source(name, load_network(run), run.config, run, run.metrics()))
    return found


def _packaged() -> list[Source]:
    names = pretrained_names()
    if not names:
        raise InputError("there are no trained networks in the package: give --runs")
    found = [pretrained(name) for name in names]
    return [
        Source(p.name, p.network, p.config, metrics=_rows(p.details.get("metrics", {})))
        for p in found
    ]


def _rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
