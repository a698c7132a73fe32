"""gridcode: grow grid cells by self-supervision, and study them."""

__version__ = "0.1.0"

from gridcode.api import evaluate, load_network, train, write_report
from gridcode.config import Config, load_config
from gridcode.errors import GridcodeError, InputError, TrainingError
from gridcode.runs import Run

__all__ = ["Config", "GridcodeError", "InputError", "Run", "TrainingError", "evaluate", "load_config", "load_network", "train", "write_report"]
