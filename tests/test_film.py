import shutil
import subprocess

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
import xarray as xr
from PIL import Image

import gridcode
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.cli import main
from gridcode.errors import GridcodeError, InputError
from gridcode.report import animation
from gridcode.report.film import Film

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
    grid_score = np.broadcast_to(
        np.array([0.1, 0.4, 0.6, 1.2])[:, None], (len(STEPS), units)
    ).copy()
    hidden = np.zeros((len(STEPS), units), dtype=bool)
    hidden[:, list(silent)] = True
    return xr.Dataset(
        {
            "rate": (("step", "unit", "y", "x"), rate),
            "grid_score": (("step", "unit"), grid_score),
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


def test_every_frame_shows_its_own_maps():
    made = film()
    frames = list(made.frames())
    assert len(frames) == len(STEPS) and all(f.size == (360, 360) for f in frames)
    assert all(f.getpalette() == frames[0].getpalette() for f in frames)
    assert made.counts.tolist() == [0, 0, 8, 8]  # nine units, one of them silent
    # Only maps differ above, and they do at every step.
    pictures = np.stack([np.asarray(f.convert("RGB")) for f in frames])
    changed = (pictures[1:, : 360 - 80] != pictures[:-1, : 360 - 80]).any(axis=-1)
    rows, columns = np.nonzero(changed.any(axis=0))
    assert (changed.mean(axis=(1, 2)) > 0.3).all()
    assert rows.min() > 45 and columns.min() > 12 and columns.max() < 348
    assert [f.tobytes() for f in made.frames()] == [f.tobytes() for f in frames]


def test_a_film_does_not_depend_on_the_callers_style():
    made = film()
    expected = [f.tobytes() for f in made.frames()]
    with mpl.style.context("gridcode.report.paper"):
        assert [f.tobytes() for f in made.frames()] == expected


def test_maps_of_a_film_are_upright():
    history = grown(1, silent=())
    history["rate"].values[:] = 0.0
    history["rate"].values[..., 17:19, 17:19] = 1.0  # high y, high x
    frame = next(film(history=history, units=np.arange(1), module=np.array([0])).frames())
    picture = np.asarray(frame.convert("RGB")).astype(int)[40:280]
    yellow = (picture[..., 0] > 200) & (picture[..., 1] > 200) & (picture[..., 2] < 120)
    rows, columns = np.nonzero(yellow)
    assert len(rows) > 50 and rows.mean() < 80 and columns.mean() > 220


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
    data = animation.encode(frames, made.durations_ms(3.0), suffix=suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with Image.open(path) as image:
        assert image.n_frames == len(STEPS) and image.size == (360, 360) and image.info["loop"] == 0
        shown = []
        for k in range(image.n_frames):
            image.seek(k)
            image.load()
            shown.append(image.info["duration"])
            drawn = np.asarray(frames[k].convert("RGB"), dtype=int)
            off = np.abs(np.asarray(image.convert("RGB"), dtype=int) - drawn)
            assert off.max() == 0 if suffix == ".gif" else off.mean() < 10
    assert shown == made.durations_ms(3.0)
    if suffix == ".gif":
        assert data.count(b"\x21\xf9\x04") == len(STEPS)  # a graphic control block a frame


@pytest.mark.parametrize("count", [1, 5, 100])
def test_any_number_of_units_fits(count):
    units, module = np.arange(count), np.zeros(count, dtype=int)
    made = film(history=grown(count, silent=()), units=units, module=module, metrics=[], size=240)
    picture = np.asarray(next(made.frames()).convert("RGB")).astype(int)
    maps = np.ptp(picture, axis=-1) > 40
    assert maps[40:180].any()
    assert not maps[:, :4].any() and not maps[:, -4:].any()


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


def test_mp4_is_given_every_frame_and_how_long_it_lasts(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "ls *.png >> frames.txt; mv frames.txt film.mp4")
    made = film(size=240)
    durations = made.durations_ms(3.0)
    data = animation.encode(list(made.frames()), durations, suffix=".mp4").decode()
    lines = data.splitlines()
    assert lines[1:9:2] == [f"file {k}.png" for k in range(4)]
    assert lines[2:10:2] == [f"duration {shown / 1000}" for shown in durations]
    assert lines[-4:] == [f"{k}.png" for k in range(4)]


def test_a_failing_ffmpeg_is_one_line(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "echo no such codec >&2; exit 1")
    with pytest.raises(
        GridcodeError,
        match=r"ffmpeg could not write the film \(no such codec\); write a \.gif instead",
    ):
        animation.encode(list(film().frames()), [500] * 4, suffix=".mp4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_real_mp4(tmp_path):
    made = film()
    path = tmp_path / "a.mp4"
    path.write_bytes(animation.encode(list(made.frames()), made.durations_ms(2.0), suffix=".mp4"))
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
        (["--out", "a.avi"], "must end in"),
        (["--units", "0"], "--units must be"),
        (["--size", "10"], "size must be 240 to 2160"),
        (["--seconds", "1"], "seconds must be above 1"),
        (["--seconds", "x"], "--seconds: invalid float"),
        (["--out", str(tmp_path / "none" / "a.gif")], "there is no folder"),
    )
    capsys.readouterr()
    for options, message in bad:
        assert main(["film", folder, "--quiet", *options]) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    whole = run.summary_path.read_text()
    for changed, message in (
        ("[]", "damaged"),
        (whole.replace('"format": 5', '"format": 1'), "an earlier version"),
    ):
        run.summary_path.write_text(changed)
        assert main(["film", folder, "--quiet"]) == 2 and message in capsys.readouterr().err
    run.summary_path.write_text(whole)
    for path in (run.folder / "snapshots").iterdir():
        path.unlink()
    assert main(["film", folder]) == 2
    assert "has no snapshots" in capsys.readouterr().err
