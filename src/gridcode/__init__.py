"""gridcode: grow grid cells by self-supervision, and study them."""

__version__ = "0.1.0"

from gridcode.ablation import AblationResult, ablate
from gridcode.api import evaluate, load_network, score, state_space, train, train_many
from gridcode.comparison import Comparison, compare, write_comparison
from gridcode.config import Config, load_config
from gridcode.errors import GridcodeError, InputError, TrainingError
from gridcode.pretrained import Pretrained, pretrained, pretrained_names
from gridcode.reports import film, write_report, write_score_figures, write_score_report
from gridcode.runs import Run
from gridcode.snapshot_maps import map_training
from gridcode.training.many import variants

__all__ = [
    "AblationResult",
    "Comparison",
    "Config",
    "GridcodeError",
    "InputError",
    "Pretrained",
    "Run",
    "TrainingError",
    "ablate",
    "compare",
    "evaluate",
    "film",
    "load_config",
    "load_network",
    "map_training",
    "pretrained",
    "pretrained_names",
    "score",
    "state_space",
    "train",
    "train_many",
    "variants",
    "write_comparison",
    "write_report",
    "write_score_figures",
    "write_score_report",
]
