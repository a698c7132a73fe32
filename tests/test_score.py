"""`gridcode score` and `gridcode.score`: from anybody's maps to types, p-values and modules."""

import json

import numpy as np
import pytest
import xarray as xr

import gridcode
from gridcode.analysis import text
from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.population import analyse_population
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps, place_cell
from gridcode.cli import main
from gridcode.world.walks import smooth_walk

ARENA = bin_centres(2.4, 0.06)
TURN = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])


def module(spacing_m, count, rng, *, orientation_deg=10.0, noise=0.1, **shape):
    cells = [
        lattice_cell(
            ARENA,
            spacing_m=spacing_m,
            orientation_deg=orientation_deg,
            phase_m=tuple(rng.uniform(-1, 1, 2)),
            **shape,
        )
        for _ in range(count)
    ]
    return np.array(cells) + noise * rng.standard_normal((count, *ARENA.shape[:2]))


@pytest.fixture
def mixed(rng):
    """Two modules, noise, a place cell, a silent unit."""
    junk = noise_maps(4, 40, correlation_bins=2.0, generator=rng)
    place = place_cell(ARENA, centre_m=(0.3, 0.2), width_m=0.2)[None]
    return np.concatenate(
        [
            module(0.4, 8, rng),
            module(0.62, 8, rng, orientation_deg=33.0),
            junk,
            place,
            np.zeros_like(place),
        ]
    )


def score(maps, **options):
    data = xr.Dataset({"rate": (("unit", "y", "x"), maps)}, attrs={"bin_size_m": 0.06})
    return analyse_population(data, **{"nulls": 200} | options)


def test_two_modules_among_junk(mixed):
    before = mixed.copy()
    population = score(mixed)
    np.testing.assert_array_equal(mixed, before)
    summary = population.summary
    json.loads(summary.to_json(), parse_constant=pytest.fail)  # no NaN
    assert summary.n_modules == 2 and summary.n_independent_modules == 2
    small, large = summary.modules
    assert small.spacing_m == pytest.approx(0.4, rel=0.02) and large.spacing_m == pytest.approx(
        0.62, rel=0.02
    )
    assert small.orientation_deg == pytest.approx(10, abs=1) and set(small.units) <= set(range(8))
    assert set(large.units) <= set(range(8, 16)) and len(large.units) >= 7
    kinds = [row.type for row in summary.units]
    assert (
        kinds[:16].count("hexagonal") >= 15 and kinds[20] == "place-like" and kinds[21] == "silent"
    )
    assert not set(kinds[16:20]) & {"hexagonal", "square"}
    assert summary.units[21].grid_score is None and summary.units[21].reason == "silent"
    assert "2 modules" in text.verdict(summary)


def test_noise_has_no_modules(rng):
    summary = score(noise_maps(40, 40, correlation_bins=2.5, generator=rng)).summary
    assert summary.n_modules == 0 and summary.modules == ()
    assert sum(row.lattice_p_value <= 0.01 for row in summary.units) <= 3
    assert not any(summary.types[kind] for kind in LATTICE_TYPES)
    assert "no modules" in text.verdict(summary)
    # These maps are smooth without a cell's doing, which no test of the map alone can know; the
    # verdict says what it took for place.
    assert summary.settings.spatial_test == "Moran's I" and "smoothed before" in text.details(
        summary
    )


def test_phases_are_where_the_fields_are(rng):
    population = score(module(0.5, 8, rng, noise=0.0))
    (found,) = population.modules.modules
    where = population.phases[0] @ found.vectors_m
    for unit, place in zip(found.units, where, strict=True):
        rate = population.data["rate"].values[unit]
        column, row = np.rint((place + 1.2) / 0.06 - 0.5).astype(int)
        # That field, or its copy inside the arena, is a summit.
        if 0 <= row < 40 and 0 <= column < 40:
            assert rate[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].max() > 0.8


def test_turned_maps_are_the_same_cells(rng):
    maps = module(0.5, 6, rng)
    one, two = (score(m).summary for m in (maps, maps.transpose(0, 2, 1)[:, ::-1].copy()))
    assert one.n_modules == two.n_modules == 1
    assert one.modules[0].spacing_m == pytest.approx(two.modules[0].spacing_m, rel=0.01)
    difference = (one.modules[0].orientation_deg - two.modules[0].orientation_deg + 90) % 60
    assert min(difference, 60 - difference) < 1


def run(*arguments, capsys):
    code = main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command_on_maps(mixed, tmp_path, capsys):
    np.savez(tmp_path / "maps.npz", rate_maps=mixed, bin_size_m=0.06)
    page = tmp_path / "out.html"
    code, out, _ = run(
        "score",
        tmp_path / "maps.npz",
        "--json",
        "--quiet",
        "--nulls",
        200,
        "--report",
        page,
        capsys=capsys,
    )
    found = json.loads(out)
    assert code == 0 and found["n_modules"] == 2
    assert {"unit", "type", "grid_score", "q_value", "spacing_m", "orientation_deg"} <= set(
        found["units"][0]
    )
    assert {"spacing_m", "orientation_deg", "n_units", "units"} <= set(found["modules"][0])
    assert page.stat().st_size > 20_000 and "<html" in page.read_text()


def test_the_command_prints_a_table(rng, tmp_path, capsys):
    np.save(tmp_path / "maps.npy", module(0.5, 2, rng))
    code, out, _ = run(
        "score", tmp_path / "maps.npy", "--bin-size", 0.06, "--quiet", "--nulls", 99, capsys=capsys
    )
    assert code == 0 and "hexagonal" in out and "there are no modules" in out and "…" not in out


def test_the_command_on_spikes_along_a_path(rng, tmp_path, capsys):
    walk = smooth_walk(arena_m=1.0, steps=12000, walkers=1, max_step_m=0.03, generator=rng)
    where, time = walk.positions[1:, 0], np.arange(12000) * 0.05
    grid = rng.poisson(0.5 * lattice_cell(where, spacing_m=0.4, orientation_deg=5))
    other = rng.poisson(0.1, 12000)
    spikes = np.concatenate([np.repeat(time, grid), np.repeat(time, other)])
    units = np.repeat(["grid", "none"], [grid.sum(), other.sum()])
    np.savez(
        tmp_path / "path.npz",
        positions_m=where,
        time_s=time,
        spike_times_s=spikes,
        spike_units=units,
    )
    code, out, _ = run(
        "score", tmp_path / "path.npz", "--json", "--quiet", "--nulls", 199, capsys=capsys
    )
    one, two = json.loads(out)["units"]
    assert code == 0 and (one["unit"], two["unit"]) == ("grid", "none")
    assert (
        one["type"] == "hexagonal"
        and one["lattice_p_value"] <= 0.01
        and one["shift_p_value"] <= 0.01
    )
    assert one["spacing_m"] == pytest.approx(0.4, rel=0.04) and one["stability"] > 0.5
    assert two["type"] == "non-spatial" and two["spatial_p_value"] > 0.01
    assert json.loads(out)["settings"]["spatial_test"] == "circular shift"


def test_the_example_cells_are_grid_cells(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recording = gridcode.example_cells()
    assert recording.maps.shape == (29, 32, 32) and recording.bin_size_m == 1 / 32
    code, out, _ = run("score", "example", "--quiet", "--json", capsys=capsys)
    found = json.loads(out)
    scores = np.array([row["grid_score"] for row in found["units"]])
    assert code == 0 and np.mean(scores > 0.3) > 0.8
    lattices = sum(found["types"][name] for name in ("hexagonal", "sheared hexagonal"))
    assert lattices >= 22 and found["types"]["non-spatial"] == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere.npz"], "no file"),
        (["maps.npy"], "bin"),
        (["maps.npy", "--bin-size", "wide"], "--bin-size: invalid float"),
        (["maps.npy", "--bin-size", "0.05", "--null", "none"], "--null: invalid choice"),
        (["maps.npy", "--bin-size", "0.05", "--order", "y x", "--nulls", "3"], "99 or more"),
        (
            ["maps.npy", "--bin-size", "0.05", "--order", "y x", "--significance", "2"],
            "between 0 and 1",
        ),
        (["maps.npy", "--bin-size", "0.05", "--report", "nowhere/out.html"], "no folder"),
        (["text.npz"], "text.npz"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments, message, rng, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.save("maps.npy", module(0.5, 2, rng))
    (tmp_path / "text.npz").write_text("nothing of the kind")
    code, out, err = run("score", *arguments, "--quiet", capsys=capsys)
    assert code == 2 and out == "" and message in err and len(err.strip().splitlines()) == 1


def test_odd_populations(rng):
    cell = module(0.5, 1, rng)
    odd = np.concatenate(
        [
            cell,
            np.full_like(cell, np.nan),
            np.zeros_like(cell),
            np.full_like(cell, 2.0),
            np.rint(9 * cell.clip(0)),
        ]
    )
    summary = score(odd).summary
    assert [row.type for row in summary.units] == [
        "hexagonal",
        "silent",
        "silent",
        "non-spatial",
        "hexagonal",
    ]
    # Activations may be negative throughout.
    (below,) = score(cell - 3).summary.units
    assert below.type == "hexagonal" and below.information_bits is None
    with pytest.raises(gridcode.InputError):
        score(np.full((2, 9, 9), np.inf))
    assert score(cell[:, :30]).summary.units[0].spacing_m == pytest.approx(0.5, rel=0.03)


def test_place_cells_are_no_grid_cells(rng):
    """Whose waves all meet in their field, as those of a lattice do."""
    centres = rng.uniform(-0.9, 0.9, (6, 2))
    cells = np.stack([place_cell(ARENA, centre_m=tuple(c), width_m=0.15) for c in centres])
    summary = score(cells + 0.05 * rng.standard_normal(cells.shape)).summary
    assert summary.types["place-like"] == 6 and summary.n_modules == 0
    assert all("too few fields for a lattice" in row.evidence for row in summary.units)


@pytest.mark.parametrize(
    "shape, spacing_m", [((40, 40), 0.8), ((16, 88), 0.35)], ids=["1.4 periods", "wide"]
)
def test_lattices_of_few_periods_and_on_wide_tracks_are_found(shape, spacing_m, rng):
    """1.12 m across; 2.2 m by 0.4 m."""
    bin_size_m = 0.028 if shape == (40, 40) else 0.025
    y, x = ((np.arange(n) - (n - 1) / 2) * bin_size_m for n in shape)
    where = np.stack(np.meshgrid(x, y), axis=-1)
    cell = lattice_cell(where, spacing_m=spacing_m, orientation_deg=10, phase_m=(0.1, 0.05))
    maps = cell[None] + 0.05 * rng.standard_normal((1, *shape))
    data = xr.Dataset({"rate": (("unit", "y", "x"), maps)}, attrs={"bin_size_m": bin_size_m})
    (unit,) = analyse_population(data, nulls=300).summary.units
    assert unit.type == "hexagonal" and unit.lattice_p_value <= 0.05
    assert unit.spacing_m == pytest.approx(spacing_m, rel=0.05)
    assert unit.orientation_deg == pytest.approx(10, abs=4)


def test_most_recorded_grid_cells_are_on_lattices():
    population = gridcode.score(gridcode.example_cells())
    types = population.summary.types
    assert sum(types[kind] for kind in LATTICE_TYPES) == 26


@pytest.mark.slow
def test_types_of_the_example_cells_do_not_hang_on_the_seed():
    kinds = np.array(
        [
            [row.type for row in gridcode.score(gridcode.example_cells(), seed=seed).summary.units]
            for seed in range(20)
        ]
    )
    assert (kinds == kinds[0]).all()
    assert np.isin(kinds[0], LATTICE_TYPES).sum() == 26
