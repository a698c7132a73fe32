"""The five-line library: configure, train, evaluate, look.

config = gridcode.load_config("quick").override({"seed": 3})
run = gridcode.train(config, out="runs/a")
evaluation = gridcode.evaluate(run)
print(evaluation.summary.verdict)
gridcode.write_report(run)
"""

import copy
import os
import warnings
from collections.abc import Callable, Mapping, Sequence

import torch

from gridcode.analysis.evaluate import Evaluation, add_theory, evaluate_system
from gridcode.analysis.records import OriginRecord
from gridcode.analysis.system import System
from gridcode.baselines.making import system_of
from gridcode.config import Config, EvaluationConfig, WorldConfig
from gridcode.errors import InputError
from gridcode.logs.follow import following
from gridcode.logs.kinds import check_installed
from gridcode.models.packing import weights_digest
from gridcode.models.populations import Network, load_into_network
from gridcode.runs.files import check_writable, one_line_errors
from gridcode.runs.history import map_training
from gridcode.runs.provenance import check_training
from gridcode.runs.run import Run
from gridcode.training import checkpoint, many
from gridcode.training.loop import Progress, torch_threads, train_run
from gridcode.training.many import ManyProgress, open_runs
from gridcode.training.parts import Batches, Objective, Optimiser, Parts, Transition
from gridcode.training.trainer_choice import check_machine
from gridcode.version import __version__
from gridcode.world.walks import training_extent_m

# Settings of an evaluation that change nothing but its topology, dynamics and coding, and its maps
# over training.
OTHER_SETTINGS = ("theory", "shuffles", "history")


def train(
    config: Config | None = None,
    *,
    out: str | os.PathLike[str],
    objective: Objective | None = None,
    transition: Transition | None = None,
    batches: Batches | None = None,
    optimiser: Optimiser | None = None,
    log: Sequence[str] = (),
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Train a network from scratch, or resume a run.

    Each of the four parts is a callable that replaces the built-in one (signatures:
    `gridcode.training.parts`). To resume such a run, give its parts again.

    Args:
        config: what to train; None resumes the run in `out`.
        out: the run folder; new with a configuration, existing without.
        objective: (states, batch, step, generator) to the value to minimise.
        transition: (units, generator=...) to a module that maps velocities to matrices.
        batches: (step, generator) to a training batch.
        optimiser: (parameters, lr=...) to a PyTorch optimiser, such as `torch.optim.SGD`.
        log: other programs to keep a log for: `tensorboard`, `wandb`.
        progress: called after every step.

    Returns:
        The run, trained.

    Raises:
        InputError: the folder exists already (with a configuration) or is no run (without), a part
            of the run is missing or another one, a part returns the wrong kind of value, or a log
            is unknown or not installed.
        TrainingError: a loss is not finite, or the disk is full; the newest checkpoint is intact.
    """
    parts = Parts(objective, transition, batches, optimiser)
    check_installed(log)
    if config is None:
        run = Run(out)
        if run.config.baseline:
            raise InputError(f"'{out}' holds a baseline: go on with `gridcode baseline {out}`")
    else:
        check_machine(config, parts=parts)
        run = Run.create(out, config, parts=parts.names())
    with following([run], log, progress) as show:
        train_run(run, parts=parts, progress=show)
    return run


def train_many(
    configs: Mapping[str, Config],
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    at_once: int | None = None,
    log: Sequence[str] = (),
    progress: Callable[[ManyProgress], None] | None = None,
) -> list[Run]:
    """Train many networks, or resume them, each in a run folder as if trained alone.

    Args:
        configs: what to train, by the name of the run; `variants` makes them from seeds and values.
        out: the folder of the run folders.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        at_once: on a GPU, networks in one program; all by default.
        log: other programs to keep a log of each network for: `tensorboard`, `wandb`.
        progress: called now and then.

    Returns:
        The runs, trained, in the order of `configs`.

    Raises:
        InputError: a folder holds a run with other settings, a device is not there, or a log is
            unknown or not installed.
        TrainingError: some runs failed, each is named; all others are trained to the end first.
    """
    check_installed(log)
    runs = open_runs(configs, out)
    with following(runs, log, progress) as show:
        many.train_many(runs, jobs=jobs, at_once=at_once, progress=show)
    return runs


def load_network(
    run: Run | str | os.PathLike[str], *, transition: Transition | None = None
) -> Network:
    """The network of a run's newest intact checkpoint, on the CPU.

    Args:
        run: the run or its folder.
        transition: the run's own transition, where it was trained with one.

    Raises:
        InputError: no run, one without an intact checkpoint, a checkpoint of another training, or
            the run's own transition is not given.
    """
    run = Run.open(run)
    if run.config.baseline:
        raise InputError(f"'{run.folder}' holds a baseline, not a network")
    run.check_transition(transition, "gridcode.load_network")
    return _newest_network(run, transition)[0]


def _newest_network(run: Run, transition: Transition | None) -> tuple[Network, int, str]:
    """The network of the newest intact checkpoint, its step and the digest of its weights."""
    dtype = getattr(torch, run.config.training.precision)
    for path in run.checkpoints():
        try:
            tensors, header = checkpoint.read(path)
            check_training(f"checkpoint {path.name}", header, run.config.training_hash)
            weights = checkpoint.network_weights(tensors)
            network = load_into_network(
                run.config.model,
                weights,
                dtype=dtype,
                transition=transition,
                dimensions=run.config.world.dimensions,
            )
            return network, int(header["step"]), weights_digest(weights)
        except checkpoint.DamagedCheckpointError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=3)
        except RuntimeError as error:  # PyTorch's, of weights of another shape
            why = str(error).splitlines()[0]
            warnings.warn(
                f"checkpoint {path.name} does not fit ({why}); trying the one before", stacklevel=3
            )
    raise InputError(
        f"'{run.folder}' has no intact checkpoint yet; train it with `gridcode train {run.folder}`"
    )


def load_system(
    run: Run | str | os.PathLike[str], *, transition: Transition | None = None
) -> System:
    """The network or baseline of a run's newest intact checkpoint, as a system.

    A system is what `gridcode.analysis` measures: a step, a start, the longest step.

    Args:
        run: the run or its folder.
        transition: the run's own transition, where it was trained with one.

    Raises:
        InputError: as in `load_network`, or a baseline that is not finished.
    """
    run = Run.open(run)
    run.check_transition(transition, "gridcode.load_system")
    return newest_system(run, transition)[0]


def newest_system(run: Run, transition: Transition | None) -> tuple[System, int, str]:
    """The system of the newest intact checkpoint, its step and the digest of its weights."""
    if run.config.baseline:
        return system_of(run)
    network, at_step, digest = _newest_network(run, transition)
    return system_of_network(network, run.config.world), at_step, digest


def system_of_network(network: Network, world: WorldConfig) -> System:
    """A network as a system, with the longest step and the extent of its training.

    Args:
        network: the network.
        world: settings of its training.
    """
    precise = copy.deepcopy(network).double()
    return System(
        *network.as_system(),
        world.max_velocity_m,
        extent_m=training_extent_m(world.max_velocity_m, world.longest_steps),
        precise=precise.as_system(),
        matrices=precise.as_matrices(),
    )


# The steps of a network on a walk are small: two threads that wait for each other at each of them
# took nine times as long on busy cores. Parts of the evaluation run side by side instead.
@torch_threads(1)
def evaluate(
    run: Run | str | os.PathLike[str],
    *,
    config: EvaluationConfig | None = None,
    transition: Transition | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a run's network and save the result in the run.

    The evaluation is saved whole without topology, dynamics and coding, and again with them. Where
    the run holds one of the same weights and settings that lacks only them, they are added to it.

    Args:
        run: the run or its folder.
        config: evaluation settings; None takes those of the run.
        transition: the run's own transition, where it was trained with one.
        progress: called with (what, done, total).

    Raises:
        InputError: no run, no checkpoint, one of another training, arenas that make no sense, the
            run's own transition is not given, or a world of other than two dimensions.
    """
    run = Run.open(run)
    run.check_plane("gridcode.evaluate, unlike gridcode.evaluate_dimensions,")
    run.check_transition(transition, "gridcode.evaluate")
    check_writable(run.folder / "evaluation", folder=True)  # not after minutes of work
    system, at_step, digest = newest_system(run, transition)
    settings = config or run.config.evaluation
    sigma_x_m = run.config.loss.sigma_x_m

    def origin(settings: EvaluationConfig) -> OriginRecord:
        return OriginRecord(
            weights=digest,
            step=at_step,
            steps=run.config.training.steps,
            training_hash=run.config.training_hash,
            config_hash=run.config.content_hash,
            seed=run.config.training.seed,
            settings=settings.model_dump(mode="json"),
            gridcode=__version__,
        )

    def save(evaluation: Evaluation) -> None:
        with one_line_errors(f"cannot write to '{run.folder}'"):
            run.write_evaluation(evaluation.summary, evaluation.maps, evaluation.theory)

    # What takes longest comes last, on top of an evaluation that is complete without it.
    before = settings.model_copy(update={"theory": False})
    evaluation = _without_theory(run, origin(before)) if settings.theory else None
    if evaluation is None:
        evaluation = evaluate_system(system, config=before, sigma_x_m=sigma_x_m, progress=progress)
        evaluation = evaluation.with_origin(origin(before))
        save(evaluation)
    _map_snapshots(run, settings, transition, progress)
    if settings.theory:
        evaluation = add_theory(
            evaluation, system, config=settings, sigma_x_m=sigma_x_m, progress=progress
        ).with_origin(origin(settings))
        save(evaluation)
    return evaluation


def _without_theory(run: Run, origin: OriginRecord) -> Evaluation | None:
    """The run's evaluation of this origin if it lacks nothing but topology, dynamics and coding."""
    try:
        summary = run.read_summary()
        if summary is None or summary.theory or "theory" in summary.reasons:
            return None
        found = summary.origin
        if found is None:
            return None
        kept = {**found.settings, **{name: origin.settings[name] for name in OTHER_SETTINGS}}
        if found.model_copy(update={"evaluation": "", "settings": kept}) != origin:
            return None
        return Evaluation(*run.read_evaluation())
    except InputError:  # damaged: made again
        return None


def _map_snapshots(
    run: Run,
    settings: EvaluationConfig,
    transition: Transition | None,
    progress: Callable[[str, int, int], None] | None,
) -> None:
    if not settings.history:  # Maps of an earlier evaluation do not fit this one.
        with one_line_errors(f"cannot write to '{run.folder}'"):
            run.history_path.unlink(missing_ok=True)
    elif run.snapshots():
        try:
            map_training(
                run, silent_below=settings.silent_below, transition=transition, progress=progress
            )
        except InputError as error:
            warnings.warn(
                f"the evaluation is saved, but not the maps over training: {error}", stacklevel=3
            )
