import csv
import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import xarray as xr
from conftest import TINY

import gridcode
from gridcode.analysis.navigation.neural_distance import predicted_plateau
from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.cli import main
from gridcode.models.network import GridNetwork
from gridcode.paper.claims import IN_PART, NOT, UNKNOWN, judge
from gridcode.paper.reproduce import FIGURES, Claim, fig4, fig5, fig6, fig9, reproduce
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork, open_networks
from gridcode.paper.tables import quartiles, spread, table_text
from gridcode.paper.unit_selection import by_module, evenly_by_score

TRAINED = {
    "evaluation.arenas_m": [2.0],
    "evaluation.walk_steps": 40,
    "evaluation.bin_size_m": 0.1,
    "world.max_velocity_m": 0.15,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> gridcode.Run:
    """A tiny run with and one without the capacity loss would look alike: neither has modules."""
    config = gridcode.load_config("quick").override(TINY | TRAINED)
    return gridcode.train(config, out=tmp_path_factory.mktemp("runs") / "tiny")


class Planted(GridNetwork):
    """States are a planted code at the place that the velocities add up to."""

    def __init__(self, spacings, units=14, seed=0):
        torch.nn.Module.__init__(self)
        self.code = ideal_grid_code(
            list(spacings), units_per_module=units, generator=np.random.default_rng(seed)
        )

    def as_system(self):
        # The last two numbers of a state are the place itself, which no figure looks at as they are
        # scaled to nothing.
        def state(places):
            return np.concatenate([self.code(places), 1e-6 * places], axis=1)

        return (lambda states, v: state(states[:, -2:] * 1e6 + v)), state(np.zeros((1, 2)))[0]


@pytest.fixture(scope="module")
def planted() -> EvaluatedNetwork:
    config = gridcode.load_config("quick").override(
        {
            "evaluation.arenas_m": [3.0],
            "evaluation.adapt_arena": False,
            "evaluation.nulls": 99,
            "evaluation.walk_steps": 150,
            "evaluation.shuffles": 19,
        }
    )
    return EvaluatedNetwork("planted", Planted([0.55, 0.78]), config)


@dataclass(frozen=True)
class Row:
    a: float
    b: dict[str, int] | None
    c: tuple[int, ...]


@dataclass(frozen=True)
class Named:
    q: tuple[float | None, ...]
    row: Row


def tables(folder, name):
    with open(folder / name) as file:
        return list(csv.DictReader(file))


def test_verdicts_follow_from_claims():
    yes, no, unknown = (
        Claim("a", (True, True)),
        Claim("b", (False, False)),
        Claim("c", (None, None)),
    )
    assert judge([yes]) == "agrees"
    assert judge([yes, no]) == IN_PART
    assert judge([Claim("d", (True, False))]) == IN_PART
    assert judge([no, no]) == NOT
    assert judge([unknown]) == UNKNOWN
    assert judge([yes, unknown]) == IN_PART  # what was not measured was not shown
    assert judge([yes, Claim("e", (False, False), central=True)]) == NOT
    assert str(Claim("f", (True, False, None))) == "f: holds in 1 of 2 (1 not measured)"
    assert str(unknown) == "c: not measured"


def test_numbers_in_words_and_in_tables():
    assert spread([1.0, 3.0, 2.0, None], "m") == "2.00 m (1.00 to 3.00)"
    assert spread([1.0, 1.0]) == "1.00" and spread([None]) == "not measured"
    rows = [Row(1.23456789, None, (1, 2)), Row(math.nan, {"d e": 2}, (3,))]
    assert table_text(rows) == 'a,b,c,d_e\n1.23457,,"[1, 2]",\n,,[3],2\n'
    one = [Named(quartiles([1.0, 2.0, None, 3.0]), row) for row in rows[:1]]
    assert table_text(one) == 'q_q25,q_median,q_q75,a,b,c\n1.5,2,2.5,1.23457,,"[1, 2]"\n'


def test_units_are_drawn_by_a_rule():
    data = xr.Dataset(
        {
            "grid_score": ("unit", [0.1, np.nan, 0.9, 0.5, 0.7]),
            "module": ("unit", [0, -1, 1, 0, -1]),
            "silent": ("unit", [False, True, False, False, False]),
        }
    )
    assert evenly_by_score(data, np.arange(5), 3).tolist() == [2, 3, 1]
    assert evenly_by_score(data, np.array([0]), 3).tolist() == [0]
    assert evenly_by_score(data, np.array([], dtype=int), 3).tolist() == []
    assert by_module(data).tolist() == [3, 0, 2, 4, 1]


def test_planted_modules_are_found(planted):
    draft = fig4.make([planted])
    assert [c.holds for c in draft.claims[:3]] == [(True,), (True,), (False,)]
    spacings = sorted(row.module.spacing_m for row in draft.tables["modules"])
    assert spacings == pytest.approx([0.55, 0.78], abs=0.02)
    assert "number of modules is 2" in draft.found[0]
    nine = fig9.make([planted])
    assert nine.tables[""][0].lattice_units >= 26 and nine.claims[-1].decided == []
    modules = [row.unit.module for row in nine.tables["units"]]
    assert modules == sorted(modules, key=lambda m: 9 if m is None else m)


def test_planted_module_is_a_torus_with_three_waves(planted):
    draft = fig6.make([planted])
    (row,) = draft.tables[""]
    assert row.topology.betti == (1, 2, 1) and row.topology.torus
    assert row.largest_angle_error_deg < 3 and row.length_spread < 0.05
    assert min(wave.ring_correlation for wave in draft.tables["waves"]) > 0.95
    assert [c.holds for c in draft.claims if c.central] == [(True,)]


def test_a_code_of_place_keeps_its_tuning_whatever_the_walk(planted):
    draft = fig5.make([planted])
    kept = [c.holds for c in draft.claims if c.text.startswith("tuning kept")]
    assert kept == [(True,)] * 5
    distance = draft.tables["distance"][0]
    loss = planted.config.loss
    assert distance.predicted_plateau == predicted_plateau(
        sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation
    )
    curve = draft.tables["curves"]
    states, places = planted.states(
        "smooth", 3 * planted.extent_m, walkers=192, steps=400, stream=5
    )
    far = np.hypot(*places.T) > 1.0
    apart = np.linalg.norm(states[far] - planted.system.start, axis=1)
    assert np.median([r.median for r in curve if r.distance_m > 1.0]) == pytest.approx(
        np.median(apart), rel=0.03
    )
    # Correlation over the common area, by hand, for one unit.
    small, large = (
        planted.maps("smooth", 2.0)["rate"][0].values,
        planted.maps("smooth", 4.0)["rate"][0].values[20:60, 20:60],
    )
    both = np.isfinite(small) & np.isfinite(large)
    found = fig5.map_correlation(
        planted.maps("smooth", 2.0), planted.maps("smooth", 4.0), np.array([0])
    )
    assert found[0] == pytest.approx(np.corrcoef(small[both], large[both])[0, 1])


def test_command_writes_figures_and_leaves_runs_alone(run, tmp_path, capsys):
    before = sorted((p, p.stat().st_mtime_ns) for p in run.folder.rglob("*"))
    verdicts = {}
    for figure in ("fig4", "fig9"):
        assert (
            main(
                [
                    "reproduce",
                    figure,
                    "--runs",
                    str(run.folder),
                    "--out",
                    str(tmp_path / figure),
                    "--quiet",
                    "--json",
                ]
            )
            == 0
        )
        found = json.loads(capsys.readouterr().out)
        verdicts[figure] = found["verdict"]
        assert found["figure"] == figure and found["networks"] == ["tiny"]
        names = {p.name for p in (tmp_path / figure).iterdir()}
        assert {f"{figure}.png", f"{figure}.pdf", f"{figure}.csv", f"{figure}.md"} <= names
        text = (tmp_path / figure / f"{figure}.md").read_text()
        assert (
            text == found["text"] + "\n"
            and text.count("\n") == 1
            and f": {found['verdict']}.**" in text
        )
        assert all(
            str(tmp_path) not in p.read_text()
            for p in (tmp_path / figure).iterdir()
            if p.suffix in (".md", ".csv")
        )
    # A network of 12 units trained for 30 steps has no modules, and that is said.
    assert tables(tmp_path / "fig4", "fig4.csv")[0]["modules"] == "0"
    assert verdicts == {"fig4": NOT, "fig9": NOT}
    assert reproduce("fig9", [run], tmp_path / "again").verdict == NOT
    assert sorted((p, p.stat().st_mtime_ns) for p in run.folder.rglob("*")) == before
    # The same numbers give the same files.
    assert all(
        (tmp_path / "again" / p.name).read_bytes() == p.read_bytes()
        for p in (tmp_path / "fig9").iterdir()
    )


def test_ablations_are_read_from_their_folder(run, tmp_path):
    folder = tmp_path / "ablation"
    folder.mkdir()
    with pytest.raises(gridcode.InputError, match=r"has no ablation.csv: make it with"):
        reproduce("fig7", [folder], tmp_path / "out")
    (folder / "ablation.csv").write_text(
        "variant,seed,run,status,lattice_share,n_modules,n_independent\n"
        "reference,0,reference-seed0,ok,0.9,2,2\nno capacity,0,none,ok,0.8,1,1\n"
        "no separation,0,none,diverged,,,\n"
    )
    (folder / "verdicts.csv").write_text(
        "variant,claim,verdict\nno capacity,one module,reproduced\n"
        "no separation,tuning lost,unclear\nfixed start,none,no claim\n"
    )
    (folder / "runs").mkdir()
    (folder / "runs" / "reference-seed0").symlink_to(run.folder)
    found = reproduce("fig7", [folder], tmp_path / "out")
    assert found.verdict == IN_PART
    assert [(c.text, c.holds) for c in found.claims] == [
        ("no capacity: one module", (True,)),
        ("no separation: tuning lost", (None,)),
    ]
    assert (
        "no separation seed 0 (diverged)" in found.text
        and "Of 1 variant the paper claims nothing" in found.text
    )
    assert [row["variant"] for row in tables(tmp_path / "out", "fig7.csv")] == [
        "reference",
        "no capacity",
        "no separation",
    ]
    (folder / "ablation.csv").write_text("a,b\n1,2\n")
    with pytest.raises(gridcode.InputError, match="is no table of"):
        reproduce("fig7", [folder], tmp_path / "out")


def test_bad_input_is_one_line(run, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out"), "--quiet"]
    for arguments, said in (
        (["fig8"], f"choose {', '.join(FIGURES)}"),
        (["fig4", "--runs", str(tmp_path / "none")], "there is no run folder"),
        (["fig7", "--runs", str(run.folder), str(run.folder)], "fig7 takes one folder"),
        (["fig6", "--runs", str(run.folder)], "no module to look at in tiny"),
    ):
        assert main(["reproduce", *arguments, *out]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(gridcode.InputError, match="cannot make the folder"):
        reproduce("fig4", [run], tmp_path / "file" / "out")
    with pytest.raises(gridcode.InputError, match="no run folders"):
        open_networks([])
    assert [s.name for s in open_networks([run, run])] == ["tiny", "tiny (2)"]
