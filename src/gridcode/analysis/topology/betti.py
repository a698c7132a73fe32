r"""Betti numbers of a population's states: persistent homology against a shuffle null.

The states of one module of grid cells lie on a torus, since its cells repeat along two directions:
one piece, two loops that cannot be drawn together, one enclosed void; Betti numbers (1, 2, 1). Two
modules together make a product of two tori, place cells a sheet, bands a ring.

Source: Gardner et al. 2022, "Toroidal topology of population activity in grid cells", Nature 602.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist

from gridcode.analysis.topology.cocycles import cup_product, find_loops
from gridcode.analysis.topology.persistence import (
    DIMENSIONS,
    THRESHOLD,
    Diagram,
    choose_landmarks,
    loop_scale,
    persistence,
    principal_components,
)
from gridcode.arrays import takes_arrays
from gridcode.cores import allowed_cores
from gridcode.errors import InputError

TORUS = (1, 2, 1)
# Beyond this many bars of a dimension no gap is looked for.
MOST_BARS = 8
# Shorter bars that a gap is compared with.
TAIL_BARS, FEWEST_TAIL_BARS = 20, 4
FEWEST_UNITS = 3
FEWEST_NULLS = 19
# Loops and voids of shuffled states have mostly closed at this many times the distance at which
# they are one piece.
CLOSED_OVER_CONNECTED = 1.4
# With more landmarks the threshold is lower (share of the median distance), to save gigabytes.
MANY_LANDMARKS, LOW_THRESHOLD = 500, 0.75
# The product of two loops is about one half on a torus and rounding (1e-9) without a surface.
LEAST_PRODUCT = 0.01


@dataclass(frozen=True)
class Topology:
    """The shape of a population's states.

    Attributes:
        betti: Betti numbers b0, b1, b2 (pieces, loops, voids), each counted up to the largest gap
            between lifetimes where that gap and the bars above it are longer than in shuffled
            states.
        by_gap: the same of loops and voids without regard to the null.
        p_value: (dimension,) p-value of each count: the largest one of the gap's and its shortest
            bar's among shuffled states, and of the gap's among shorter bars.
        torus: whether the states make a torus: Betti numbers (1, 2, 1), all four features alive at
            one distance, and the two loops span a surface together.
        product: the `cup_product` of the two loops, 0 where they span no surface; NaN unless the
            Betti numbers are (1, 2, 1) and some distance shows the two loops without others, and
            without too many short ones beside them.
        torus_p_value: larger one of the p-values of loops and voids where `by_gap` is (1, 2, 1),
            otherwise 1.
        window: distances between which all counted features are alive and no more pieces than were
            counted, NaN without loops and voids.
        diagram: persistence diagram of the landmarks.
        null_longest: (null, dimension) longest lifetime in shuffled states, of as many shuffles as
            were needed.
        null_gap: (null, dimension) largest gap there.
        points: (landmark, component) the landmarks: principal components of the states, denoised.
        samples: (landmark,) the sample that each landmark is nearest to.
    """

    betti: tuple[int, int, int]
    by_gap: tuple[int, int, int]
    p_value: Float[np.ndarray, " dimension"]
    torus: bool
    product: float
    torus_p_value: float
    window: tuple[float, float]
    diagram: Diagram
    null_longest: Float[np.ndarray, "null dimension"]
    null_gap: Float[np.ndarray, "null dimension"]
    points: Float[np.ndarray, "landmark component"]
    samples: Int[np.ndarray, " landmark"]


@takes_arrays
def count_by_gap(lifetimes: Float[np.ndarray, " bar"]) -> tuple[int, float, float]:
    """Bars before the largest gap between successive lifetimes, that gap, and the shortest bar."""
    longest = np.append(np.sort(lifetimes)[::-1][:MOST_BARS], 0.0)
    if len(longest) < 2:
        return 0, 0.0, 0.0
    # The last bar's distance from 0 is a gap only where no shorter bar was cut off.
    gaps = -np.diff(longest if len(lifetimes) < MOST_BARS else longest[:-1])
    count = int(gaps.argmax()) + 1
    return count, float(gaps[count - 1]), float(longest[count - 1])


@takes_arrays
def gap_p_value(lifetimes: Float[np.ndarray, " bar"], count: int) -> float:
    r"""p-value of a gap if all bars were noise, from the shorter bars of the same diagram.

    If lifetimes had an exponential tail, the gaps after its j-th, (j+1)-th, ... longest times j,
    j+1, ... would be exponential with one mean, and independent (Renyi's representation of order
    statistics). The gap after the j-th is compared with the mean $\bar e$ of the m that follow, up
    to 19; the ratio follows the F distribution with 2 and 2m degrees of freedom. Corrected for
    eight gaps looked at (Sidak):

    $$ p = 1 - \left( 1 - \left( 1 + \frac{j (l_j - l_{j+1})}{m \bar e} \right)^{-m} \right)^8,
    \quad
        \bar e = \frac{1}{m} \sum_{k=j+1}^{j+m} k \, (l_k - l_{k+1}) $$

    Noise bars have lighter tails, so that this errs towards large p. Shuffled states alone are too
    weak a null: states that do depend on place, on no torus, have longer noise bars than shuffled
    ones. 0 where fewer than four shorter bars are left to compare with, or all of them are
    equally long: then the shuffles decide.

    Args:
        lifetimes: (bar,) of one dimension.
        count: bars before the gap, j.

    Source: Renyi 1953.
    """
    longest = np.sort(lifetimes)[::-1]
    noise = longest[count : count + TAIL_BARS]
    if count < 1 or len(noise) < FEWEST_TAIL_BARS:
        return 0.0 if count else 1.0
    gap, terms = float(longest[count - 1] - longest[count]), len(noise) - 1
    mean = float((np.arange(count + 1, count + 1 + terms) * -np.diff(noise)).mean())
    if not gap > 0:
        return 1.0
    if not mean > 0:
        return 0.0
    of_one_gap = (1 + count * gap / (terms * mean)) ** -terms
    return float(-math.expm1(MOST_BARS * math.log1p(-of_one_gap)))


@takes_arrays
def shuffled(
    states: Float[np.ndarray, "sample unit"], generator: np.random.Generator
) -> Float[np.ndarray, "sample unit"]:
    """Shift the activity of every unit by its own random number of samples, cyclically."""
    shift = generator.integers(len(states), size=states.shape[1], dtype=np.int64)
    return _shifted(states.T, np.asarray(shift))


def _shifted(
    courses: Float[np.ndarray, "unit sample"], shift: Int[np.ndarray, " unit"]
) -> Float[np.ndarray, "sample unit"]:
    """States in which the course of each unit is moved by so many samples, cyclically."""
    return np.stack([np.roll(course, s) for course, s in zip(courses, shift, strict=True)]).T


@takes_arrays
def measure_topology(
    states: Float[np.ndarray, "sample unit"],
    *,
    generator: np.random.Generator,
    nulls: int = 99,
    level: float = 0.05,
    landmarks: int = 300,
    components: int = 6,
    neighbours: int | None = None,
    sparsest: float = 0.02,
    most_samples: int = 5000,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Topology:
    r"""Betti numbers of the manifold that a population's states lie on, and whether it is a torus.

    States are projected on their principal components (distances stay the population's own),
    denoised by density and thinned to landmarks (`choose_landmarks`); `persistence` gives lifetimes
    $l_1 \ge l_2 \ge \dots$ of pieces, loops and voids, over the median distance of the landmarks.
    The count b is the place of the largest gap, $b = \operatorname{argmax}_j (l_j - l_{j+1})$. The
    null shifts every unit's activity by a random number of samples and goes the same way; with its
    longest lifetime $L$ and largest gap $G$

    $$ p = \max \left( \frac{1 + \#\{G \ge l_b - l_{b+1}\}}{1 + \#\text{nulls}}, \;
        \frac{1 + \#\{L \ge l_b\}}{1 + \#\text{nulls}}, \; p_\text{gap} \right) $$

    where $p_\text{gap}$ compares the gap with the shorter bars of the same diagram (`gap_p_value`).
    The count stands where p is at most `level`, else it is 0 (pieces: 1). From the 19th shuffle on,
    shuffling ends where no more of them could make any count stand: where $p_\text{gap}$ is above
    the level, or so many shuffles reach the gap or the bar that all of `nulls` shuffles would leave
    p above it. p is then that of the shuffles done; counts are the same as after all. A torus is
    claimed where the counts are 1, 2, 1, all of the features are alive at one distance, at which
    the landmarks are in one piece, and the two loops span a surface together
    (`gridcode.analysis.topology.cocycles.cup_product`). Find modules first: two modules together
    are no torus, unless the arena is too small for their phases to part.

    Args:
        states: (sample, unit) activity of any unit; the order of samples matters only to the null:
            consecutive samples in time keep each unit's course in it. Not row by row over the bins
            of maps: there a shift moves a map, and moved maps of one module are cells of one module
            again; see `gridcode.analysis.topology.state_space.map_states`.
        generator: draws samples and shifts.
        nulls: shuffles, at most.
        level: largest p-value that counts.
        landmarks: points that homology is computed of; a thousand take some seconds a shuffle.
        components: principal components kept; a hexagonal torus needs six, four lose it.
        neighbours: see `choose_landmarks`.
        sparsest: see `choose_landmarks`.
        most_samples: a random subset of this size is taken of more samples.
        progress: called with (shuffles done, shuffles).
        workers: threads that measure shuffles side by side, with the same result for any number;
            by default the cores, at most what `OMP_NUM_THREADS` says.

    Raises:
        InputError: states that are not finite, fewer than 3 units, 40 samples or 20 landmarks,
            units of which fewer than 3 vary, states of which fewer than 40 differ, no components,
            or fewer nulls than `level` needs.
    """
    given = np.asarray(states, dtype=np.float64)
    chosen = _checked(given, generator, most_samples, landmarks)
    if components < 1:
        raise InputError(f"{components} components hold no shape")
    if nulls < FEWEST_NULLS or not 1 / (1 + nulls) <= level < 1:
        raise InputError(
            f"{nulls} shuffles cannot reach a level of {level:g}: "
            f"take at least {FEWEST_NULLS} and 1 / level - 1"
        )
    given = given[chosen]

    def cloud(
        activity: Float[np.ndarray, "sample unit"],
    ) -> tuple[Float[np.ndarray, "landmark component"], Int[np.ndarray, " landmark"]]:
        found = principal_components(activity, components=components)
        return choose_landmarks(found, count=landmarks, neighbours=neighbours, sparsest=sparsest)

    points, samples = cloud(given)
    threshold = THRESHOLD if len(points) <= MANY_LANDMARKS else LOW_THRESHOLD
    diagram = persistence(points, threshold=threshold)
    lifetimes = [diagram.lifetimes(dimension) for dimension in range(DIMENSIONS + 1)]
    counts = [count_by_gap(bars) for bars in lifetimes]
    of_gap = np.array([gap_p_value(b, c[0]) for b, c in zip(lifetimes, counts, strict=True)])
    bars = np.array(counts)[:, 1:].T  # gap and shortest bar
    courses, shifts = given.T.copy(), generator.integers(len(given), size=(nulls, given.shape[1]))

    def of_shuffle(shift: Int[np.ndarray, " unit"]) -> Float[np.ndarray, "2 dimension"]:
        found = _null_diagram(cloud(_shifted(courses, shift))[0], threshold)
        alive = [found.lifetimes(dimension) for dimension in range(DIMENSIONS + 1)]
        return np.array([[count_by_gap(a)[1], a.max(initial=0.0)] for a in alive]).T

    null = np.zeros((0, 2, DIMENSIONS + 1))
    for found in _in_order(of_shuffle, shifts, workers or allowed_cores()):
        null = np.concatenate([null, found[None]])
        above = (null >= bars).sum(axis=0).max(axis=0)
        settled = (of_gap > level) | ((1 + above) / (1 + nulls) > level)
        ends = len(null) >= FEWEST_NULLS and settled.all()
        if progress:
            progress(nulls if ends else len(null), nulls)
        if ends:
            break
    # Without a bar there is nothing to be significant.
    p_value = np.where(
        [count > 0 for count, *_ in counts], np.maximum((1 + above) / (1 + len(null)), of_gap), 1.0
    )
    significant: Bool[np.ndarray, " dimension"] = p_value <= level
    # Dimension 0 counts the gaps between pieces: one more piece than that, and one where there is
    # no gap.
    by_gap = (1 + counts[0][0] * bool(significant[0]), counts[1][0], counts[2][0])
    betti = (by_gap[0], counts[1][0] * int(significant[1]), counts[2][0] * int(significant[2]))
    window = _window(diagram, betti)
    product = _product(points, diagram, window) if betti == TORUS else math.nan
    return Topology(
        betti=betti,
        by_gap=by_gap,
        p_value=p_value,
        torus=betti == TORUS and window[0] < window[1] and product > LEAST_PRODUCT,
        product=product,
        torus_p_value=float(p_value[1:].max()) if by_gap == TORUS else 1.0,
        window=window,
        diagram=diagram,
        null_longest=null[:, 1],
        null_gap=null[:, 0],
        points=points,
        samples=chosen[samples],
    )


def _in_order(
    measure: Callable[[np.ndarray], np.ndarray], given: np.ndarray, workers: int
) -> Iterator[np.ndarray]:
    """What a function gives for each row, in their order; only a few rows ahead are begun."""
    if workers == 1:
        yield from map(measure, given)
        return
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(given), 2 * workers):
            yield from pool.map(measure, given[start : start + 2 * workers])


def _null_diagram(points: Float[np.ndarray, "landmark component"], threshold: float) -> Diagram:
    """Of shuffled states: up to the distance at which every loop and void has closed.

    Going on would cost many times as much, and gigabytes for a thousand landmarks.
    """
    distances = pdist(points)
    # Where the cloud becomes one piece, loops and voids are yet to close.
    connected = float(linkage(distances, "single")[-1, 2] / np.median(distances))
    joined = min(threshold, CLOSED_OVER_CONNECTED * connected)
    while True:
        diagram = persistence(points, threshold=joined)
        if joined == threshold or all(
            np.isfinite(bars[:, 1]).sum() == len(bars) - (d == 0)
            for d, bars in enumerate(diagram.intervals)
        ):
            return diagram
        joined = min(threshold, 1.1 * joined)


def _window(diagram: Diagram, betti: tuple[int, int, int]) -> tuple[float, float]:
    """Distances between which all counted features are alive, and no further pieces."""
    found = np.concatenate([diagram.intervals[d][: betti[d]] for d in (1, 2)])
    if not len(found):
        return math.nan, math.nan
    joined = float(diagram.intervals[0][betti[0] :, 1].max(initial=0.0))
    closed = float(np.minimum(found[:, 1], diagram.threshold).min())
    return max(joined, float(found[:, 0].max())), closed


def _product(
    points: Float[np.ndarray, "landmark component"], diagram: Diagram, window: tuple[float, float]
) -> float:
    """Of the two loops, at a distance where they are alive, the void is, and no other loops are."""
    scale = loop_scale(diagram, after=window[0])
    if math.isnan(scale):
        return math.nan
    try:
        loops = find_loops(points, scale=scale)
    except InputError:
        return math.nan
    return cup_product(loops) if len(loops.change) == 2 else math.nan


def _checked(
    given: np.ndarray, generator: np.random.Generator, most_samples: int, landmarks: int
) -> Int[np.ndarray, " sample"]:
    """Places of the samples to use, in order."""
    fewest = 40
    if given.ndim != 2 or not np.isfinite(given).all():
        raise InputError(
            f"states {given.shape} must be (sample, unit) and finite, without NaN or infinities"
        )
    if (
        len(given) < fewest
        or given.shape[1] < FEWEST_UNITS
        or most_samples < fewest
        or landmarks < fewest // 2
    ):
        raise InputError(
            f"{len(given)} samples of {given.shape[1]} units, {most_samples} of them used at most, "
            f"with {landmarks} landmarks have no shape to measure: {fewest} samples, "
            f"{FEWEST_UNITS} units and {fewest // 2} landmarks are needed"
        )
    if int((np.ptp(given, axis=0) > 0).sum()) < FEWEST_UNITS:
        raise InputError(f"fewer than {FEWEST_UNITS} units vary: there is no shape to measure")
    chosen = np.sort(
        generator.choice(len(given), size=min(most_samples, len(given)), replace=False)
    )
    different = len(np.unique(given[chosen], axis=0))
    if different < fewest:
        raise InputError(
            f"only {different} of {len(chosen)} states differ: there is no shape to measure"
        )
    return chosen
