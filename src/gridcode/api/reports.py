"""What is written for people: reports of runs and recordings, figures, and films."""

import os
from collections.abc import Callable
from pathlib import Path

from gridcode.analysis.population import Population
from gridcode.analysis.topology.state_space import StateSpace
from gridcode.config import load_config, preset_names
from gridcode.display import printable
from gridcode.errors import InputError
from gridcode.recordings.recording import Recording
from gridcode.runs.files import check_writable, one_line_errors, write_atomically
from gridcode.runs.history import map_training
from gridcode.runs.run import Run
from gridcode.version import __version__

LONGEST_FILM_S = 600.0


def write_report(
    run: Run | str | os.PathLike[str],
    *,
    figures: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write a run's `report.html`, and return its path.

    Args:
        run: an evaluated run, or its folder.
        figures: write all figures as PNG and PDF into `figures/`, too; without, only the pictures
            that are on the page are there.
        progress: called with (what, done, total).

    Raises:
        InputError: no run, not evaluated yet, an evaluation of another training, or a world of
            other than two dimensions.
    """
    run = Run.open(run)
    run.check_plane("the report")

    from gridcode.report import collection  # matplotlib is slow to import
    from gridcode.report.pdf import to_pdf
    from gridcode.viewer.page import PICTURES, run_page

    check_writable(run.report_path)
    check_writable(run.figures_folder, folder=True)
    summary, arrays = run.evaluated(), run.read_theory()
    run.warn_if_out_of_date(summary)
    if figures:
        _, maps = run.read_evaluation()
        drawn = collection.run_figures(
            run.metrics(), summary, maps, config=run.config, arrays=arrays
        )
    else:
        drawn = collection.deep_figures(summary, arrays, only=PICTURES)
    files, source = {}, str(summary.origin or "")
    for number, (name, figure) in enumerate(drawn.items(), start=1):
        files[f"{name}.png"] = collection.to_png(figure, source=source)
        if figures:
            files[f"{name}.pdf"] = to_pdf(figure, source=source)
        if progress:
            progress("figures", number, len(drawn))
    text = run_page(run, summary, {name: files[f"{name}.png"] for name in drawn})
    if progress:
        progress("page", 1, 1)
    with one_line_errors(f"cannot write to '{run.folder}'"):
        run.write_report(text, files)
    return run.report_path


def write_score_report(
    population: Population,
    out: str | os.PathLike[str],
    *,
    recording: Recording,
    title: str,
    states: StateSpace | None = None,
) -> Path:
    """Write a scored population, and its state space where given, as one page; return its path.

    Raises:
        InputError: it cannot be written.
    """
    from gridcode.report import collection  # matplotlib is slow to import
    from gridcode.viewer.page import PICTURES, population_page

    check_writable(out)
    pictures = {}
    if states is not None:
        drawn = collection.states_figures(states.summary, states.arrays)
        pictures = {name: collection.to_png(drawn[name]) for name in drawn if name in PICTURES}
    source = {
        "file": title,
        "units": len(recording.units),
        "bins": " x ".join(str(n) for n in recording.maps.shape[1:]),
        "bin size (m)": recording.bin_size_m,
        "kind": recording.kind,
        "group": recording.group or "-",
        "gridcode": __version__,
    }
    text = population_page(
        population,
        title=title,
        source=source,
        notes=recording.notes,
        figures=pictures,
        states=states,
        recording=recording,
    )
    with one_line_errors(f"cannot write '{out}'"):
        write_atomically(out, text)
    return Path(out)


def write_score_figures(
    population: Population, folder: str | os.PathLike[str], *, states: StateSpace | None = None
) -> list[Path]:
    """Write the figures of a scored population as PNG and PDF; return their paths.

    Args:
        population: the cells, scored.
        folder: where to.
        states: their state space; None leaves it out.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    from gridcode.report import collection  # matplotlib is slow to import
    from gridcode.report.pdf import to_pdf

    check_writable(folder, folder=True)
    written = []
    with one_line_errors(f"cannot write figures to '{folder}'"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, figure in collection.population_figures(population, states).items():
            for suffix, data in (("png", collection.to_png(figure)), ("pdf", to_pdf(figure))):
                written.append(Path(folder) / f"{name}.{suffix}")
                write_atomically(written[-1], data)
    return written


def film(
    run: Run | str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    units: int = 24,
    seconds: float = 8.0,
    size: int = 720,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write the film of a training: rate maps of the best units, loss and hexagonal units.

    Args:
        run: an evaluated run, or its folder.
        out: a new or old .gif, .webp or .mp4 (which needs ffmpeg); None: `film.gif` in the run.
        units: how many units, the best of each module.
        seconds: length of the film, the second on the last frame included.
        size: side of the square picture, pixels; made even.
        progress: called with (what, done, total).

    Returns:
        The file.

    Raises:
        InputError: no run, one without evaluation or snapshots, a format that is not written,
            numbers that make no sense, or a world of other than two dimensions.
    """
    run = Run.open(run)
    run.check_plane("the film")

    from gridcode.report import animation  # matplotlib is slow to import
    from gridcode.report.figures import best_of_each_module
    from gridcode.report.film import LARGEST, SMALLEST, Film

    path = run.film_path if out is None else Path(out)
    suffix = animation.check_suffix(path)
    if units < 1:
        raise InputError(f"units must be at least 1, not {units}")
    if not 1 < seconds <= LONGEST_FILM_S:
        raise InputError(f"seconds must be above 1 and at most {LONGEST_FILM_S:g}, not {seconds:g}")
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"size must be {SMALLEST} to {LARGEST} pixels, not {size}")
    check_writable(path)
    summary = run.read_summary()
    if summary is None or summary.headline is None:
        raise InputError(
            f"'{run.folder}' has not been evaluated; run `gridcode evaluate {run.folder}`"
        )
    if len(run.snapshots()) == 1:
        raise InputError(f"'{run.folder}' has one snapshot only: there is no training to film")
    run.warn_if_out_of_date(summary)
    data = run.read_maps(summary.headline.group, ["grid_score", "silent", "module"])
    history = map_training(run, progress=progress)
    if history.sizes["unit"] != data.sizes["unit"]:
        raise InputError(
            f"the evaluation of '{run.folder}' is of another network than its snapshots; "
            "run `gridcode evaluate` again"
        )
    chosen = best_of_each_module(data, units)
    made = Film(
        history=history,
        units=chosen,
        module=data["module"].values[chosen],
        spacings_m=[module.spacing_m for module in summary.modules],
        metrics=run.metrics(),
        title=printable(
            f"{_preset_of(run) or run.folder.absolute().name}, seed {run.config.training.seed}"
        ),
        size=size // 2 * 2,
    )
    durations = made.durations_ms(seconds)
    show = None if progress is None else lambda done, total: progress("frames", done, total)
    content = animation.encode(
        list(made.frames(show)), durations, suffix=suffix, comment=str(summary.origin or "")
    )
    with one_line_errors(f"cannot write '{path}'"):
        write_atomically(path, content)
    return path


def _preset_of(run: Run) -> str | None:
    """The preset that a run was trained with, None where some setting of the training differs."""
    config, manifest = run.config, run.manifest
    if "parts" in manifest:
        return None
    if "pretrained" in manifest:
        return str(manifest["pretrained"])
    # Where it ran and how often it was logged does not matter.
    free = {
        f"training.{name}": getattr(config.training, name)
        for name in ("seed", "device", "threads", "log_every", "checkpoint_every", "products")
    }
    return next(
        (
            name
            for name in preset_names()
            if load_config(name).override(free).training_hash == config.training_hash
        ),
        None,
    )
