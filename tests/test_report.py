import functools

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import _pylab_helpers

from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.population import analyse_population
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps
from gridcode.analysis.system import System
from gridcode.config import EvaluationConfig
from gridcode.errors import InputError
from gridcode.report import figures
from gridcode.report.collection import population_figures, run_figures, to_png
from gridcode.report.distance_figures import space
from gridcode.report.findings import details, verdict
from gridcode.report.style import neighbours, p_text, plain
from gridcode.report.tables import relation_in_words, space_table

QUICK = EvaluationConfig(
    arenas_m=(1.0,),
    walks=("smooth",),
    adapt_arena=False,
    samples_per_bin=3.0,
    walk_steps=50,
    nulls=99,
    space=False,
)
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


def population(maps, names=None):
    y, x = ((np.arange(n) + 0.5 - n / 2) * 0.05 for n in maps.shape[1:])
    data = xr.Dataset(
        {"rate": (("unit", "y", "x"), maps)},
        coords={"unit": np.array(names or range(len(maps)), dtype=object), "y": y, "x": x},
        attrs={"bin_size_m": 0.05},
    )
    return analyse_population(data, nulls=99, workers=1, level=0.02)


@functools.cache
def two_modules():
    generator = np.random.default_rng(1)
    positions = bin_centres(2.0, 0.05)
    grids = [
        lattice_cell(
            positions,
            spacing_m=spacing,
            orientation_deg=turn + generator.normal(),
            phase_m=tuple(generator.random(2)),
        )
        for spacing, turn in ((0.35, 5.0), (0.55, 22.0))
        for _ in range(7)
    ]
    maps = np.concatenate(
        [
            np.array(grids),
            noise_maps(3, 40, correlation_bins=2.0, generator=generator),
            np.zeros((1, 40, 40)),
        ]
    )
    names = [
        "<script>alert(1)</script>",
        "$\\frac{a}$",
        "two\nlines",
        *(f"t{i}" for i in range(3, len(maps))),
    ]
    return population(maps[:, :28], names)


@functools.cache
def evaluated(kind):
    start = {"all silent": np.zeros(5), "constant": np.ones(5), "one unit": np.array([0.0, 1.0])}[
        kind
    ]
    noise = np.random.default_rng(0)

    def step(states, _):
        return states * noise.random(states.shape) if kind == "one unit" else states

    return evaluate_system(System(step, start, 0.15), config=QUICK)


@pytest.mark.parametrize("kind", ["all silent", "constant", "one unit"])
def test_degenerate_populations_have_figures_and_a_verdict(kind):
    evaluation = evaluated(kind)
    pictures = {
        n: to_png(f)
        for n, f in run_figures(
            [ROW, {**ROW, "step": 2}], evaluation.summary, evaluation.maps
        ).items()
    }
    assert all(p.startswith(b"\x89PNG") for p in pictures.values())
    said = verdict(evaluation.summary) + " " + details(evaluation.summary)
    assert (
        ("None of the 5 units fires" in said)
        if kind == "all silent"
        else ("no modules" in said and "in a 1 m arena on the smooth walk" in said)
    )


def test_a_run_that_was_never_logged_has_no_training_curves():
    evaluation = evaluated("one unit")
    assert to_png(
        run_figures([ROW, {"step": 2}], evaluation.summary, evaluation.maps)["training"]
    ).startswith(b"\x89PNG")
    assert "training" not in run_figures([], evaluation.summary, evaluation.maps)


def test_the_test_of_space_is_drawn_and_tabulated():
    values = [0.2, None, 0.9]
    curve = {
        "distance_m": [0.1, None, 0.3],
        "mean": values,
        "sd": values,
        "quartiles": [values] * 3,
        "pairs": [30, 3, 40],
    }
    row = {
        "walk": "smooth",
        "arena_m": 2.0,
        "arena_over_training": 1.0,
        "walkers": 4,
        "plateau": 0.87,
        "decorrelation_m": 0.17,
        "same_place": 0.1,
    }
    row |= {
        "slope_per_m": 4.0,
        "curve": curve,
        "origin": curve,
        "unrelated_square": 0.8,
        "noise_m": 0.002,
        "growth_exponent": 0.7,
    }
    row |= {
        "invariance": [{"steps": n, "square": 0.1, "fraction": 0.0123} for n in (5, 40)],
        "window_m": 0.5,
        "nearest_alias_m": 1.2,
        "reasons": {},
    }
    at = {
        "tracked_m": [0.01, 0.0234, 0.03],
        "anywhere_m": [1.0, 1.0, 1.0],
        "dead_reckoning_m": [0.01, 0.02, None],
        "chance_m": 1.0,
        "match": 1.0,
    }
    row |= {
        "decoding": [
            {"steps": n, "common_m": 0.1, "scatter_m": 0.1, "lost_share": 0.0} | at for n in (1, 10)
        ]
    }
    nothing = {
        "distance_m": [None] * 3,
        "mean": [None] * 3,
        "sd": [None] * 3,
        "quartiles": [[None] * 3] * 3,
        "pairs": [0] * 3,
    }
    unknown = row | {
        "walk": "uniform",
        "plateau": None,
        "decorrelation_m": None,
        "slope_per_m": None,
        "same_place": None,
        "curve": nothing,
    }
    unknown |= {
        "invariance": [{"steps": 5, "square": None, "fraction": None}],
        "growth_exponent": None,
        "reasons": {"curve": "constant"},
    }
    unknown |= {
        "decoding": [
            {"steps": 1} | {name: [None] * 3 for name in ("tracked_m", "dead_reckoning_m")}
        ]
    }
    for rows in ([row, unknown], [unknown]):
        assert to_png(space(rows, sigma_x_m=0.05, predicted_plateau=0.9)).startswith(b"\x89PNG")
        table = space_table(rows)
        cells = " ".join(" ".join(line) for line in table.rows)
        assert "curve: constant" in cells and ("1.23%" in cells and "0.023" in cells) == (
            row in rows
        )


def test_a_summary_of_another_version_says_what_to_do():
    evaluation = evaluated("one unit")
    for number, word in ((1, "an earlier"), (99, "a later")):
        summary = evaluation.summary | {"format": number}
        with pytest.raises(
            InputError, match=f"evaluated by {word} version; run `gridcode evaluate` again"
        ):
            run_figures([ROW], summary, evaluation.maps)
        with pytest.raises(InputError, match="gridcode evaluate"):
            verdict(summary)


def test_anybodys_cells_get_figures_with_modules():
    assert set(population_figures(two_modules())) == {
        "best_units",
        "gallery",
        "scores",
        "modules",
        "spectra",
    }


def test_populations_without_modules_or_with_one_unit():
    generator = np.random.default_rng(2)
    for maps in (
        noise_maps(6, 24, correlation_bins=2.0, generator=generator),
        two_modules().data["rate"].values[3:4],
        np.zeros((2, 20, 30)),
    ):
        assert set(population_figures(population(maps))) == {
            "best_units",
            "gallery",
            "scores",
            "modules",
        }


def test_a_large_population_is_drawn_in_part(monkeypatch):
    monkeypatch.setattr(figures, "GALLERY", 9)
    assert len(population_figures(two_modules())["gallery"].axes) == 9


def test_figures_leave_no_trace_in_matplotlib():
    before = dict(mpl.rcParams)
    to_png(population_figures(two_modules())["scores"])
    assert dict(mpl.rcParams) == before and not _pylab_helpers.Gcf.figs


def test_words_for_pairs_of_modules():
    row = {
        "modules": [0, 1],
        "verdict": "commensurate",
        "index": 3,
        "error": 0.012,
        "chance_p_value": 0.004,
    }
    assert relation_in_words(row) == (
        "Modules 0 and 1: commensurate. A lattice with cells of up to 3 of theirs is common to both within 1.2%; "
        "unrelated lattices have one as good with p = 0.004."
    )
    assert relation_in_words(row | {"verdict": "independent", "index": None}).endswith(
        "common to both; the nearest misses by 1.2%."
    )
    assert (
        relation_in_words(
            row | {"verdict": "undecided", "index": None, "error": None, "chance_p_value": None}
        )
        == "Modules 0 and 1: undecided."
    )


def test_names_and_numbers_for_figures():
    assert (
        plain("$a$") == r"\$a\$"
        and plain("a\nb") == "a?b"
        and plain("x" * 40) == "x" * 13 + "…"
        and plain(7) == "7"
    )
    assert [p_text(p) for p in (0.5, 0.0123, 0.00049, 1e-6, np.nan)] == [
        "0.50",
        "0.01",
        "0.0005",
        "1e-06",
        "-",
    ]
    ring = neighbours(np.array([[-1.0, 0.0], [0.5, np.sqrt(0.75)]]))
    assert np.allclose(np.hypot(*ring.T), 1.0) and np.allclose(
        np.hypot(*np.diff(ring, axis=0).T), 1.0
    )
