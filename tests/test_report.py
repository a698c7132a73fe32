import io

import numpy as np
import pytest
from rich.console import Console

from gridcode.analysis.evaluate import evaluate_system
from gridcode.config import Config, EvaluationConfig
from gridcode.display import evaluation_bar, training_bar
from gridcode.report.page import render, run_figures, to_png, verdict
from gridcode.training.loop import Progress

QUICK = EvaluationConfig(arenas_m=(1.0,), walks=("smooth",), adapt_arena=False, samples_per_bin=3.0, walk_steps=50)
ROW = {
    "step": 1,
    "loss": 0.1,
    "separation": 0.2,
    "invariance": 0.3,
    "capacity": -0.4,
    "isometry": 0.5,
    "gradient_norm": 1.0,
    "silent_units": 3,
    "zero_states": 0,
    "steps_per_second": 50.0,
}


@pytest.mark.parametrize("kind", ["all silent", "constant", "one unit"])
def test_a_report_of_degenerate_populations_is_still_a_page(kind):
    start = {"all silent": np.zeros(5), "constant": np.ones(5), "one unit": np.array([0.0, 1.0])}[kind]
    noise = np.random.default_rng(0)

    def step(states, _):
        return states * noise.random(states.shape) if kind == "one unit" else states

    evaluation = evaluate_system(step, start, max_step_m=0.15, config=QUICK)
    pictures = {n: to_png(f) for n, f in run_figures([ROW, {**ROW, "step": 2}], evaluation.summary, evaluation.maps).items()}
    assert all(p.startswith(b"\x89PNG") for p in pictures.values())
    page = render(config=Config(), manifest={"seed": 0}, metrics=[ROW], summary=evaluation.summary, pictures=pictures)
    assert verdict(evaluation.summary) in page
    if kind == "all silent":
        assert "None of the 5 units fires" in page
    else:
        assert "(0%) score above" in page


def test_progress_on_a_terminal_and_in_a_log():
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=200)
        with training_bar(console, quiet=False) as show:
            show(Progress(step=1, steps=2, metrics=None))
            show(Progress(step=2, steps=2, metrics=ROW))
        with evaluation_bar(console, quiet=False) as tell:
            tell("smooth_2m", 1, 2)
            tell("smooth_2m", 2, 2)
        text = out.getvalue()
        assert "2/2" in text and "loss 0.100" in text and "50 steps/s" in text and "smooth_2m" in text
        assert ("\r" in text or "\x1b" in text) == terminal
    with training_bar(console, quiet=True) as show, evaluation_bar(console, quiet=True) as tell:
        assert show is None and tell is None
