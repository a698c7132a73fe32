"""Samples of a path at which the tracking was lost, judged by the path's own steps.

Trackers write a stand-in such as (0, 0), (-1, -1) or (1023, 1023) where they see no animal, and
follow reflections for some samples. Both are jumps, far longer than the path's usual steps.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gridcode.arrays import takes_arrays

Positions = Float[np.ndarray, "time 2"]
Times = Float[np.ndarray, " time"]
Lost = Bool[np.ndarray, " time"]

# A jump is longer than this many usual steps, and than this share of the arena's diagonal.
JUMP_STEPS, JUMP_SHARE = 8.0, 0.05
FASTEST_M_S = 2.0
# A position that stands for "lost" occurs in this many samples or more.
FEWEST_REPEATS = 3
# Strays are this many times shorter than usual stretches without jumps, and no longer than 1 s.
STRETCHES_PER_STRAY, LONGEST_STRAY_S = 5, 1.0
# Of fewer samples the usual step is not known.
FEWEST_SAMPLES = 50


@takes_arrays
def lost_tracking(positions_m: Positions, time_s: Times) -> tuple[Lost, tuple[str, ...]]:
    """Samples at which the animal was not where the path says.

    Two things are looked for, one after the other:

    - Stand-ins: one exact position in three samples or more that, in at least half of its runs, is
      both reached and left by a jump. An animal that sits still leaves by a step.
    - Strays: a stretch of at most 1 s between two jumps, after which the path goes on where it was.
      Where all stretches are short, as in simulated trials, none is a stray.

    A jump is a step that is longer than 8 times the median of the path's own steps, than 5% of the
    arena's diagonal, and faster than 2 m/s. Where nearly all long steps lead from wall to wall the
    arena is periodic, and they are none.

    Args:
        positions_m: (time, 2), NaN where unknown.
        time_s: (time,) seconds, increasing.

    Returns:
        (time,) True where tracking was lost, and what was found, each in one line.

    Raises:
        InputError: lengths that differ, or infinite positions.
    """
    lost: Lost = np.zeros(len(positions_m), dtype=bool)
    notes: list[str] = []
    for find in (_stand_ins, _strays):
        known = np.flatnonzero(np.isfinite(positions_m).all(axis=1) & ~lost)
        if len(known) < FEWEST_SAMPLES:
            break
        found, words = find(_Steps.of(positions_m[known], time_s[known]))
        if found.any():
            lost[known[found]] = True
            notes.append(f"{int(found.sum())} of {len(lost)} samples left out: {words}")
    known = np.flatnonzero(np.isfinite(positions_m).all(axis=1) & ~lost)
    if len(known) >= FEWEST_SAMPLES:
        steps = _Steps.of(positions_m[known], time_s[known])
        if steps.jump.any():
            longest = steps.length[steps.jump].max()
            notes.append(
                f"the path jumps {int(steps.jump.sum())} times, by up to {longest:.2g} m, without "
                "coming back: kept"
            )
    return lost, tuple(notes)


@dataclass(frozen=True)
class _Steps:
    """A path without unknown positions, and which of its steps are jumps.

    Attributes:
        positions: (time, 2).
        time: (time,).
        sides: (2,) of the arena along x and y where it is periodic, else infinite.
        length: (time - 1,) of each step, across a periodic border if that is shorter.
        interval_s: usual time between samples.
        usual: median of the steps that are not 0.
        limit: longest step from a sample to the next one that is no jump.
        jump: (time - 1,) whether a step is one. Next to a gap it may be as many times longer.
    """

    positions: Positions
    time: Times
    sides: Float[np.ndarray, " 2"]
    length: Float[np.ndarray, " step"]
    interval_s: float
    usual: float
    limit: float
    jump: Bool[np.ndarray, " step"]

    @classmethod
    def of(cls, positions: Positions, time: Times) -> "_Steps":
        extent = np.diff(np.quantile(positions, [0.001, 0.999], axis=0), axis=0)[0]
        sides = _periodic_sides(positions, extent)
        length = _distance(positions[1:], positions[:-1], sides)
        interval = np.diff(time)
        usual_interval = float(np.median(interval))
        intervals = np.maximum(interval / usual_interval, 1.0)
        moving = length[(length > 0) & (intervals < 1.5)]
        # The middle half of the positions says how large the arena is, however many are wrong.
        middle = np.diff(np.quantile(positions, [0.25, 0.75], axis=0), axis=0)[0]
        usual = float(np.median(moving)) if len(moving) else 0.0
        limit = max(
            JUMP_SHARE * 2 * float(np.hypot(*middle)),
            JUMP_STEPS * usual,
            # An animal that rests most of the time runs farther than its usual step.
            min(FASTEST_M_S * usual_interval, JUMP_SHARE * float(np.hypot(*extent))),
        )
        jump = length > limit * intervals
        return cls(positions, time, sides, length, usual_interval, usual, limit, jump)

    def goes_on(self, i: int, j: int, *, within: float = 0.0) -> bool:
        """Whether an animal could have walked from sample i to sample j, or they are this near."""
        apart = _distance(self.positions[i : i + 1], self.positions[j : j + 1], self.sides)[0]
        steps = abs(self.time[j] - self.time[i]) / self.interval_s
        return bool(apart <= max(self.limit + self.usual * steps, within))


def _periodic_sides(positions: Positions, extent: np.ndarray) -> Float[np.ndarray, " 2"]:
    """The extent along x and y where long steps nearly all lead from wall to wall, else inf."""
    apart = np.abs(np.diff(positions, axis=0))
    long = apart > 0.5 * extent
    across = long & (np.abs(apart - extent) < 0.2 * extent)
    periodic = long.any(axis=0) & (across.sum(axis=0) >= 0.9 * long.sum(axis=0))
    return np.where(periodic, extent, np.inf)


def _distance(a: np.ndarray, b: np.ndarray, sides: np.ndarray) -> np.ndarray:
    apart = np.abs(a - b)
    return np.hypot(*np.minimum(apart, np.abs(apart - sides)).T)


def _stand_ins(steps: _Steps) -> tuple[Lost, str]:
    """Samples at positions that are reached and left by jumps."""
    place = steps.positions
    begins = np.append(True, (place[1:] != place[:-1]).any(axis=1))
    run = np.cumsum(begins) - 1
    start = np.flatnonzero(begins)
    if len(start) == 1:
        return np.zeros(len(place), dtype=bool), ""
    jumps = np.concatenate([[True], steps.jump[start[1:] - 1], [True]])
    between_jumps = jumps[:-1] & jumps[1:]
    length = np.diff(np.append(start, len(place)))
    # As one complex number, so that equal positions sort together.
    values, of = np.unique(place[start] @ [1, 1j], return_inverse=True)
    runs, apart, samples = (
        np.bincount(of, weight, minlength=len(values))
        for weight in (np.ones(len(of)), between_jumps, length)
    )
    stands_for_lost = (samples >= FEWEST_REPEATS) & (2 * apart >= runs)
    found = [f"({v.real:.4g}, {v.imag:.4g})" for v in values[stands_for_lost]]
    others = f" and {len(found) - 3} more positions" if len(found) > 3 else ""
    words = f"tracking lost, written as {', '.join(found[:3])}{others}"
    return stands_for_lost[of][run], words


def _strays(steps: _Steps) -> tuple[Lost, str]:
    """Samples of short stretches between two jumps, where the path goes on as if without them."""
    n = len(steps.positions)
    stray: Lost = np.zeros(n, dtype=bool)
    start = np.append(0, np.flatnonzero(steps.jump) + 1)
    end = np.append(start[1:], n)
    order = np.argsort(end - start)
    # The stretch that the middle sample lies in, stretches put in order of their length.
    middle = order[np.searchsorted(np.cumsum((end - start)[order]), n / 2)]
    longest = (end - start)[middle] / STRETCHES_PER_STRAY

    short = (end - start <= longest) & (steps.time[end - 1] - steps.time[start] <= LONGEST_STRAY_S)
    # Neighbouring short stretches are one excursion: reflections at several places in a row.
    change = np.diff(np.concatenate([[0], short, [0]]))
    furthest = 0.0
    for first, last in zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True):
        a, b = int(start[first]), int(end[last - 1])
        # The jumps that lead away from and back to the path; at an end there is only one.
        away = [steps.length[i] for i in (a - 1, b - 1) if 0 <= i < n - 1]
        if a > 0 and b < n and not steps.goes_on(a - 1, b, within=float(min(away)) / 2):
            continue
        # Each stretch as its sample next to the path that is certain, and its other end.
        ends = [
            (int(i), int(j) - 1) for i, j in zip(start[first:last], end[first:last], strict=True)
        ]
        certain = a - 1 if a > 0 else b
        for near, far in ends if a > 0 else [pair[::-1] for pair in reversed(ends)]:
            if steps.goes_on(certain, near):
                certain = far  # an animal could have walked there: good samples between strays
            else:
                stray[min(near, far) : max(near, far) + 1] = True
                furthest = max(furthest, float(min(away)))
    return stray, f"jumps off the path and back, of up to {furthest:.2g} m"
