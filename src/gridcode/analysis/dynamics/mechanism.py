"""The mechanism in the weights: spectra, blocks by module, phase profiles and generators."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Int

from gridcode.analysis.dynamics.connectivity import PROFILE_BINS, PhaseProfile, phase_profile
from gridcode.analysis.dynamics.generators import (
    SPEEDS,
    MoveGenerators,
    evaluate_matrices,
    move_generators,
    probe_velocities,
)
from gridcode.analysis.records.dynamics import (
    BlocksRecord,
    GeneratorsRecord,
    MechanismRecord,
    ProfileRecord,
    SpectrumRecord,
)
from gridcode.analysis.system import Matrices
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError


@dataclass(frozen=True)
class Spectra:
    """Eigenvalues and singular values of W(v), both by descending modulus.

    Attributes:
        velocities: (velocity, 2) metres per step.
        eigenvalues: (velocity, unit).
        singular_values: (velocity, unit).
    """

    velocities: Float[np.ndarray, "velocity 2"]
    eigenvalues: Complex[np.ndarray, "velocity unit"]
    singular_values: Float[np.ndarray, "velocity unit"]


@dataclass(frozen=True)
class BlockStructure:
    """Share of the squared weights that lies within modules.

    Attributes:
        groups: labels in the order of `coupling`; -1 for units in no module.
        coupling: (group, group) mean squared weight from the second group to the first, over the
            mean of all; NaN where a group has one unit only.
        within: share of the squared weights between different units; the diagonal is left out.
        with_diagonal: the same with the diagonal counted as within.
        expected: mean of `within` with labels shuffled among units.
        p_value: of a share as high as `within` with shuffled labels.
        reason: why the numbers are NaN.
    """

    groups: Int[np.ndarray, " group"]
    coupling: Float[np.ndarray, "group group"]
    within: float = math.nan
    with_diagonal: float = math.nan
    expected: float = math.nan
    p_value: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Mechanism:
    """What `describe_mechanism` found.

    Attributes:
        summary: the numbers.
        spectra: at velocity zero and along x and y.
        order: (unit,) units by module and phase, those in no module last.
        weights: (unit, unit) W(0) in that order.
        profiles: of each module.
        generators: of moves.
    """

    summary: MechanismRecord
    spectra: Spectra
    order: Int[np.ndarray, " unit"]
    weights: Float[np.ndarray, "unit unit"]
    profiles: tuple[PhaseProfile, ...]
    generators: MoveGenerators


@takes_arrays
def spectra(matrices: Matrices, velocities: Float[np.ndarray, "velocity 2"]) -> Spectra:
    """Eigenvalues and singular values of W(v).

    Args:
        matrices: velocities to matrices.
        velocities: (velocity, 2) metres per step.

    Raises:
        InputError: matrices of another shape, or with values that are not finite.
    """
    weights = evaluate_matrices(matrices, velocities)
    values = np.linalg.eigvals(weights).astype(np.complex128)
    values = np.take_along_axis(values, np.argsort(-np.abs(values), axis=1, kind="stable"), axis=1)
    return Spectra(
        np.asarray(velocities, dtype=np.float64), values, np.linalg.svd(weights, compute_uv=False)
    )


@takes_arrays
def block_structure(
    weights: Float[np.ndarray, "*velocity unit unit"],
    labels: Int[np.ndarray, " cell"],
    *,
    generator: np.random.Generator,
    nulls: int = 999,
) -> BlockStructure:
    r"""Share of squared weights within modules, against labels shuffled among units.

    $$ \sum_{i \ne j,\; m_i = m_j \ge 0} W_{ij}^2 \Big/ \sum_{i \ne j} W_{ij}^2 $$

    Args:
        weights: (unit, unit), or (velocity, unit, unit) whose squares are averaged.
        labels: (unit,) module of each unit, -1 for none.
        generator: shuffles.
        nulls: shuffles.

    Raises:
        InputError: labels that do not fit the weights, weights that are not finite or all zero, or
            no shuffles.
    """
    squared = np.asarray(weights, dtype=np.float64) ** 2
    squared = squared.reshape(-1, *squared.shape[-2:]).mean(axis=0)
    units = len(squared)
    if np.shape(labels) != (units,) or squared.shape != (units, units) or nulls < 1:
        raise InputError(
            f"{units} x {squared.shape[1]} weights need a label each, not {np.shape(labels)}, "
            f"and a shuffle or more, not {nulls}"
        )
    if not (np.isfinite(squared).all() and squared.any()):
        raise InputError("weights must be finite and not all zero")
    diagonal = np.diag(squared).copy()
    np.fill_diagonal(squared, 0.0)
    groups = np.unique(labels)
    groups = np.concatenate([groups[groups >= 0], groups[groups < 0]])
    total = squared.sum()
    member = (labels[:, None] == groups).astype(np.float64)
    size = member.sum(axis=0)
    expected = (np.outer(size, size) - np.diag(size)) * total / (units * (units - 1))
    coupling = np.full(expected.shape, np.nan)
    np.divide(member.T @ squared @ member, expected, where=expected > 0, out=coupling)
    if total == 0:
        return BlockStructure(groups, coupling, reason="no weights between different units")
    if len(groups) < 2 or not (labels >= 0).any():
        reason = "all units are in one group: there is nothing to compare with"
        return BlockStructure(groups, coupling, reason=reason)

    def share(order: np.ndarray) -> float:
        mixed = labels[order]
        same = (mixed[:, None] == mixed) & (mixed >= 0)
        return float((squared * same).sum() / total)

    found = share(np.arange(units))
    null = np.array([share(generator.permutation(units)) for _ in range(nulls)])
    whole = (found * total + diagonal[labels >= 0].sum()) / (total + diagonal.sum())
    p = (1 + int((null >= found * (1 - 1e-12)).sum())) / (1 + nulls)
    return BlockStructure(groups, coupling, found, float(whole), float(null.mean()), p)


@takes_arrays
def describe_mechanism(
    matrices: Matrices,
    labels: Int[np.ndarray, " cell"],
    phases: Float[np.ndarray, "unit 2"],
    vectors_m: Sequence[Float[np.ndarray, "2 2"]],
    *,
    max_step_m: float,
    generator: np.random.Generator,
    states: Float[np.ndarray, "state unit"] | None = None,
    nulls: int = 199,
) -> Mechanism:
    """The trained weights W(v), by the modules and phases of the activity.

    Args:
        matrices: velocities (velocity, 2) in metres to matrices, `W[k, i, j]` from unit j to unit
            i.
        labels: (unit,) module of each unit, -1 for none.
        phases: (unit, 2) in [0, 1) as from `spatial_phases`; NaN for units in no module.
        vectors_m: lattice vectors (x, y) as rows of each module, metres.
        max_step_m: longest step; that of training.
        generator: source of randomness.
        states: (state, unit) of the manifold, for the gain of active units and the commutator.
        nulls: shuffles for each p-value.

    Raises:
        InputError: shapes that do not match, a label without lattice vectors, or a cell of a module
            without a phase.
    """
    velocities = probe_velocities(max_step_m)
    weights = evaluate_matrices(matrices, velocities)
    units = weights.shape[1]
    if labels.shape != (units,) or phases.shape != (units, 2):
        raise InputError(
            f"labels {labels.shape} and phases {phases.shape} do not match "
            f"the {units} units of the matrices"
        )
    if labels.max(initial=-1) >= len(vectors_m) or labels.min(initial=-1) < -1:
        raise InputError(
            f"labels must be from -1 to {len(vectors_m) - 1}, one for each of the lattices given"
        )
    if not np.isfinite(phases[labels >= 0]).all():
        raise InputError("every cell of a module needs a phase")
    speeds = max_step_m * np.array(SPEEDS)
    along = np.concatenate([np.zeros((1, 2)), *(speeds[:, None] * axis for axis in np.eye(2))])
    spectrum = spectra(matrices, along)
    blocks = block_structure(weights, labels, generator=generator, nulls=5 * nulls)
    profiles = [
        phase_profile(
            weights[:, cells[:, None], cells],
            velocities,
            phases[cells],
            np.asarray(vectors, dtype=np.float64),
            generator=generator,
            nulls=nulls,
        )
        for m, vectors in enumerate(vectors_m)
        for cells in [np.flatnonzero(labels == m)]
    ]
    moves = move_generators(
        matrices, max_step_m=max_step_m, generator=generator, states=states, nulls=nulls
    )
    phase = np.nan_to_num(phases)
    order = np.lexsort(
        [
            phase[:, 0],
            np.floor(PROFILE_BINS * phase[:, 1]),
            np.where(labels < 0, len(vectors_m), labels),
        ]
    )
    summary = MechanismRecord(
        spectrum=_spectrum(spectrum, weights[0], states),
        blocks=BlocksRecord.of(blocks),
        profiles=tuple(
            ProfileRecord.of(p, module=m, explained_at_rest=p.explained[0])
            for m, p in enumerate(profiles)
        ),
        generators=GeneratorsRecord.of(moves),
    )
    return Mechanism(
        summary, spectrum, order, weights[0][np.ix_(order, order)], tuple(profiles), moves
    )


def _spectrum(
    found: Spectra, rest: Float[np.ndarray, "unit unit"], states: np.ndarray | None
) -> SpectrumRecord:
    modulus, turn = np.abs(found.eigenvalues), np.abs(np.angle(found.eigenvalues, deg=True))
    return SpectrumRecord.of(
        found,
        velocities_m=found.velocities,
        radius=modulus[:, 0],
        largest_singular_value=found.singular_values[:, 0],
        smallest_singular_value=found.singular_values[:, -1],
        near_one=(np.abs(modulus - 1) < 0.1).sum(axis=1),
        largest_turn_deg=np.where(modulus > 0.5, turn, 0.0).max(axis=1),
        **_active(rest, states),
    )


def _active(
    rest: Float[np.ndarray, "unit unit"], states: np.ndarray | None
) -> dict[str, float | None]:
    """Medians over states: active units, gain before the norm, share rectified away."""
    names = ("active_units", "gain", "rectified", "active_largest_singular_value", "active_radius")
    if states is None or not states.any():
        return dict.fromkeys(names)
    states = states[states.any(axis=1)]
    driven = states @ rest.T
    gain = np.linalg.norm(np.maximum(driven, 0), axis=1) / np.linalg.norm(states, axis=1)
    lost = np.linalg.norm(np.minimum(driven, 0), axis=1) / np.maximum(
        np.linalg.norm(driven, axis=1), 1e-300
    )
    parts = [rest[np.ix_(g > 0, g > 0)] for g in states]
    largest = [np.linalg.norm(p, ord=2) for p in parts]
    radius = [np.abs(np.linalg.eigvals(p)).max() for p in parts]
    found = ((states > 0).sum(axis=1), gain, lost, largest, radius)
    return {name: float(np.median(values)) for name, values in zip(names, found, strict=True)}
