"""The four loss terms as pure functions, exactly as defined (paper, section 5.3).

They compare all pairs and keep the whole matrix of distances: use them on small inputs and as the
reference for `gridcode.losses.pairwise`, which training uses.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import ValidationError
from torch import Tensor

from gridcode.config import LossConfig
from gridcode.errors import InputError

Reduction = Literal["mean", "sum"]
IsometryForm = Literal["raw", "scale_free"]
# Steps shorter than this fraction of sigma_x are treated as this long: the ratio |dg| / |v|
# explodes at v = 0.
SHORTEST_STEP = 0.02
# Keeps the square root's gradient finite where a state did not move, and a mean ratio away from
# zero.
SMALLEST_SQUARE = 1e-12


def check_settings(**settings: float) -> None:
    """Refuse scales and weights that a configuration refuses, in its words.

    Args:
        settings: by their names in the losses: those of `LossConfig`, `sigma_x` for `sigma_x_m`.

    Raises:
        InputError: a number outside of the limits of `LossConfig`.
    """
    for name, value in settings.items():
        try:
            LossConfig.model_validate({"sigma_x_m" if name == "sigma_x" else name: value})
        except ValidationError as error:
            raise InputError(f"{name}: {error.errors()[0]['msg']}, got {value!r}") from None


def check_places(x: Float[Tensor, "state axis"], what: str = "positions") -> None:
    """Refuse positions or velocities that are not finite: they are neither near nor far.

    Raises:
        InputError: NaN or infinite values.
    """
    if not bool(torch.isfinite(x).all()):
        raise InputError(f"{what} hold NaN or infinite values")


def _check_dtypes(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if not (isinstance(tensor, Tensor) and tensor.is_floating_point()):
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise InputError(f"{name} must be a tensor of real floating-point numbers, not {kind}")


def flatten(
    g: Float[Tensor, "*states units"], x: Float[Tensor, "*places axis"]
) -> tuple[Float[Tensor, "state units"], Float[Tensor, "state axis"]]:
    """States and positions with all leading axes merged.

    Raises:
        InputError: their leading shapes differ, or either is no tensor of real floating-point
            numbers.
    """
    _check_dtypes(states=g, positions=x)
    if g.shape[:-1] != x.shape[:-1] or not x.shape[-1:].numel():
        raise InputError(
            f"states {tuple(g.shape)} and positions {tuple(x.shape)} must be (..., units) and "
            "(..., axes) with equal leading axes"
        )
    return g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])


def near_pairs(
    x: Float[Tensor, "state axis"], y: Float[Tensor, "other axis"], sigma_x: float
) -> Bool[Tensor, "state other"]:
    """Whether two positions are closer than sigma_x; all quantities in metres."""
    # Differences, not |x|^2 + |y|^2 - 2xy: far from the origin that form loses the decisive digits.
    apart = x[:, None, 0] - y[None, :, 0]
    square = apart.mul_(apart)
    for axis in range(1, x.shape[1]):
        apart = x[:, None, axis] - y[None, :, axis]
        square.addcmul_(apart, apart)
    return square < sigma_x**2


def _square_distances(g: Float[Tensor, "state units"]) -> Float[Tensor, "state state"]:
    length = (g * g).sum(dim=1)
    return length[:, None] + length[None, :] - 2 * g @ g.T


def _reduce(values: Float[Tensor, " pair"], reduction: Reduction) -> Float[Tensor, ""]:
    if reduction == "sum":
        return values.sum()
    if reduction == "mean":
        return values.sum() / max(values.numel(), 1)
    raise InputError(f"unknown reduction '{reduction}': choose mean or sum")


def separation(
    g: Float[Tensor, "*states units"],
    x: Float[Tensor, "*places axis"],
    *,
    sigma_x: float,
    sigma_g: float,
    reduction: Reduction = "mean",
) -> Float[Tensor, ""]:
    r"""Different places should have different states.

    $$ \langle \exp(-|g_i - g_j|^2 / 2\sigma_g^2) \rangle_{|x_i - x_j| \ge \sigma_x} $$

    Args:
        g: states, any leading shape.
        x: their positions in metres, the same leading shape.
        sigma_x: metres.
        sigma_g: scale of distances between states.
        reduction: over the ordered pairs: `mean`, or `sum`. With no such pair the term is 0.

    Raises:
        InputError: shapes that do not match, positions that are not finite, scales that a
            configuration refuses, or an unknown reduction.
    """
    check_settings(sigma_x=sigma_x, sigma_g=sigma_g)
    g, x = flatten(g, x)
    check_places(x)
    far = ~near_pairs(x, x, sigma_x)
    return _reduce(
        torch.exp(-_square_distances(g)[far.fill_diagonal_(False)] / (2 * sigma_g**2)), reduction
    )


def invariance(
    g: Float[Tensor, "*states units"],
    x: Float[Tensor, "*places axis"],
    *,
    sigma_x: float,
    reduction: Reduction = "mean",
) -> Float[Tensor, ""]:
    r"""The same place should have the same state for every path to it.

    $$ \langle |g_i - g_j|^2 \rangle_{|x_i - x_j| < \sigma_x,\; i \ne j} $$

    Arguments and errors as in `separation`.
    """
    check_settings(sigma_x=sigma_x)
    g, x = flatten(g, x)
    check_places(x)
    near = near_pairs(x, x, sigma_x).fill_diagonal_(False)
    return _reduce(_square_distances(g)[near], reduction)


def capacity(g: Float[Tensor, "*states units"]) -> Float[Tensor, ""]:
    r"""The states should fill little of the sphere and leave room for other places.

    $$ -|\langle g \rangle|^2 $$

    Args:
        g: states, any leading shape.

    Raises:
        InputError: no tensor of real floating-point numbers.
    """
    _check_dtypes(states=g)
    return -(g.reshape(-1, g.shape[-1]).mean(dim=0) ** 2).sum()


def conformal_isometry(
    g_before: Float[Tensor, "*steps units"],
    g_after: Float[Tensor, "*after units"],
    v: Float[Tensor, "*velocities axis"],
    *,
    sigma_x: float,
    form: IsometryForm = "raw",
) -> Float[Tensor, ""]:
    r"""Short steps should change the state in proportion to their length, in all directions.

    $$ \mathrm{Var}\left( |g_t - g_{t-1}| / |v_t| \right)_{0 < |v_t| < \sigma_x} $$

    Args:
        g_before: states before a step, any leading shape.
        g_after: states after it.
        v: the steps' velocities, metres per step.
        sigma_x: metres; longer steps are left out.
        form: `raw`, the (unbiased) variance, in units of 1 / m^2; `scale_free`, divided by the
            squared mean, which is constant in the gradient. Raw variances are huge at first and
            silence units.

    Raises:
        InputError: shapes that do not match, velocities that are not finite, a sigma_x that a
            configuration refuses, or an unknown form.

    Returns:
        The term; 0 with fewer than two short steps.
    """
    check_settings(sigma_x=sigma_x)
    _check_dtypes(before=g_before, after=g_after)
    if g_before.shape != g_after.shape:
        raise InputError(
            f"states before {tuple(g_before.shape)} and after {tuple(g_after.shape)} differ in "
            "shape"
        )
    moved, v = flatten(g_after - g_before, v)
    check_places(v, "velocities")
    speed = torch.linalg.vector_norm(v, dim=1)
    short = (speed > 0) & (speed < sigma_x)
    ratio = ((moved[short] ** 2).sum(dim=1) + SMALLEST_SQUARE).sqrt() / speed[short].clamp_min(
        SHORTEST_STEP * sigma_x
    )
    if form not in ("raw", "scale_free"):
        raise InputError(f"unknown isometry form '{form}': choose raw or scale_free")
    if ratio.numel() < 2:
        return moved.sum() * 0.0
    variance = ratio.var()
    return (
        variance
        if form == "raw"
        else variance / ratio.mean().detach().clamp_min(SMALLEST_SQUARE) ** 2
    )
