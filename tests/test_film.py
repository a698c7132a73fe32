import shutil
import subprocess

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import gridcode
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.cli import main
from gridcode.errors import GridcodeError, InputError
from gridcode.report import animation
from gridcode.report.film import LEVELS, Film, _levels, best_of_each_module

STEPS = (0, 10, 30, 100)


def grown(units=9, *, silent=(0,)):
    """Lattices that come out of noise: more of them at every step."""
    rng = np.random.default_rng(0)
    positions = bin_centres(2.0, 0.1)
    final = np.array(
        [
            lattice_cell(
                positions, spacing_m=0.6, orientation_deg=5.0, phase_m=tuple(rng.random(2))
            )
            for _ in range(units)
        ]
    )
    share = np.array([0.0, 0.2, 0.6, 1.0])[:, None, None, None]
    rate = (share * final + (1 - share) * rng.random((len(STEPS), *final.shape))).astype(np.float32)
    rate[:, list(silent)] = 0.0
    rate[:, :, 0, 0] = np.nan
    minmax = np.broadcast_to(np.array([0.1, 0.4, 0.6, 1.2])[:, None], (len(STEPS), units)).copy()
    hidden = np.zeros((len(STEPS), units), dtype=bool)
    hidden[:, list(silent)] = True
    return xr.Dataset(
        {
            "rate": (("step", "unit", "y", "x"), rate),
            "minmax": (("step", "unit"), minmax),
            "silent": (("step", "unit"), hidden),
        },
        coords={"step": list(STEPS)},
        attrs={"arena_m": 2.0, "bin_size_m": 0.1},
    )


def film(**changes):
    options = {
        "units": np.arange(8),
        "module": np.array([0, 0, 0, 1, 1, 7, -1, -1]),
        "spacings_m": [0.6] * 8,
        "title": "quick, seed 0",
        "size": 360,
    }
    metrics = [
        {"step": s, "loss": loss}
        for s, loss in ((5, 1.0), (50, 0.4), (90, 0.1), (95, float("nan")), (100, 0.05))
    ]
    return Film(**{"history": grown(), "metrics": metrics, **options, **changes})


def test_every_frame_shows_its_own_maps_and_nothing_outside_the_palette():
    made = film()
    frames = list(made.frames())
    assert len(frames) == len(STEPS) and all(
        f.shape == (360, 360) and f.dtype == np.uint8 for f in frames
    )
    assert len(made.palette) <= 256 and max(int(f.max()) for f in frames) < len(made.palette)
    assert made.counts.tolist() == [0, 0, 8, 8]  # nine units, one of them silent
    # Only maps differ above, and they do at every step.
    above = np.stack(frames)[:, : 360 - 74]
    changed = (above != above[:1]).any(axis=0)
    assert changed.mean() > 0.3 and (above[:, changed] <= LEVELS).all()
    assert all((frames[k] != frames[k + 1]).any() for k in range(len(frames) - 1))
    assert [f.tobytes() for f in made.frames()] == [f.tobytes() for f in frames]


def test_a_map_is_upright_scaled_to_its_peak_and_grey_where_never_visited():
    rate = np.zeros((10, 10))
    rate[0, 0], rate[9, 9] = 5.0, np.nan  # the lowest y, on the left; the highest, on the right
    level = _levels(rate, 40, 40)
    assert (
        level[-1, 0] == LEVELS - 1
        and level[0, -1] == LEVELS
        and level[0, 0] == 0
        and level[-1, -1] == 0
    )
    assert (_levels(np.zeros((4, 4)), 8, 8) == 0).all() and (
        _levels(np.full((4, 4), np.nan), 8, 8) == LEVELS
    ).all()
    # At the middles of bins the value is that of the bin.
    values = np.random.default_rng(1).random((6, 6))
    assert np.array_equal(
        _levels(values, 6, 6)[::-1], np.rint((LEVELS - 1) * values / values.max()).astype(np.uint8)
    )


def test_durations_add_up_and_the_last_frame_is_held_a_second_longer():
    for seconds in (2.0, 8.0, 3.33):
        found = film().durations_ms(seconds)
        assert (
            sum(found) == round(1000 * seconds)
            and found[-1] >= found[0] + 1000
            and len(set(found[:-1])) == 1
            and found[0] % 10 == 0
        )
    with pytest.raises(InputError, match=r"4 snapshots needs 1\.08 s or more"):
        film().durations_ms(1.01)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_gif_and_webp_loop_for_ever_and_show_the_same_picture(suffix, tmp_path):
    made = film()
    frames = list(made.frames())
    data = animation.encode(frames, made.palette, made.durations_ms(3.0), suffix=suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with Image.open(path) as image:
        assert image.n_frames == len(STEPS) and image.size == (360, 360) and image.info["loop"] == 0
        shown = []
        for k in range(image.n_frames):
            image.seek(k)
            image.load()
            shown.append(image.info["duration"])
            off = np.abs(np.asarray(image.convert("RGB"), dtype=int) - made.palette[frames[k]])
            assert off.max() == 0 if suffix == ".gif" else off.mean() < 10
    assert shown == made.durations_ms(3.0)
    if suffix == ".gif":
        assert data.count(b"\x21\xf9\x04") == len(STEPS)  # a graphic control block a frame


def test_units_are_shared_out_among_modules_best_first():
    score = np.array([0.9, 1.2, 1.1, 0.3, 0.8, 1.4, 0.7, np.nan])
    data = xr.Dataset(
        {
            "minmax": ("unit", score),
            "silent": ("unit", np.arange(8) == 7),
            "module": ("unit", np.array([0, 0, 0, 0, 1, 1, -1, -1])),
        }
    )
    assert best_of_each_module(data, 3).tolist() == [1, 2, 5]
    assert best_of_each_module(data, 6).tolist() == [1, 2, 0, 3, 5, 4]
    assert best_of_each_module(data, 7).tolist() == [1, 2, 0, 3, 5, 4, 6]
    assert best_of_each_module(data, 99).tolist()[-1] == 7
    assert best_of_each_module(data.assign(module=("unit", np.full(8, -1))), 2).tolist() == [5, 1]


@pytest.mark.parametrize("count", [1, 2, 5, 24, 100])
def test_any_number_of_units_fits(count):
    history = grown(max(count, 1), silent=())
    frame = next(
        film(
            history=history,
            units=np.arange(count),
            module=np.zeros(count, dtype=int),
            metrics=[],
            size=240,
        ).frames()
    )
    maps = frame <= LEVELS
    assert (
        maps.any()
        and not maps[:, :2].any()
        and not maps[:, -2:].any()
        and not maps[240 - 49 :].any()
    )


def test_mp4_needs_ffmpeg(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"MP4 needs ffmpeg.*write a \.gif instead"):
        animation.check_suffix("a.mp4")
    for name in ("a.avi", "a", "a.GIFF"):
        with pytest.raises(InputError, match=r"must end in \.gif, \.mp4 or \.webp"):
            animation.check_suffix(name)
    assert animation.check_suffix("a.GIF") == ".gif"


def stand_in(tmp_path, monkeypatch, script):
    """A program called ffmpeg that does what the test wants."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_mp4_is_given_every_frame_as_often_as_it_lasts(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, 'for last; do :; done; cat > "$last"')
    made = film(size=240)
    frames = list(made.frames())
    data = animation.encode(frames, made.palette, made.durations_ms(3.0), suffix=".mp4")
    sent = np.frombuffer(data, dtype=np.uint8).reshape(-1, 240, 240, 3)
    which = [
        next(k for k, f in enumerate(frames) if np.array_equal(picture, made.palette[f]))
        for picture in sent
    ]
    assert (
        len(sent) == 75
        and which == sorted(which)
        and set(which) == {0, 1, 2, 3}
        and which.count(3) > 25
    )


def test_a_failing_ffmpeg_is_one_line(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "echo no such codec >&2; exit 1")
    with pytest.raises(
        GridcodeError,
        match=r"ffmpeg could not write the film \(no such codec\); write a \.gif instead",
    ):
        animation.encode(list(film().frames()), film().palette, [500] * 4, suffix=".mp4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_real_mp4(tmp_path):
    made = film()
    path = tmp_path / "a.mp4"
    path.write_bytes(
        animation.encode(made.frames(), made.palette, made.durations_ms(2.0), suffix=".mp4")
    )
    said = subprocess.run(
        ["ffmpeg", "-nostdin", "-i", str(path)], capture_output=True, text=True, check=False
    ).stderr
    assert "h264" in said and "yuv420p" in said and "360x360" in said


def test_film_of_a_run(tmp_path, tiny, capsys, monkeypatch):
    run = gridcode.train(tiny.override({"training.snapshots": 4}), out=tmp_path / "a")
    folder = str(run.folder)
    assert main(["film", folder]) == 2
    assert "has not been evaluated" in capsys.readouterr().err
    gridcode.evaluate(run)
    assert (
        main(
            ["film", folder, "--json", "--quiet", "--units", "6", "--size", "241", "--seconds", "2"]
        )
        == 0
    )
    out, error = capsys.readouterr()
    assert f'"film": "{run.film_path}"' in out and error == ""
    with Image.open(run.film_path) as image:
        assert image.size == (240, 240) and image.n_frames == len(run.snapshots())
    first = run.film_path.read_bytes()
    assert gridcode.film(run, units=6, size=240, seconds=2.0).read_bytes() == first
    with monkeypatch.context() as patch:
        patch.setattr(
            animation,
            "encode",
            lambda *_args, **_settings: (_ for _ in ()).throw(InputError("stopped")),
        )
        assert main(["film", folder, "--quiet"]) == 2
    assert run.film_path.read_bytes() == first and not list(run.folder.glob(".film*"))
    bad = (
        (["--out", "a.avi"], "must end in"), (["--units", "0"], "--units: must be"), (["--size", "10"], "size must be 240 to 2160"),
        (["--seconds", "1"], "seconds must be above 1"), (["--seconds", "x"], "--seconds: invalid float"),
        (["--out", str(tmp_path / "none" / "a.gif")], "there is no folder"),
    )  # fmt: skip
    capsys.readouterr()
    for options, message in bad:
        assert main(["film", folder, "--quiet", *options]) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    whole = run.summary_path.read_text()
    for text, message in (
        ("[]", "lacks parts"),
        (whole.replace('"format": 2', '"format": 1'), "an earlier version"),
        ('{"format": 2}', "lacks parts"),
    ):
        run.summary_path.write_text(text)
        assert main(["film", folder, "--quiet"]) == 2 and message in capsys.readouterr().err
    run.summary_path.write_text(whole)
    for path in (run.folder / "snapshots").iterdir():
        path.unlink()
    assert main(["film", folder]) == 2
    assert "has no snapshots" in capsys.readouterr().err
