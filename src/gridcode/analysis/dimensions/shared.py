"""One lattice behind the waves of many cells in a volume."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gridcode.analysis.dimensions.waves import Waves, independent

NEAR_CYCLES = 1.0  # half of what the window cannot tell apart: waves this near are one
TOLERANCE_CYCLES = 0.4  # error of a wave vector
LARGEST_MULTIPLE = 2
FEWEST_SHARE = 0.1  # of the units with waves, for a wave that the population has
MOST_CLUSTERS = 10
ROTATIONS = 200


@dataclass(frozen=True)
class SharedWaves:
    """Waves that many units have.

    Attributes:
        cycles: (wave, 3) their mean wave vectors, cycles in the side of the volume.
        units: (wave,) how many units have each; those of most units first.
    """

    cycles: Float[np.ndarray, "wave 3"]
    units: Int[np.ndarray, " wave"]


@dataclass(frozen=True)
class SharedLattice:
    """The lattice of which most waves of the population are.

    Attributes:
        vectors_m: (3, 3) three shortest independent lattice vectors as rows, metres.
        packing: share of space that balls as wide as the shortest vector fill: 0.74 in a
            face-centred cubic lattice, 0.68 body-centred, 0.52 simple cubic, less when sheared.
        explained: share of all units' waves that are whole multiples of its wave vectors.
        chance: the same for the same waves turned at random, each by itself.
    """

    vectors_m: Float[np.ndarray, "3 3"]
    packing: float
    explained: float
    chance: float


def shared_waves(waves: Waves) -> SharedWaves:
    """Waves that a tenth of the units with waves have or more."""
    left = waves.cycles
    owner = waves.unit
    fewest = max(2, FEWEST_SHARE * len(np.unique(owner)))
    found, units = [], []
    while len(left):
        signs = np.sign(left @ left.T)
        apart = np.linalg.norm(signs[..., None] * left[None] - left[:, None], axis=2)
        near = apart <= NEAR_CYCLES
        centre = int(near.sum(axis=1).argmax())
        mine = near[centre]
        count = len(np.unique(owner[mine]))
        if count < fewest:
            break
        found.append((signs[centre, mine, None] * left[mine]).mean(axis=0))
        units.append(count)
        left, owner = left[~mine], owner[~mine]
    order = np.argsort(-np.array(units, dtype=np.int64), kind="stable")
    return SharedWaves(
        np.array(found).reshape(-1, 3)[order], np.array(units, dtype=np.int64)[order]
    )


def shared_lattice(
    waves: Waves, *, side_m: float, generator: np.random.Generator
) -> SharedLattice | None:
    """The lattice that explains most waves; None where the population has no three independent.

    Of every three independent shared waves the integer combinations are compared with all waves of
    all units; of bases that explain nearly as many the one with the fewest combinations counts.

    Args:
        waves: of all units.
        side_m: side of the volume, metres.
        generator: for the rotations of the chance level.
    """
    centres = shared_waves(waves).cycles[:MOST_CLUSTERS]
    triples = [
        np.array(t) for t in itertools.combinations(centres, 3) if independent(np.array(t)) == 3
    ]
    if not triples:
        return None
    shares = np.array([_explained(waves.cycles, t).mean() for t in triples])
    volumes = np.array([abs(np.linalg.det(t)) for t in triples])
    basis = triples[int(np.where(shares >= 0.95 * shares.max(), volumes, 0.0).argmax())]
    basis = _refined(waves.cycles, basis)
    lengths = np.linalg.norm(waves.cycles, axis=1, keepdims=True)
    turned = generator.standard_normal((ROTATIONS, *waves.cycles.shape))
    turned *= lengths / np.linalg.norm(turned, axis=2, keepdims=True)
    vectors = _shortest(np.linalg.inv(basis).T * side_m)
    return SharedLattice(
        vectors_m=vectors,
        packing=float(
            np.pi / 6 * np.linalg.norm(vectors, axis=1).min() ** 3 / abs(np.linalg.det(vectors))
        ),
        explained=float(_explained(waves.cycles, basis).mean()),
        chance=float(_explained(turned.reshape(-1, 3), basis).mean()),
    )


def _multiples(cycles: np.ndarray, basis: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "wave 3"]:
    return np.rint(cycles @ np.linalg.inv(basis))


def _explained(cycles: np.ndarray, basis: Float[np.ndarray, "3 3"]) -> np.ndarray:
    whole = _multiples(cycles, basis)
    miss = np.linalg.norm(cycles - whole @ basis, axis=1)
    return (miss <= TOLERANCE_CYCLES) & (np.abs(whole).max(axis=1) <= LARGEST_MULTIPLE)


def _refined(cycles: np.ndarray, basis: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Least squares over the waves that the basis explains."""
    inside = cycles[_explained(cycles, basis)]
    whole = _multiples(inside, basis)
    if np.linalg.matrix_rank(whole) < 3:
        return basis
    return np.linalg.lstsq(whole, inside, rcond=None)[0]


def _shortest(vectors: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Three shortest independent vectors of a lattice, from combinations of a reduced basis."""
    steps = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    for _ in range(20):
        every = steps[np.abs(steps).sum(axis=1) > 0] @ vectors
        every = every[np.argsort(np.linalg.norm(every, axis=1), kind="stable")]
        found: list[np.ndarray] = []
        for one in every:
            if np.linalg.matrix_rank(np.array([*found, one]), tol=1e-6) == len(found) + 1:
                found.append(one)
            if len(found) == 3:
                break
        new = np.array(found)
        if np.linalg.norm(new) >= np.linalg.norm(vectors) - 1e-12:
            break
        vectors = new
    return vectors
