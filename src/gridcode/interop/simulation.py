"""A network's walk through an arena, as a session of trials: positions, activity, spikes."""

import math

import numpy as np
from jaxtyping import Float

from gridcode.analysis.system import System, bounded, roll
from gridcode.errors import InputError
from gridcode.interop.cells import Session, Spikes
from gridcode.world.walks import smooth_walk

# The fastest a simulated animal runs, m/s: three times the scale of the speeds of foraging rats,
# which 1.1% of them pass (George et al. 2024, fitted to Sargolini et al. 2006).
FASTEST_M_S = 0.24
# Samples without a position between trials: the network is set back to the centre.
PAUSE = 5
# Times of spikes are given to a tenth of a millisecond.
RESOLUTION_S = 1e-4
MOST_VALUES = 10**9


def walk_session(
    system: System,
    *,
    arena_m: float,
    minutes: float,
    steps: int = 250,
    step_s: float | None = None,
    spikes_hz: float | None = None,
    seed: int = 0,
) -> Session:
    """A smooth random walk of a network, in trials that each start at the centre of the arena.

    A network has no clock. A step is taken to last so long that the longest one is run at 0.24
    m/s. Trials are short because an integrated position drifts: each starts from the network's
    state at the centre, after 5 samples without a position.

    Args:
        system: the network.
        arena_m: side of the arena, metres.
        minutes: to walk at least; trials are whole.
        steps: of a trial.
        step_s: duration of a step, seconds.
        spikes_hz: Poisson spikes in place of activity: the rate of a unit is its activity, scaled
            so that its largest is this, spikes/s. Negative activity gives no spikes.
        seed: of the walk and the spikes.

    Raises:
        InputError: a number that is not positive, or a walk too long to hold.
    """
    step_s = system.max_step_m / FASTEST_M_S if step_s is None else step_s
    for name, value in (("minutes", minutes), ("step_s", step_s), ("spikes_hz", spikes_hz)):
        if value is not None and not 0 < value < 1e6:
            raise InputError(f"{name} must be positive and below 1,000,000, not {value:g}")
    trials = max(1, math.ceil(60 * minutes / (steps * step_s)))
    if trials * (steps + PAUSE) * system.units > MOST_VALUES:
        raise InputError(
            f"{minutes:g} minutes are {trials * steps:,} steps of {system.units} units, more than "
            f"{MOST_VALUES:,} values: take fewer minutes"
        )
    walk = smooth_walk(
        arena_m=arena_m,
        steps=steps,
        walkers=trials,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng([seed, 31]),
    )
    # The start has no duration, as in the evaluation.
    activity = _in_a_row(roll(bounded(system), walk)[1:])
    positions = _in_a_row(walk.positions[1:])
    time = step_s * np.arange(1, len(positions) + 1)
    begins = step_s * (np.arange(trials) * (steps + PAUSE) + 0.5)
    trains = None
    if spikes_hz is not None:
        trains = poisson_spikes(activity, time, step_s, peak_hz=spikes_hz, seed=seed)
    return Session(
        time,
        positions,
        activity=activity if trains is None else None,
        spike_times_s=trains,
        trials_s=np.stack([begins, begins + steps * step_s], axis=1),
        description=(
            f"simulated smooth random walk (seed {seed}): {trials} trials of {steps} steps, each "
            f"from the centre of a square of {arena_m:g} m; a step of the network is taken as "
            f"{step_s:.6g} s; NaN between trials"
        ),
    )


def _in_a_row(values: Float[np.ndarray, "step trial part"]) -> Float[np.ndarray, "time part"]:
    """Trials one after another, with a pause of NaN after each but the last."""
    trials = np.moveaxis(values, 1, 0).astype(np.float64)
    pause = np.full((len(trials), PAUSE, trials.shape[2]), np.nan)
    return np.concatenate([trials, pause], axis=1).reshape(-1, trials.shape[2])[:-PAUSE]


def poisson_spikes(
    activity: Float[np.ndarray, "time unit"],
    time_s: Float[np.ndarray, " time"],
    step_s: float,
    *,
    peak_hz: float,
    seed: int,
) -> Spikes:
    """Poisson spikes at rates in proportion to activity.

    Args:
        activity: NaN and negative values give no spikes.
        time_s: middle of each sample, seconds.
        step_s: duration of a sample.
        peak_hz: rate at the largest activity of a unit.
        seed: of the spikes.

    Returns:
        The times of each unit's spikes, rising.
    """
    generator = np.random.default_rng([seed, 32])
    rate = np.maximum(np.nan_to_num(activity, posinf=0.0), 0.0)
    peak = rate.max(axis=0)
    rate *= peak_hz / np.where(peak > 0, peak, 1.0)
    counts = generator.poisson(rate * step_s)
    trains = []
    for unit in range(counts.shape[1]):
        middle = np.repeat(time_s, counts[:, unit])
        # Away from the borders, so that rounding leaves a spike in its sample.
        at = middle + step_s * generator.uniform(-0.499, 0.499, len(middle))
        trains.append(np.sort(np.round(at / RESOLUTION_S) * RESOLUTION_S))
    return tuple(trains)
