"""Are two modules sub-lattices of one another? Integer relations between lattices, and how often chance gives one as good."""

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from gridcode import display
from gridcode.analysis.cells.lattice import reduced, shape_of
from gridcode.analysis.modules.detection import Modules
from gridcode.analysis.modules.strain import UNIMODULAR, strain
from gridcode.errors import InputError

Verdict = Literal["commensurate", "independent", "undecided"]
Matrix = tuple[tuple[int, int], tuple[int, int]]

# Largest index of a relation that is looked for: with larger integers any two lattices are related.
MAX_INDEX = 13
SIGNIFICANCE = 0.05
# Smallest tolerance, as a strain: binning, smoothing and the walls of the arena move lattices by
# about this much, whatever the number of cells.
SYSTEMATIC_ERROR = 0.02
# Standard errors of the two modules that count as agreement.
ERRORS = 2.0
# The null turns the second lattice at random and changes its log spacing by a normal deviate of
# this size. Shapes stay as they are but for the error of the means: two hexagonal modules are
# hexagonal for reasons of their own, and a hexagonal sub-lattice is no evidence in itself.
BLUR_SCALE = 0.05
# Lattices that are known no better than this are not compared.
COARSEST_TOLERANCE = 0.1
STRAINS_AT_ONCE = 2**15


@dataclass(frozen=True)
class Relation:
    r"""What two modules have to do with one another: the best $M_1 A \approx M_2 B$ with small integers.

    Attributes:
        first: index of the first module, the one of smaller spacing; its lattice is A.
        second: index of the other; its lattice is B.
        verdict: "commensurate": a relation within the tolerance that chance would rarely give;
            "independent": no relation within the tolerance; "undecided": there is one, but chance
            gives as good ones too, or the lattices are known no better than 10 %.
        index: larger of |det M_1| and |det M_2|, the number of cells of either lattice in one of
            the common lattice; 0 without a relation.
        matrices: M_1 and M_2; where one of them can be the identity, it is. Empty without a
            relation.
        error: strain between the two lattices that the relation makes equal; without a relation,
            the least that any gives, NaN where even spacing and shape fit none.
        tolerance: largest error that counts as equal.
        chance_p_value: how often unrelated lattices of such spacings and shapes have a relation as
            good; 1 without one, NaN where that was not asked.
        spacing_ratio: spacing of the second over that of the first.
        turn_deg: turn from the axes of the first to those of the second, modulo the lattices'
            symmetry; in [-30, 30] for hexagonal ones.
    """

    first: int
    second: int
    verdict: Verdict
    index: int
    matrices: tuple[Matrix, ...]
    error: float
    tolerance: float
    chance_p_value: float
    spacing_ratio: float
    turn_deg: float


@dataclass(frozen=True)
class Relations:
    """How the modules of a population are related.

    Attributes:
        pairs: every pair of modules, in the modules' order.
        independent: number of groups of modules that commensurate pairs leave unconnected: so many
            modules does the code really have, as far as these maps tell (undecided pairs count as
            unconnected).
        spacing_ratios: spacing of each module over that of the one below it.
    """

    pairs: tuple[Relation, ...]
    independent: int
    spacing_ratios: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Relations({self.independent} independent; {len(self.pairs)} pairs: {', '.join(r.verdict for r in self.pairs) or 'none'})"

    def _repr_html_(self) -> str:
        head = ("modules", "verdict", "index", "error", "chance p")
        rows = [
            (
                f"{r.first}, {r.second}",
                r.verdict,
                r.index or "-",
                f"{r.error:.3g}",
                f"{r.chance_p_value:.2g}",
            )
            for r in self.pairs
        ]
        return display.wide_table(
            f"Relations of modules: {self.independent} independent", head, rows
        )


def relate_modules(
    modules: Modules, *, generator: np.random.Generator, nulls: int = 999
) -> Relations:
    """Relate every pair of modules, see `relate_lattices`; the tolerance is two standard errors of the two mean lattices, and at least 2 %.

    Args:
        modules: as `find_modules` gives them.
        generator: source of randomness of the nulls.
        nulls: null pairs for each pair.
    """
    found = modules.modules
    pairs = []
    for i, j in itertools.combinations(range(len(found)), 2):
        standard_error = float(np.hypot(found[i].strain_error, found[j].strain_error))
        pairs.append(
            _relate(
                found[i].vectors_m,
                found[j].vectors_m,
                numbers=(i, j),
                tolerance=float(np.maximum(SYSTEMATIC_ERROR, ERRORS * standard_error)),
                standard_error=standard_error,
                generator=generator,
                nulls=nulls,
            )
        )
    linked = np.zeros((len(found), len(found)))
    for pair in pairs:
        linked[pair.first, pair.second] = pair.verdict == "commensurate"
    spacing = [module.spacing_m for module in found]
    return Relations(
        pairs=tuple(pairs),
        independent=int(sparse.csgraph.connected_components(linked, directed=False)[0])
        if found
        else 0,
        spacing_ratios=tuple(b / a for a, b in itertools.pairwise(spacing)),
    )


def relate_lattices(
    a_vectors_m: Float[np.ndarray, "2 2"],
    b_vectors_m: Float[np.ndarray, "2 2"],
    *,
    tolerance: float,
    generator: np.random.Generator,
    nulls: int = 999,
) -> Relation:
    r"""The best small-integer relation between two lattices, and whether chance would give it.

    $$ M_1 A \approx M_2 B, \quad d = \max(|\det M_1|, |\det M_2|) \le 13 $$

    over all sub-lattices of index up to 13 of either; the error e is the strain between the two
    sides (`gridcode.analysis.modules.strain`), and the best relation within the tolerance is that
    of least $d \cdot e$, as in Diophantine approximation: relations of index up to d lie about 1 /
    d apart, so that $d \cdot e$ is as small for unrelated lattices at one index as at another. The
    null turns B at random, changes its spacing by 5 % (s.d.), keeps both shapes, and asks how often
    $d \cdot e$ is as small.

    Args:
        a_vectors_m: lattice vectors (x, y) as rows, metres; any basis.
        b_vectors_m: the same.
        tolerance: largest strain that counts as equal; 0.02 is 2 % in spacing or 1.1 degrees.
        generator: source of randomness of the null.
        nulls: null pairs; p-values are multiples of 1 / (1 + nulls).

    Raises:
        InputError: vectors that are not (2, 2) or lie on one line, a tolerance outside (0, 0.1], or
            fewer nulls than 0.05 needs.

    Source: sub-lattices by their Hermite normal forms: Cohen 1993, section 2.4; coincidence
        lattices: Grimmer 1974.
    """
    if not 0 < tolerance <= COARSEST_TOLERANCE:
        raise InputError(
            f"tolerance must be a strain above 0 and at most {COARSEST_TOLERANCE}, not {tolerance}"
        )
    return _relate(
        a_vectors_m,
        b_vectors_m,
        numbers=(0, 1),
        tolerance=tolerance,
        standard_error=0.0,
        generator=generator,
        nulls=nulls,
    )


@dataclass(frozen=True)
class _Candidates:
    """Pairs of sub-lattices, one of A and one of B, that could be equal if B were turned and its spacing changed.

    Attributes:
        first: (pair, 2, 2) reduced bases of the sub-lattices of A.
        second: (pair, 2, 2) the same of B.
        index: (pair,) larger of the two indices.
        log_ratio: (pair,) log of the factor in spacing by which the second is larger.
    """

    first: Float[np.ndarray, "pair 2 2"]
    second: Float[np.ndarray, "pair 2 2"]
    index: Int[np.ndarray, " pair"]
    log_ratio: Float[np.ndarray, " pair"]


def _sublattices(
    basis: Float[np.ndarray, "2 2"],
) -> tuple[Float[np.ndarray, "sub 2 2"], Int[np.ndarray, " sub"]]:
    """Reduced bases of all sub-lattices of index up to MAX_INDEX, and their indices: one for each Hermite normal form."""
    forms = [
        ((d // q, r), (0, q))
        for d in range(1, MAX_INDEX + 1)
        for q in range(1, d + 1)
        if d % q == 0
        for r in range(q)
    ]
    matrices = np.array(forms, dtype=np.float64)
    return reduced(matrices @ basis), np.rint(np.linalg.det(matrices)).astype(np.int64)


def _candidates(
    a: Float[np.ndarray, "2 2"], b: Float[np.ndarray, "2 2"], scale_range: float, shear_range: float
) -> _Candidates:
    """Pairs of sub-lattices whose areas and shapes differ by no more than these strains."""
    (first, first_index), (second, second_index) = _sublattices(a), _sublattices(b)
    log_size = [0.5 * np.log(np.linalg.det(x)) for x in (first, second)]
    log_ratio = log_size[1][None, :] - log_size[0][:, None]
    i, j = np.nonzero(np.abs(log_ratio) <= scale_range)
    alike = _shape_distance(first[i], second[j]) <= shear_range
    i, j = i[alike], j[alike]
    return _Candidates(
        first[i], second[j], np.maximum(first_index[i], second_index[j]), log_ratio[i, j]
    )


def _shape_distance(
    first: Float[np.ndarray, "pair 2 2"], second: Float[np.ndarray, "pair 2 2"]
) -> Float[np.ndarray, " pair"]:
    """Least shear between two lattices, however they are turned: half the hyperbolic distance of their shapes modulo a change of basis."""
    tau = [(x[:, 1] @ [1, 1j]) / (x[:, 0] @ [1, 1j]) for x in (first, second)]
    (a, b), (c, d) = UNIMODULAR.transpose(1, 2, 0)
    moved = (d * tau[0][:, None] + c) / (b * tau[0][:, None] + a)
    apart = np.abs(moved - tau[1][:, None]) ** 2 / (2 * moved.imag * tau[1].imag[:, None])
    return 0.5 * np.arccosh(1 + apart.min(axis=1))


def _relate(
    a_vectors_m: np.ndarray,
    b_vectors_m: np.ndarray,
    *,
    numbers: tuple[int, int],
    tolerance: float,
    standard_error: float,
    generator: np.random.Generator,
    nulls: int,
) -> Relation:
    a, b = (_checked(x) for x in (a_vectors_m, b_vectors_m))
    if nulls < 1 / SIGNIFICANCE:
        raise InputError(
            f"{nulls} null pairs cannot reach p = {SIGNIFICANCE}: take at least {round(1 / SIGNIFICANCE)}"
        )
    spacing = shape_of(np.stack([a, b])).spacing
    relation = Relation(
        first=numbers[0],
        second=numbers[1],
        verdict="undecided",
        index=0,
        matrices=(),
        error=float("nan"),
        tolerance=tolerance,
        chance_p_value=float("nan"),
        spacing_ratio=float(spacing[1] / spacing[0]),
        turn_deg=float(np.degrees(strain(a, b).rotation)),
    )
    if not tolerance <= COARSEST_TOLERANCE:
        return relation
    candidates = _candidates(
        a, b, scale_range=tolerance + 4 * BLUR_SCALE, shear_range=tolerance + 4 * standard_error
    )
    errors = strain(candidates.first, candidates.second).distance
    quality = np.where(
        errors <= tolerance, candidates.index * np.maximum(errors, standard_error), np.inf
    )
    if not np.isfinite(quality).any():
        return replace(
            relation,
            verdict="independent",
            error=float(errors.min()) if len(errors) else float("nan"),
            chance_p_value=1.0,
        )
    # Of the multiples of a relation, which fit as well, the smallest.
    best = int(np.lexsort((candidates.index, np.round(quality, 12)))[0])
    as_good = _nulls_as_good(candidates, quality[best], tolerance, standard_error, generator, nulls)
    p_value = (1 + as_good) / (1 + nulls)
    return replace(
        relation,
        verdict="commensurate" if p_value <= SIGNIFICANCE else "undecided",
        index=int(candidates.index[best]),
        matrices=_matrices(
            np.asarray(a_vectors_m),
            np.asarray(b_vectors_m),
            candidates.first[best],
            candidates.second[best],
        ),
        error=float(errors[best]),
        chance_p_value=p_value,
    )


def _nulls_as_good(
    candidates: _Candidates,
    quality: float,
    tolerance: float,
    standard_error: float,
    generator: np.random.Generator,
    nulls: int,
) -> int:
    """How many null pairs have a relation within the tolerance of at most this index times error."""
    scale = generator.normal(0.0, BLUR_SCALE, nulls)
    along, across = np.tanh(generator.normal(0.0, standard_error / np.sqrt(2), (2, nulls)))
    shear = (
        np.stack([1 + along, across, across, 1 - along], axis=1).reshape(nulls, 2, 2)
        / np.sqrt(1 - along**2 - across**2)[:, None, None]
    )
    angle = generator.uniform(0.0, np.pi, nulls)
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=1).reshape(
        nulls, 2, 2
    )
    change = np.exp(scale)[:, None, None] * shear @ turn
    # The error is at least the difference in spacing: of most nulls most candidates need no closer
    # look.
    near = (
        np.abs(candidates.log_ratio[:, None] + scale)
        <= np.minimum(tolerance, quality / candidates.index)[:, None]
    )
    pair, null = np.nonzero(near & (candidates.index * standard_error <= quality)[:, None])
    found = np.zeros(nulls, dtype=bool)
    for start in range(0, len(null), STRAINS_AT_ONCE):
        n, k = null[start : start + STRAINS_AT_ONCE], pair[start : start + STRAINS_AT_ONCE]
        error = strain(candidates.first[k], candidates.second[k] @ change[n]).distance
        found[
            n[
                (error <= tolerance)
                & (candidates.index[k] * np.maximum(error, standard_error) <= quality)
            ]
        ] = True
    return int(found.sum())


def _matrices(
    a: Float[np.ndarray, "2 2"],
    b: Float[np.ndarray, "2 2"],
    first: Float[np.ndarray, "2 2"],
    second: Float[np.ndarray, "2 2"],
) -> tuple[Matrix, Matrix]:
    """M_1 and M_2 with M_1 a near M_2 b, for a sub-lattice of either that nearly equal one another."""
    left, right = strain(first, second).change @ first @ np.linalg.inv(a), second @ np.linalg.inv(b)
    # Either matrix may be multiplied by one of determinant 1, if the other is as well: into the
    # identity, where that can be.
    for matrix in (right, left):
        if round(abs(np.linalg.det(matrix))) == 1:
            inverse = np.linalg.inv(matrix)
            left, right = inverse @ left, inverse @ right
            break
    whole = [[[round(float(x)) for x in row] for row in matrix] for matrix in (left, right)]
    one, two = (((m[0][0], m[0][1]), (m[1][0], m[1][1])) for m in whole)
    return one, two


def _checked(vectors_m: np.ndarray) -> Float[np.ndarray, "2 2"]:
    """A reduced right-handed basis of the lattice."""
    vectors = np.asarray(vectors_m, dtype=np.float64)
    if vectors.shape != (2, 2) or not np.isfinite(vectors).all():
        raise InputError(
            f"lattice vectors must be two finite (x, y), not of shape {np.shape(vectors_m)}"
        )
    if abs(np.linalg.det(vectors)) <= 1e-3 * np.hypot(*vectors.T).prod():
        raise InputError("lattice vectors lie on one line")
    return reduced(vectors[None])[0]
