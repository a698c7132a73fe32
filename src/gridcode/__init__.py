"""gridcode: grow grid cells by self-supervision, and study them.

What is named here is imported when it is first used, so that `import gridcode` is quick.
"""

import importlib
from typing import TYPE_CHECKING

from gridcode.version import __version__ as __version__

if TYPE_CHECKING:
    from gridcode.api.comparison import Comparison, compare, write_comparison
    from gridcode.api.decoding import decode
    from gridcode.api.dimensions import evaluate_dimensions
    from gridcode.api.reports import film, write_report, write_score_figures, write_score_report
    from gridcode.api.scoring import score, state_space
    from gridcode.api.verbs import evaluate, load_network, load_system, train, train_many
    from gridcode.config import Config, load_config
    from gridcode.errors import GridcodeError, InputError, TrainingError
    from gridcode.interop.export import export
    from gridcode.logs.follow import write_logs
    from gridcode.packaged import Pretrained, pretrained, pretrained_names
    from gridcode.paper.ablation import AblationResult, ablate
    from gridcode.paper.families.study import FamiliesResult, families
    from gridcode.recordings.examples import example_cells
    from gridcode.report.plot import plot
    from gridcode.runs.history import map_training
    from gridcode.runs.run import Run
    from gridcode.sweep import Sweep, SweepResult, load_sweep, run_sweep
    from gridcode.training.many import variants

__all__ = [
    "AblationResult",
    "Comparison",
    "Config",
    "FamiliesResult",
    "GridcodeError",
    "InputError",
    "Pretrained",
    "Run",
    "Sweep",
    "SweepResult",
    "TrainingError",
    "ablate",
    "compare",
    "decode",
    "evaluate",
    "evaluate_dimensions",
    "example_cells",
    "export",
    "families",
    "film",
    "load_config",
    "load_network",
    "load_sweep",
    "load_system",
    "map_training",
    "plot",
    "pretrained",
    "pretrained_names",
    "run_sweep",
    "score",
    "state_space",
    "train",
    "train_many",
    "variants",
    "write_comparison",
    "write_logs",
    "write_report",
    "write_score_figures",
    "write_score_report",
]

# Where each name is defined; the imports above say the same to type checkers.
_HOMES = {
    "api.comparison": ("Comparison", "compare", "write_comparison"),
    "api.decoding": ("decode",),
    "api.dimensions": ("evaluate_dimensions",),
    "api.reports": ("film", "write_report", "write_score_figures", "write_score_report"),
    "api.scoring": ("score", "state_space"),
    "api.verbs": ("evaluate", "load_network", "load_system", "train", "train_many"),
    "config": ("Config", "load_config"),
    "errors": ("GridcodeError", "InputError", "TrainingError"),
    "interop.export": ("export",),
    "logs.follow": ("write_logs",),
    "paper.ablation": ("AblationResult", "ablate"),
    "paper.families.study": ("FamiliesResult", "families"),
    "packaged": ("Pretrained", "pretrained", "pretrained_names"),
    "recordings.examples": ("example_cells",),
    "report.plot": ("plot",),
    "runs.history": ("map_training",),
    "runs.run": ("Run",),
    "sweep": ("Sweep", "SweepResult", "load_sweep", "run_sweep"),
    "training.many": ("variants",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gridcode' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"gridcode.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
