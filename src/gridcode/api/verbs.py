"""The five-line library: configure, train, evaluate, look.

config = gridcode.load_config("quick").override({"seed": 3})
run = gridcode.train(config, out="runs/a")
evaluation = gridcode.evaluate(run)
print(evaluation.summary["headline"])
gridcode.write_report(run)
"""

import os
import warnings
from collections.abc import Callable, Mapping

import torch

from gridcode.analysis.evaluate import Evaluation, evaluate_system
from gridcode.analysis.system import System
from gridcode.config import Config, EvaluationConfig
from gridcode.errors import InputError
from gridcode.models.populations import Network, make_network
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
        System(
            step,
            start,
            world.max_velocity_m,
            extent_m=training_extent_m(world.max_velocity_m, world.longest_steps),
            precise=network.as_system(),
            matrices=network.as_matrices(),
        ),
        config=config or run.config.evaluation,
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
