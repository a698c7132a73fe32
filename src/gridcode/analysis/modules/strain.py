"""How far apart are two lattices, in any bases? The linear map between them; mean lattices."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from gridcode.arrays import takes_arrays

# Changes of basis between (nearly) reduced bases: integer matrices of determinant 1 with entries
# -1, 0, 1, one of each pair of opposite sign.
_ALL = [
    np.array(u).reshape(2, 2)
    for u in itertools.product((1, 0, -1), repeat=4)
    if u[0] * u[3] - u[1] * u[2] == 1
]
UNIMODULAR = np.array(
    [u for i, u in enumerate(_ALL) if not any((u == -v).all() for v in _ALL[:i])], dtype=np.float64
)


@dataclass(frozen=True)
class Strain:
    """The least of the linear maps that take one lattice to another; dimensionless.

    Attributes:
        scale: mean log stretch; 0.1 is a spacing about 10 % larger.
        shear: half the log ratio of the longest to the shortest stretch, 0 or more.
        rotation: turn in radians, anticlockwise, modulo the lattice's own symmetry.
        change: (..., 2, 2) the basis of the first lattice, `change @ vectors`, that this map takes
            to the basis of the second.
    """

    scale: Float[np.ndarray, "..."]
    shear: Float[np.ndarray, "..."]
    rotation: Float[np.ndarray, "..."]
    change: Float[np.ndarray, "... 2 2"]

    @property
    def distance(self) -> Float[np.ndarray, "..."]:
        """sqrt(scale^2 + shear^2 + rotation^2): 0.1 is 10 % in spacing, or 5.7 degrees."""
        return np.asarray(np.sqrt(self.scale**2 + self.shear**2 + self.rotation**2))


def _complex(vectors: Float[np.ndarray, "... 2 2"]) -> Complex[np.ndarray, "... 2"]:
    return vectors[..., 0] + 1j * vectors[..., 1]


@takes_arrays
def strain(first: Float[np.ndarray, "... 2 2"], second: Float[np.ndarray, "... 2 2"]) -> Strain:
    r"""The least linear map from one lattice to another, over all bases of the first.

    As a map of the complex plane, $z \mapsto \alpha z + \beta \bar z$ with

    $$ \text{scale} = \tfrac12 \ln(|\alpha|^2 - |\beta|^2), \quad \text{shear} =
    \operatorname{artanh} |\beta / \alpha|, \quad
       \text{rotation} = \arg \alpha . $$

    The scale is the same in every basis; the basis is the one of least $(|\beta|^2 +
    (\operatorname{Im} \alpha)^2) / |\alpha|^2$, which for small maps is shear and rotation squared.

    Args:
        first: lattice vectors (x, y) as rows, reduced or nearly so and right-handed.
        second: the same; broadcast against the first.
    """
    alpha, beta = _maps(first, second)
    least = ((np.abs(beta) ** 2 + alpha.imag**2) / np.abs(alpha) ** 2).argmin(axis=-1)[..., None]
    turn = np.angle(np.take_along_axis(alpha, least, axis=-1)[..., 0])
    scale, shear, rotation = (
        np.take_along_axis(x, least, axis=-1)[..., 0] for x in _parts(alpha, beta)
    )
    sign = np.where(np.abs(turn) > np.pi / 2, -1.0, 1.0)
    return Strain(
        scale=scale,
        shear=shear,
        rotation=rotation,
        change=sign[..., None, None] * UNIMODULAR[least[..., 0]],
    )


@takes_arrays
def strains(
    first: Float[np.ndarray, "... 2 2"], second: Float[np.ndarray, "... 2 2"]
) -> tuple[
    Float[np.ndarray, "... basis"], Float[np.ndarray, "... basis"], Float[np.ndarray, "... basis"]
]:
    """Scale, shear and rotation as in `strain`, in each of ten bases of the first lattice."""
    return _parts(*_maps(first, second))


def _maps(
    first: np.ndarray, second: np.ndarray
) -> tuple[Complex[np.ndarray, "... basis"], Complex[np.ndarray, "... basis"]]:
    """Alpha and beta of the maps, in every basis of the first lattice."""
    a, b = np.broadcast_arrays(_complex(first), _complex(second))
    determinant = a[..., 0] * a[..., 1].conj() - a[..., 0].conj() * a[..., 1]
    b = b / determinant[..., None]
    u = UNIMODULAR.reshape(-1, 4)
    # alpha = (b1 conj(w2) - b2 conj(w1)) / D, beta = (w1 b2 - w2 b1) / D with w = u a.
    parts = np.stack([-b[..., 1], -b[..., 1], b[..., 0], b[..., 0]], axis=-1)
    again = np.concatenate([a, a], axis=-1)
    return (parts * again.conj()) @ u.T, -(parts * again) @ u.T


def _parts(alpha: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale, shear and rotation of maps; the rotation modulo half a turn."""
    turn = np.angle(alpha)
    ratio = np.minimum(np.abs(beta) / np.abs(alpha), 1 - 1e-12)
    return (
        np.log(np.abs(alpha)) + 0.5 * np.log1p(-(ratio**2)),
        np.arctanh(ratio),
        turn - np.pi * np.rint(turn / np.pi),
    )


@takes_arrays
def mean_lattice(vectors: Float[np.ndarray, "unit 2 2"]) -> Float[np.ndarray, "2 2"]:
    """Mean of several near lattices, each in the basis nearest to that of their middle one.

    Args:
        vectors: reduced right-handed bases, one row a vector, none NaN.
    """
    near = strain(vectors[:, None], vectors[None]).distance.sum(axis=0).argmin()
    mean = vectors[near]
    for _ in range(2):
        mean = (strain(vectors, mean).change @ vectors).mean(axis=0)
    return mean
