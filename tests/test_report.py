import functools
import io

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import _pylab_helpers
from matplotlib.figure import Figure
from PIL import Image

from gridcode.analysis import text
from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.population import analyse_population
from gridcode.analysis.records import RelationRecord
from gridcode.analysis.records.navigation import SpaceRecord
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps
from gridcode.analysis.system import System
from gridcode.analysis.text import p_text
from gridcode.config import EvaluationConfig
from gridcode.report import figures
from gridcode.report.collection import population_figures, run_figures, to_png
from gridcode.report.distance_figures import space
from gridcode.report.style import draw_map, fill_isolated_bins, neighbours, plain
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
    rows = [ROW, {**ROW, "step": 2}]
    for figure in run_figures(rows, evaluation.summary, evaluation.maps).values():
        assert to_png(figure).startswith(b"\x89PNG")
    words = text.verdict(evaluation.summary) + " " + text.details(evaluation.summary)
    if kind == "all silent":
        assert "None of the 5 units is active" in words
    else:
        assert "no modules" in words and "in a 1 m arena on the smooth walk" in words


def test_a_run_that_was_never_logged_has_no_training_curves():
    evaluation = evaluated("one unit")
    assert to_png(
        run_figures([ROW, {"step": 2}], evaluation.summary, evaluation.maps)["training"]
    ).startswith(b"\x89PNG")
    assert "training" not in run_figures([], evaluation.summary, evaluation.maps)


def space_record(values, *, known):
    """One condition; all its numbers are missing where `known` is false."""
    curve = {"distance_m": [0.1, None, 0.3], "mean": values, "sd": values}
    curve |= {"quartiles": [values] * 3, "pairs": [30, 3, 40]}
    at = dict.fromkeys(("tracked_m", "anywhere_m", "dead_reckoning_m"), [None] * 3)
    at |= dict.fromkeys(("chance_m", "match", "common_m", "scatter_m", "lost_share"))
    if known:
        at |= {"tracked_m": [0.01, 0.0234, 0.03], "dead_reckoning_m": [0.01, 0.02, None]}
    row = dict.fromkeys(SpaceRecord.model_fields)
    row |= {"walk": "smooth", "arena_m": 2.0, "arena_over_training": 1.0, "walkers": 4}
    row |= {"curve": curve, "origin": curve, "reasons": {} if known else {"curve": "constant"}}
    row |= {"decoding": [{"steps": n} | at for n in (1, 10)]}
    fraction = 0.0123 if known else None
    row["invariance"] = [{"steps": n, "square": 0.1, "fraction": fraction} for n in (5, 40)]
    if known:
        row |= {"plateau": 0.87, "decorrelation_m": 0.17, "same_place": 0.1, "slope_per_m": 4.0}
    return SpaceRecord.model_validate(row)


def test_neural_distance_and_path_integration_are_drawn_and_tabulated():
    known = space_record([0.2, None, 0.9], known=True)
    unknown = space_record([None] * 3, known=False)
    for rows in ([known, unknown], [unknown]):
        assert to_png(space(rows, sigma_x_m=0.05, predicted_plateau=0.9)).startswith(b"\x89PNG")
        cells = " ".join(" ".join(line) for line in space_table(rows).rows)
        assert "curve: constant" in cells
        assert ("1.23%" in cells and "0.023" in cells) == (known in rows)


# -- maps ------------------------------


def pixels(figure):
    with Image.open(io.BytesIO(to_png(figure))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_field_at_the_top_right_is_drawn_at_the_top_right():
    """y points upwards on the page, whatever the shape of the arena."""
    rate = np.zeros((20, 30))
    rate[15:18, 24:28] = 1.0  # high y, high x
    y, x = (0.1 * np.arange(n) for n in rate.shape)
    figure = Figure(figsize=(3, 2), layout="none")
    draw_map(
        figure.add_axes((0, 0, 1, 1)),
        xr.DataArray(rate, {"y": y, "x": x}, ("y", "x")),
        scale_bar=False,
    )
    picture = pixels(figure)
    rows, columns = np.nonzero(picture[..., 0] > 200)  # yellow; the rest is dark violet
    height, width = picture.shape[:2]
    assert rows.mean() / height == pytest.approx(1 - 16.5 / 20, abs=0.03)
    assert columns.mean() / width == pytest.approx(26 / 30, abs=0.03)


def test_the_gallery_and_the_film_draw_the_same_map():
    data = two_modules().data
    drawn = figures.gallery(data).axes[0].child_axes[0].images[0]
    best = figures.by_score(data)[0]
    assert np.array_equal(drawn.get_array(), data["rate"].values[best])
    assert drawn.origin == "lower" and drawn.get_clim()[0] == 0


def test_isolated_unvisited_bins_are_filled_and_larger_areas_stay_empty(rng):
    rate = rng.random((2, 9, 12))
    rate[:, 4, 5] = rate[:, 0, 0] = np.nan
    rate[:, 6:9, 2] = np.nan
    rate[:, 2, 9:11] = np.nan
    found = fill_isolated_bins(rate)
    around = np.delete(rate[1, 3:6, 4:7].ravel(), 4)
    assert found[1, 4, 5] == pytest.approx(around.mean())
    assert found[0, 0, 0] == pytest.approx(rate[0][[0, 1, 1], [1, 0, 1]].mean())
    assert np.isnan(found[:, 6:9, 2]).all() and np.isnan(found).sum() == 6
    known = np.isfinite(rate)
    assert np.array_equal(found[known], rate[known])
    assert np.isnan(fill_isolated_bins(np.full((3, 3), np.nan))).all()


def test_units_are_shared_out_among_modules_best_first():
    score = np.array([0.9, 1.2, 1.1, 0.3, 0.8, 1.4, 0.7, np.nan])
    data = xr.Dataset(
        {
            "grid_score": ("unit", score),
            "silent": ("unit", np.arange(8) == 7),
            "module": ("unit", np.array([0, 0, 0, 0, 1, 1, -1, -1])),
        }
    )
    best = figures.best_of_each_module
    assert best(data, 3).tolist() == [1, 2, 5]
    assert best(data, 6).tolist() == [1, 2, 0, 3, 5, 4]
    assert best(data, 7).tolist() == [1, 2, 0, 3, 5, 4, 6]
    assert best(data, 99).tolist()[-1] == 7
    assert best(data.assign(module=("unit", np.full(8, -1))), 2).tolist() == [5, 1]


# -- populations ------------------------------


def test_scored_cells_get_figures_with_modules():
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
    assert len(population_figures(two_modules())["gallery"].axes[0].child_axes) == 9


def test_figures_leave_no_trace_in_matplotlib():
    before = dict(mpl.rcParams), list(_pylab_helpers.Gcf.figs)
    to_png(population_figures(two_modules())["scores"])
    assert (dict(mpl.rcParams), list(_pylab_helpers.Gcf.figs)) == before


def test_words_for_pairs_of_modules():
    row = RelationRecord(
        modules=(0, 1), verdict="commensurate", index=3, error=0.012, chance_p_value=0.004
    )
    assert relation_in_words(row) == (
        "Modules 0 and 1: commensurate. A lattice with cells of up to 3 of theirs is common to "
        "both within 1.2%; unrelated lattices have one as good with p = 0.004."
    )
    independent = row.model_copy(update={"verdict": "independent", "index": None})
    assert relation_in_words(independent).endswith("common to both; the nearest misses by 1.2%.")
    unknown = {"verdict": "undecided", "index": None, "error": None, "chance_p_value": None}
    undecided = row.model_copy(update=unknown)
    assert relation_in_words(undecided) == "Modules 0 and 1: undecided."


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
