"""Are two modules sub-lattices of one another? Integer relations, tested against chance."""

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from gridcode import display
from gridcode.analysis.cells.lattice import as_basis, reduced, shape_of, turns
from gridcode.analysis.modules.detection import Modules
from gridcode.analysis.modules.strain import UNIMODULAR, strain
from gridcode.errors import InputError

Verdict = Literal["commensurate", "independent", "undecided"]
Matrix = tuple[tuple[int, int], tuple[int, int]]

# Largest index of a relation: with larger integers any two lattices are related.
MAX_INDEX = 13
SIGNIFICANCE = 0.05
# Smallest tolerance, as a strain: binning, smoothing and walls move lattices by about this much,
# whatever the number of cells. Lattices known less well than the second are not compared.
SYSTEMATIC_ERROR, COARSEST_TOLERANCE = 0.02, 0.1
# The null changes the log spacing of the second lattice by a normal deviate of this size.
BLUR_SCALE = 0.05
STRAINS_AT_ONCE = 2**15


@dataclass(frozen=True)
class Relation:
    r"""How two modules are related: the best $M_1 A \approx M_2 B$ with small integers.

    Attributes:
        first: index of the first module, the one of smaller spacing; its lattice is A.
        second: index of the other; its lattice is B.
        verdict: "commensurate": a relation within the tolerance that chance would rarely give;
            "independent": no relation within the tolerance; "undecided": chance gives relations as
            good, or the lattices are known no better than 10 %.
        index: larger of |det M_1| and |det M_2|, the number of unit cells of either lattice in one
            of the common lattice; 0 without a relation.
        matrices: M_1 and M_2, one the identity where possible. Empty without a relation.
        error: strain between $M_1 A$ and $M_2 B$; without a relation the least of any, NaN where no
            spacing and shape fit.
        tolerance: largest error that counts as equal.
        chance_p_value: how often unrelated lattices of such spacings and shapes have a relation as
            good; 1 without one, NaN where not tested.
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
        independent: number of independent modules: groups that no commensurate pair connects.
        spacing_ratios: spacing of each module over that of the one below it.
    """

    pairs: tuple[Relation, ...]
    independent: int
    spacing_ratios: tuple[float, ...]

    def __repr__(self) -> str:
        verdicts = ", ".join(r.verdict for r in self.pairs) or "none"
        return f"Relations({self.independent} independent; {len(self.pairs)} pairs: {verdicts})"

    def _repr_html_(self) -> str:
        head = ("modules", "verdict", "index", "error", "chance p")
        rows = [
            (f"{r.first}, {r.second}", r.verdict, r.index or "-")
            + (f"{r.error:.3g}", f"{r.chance_p_value:.2g}")
            for r in self.pairs
        ]
        title = f"Relations of modules: {self.independent} independent"
        return display.wide_table(title, head, rows)


def relate_modules(
    modules: Modules, *, generator: np.random.Generator, nulls: int = 999
) -> Relations:
    r"""The best small-integer relation between every two modules, and whether chance would give it.

    $$ M_1 A \approx M_2 B, \quad d = \max(|\det M_1|, |\det M_2|) \le 13 $$

    over all sub-lattices of index up to 13 of either. The error e is the strain between the two
    sides (`gridcode.analysis.modules.strain`), the tolerance two standard errors of the two mean
    lattices, at least 2 %. The best relation is that of least $d \cdot e$, as in Diophantine
    approximation: relations of index up to d lie about 1 / d apart, so that unrelated lattices have
    as small $d \cdot e$ at any index. The null turns B at random, changes its spacing by 5 % (s.d.)
    and keeps both shapes but for their errors (two hexagonal modules may have other reasons to be
    hexagonal); p is how often its $d \cdot e$ is as small.

    Args:
        modules: as `find_modules` gives them.
        generator: source of randomness of the nulls.
        nulls: null pairs for each pair; p-values are multiples of 1 / (1 + nulls).

    Raises:
        InputError: fewer nulls than p = 0.05 needs.

    Source: sub-lattices by their Hermite normal forms: Cohen 1993, section 2.4; coincidence
    lattices: Grimmer 1974.
    """
    if nulls < 1 / SIGNIFICANCE:
        raise InputError(f"{nulls} null pairs cannot reach p = {SIGNIFICANCE}: take 20 or more")
    found = modules.modules
    pairs = []
    linked = np.zeros((len(found), len(found)))
    for i, j in itertools.combinations(range(len(found)), 2):
        standard_error = float(np.hypot(found[i].strain_error, found[j].strain_error))
        tolerance = float(np.maximum(SYSTEMATIC_ERROR, 2.0 * standard_error))
        lattices = found[i].vectors_m, found[j].vectors_m
        relation = _relate(*lattices, tolerance, standard_error, generator, nulls)
        pairs.append(replace(relation, first=i, second=j))
        linked[i, j] = relation.verdict == "commensurate"
    groups = sparse.csgraph.connected_components(linked, directed=False)[0] if found else 0
    spacing = [module.spacing_m for module in found]
    return Relations(
        pairs=tuple(pairs),
        independent=int(groups),
        spacing_ratios=tuple(b / a for a, b in itertools.pairwise(spacing)),
    )


@dataclass(frozen=True)
class _Candidates:
    """Pairs of sub-lattices of A and B that could be equal if B were turned and scaled.

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
    """Reduced bases and indices of all sub-lattices up to MAX_INDEX, by Hermite normal forms."""
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
    index = np.maximum(first_index[i], second_index[j])
    return _Candidates(first[i], second[j], index, log_ratio[i, j])


def _shape_distance(
    first: Float[np.ndarray, "pair 2 2"], second: Float[np.ndarray, "pair 2 2"]
) -> Float[np.ndarray, " pair"]:
    """Least shear between lattices: half the hyperbolic distance of shapes over all bases."""
    tau = [(x[:, 1] @ [1, 1j]) / (x[:, 0] @ [1, 1j]) for x in (first, second)]
    (a, b), (c, d) = UNIMODULAR.transpose(1, 2, 0)
    moved = (d * tau[0][:, None] + c) / (b * tau[0][:, None] + a)
    apart = np.abs(moved - tau[1][:, None]) ** 2 / (2 * moved.imag * tau[1].imag[:, None])
    return 0.5 * np.arccosh(1 + apart.min(axis=1))


def _relate(
    a_vectors_m: np.ndarray,
    b_vectors_m: np.ndarray,
    tolerance: float,
    standard_error: float,
    generator: np.random.Generator,
    nulls: int,
) -> Relation:
    """The best relation of two lattices in any bases, as modules 0 and 1."""
    a, b = reduced(np.stack([as_basis(a_vectors_m), as_basis(b_vectors_m)]))
    spacing = shape_of(np.stack([a, b])).spacing
    relation = Relation(
        first=0,
        second=1,
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
    quality = candidates.index * np.maximum(errors, standard_error)
    quality = np.where(errors <= tolerance, quality, np.inf)
    if not np.isfinite(quality).any():
        error = float(errors.min()) if len(errors) else float("nan")
        return replace(relation, verdict="independent", error=error, chance_p_value=1.0)
    # Of the multiples of a relation, which fit equally well, the smallest.
    best = int(np.lexsort((candidates.index, np.round(quality, 12)))[0])
    as_good = _nulls_as_good(candidates, quality[best], tolerance, standard_error, generator, nulls)
    p_value = (1 + as_good) / (1 + nulls)
    return replace(
        relation,
        verdict="commensurate" if p_value <= SIGNIFICANCE else "undecided",
        index=int(candidates.index[best]),
        matrices=_matrices(
            a_vectors_m, b_vectors_m, candidates.first[best], candidates.second[best]
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
    """Number of null pairs with a relation of at most this index times error."""
    scale = generator.normal(0.0, BLUR_SCALE, nulls)
    along, across = np.tanh(generator.normal(0.0, standard_error / np.sqrt(2), (2, nulls)))
    shear = np.stack([1 + along, across, across, 1 - along], axis=1).reshape(nulls, 2, 2)
    shear = shear / np.sqrt(1 - along**2 - across**2)[:, None, None]
    turn = turns(generator.uniform(0.0, np.pi, nulls))
    change = np.exp(scale)[:, None, None] * shear @ turn
    # The error is at least the difference in spacing: few pairs need a closer look.
    reach = np.minimum(tolerance, quality / candidates.index)
    near = np.abs(candidates.log_ratio[:, None] + scale) <= reach[:, None]
    pair, null = np.nonzero(near & (candidates.index * standard_error <= quality)[:, None])
    found = np.zeros(nulls, dtype=bool)
    for start in range(0, len(null), STRAINS_AT_ONCE):
        n, k = null[start : start + STRAINS_AT_ONCE], pair[start : start + STRAINS_AT_ONCE]
        error = strain(candidates.first[k], candidates.second[k] @ change[n]).distance
        good = candidates.index[k] * np.maximum(error, standard_error) <= quality
        found[n[good & (error <= tolerance)]] = True
    return int(found.sum())


def _matrices(
    a: Float[np.ndarray, "2 2"],
    b: Float[np.ndarray, "2 2"],
    first: Float[np.ndarray, "2 2"],
    second: Float[np.ndarray, "2 2"],
) -> tuple[Matrix, Matrix]:
    """M_1 and M_2 with M_1 a near M_2 b, for nearly equal sub-lattices of either."""
    left, right = strain(first, second).change @ first @ np.linalg.inv(a), second @ np.linalg.inv(b)
    # Both may be multiplied by one matrix of determinant 1: into the identity, where possible.
    for matrix in (right, left):
        if round(abs(np.linalg.det(matrix))) == 1:
            inverse = np.linalg.inv(matrix)
            left, right = inverse @ left, inverse @ right
            break
    whole = [[[round(float(x)) for x in row] for row in matrix] for matrix in (left, right)]
    one, two = (((m[0][0], m[0][1]), (m[1][0], m[1][1])) for m in whole)
    return one, two
