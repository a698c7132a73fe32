"""gridcode: grow grid cells by self-supervision, and study them."""

__version__ = "0.1.0"

from gridcode.api.comparison import Comparison, compare, write_comparison
from gridcode.api.reports import film, write_report, write_score_figures, write_score_report
from gridcode.api.verbs import evaluate, load_network, score, state_space, train, train_many
from gridcode.config import Config, load_config
from gridcode.errors import GridcodeError, InputError, TrainingError
from gridcode.paper.ablation import AblationResult, ablate
from gridcode.pretrained import Pretrained, pretrained, pretrained_names
from gridcode.runs.history import map_training
from gridcode.runs.run import Run
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
