"""Speed score: does a cell fire more, or less, the faster the animal runs?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import fft

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.shift_tests import (
    FEWEST_SAMPLES,
    AllShifts,
    amount,
    check_nulls,
    least_shift,
    p_among,
    without_place,
)
from gridcode.errors import InputError

FILTER_S, SLOWEST_M_S = 0.25, 0.02


@dataclass(frozen=True)
class SpeedTuning:
    """Speed score of each unit; NaN where it could not be measured.

    Attributes:
        score: (unit,) Pearson correlation of rate and speed, -1 to 1.
        p_value: (unit,) two-sided, against circular shifts, what place explains left out.
        reason: (unit,) why both are missing, or "".
    """

    score: Float[np.ndarray, " unit"]
    p_value: Float[np.ndarray, " unit"]
    reason: tuple[str, ...]


def speed_tuning(
    path: BinnedPath,
    *,
    filter_s: float = FILTER_S,
    min_speed_m_s: float = SLOWEST_M_S,
    max_speed_m_s: float = np.inf,
    nulls: int = 500,
) -> SpeedTuning:
    r"""Speed score and p-value of each unit.

    $$ \mathrm{score} = \mathrm{corr}_t(r_t, v_t), \quad r = G * n / \Delta t $$

    with $n$ the spikes of each sample, $G$ a Gaussian in time and $v$ the running speed of the
    path, over the samples whose speed lies in the range.

    The p-value compares the size of the covariance of rate and speed, after the mean speed at each
    place is taken out, with all circular shifts of the activity from 20 s on: animals run slower
    along walls and in corners, so that a cell with a field there has a speed score, too.

    Args:
        path: from `bin_path`.
        filter_s: standard deviation of the Gaussian, seconds; 0 for none. The recording's ends
            meet, and so do samples on both sides of a gap.
        min_speed_m_s: slower samples are left out.
        max_speed_m_s: faster samples are left out.
        nulls: shifts that count as separate ones, see `shift_tests.p_among`.

    Raises:
        InputError: a filter or range that makes no sense, or a recording of fewer than 20 samples.

    Source: Kropff et al. 2015.
    """
    check_nulls(nulls)
    if not (filter_s >= 0 and np.isfinite(filter_s)):
        raise InputError(f"filter_s must be 0 or more, not {filter_s}")
    if not 0 <= min_speed_m_s < max_speed_m_s:
        raise InputError(
            f"speeds must range from 0 or more upwards, not {min_speed_m_s} to {max_speed_m_s}"
        )
    samples, least = len(path.bin_index), least_shift(path)
    speed = path.speed_m_s
    used = (speed >= min_speed_m_s) & (speed <= max_speed_m_s)
    score, p_value = np.full((2, path.units), np.nan)
    if used.sum() < FEWEST_SAMPLES or np.ptp(speed[used]) == 0:
        why = f"speed does not vary between {min_speed_m_s:g} and {max_speed_m_s:g} m/s"
        return SpeedTuning(score, p_value, (why,) * path.units)
    blur = _transfer(filter_s / (path.duration_s / samples), samples)
    beyond_place = without_place(path, np.where(used, speed, np.nan)[None])
    shifted = AllShifts(fft.rfft(beyond_place) * blur, samples)
    deviation = speed[used] - speed[used].mean()
    for u in range(path.units):
        activity = amount(path, u)
        if activity.min() == activity.max():
            continue
        rate = fft.irfft(fft.rfft(activity) * blur, samples)[used] / path.seconds[used]
        spread = np.linalg.norm(deviation) * np.linalg.norm(rate - rate.mean())
        score[u] = deviation @ rate / spread if spread > 0 else np.nan
        sums = np.abs(shifted(activity)[0])
        p_value[u] = p_among(sums[least : samples - least + 1], float(sums[0]), nulls=nulls)
    return SpeedTuning(score, p_value, tuple("" if np.isfinite(s) else "constant" for s in score))


def _transfer(sigma_samples: float, samples: int) -> Float[np.ndarray, " frequency"]:
    """A Gaussian of this width in samples, in the frequency domain."""
    return np.exp(-2.0 * (np.pi * sigma_samples * fft.rfftfreq(samples)) ** 2)
