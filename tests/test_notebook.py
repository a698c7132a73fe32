import importlib.util
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.axes import Axes
from test_report import space_record

import gridcode
from gridcode import display as notebook
from gridcode.analysis.evaluate import Evaluation
from gridcode.analysis.records import DeepAnalysisRecord, HeadlineRecord
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps
from gridcode.errors import InputError
from gridcode.recordings.recording import recording_from_maps
from gridcode.report.plot import RunPlot
from gridcode.world.permutations import draw_batch
from gridcode.world.walks import Walk

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def no_windows():
    before = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture(scope="module")
def scored():
    generator = np.random.default_rng(3)
    positions = bin_centres(2.0, 0.05)
    grids = [
        lattice_cell(
            positions,
            spacing_m=0.4,
            orientation_deg=8 + generator.normal(),
            phase_m=tuple(generator.random(2)),
        )
        for _ in range(14)
    ]
    maps = np.concatenate(
        [
            np.array(grids),
            noise_maps(3, 40, correlation_bins=2.0, generator=generator),
            np.zeros((1, 40, 40)),
        ]
    )
    recording = recording_from_maps(maps, bin_size_m=0.05)
    population = gridcode.score(recording, nulls=99, significance=0.02)
    return recording, population, gridcode.state_space(recording, population, nulls=19)


@pytest.fixture(scope="module")
def plots(scored):
    """What a run with every part would hold, made of planted cells."""
    _, population, states = scored
    data = population.data.copy()
    data.attrs |= {"arena_m": 2.0, "walk": "smooth"}
    names = HeadlineRecord.model_fields
    headline = dict.fromkeys(names, 1) | dict.fromkeys(n for n in names if "quartiles" in n)
    headline |= {"group": "smooth_2m", "walk": "smooth", "arena_m": 2.0, "resolved": True}
    theory = DeepAnalysisRecord(state_space=states.summary)
    summary = population.summary.model_copy(
        update={
            "headline": HeadlineRecord(**headline),
            "space": (space_record([0.2, 0.5, 0.9], known=True),),
            "theory": theory,
        }
    )
    maps = xr.DataTree.from_dict(
        {"/smooth_2m": data, "/uniform_2m": data.drop_vars(["type", "module"])}
    )
    metrics = [{"step": k, "loss": 1 / k, "invariance": 0.1, "silent_units": 0} for k in (1, 2, 3)]
    return RunPlot(
        lambda: (summary, maps, states.arrays),
        metrics=lambda: metrics,
        loss=gridcode.Config().loss,
        name="a run",
    )


CALLS = {
    "rate_map": (3,),
    "autocorrelogram": (3,),
    "gallery": (5,),
    "spacing_orientation": (),
    "spectrum": (0,),
    "phases": (0,),
    "scores_against_null": (),
    "score_histogram": (),
    "training": ("invariance",),
    "neural_distance": (),
    "path_error": (),
    "ring": (0, 2),
    "persistence": (0,),
    "torus": (0,),
}


def test_every_plot_is_tried_here():
    assert set(CALLS) == {name for name in vars(RunPlot) if not name.startswith("_")}
    assert all(name in repr(RunPlot(dict)) for name in CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_plot_draws_into_the_axes_given_or_makes_its_own(plots, name):
    styles = dict(mpl.rcParams)
    ax = getattr(plots, name)(*CALLS[name])
    assert isinstance(ax, Axes) and plt.get_fignums() and (ax.has_data() or ax.child_axes)
    ax.figure.canvas.draw()
    assert dict(mpl.rcParams) == styles
    plt.close("all")
    figure, given = plt.subplots(subplot_kw={"projection": "3d"} if name == "torus" else None)
    assert getattr(plots, name)(*CALLS[name], ax=given) is given and plt.get_fignums() == [
        figure.number
    ]


def test_what_is_drawn_is_what_was_measured(plots, scored):
    data = scored[1].data
    image = plots.rate_map(4).images[0]
    assert np.array_equal(
        image.get_array(), data["rate"].values[4]
    ) and image.get_extent() == pytest.approx([-1, 1, -1, 1])
    assert plots.rate_map(4, arena="uniform_2m").images and plots.rate_map(4, arena=2.0).images
    assert np.array_equal(plots.training().lines[0].get_ydata(), [1.0, 1 / 2, 1 / 3])
    mosaic = plots.gallery(6, columns=3)
    assert len(mosaic.child_axes) == 6 and all(inside.images for inside in mosaic.child_axes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.rate_map(99), "no unit 99 in 'a run'; there are 18, from 0 to 17"),
        (
            lambda p: p.rate_map(1, arena=3),
            "no maps 'smooth_3m' in 'a run'; there are smooth_2m, uniform_2m",
        ),
        (lambda p: p.spectrum(4), "no module 4 in 'a run'; there are 0"),
        (lambda p: p.ring(0, wave=3), "wave must be 0, 1 or 2"),
        (lambda p: p.torus(0, phase=2), "phase must be 0 or 1"),
        (lambda p: p.torus(0, ax=plt.subplots()[1]), "needs axes of three dimensions"),
        (lambda p: p.persistence(7), "no module 7"),
        (lambda p: p.gallery(0), "must be at least 1"),
        (
            lambda p: p.training("joy"),
            "'joy' was not logged; choose one of loss, invariance, silent_units",
        ),
    ],
)
def test_what_is_not_there_is_named(plots, call, message):
    with pytest.raises(InputError, match=message):
        call(plots)


def test_runs_and_evaluations_have_plots(tmp_path, tiny):
    run = gridcode.train(tiny, out=tmp_path / "<a>")
    with pytest.raises(InputError, match="has not been evaluated"):
        gridcode.plot(run).rate_map(0)
    assert gridcode.plot(run).training("capacity").lines
    assert (
        "trained" in repr(run)
        and "&lt;a&gt;" in run._repr_html_()
        and "<a>" not in run._repr_html_()
    )
    evaluation = gridcode.evaluate(run)
    for plots in (gridcode.plot(run), gridcode.plot(evaluation)):
        assert plots.rate_map(0).images and plots.gallery().child_axes
        with pytest.raises(InputError, match="without the test of space"):
            plots.path_error()
        with pytest.raises(InputError, match="without state space and topology"):
            plots.persistence(None)
    with pytest.raises(InputError, match="no log of a training"):
        gridcode.plot(evaluation).training()
    assert (
        "evaluated" in repr(run)
        and "active units" in run._repr_html_()
        and "12" in repr(evaluation)
    )
    assert "active units" in evaluation._repr_html_() and isinstance(evaluation, Evaluation)
    run.summary_path.write_text("{")
    assert "damaged" in run._repr_html_()


def test_everything_shown_to_users_says_what_it_is_in_one_line(scored, tiny):
    recording, population, states = scored
    network = gridcode.pretrained("quick-64")
    batch = draw_batch(
        steps=8,
        trajectories=16,
        max_velocity_m=0.1,
        kind="latin",
        generator=torch.Generator().manual_seed(0),
    )
    walk = Walk(np.zeros((5, 3, 2)), np.zeros((6, 3, 2)), 2.0, "smooth")
    shown = [
        tiny,
        recording,
        population,
        population.modules,
        population.modules.modules[0],
        population.relations,
        states,
        network,
        batch,
        walk,
    ]
    for thing in shown:
        text = repr(thing)
        assert (
            text.startswith(type(thing).__name__ + "(")
            and "\n" not in text
            and len(text) < 250
            and "array" not in text
        )
    assert (
        repr(batch) == "Batch(8 velocities, 16 trajectories of 8 steps, cpu)"
        and repr(walk) == "Walk(smooth: 3 walkers, 5 steps, 2 m arena)"
    )
    for thing in (
        tiny,
        recording,
        population,
        population.modules,
        population.relations,
        states,
        network,
    ):
        page = thing._repr_html_()
        assert page.startswith("<div><strong>") and page.endswith("</div>") and len(page) < 6000
    assert (
        "18 units" in repr(population)
        and "14 hexagonal" in repr(population)
        and str(tiny) == repr(tiny)
    )
    assert "model.units" in tiny._repr_html_() and "<td" not in gridcode.Config()._repr_html_()


def test_html_is_escaped_and_long_tables_are_cut():
    assert notebook.table("<b>", {"<i>": "a & b"}).count(
        "<b>"
    ) == 0 and "a &amp; b" in notebook.table("x", {"y": "a & b"})
    page = notebook.wide_table("<b>", ("<i>",), [("<u>",)] * 30)
    assert (
        page.count("&lt;u&gt;") == notebook.MOST_ROWS
        and f"and {30 - notebook.MOST_ROWS} more" in page
        and "<u>" not in page
    )
    assert notebook.metres([]) == "none" and notebook.metres([0.5, 1]) == "0.50, 1.00 m"


@pytest.fixture(scope="module")
def executor():
    spec = importlib.util.spec_from_file_location(
        "execute_notebook", ROOT / "examples" / "execute_notebook.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_cells_of_the_notebook(executor):
    cells = executor.cells((ROOT / "examples" / "notebook.py").read_text())
    page = (ROOT / "docs" / "notebook.md").read_text()
    again = "; run `python examples/execute_notebook.py`"
    assert executor.code_in(page) == [text for kind, text in cells if kind == "code"], (
        "docs/notebook.md is stale" + again
    )
    assert all(text in page for kind, text in cells if kind == "markdown"), (
        "docs/notebook.md is stale" + again
    )
    for name in {part.split(")")[0] for part in page.split("(images/")[1:]}:
        assert (ROOT / "docs" / "images" / name).stat().st_size < 100_000
    assert "/tmp" not in page and str(ROOT) not in page


def test_cells_are_run_and_shown(executor):
    names = {}
    assert executor.run_cell("a = 2\nprint('x')\na + 1", names) == ("x", 3) and names["a"] == 2
    assert executor.run_cell("b = 1", names) == ("", None)
    assert (
        executor.shown("x", 3) == ["```text\nx\n```", "```text\n3\n```"]
        and executor.shown("", plt.subplots()[1]) == []
    )
    assert executor.cells("doc\n# %% [markdown]\n# # A\n# b\n\n# %%\nx = 1\n") == [
        ("markdown", "# A\nb"),
        ("code", "x = 1"),
    ]
