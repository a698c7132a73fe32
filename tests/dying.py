"""A task for workers that die; without imports that take seconds."""

import os
import signal
from pathlib import Path


def die_once(path):
    """Die the first time; a file tells the second."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"
