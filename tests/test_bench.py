import json

import pytest
import steps

from gridcode.config import load_config
from gridcode.errors import GridcodeError


@pytest.fixture(scope="module")
def case():
    return steps.cpu_case("quick", seconds=0.05)


def test_a_case_has_floor_parts_and_the_naive_step(case):
    assert case["naive_over_fast"] > 2
    assert case["step_cpu_ms"]["min"] <= case["step_cpu_ms"]["median"] <= case["step_cpu_ms"]["max"]
    assert {row["part"] for row in case["parts"]} == {
        *(
            "matrices",
            "rollout forward",
            "rollout backward",
            "pair terms",
            "optimiser",
            "batch",
            "other terms",
        )
    }
    for row in case["parts"]:
        assert row["ms"] > 0 or row["part"] == "other terms"
        assert row["share"] is None or 0 < row["share"] < 1.2
    assert 0 < case["floor_ms"] < case["step_cpu_ms"]["median"]


def test_floors_count_operations():
    rates = steps.Rates(gemm=1e9, exp=1e30, read=lambda _size: 1e30)
    config = load_config("quick").override({"units": 32, "loss.pairs": "all"})
    floors = steps.floors(config, rates)
    assert floors["rollout forward"] == pytest.approx(2 * 30 * 90 * 32**2 / 1e9)
    assert floors["rollout backward"] == pytest.approx(4 * 30 * 90 * 32**2 / 1e9)
    assert floors["pair terms"] == pytest.approx(3 * (31 * 90) ** 2 * 32 / 1e9)
    moved = steps.floors(config, steps.Rates(gemm=1e30, exp=1e30, read=lambda _size: 1e9))
    assert moved["rollout forward"] == pytest.approx(30 * 4 * 30 * 32**2 / 1e9)


def test_the_script_prints_tables_or_json(case, capsys, monkeypatch):
    gpu = {
        "preset": "paper",
        "shape": case["shape"],
        "pairs": "all",
        "steps_per_second": 1.0,
        "step_ms": 1.0,
        "floor_ms": 0.5,
        "peak_memory_mb": 9,
    }
    cases = [{"device": "cpu", **case}, {"device": "gpu", **gpu}]
    monkeypatch.setattr(steps, "run", lambda **_: iter(cases))
    steps.main([])
    shown = capsys.readouterr().out
    assert "quick (cpu): N=64 T=30 B=90, pairs of 800 states" in shown
    assert "naive step" in shown and "paper (gpu)" in shown
    steps.main(["--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["machine"]["cores"] >= 1 and len(data["cases"]) == 2


def test_a_case_that_fails_is_one_line(monkeypatch):
    monkeypatch.setattr(steps, "PRESETS", ("no such preset",))
    with pytest.raises(GridcodeError, match=r"of no such preset on the cpu failed: .*invalid"):
        next(steps.run())
