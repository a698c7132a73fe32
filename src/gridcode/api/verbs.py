"""The five-line library: configure, train, evaluate, look.

config = gridcode.load_config("quick").override({"seed": 3})
run = gridcode.train(config, out="runs/a")
evaluation = gridcode.evaluate(run)
print(evaluation.summary["headline"])
gridcode.write_report(run)
"""

import math
import os
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch

from gridcode.analysis.cells.binning import split_halves
from gridcode.analysis.cells.information import split_half_stability
from gridcode.analysis.cells.significance import shift_significance
from gridcode.analysis.evaluate import Evaluation, evaluate_system
from gridcode.analysis.population import Population, analyse_population
from gridcode.analysis.topology.state_space import (
    StateSpace,
    analyse_state_space,
    lattice_of_the_whole,
    map_states,
)
from gridcode.config import Config, EvaluationConfig
from gridcode.errors import InputError
from gridcode.models.populations import Network, make_network
from gridcode.recordings.recording import Recording, load_recording
from gridcode.runs.history import map_training
from gridcode.runs.run import Run, writing
from gridcode.training import checkpoint, many
from gridcode.training.loop import Progress, train_run
from gridcode.training.many import ManyProgress, open_runs
from gridcode.world.walks import training_extent_m


def train(
    config: Config | None = None,
    *,
    out: str | os.PathLike[str],
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Train a network from scratch, or go on with a run.

    Args:
        config: what to train; None resumes the run in `out`.
        out: the run folder; new with a configuration, existing without.
        progress: called after every step.

    Returns:
        The run, trained.

    Raises:
        InputError: the folder exists already (with a configuration) or is no run (without).
        TrainingError: a loss is not finite, or the disk is full; the newest checkpoint is intact.
    """
    run = Run(out) if config is None else Run.create(out, config)
    train_run(run, progress=progress)
    return run


def train_many(
    configs: Mapping[str, Config],
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    at_once: int | None = None,
    progress: Callable[[ManyProgress], None] | None = None,
) -> list[Run]:
    """Train many networks, or go on with them; each has an ordinary run folder in `out` and comes out as if trained alone.

    Args:
        configs: what to train, by the name of the run; `variants` makes them from seeds and values.
        out: the folder of the run folders.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        at_once: on a GPU, networks in one program; all by default.
        progress: called now and then.

    Returns:
        The runs, trained, in the order of `configs`.

    Raises:
        InputError: a folder holds a run with other settings, or a device is not there.
        TrainingError: some runs failed, each is named; all others are trained to their end first.
    """
    runs = open_runs(configs, out)
    many.train_many(runs, jobs=jobs, at_once=at_once, progress=progress)
    return runs


def load_network(run: Run | str | os.PathLike[str]) -> Network:
    """The network of a run's newest intact checkpoint, on the CPU.

    Raises:
        InputError: no run, or one without an intact checkpoint.
    """
    run = run if isinstance(run, Run) else Run(run)
    network = make_network(
        run.config.model,
        generator=torch.Generator().manual_seed(0),
        dtype=getattr(torch, run.config.training.precision),
    )
    for path in run.checkpoints():
        try:
            tensors, _ = checkpoint.read(path)
            network.load_state_dict(checkpoint.network_weights(tensors))
        except (checkpoint.DamagedCheckpointError, RuntimeError) as error:
            warnings.warn(f"{str(error).splitlines()[0]}; trying the one before", stacklevel=2)
            continue
        return network
    raise InputError(
        f"'{run.folder}' has no intact checkpoint yet; train it with `gridcode train {run.folder}`"
    )


def evaluate(
    run: Run | str | os.PathLike[str],
    *,
    config: EvaluationConfig | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a run's network and save the result in the run.

    Args:
        run: the run or its folder.
        config: how; None takes the run's own.
        progress: called with (what, done, total).

    Raises:
        InputError: no run, no checkpoint, or arenas that make no sense.
    """
    run = run if isinstance(run, Run) else Run(run)
    step, start = load_network(run).as_system()
    network = load_network(run).double()
    world = run.config.world
    evaluation = evaluate_system(
        step,
        start,
        max_step_m=world.max_velocity_m,
        extent_m=training_extent_m(world.max_velocity_m, world.longest_steps),
        config=config or run.config.evaluation,
        precise=network.as_system(),
        matrices=network.as_matrices(),
        sigma_x_m=run.config.loss.sigma_x_m,
        progress=progress,
    )
    settings = config or run.config.evaluation
    with writing(run):
        run.write_evaluation(evaluation.summary, evaluation.maps, evaluation.theory)
        if not settings.history:
            run.history_path.unlink(
                missing_ok=True
            )  # maps of an earlier evaluation are none of this one
    if settings.history and run.snapshots():
        try:
            map_training(run, silent_below=settings.silent_below, progress=progress)
        except InputError as error:
            warnings.warn(
                f"the evaluation is saved, but not the maps over training: {error}", stacklevel=2
            )
    return evaluation


def score(
    source: Recording | str | os.PathLike[str],
    *,
    bin_size_m: float | None = None,
    group: str | None = None,
    smoothing_bins: float | None = None,
    silent_below: float = 0.0,
    nulls: int = 500,
    null: str = "random phase",
    significance: float = 0.01,
    false_discovery_rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Population:
    """Score anybody's cells: rate maps, or a path with spikes or activity.

    Args:
        source: a recording, or a file that `gridcode.recordings.recording.load_recording` reads.
        bin_size_m: side of a bin, where the file does not say it; for a path, the bins to cut the
            arena into.
        group: group of an .nc file.
        smoothing_bins: Gaussian smoothing before scoring, in bins. Default: 1 for maps, 0 for maps
            drawn from a path, which are smoothed already.
        silent_below: units whose activity never exceeds this, of either sign, are silent.
        nulls: null maps of each unit, and circular shifts where there is a path.
        null: `random phase` or `field shuffle`.
        significance: largest p-value that counts.
        false_discovery_rate: largest expected share of false discoveries among the units that
            count.
        seed: of the nulls.
        progress: called with (what, done, total).

    Raises:
        InputError: no such file, nothing in it that can be scored, or settings that make no sense.
    """
    recording = (
        source
        if isinstance(source, Recording)
        else load_recording(source, bin_size_m=bin_size_m, group=group)
    )

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    smoothing = (
        smoothing_bins if smoothing_bins is not None else 1.0 if recording.path is None else 0.0
    )
    if not 0 <= smoothing <= max(recording.maps.shape[1:]):
        raise InputError(
            f"smoothing_bins must be 0 or more, and at most the {max(recording.maps.shape[1:])} bins of the maps, not {smoothing:g}"
        )
    if math.isnan(silent_below):
        raise InputError("silent_below must be a number, not NaN")
    data = recording.dataset()
    shifted = None
    if recording.path is not None:
        data["stability"] = ("unit", split_half_stability(*split_halves(recording.path)))
        shifted = shift_significance(
            recording.path,
            seed=seed,
            nulls=nulls,
            smoothing_bins=smoothing,
            progress=report("circular shifts"),
        )
    return analyse_population(
        data,
        smoothing_bins=smoothing,
        silent_below=silent_below,
        nulls=nulls,
        null=null,
        level=significance,
        false_discovery_rate=false_discovery_rate,
        seed=seed,
        unsmoothed=recording.unsmoothed(),
        definitions=("deepmind", "deepmind_minmax", "opexebo", "spatial_maps"),
        shifted=shifted,
        progress=report("null maps"),
    )


def state_space(
    recording: Recording,
    population: Population,
    *,
    nulls: int = 99,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> StateSpace:
    """State space and topology of scored cells: rings, Betti numbers and toroidal coordinates of the population and of every module.

    States are the activity along the path where that was recorded; for spikes and maps the
    population vectors of the maps' bins, in random order.

    Args:
        recording: the cells.
        population: what `score` found of them.
        nulls: shuffles of each population; 19 are the least.
        seed: of samples and shuffles.
        progress: called with (what, done, total).

    Raises:
        InputError: no bin that every active unit has a rate in, or settings that make no sense.
    """
    silent = population.data["silent"].values
    path = recording.path
    if path is not None and path.activity is not None:
        states, columns = path.activity, path.shape[1]
        y, x = np.divmod(path.bin_index, columns)
        places = (np.stack([x, y], axis=1) - (np.array(path.shape[::-1]) - 1) / 2) * path.bin_size_m
        known = np.isfinite(states[:, ~silent]).all(axis=1)
        states, places = states[known], places[known]
    else:
        # Silent units may have no rate anywhere; they add nothing to a state.
        maps = np.where(silent[:, None, None], 0.0, recording.maps)
        states, places, _ = map_states(
            maps, bin_size_m=recording.bin_size_m, generator=np.random.default_rng([seed, 22])
        )
    states = np.where(silent, 0.0, states)
    modules = population.modules.modules
    whole = lattice_of_the_whole(modules, population.relations.independent)
    tick = None if progress is None else lambda done, total: progress("topology", done, total)
    return analyse_state_space(
        states,
        places,
        modules=modules,
        whole_vectors_m=whole,
        seed=seed,
        nulls=nulls,
        progress=tick,
    )
