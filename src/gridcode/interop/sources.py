"""A trained network, however it is given, as a system."""

import os
from pathlib import Path

from gridcode.analysis.system import System
from gridcode.api.verbs import load_system, system_of_network
from gridcode.packaged import Pretrained, pretrained
from gridcode.runs.run import Run


def system_from(source: System | Pretrained | Run | str | os.PathLike[str]) -> System:
    """The system of a network.

    Args:
        source: a system, a run or its folder, or a packaged network or its name (`quick-64`). A
            folder of that name comes first.

    Raises:
        InputError: no such folder and no such packaged network, or a run without weights or in a
            world of other than two dimensions.
    """
    if isinstance(source, System):
        return source
    if isinstance(source, str) and not Path(source).exists():
        source = pretrained(source)
    if isinstance(source, Pretrained):
        return system_of_network(source.network, source.config.world)
    run = Run.open(source)
    run.check_plane("this use of it")
    return load_system(run)
