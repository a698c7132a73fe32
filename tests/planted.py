"""Planted truth that tests share: lattices, a torus of known dynamics, moving bumps, codes."""

import math

import numpy as np
import torch
from scipy.linalg import block_diag, expm

from gridcode.analysis.dynamics.generators import probe_velocities
from gridcode.analysis.dynamics.manifold import random_velocities, sample_manifold
from gridcode.analysis.synthetic import (
    bin_centres,
    ideal_grid_code,
    lattice_cell,
    place_code,
    random_code,
)
from gridcode.analysis.system import System
from gridcode.config import ModelConfig
from gridcode.models.network import GridNetwork

PERIOD_M = 1.2
MAX_STEP_M = 0.15
OFF = 0.7
HEXAGONAL = np.array([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
SHEARED = np.array([[0.3, 0.6], [-0.7, 0.2]])
VELOCITIES = probe_velocities(MAX_STEP_M)
SPACINGS_M = (0.6, 0.83, 1.17)
ARENA_M = 4.0
BIN_M = 0.05
SHAPES = {"hexagonal": (60.0, 1.0), "sheared": (75.0, 1.1), "square": (90.0, 1.0)}


def turned(degrees):
    """Turns vectors given as rows."""
    a = np.radians(degrees)
    return np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def lattice_vectors(spacing_m=0.5, orientation_deg=0.0, angle_deg=60.0, ratio=1.0):
    angles = np.radians([orientation_deg, orientation_deg + angle_deg])
    return spacing_m * np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1.0], [ratio]]


def lattice_maps(phases, *, orientation_deg=13.0, positions=None, **shape):
    """Grid cells with these phases on the lattice of `lattice_vectors`."""
    positions = bin_centres(1.5, BIN_M) if positions is None else positions
    shape = {"spacing_m": 0.5, "orientation_deg": orientation_deg, **shape}
    places = phases @ lattice_vectors(**shape)
    return np.stack([lattice_cell(positions, phase_m=tuple(p), **shape) for p in places])


class Torus:
    """A torus of known dynamics: two phases, two amplitudes that return to 1, units that fade.

    The state is a rotated copy of (z_1, z_2, rest) with z_i = r_i e^(i k x_i), so that phases are
    on the manifold and all else is off it. `move` takes positions and velocities to positions.
    """

    def __init__(self, move=lambda x, v: x + v, *, off=OFF, rest=0.5, units=12, seed=0):
        self.move, self.off, self.rest = move, off, rest
        self.basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((units, units)))[0]
        self.wave = 2 * np.pi / PERIOD_M
        self.start = self.state(np.zeros((1, 2)))[0]

    def state(self, x, r=1.0, rest=None):
        z = r * np.exp(1j * self.wave * x)
        rest = np.zeros((len(x), len(self.basis) - 4)) if rest is None else rest
        return np.concatenate([z.real, z.imag, rest], axis=1) @ self.basis.T

    def step(self, states, velocities):
        y = states @ self.basis
        z = y[:, :2] + 1j * y[:, 2:4]
        x = self.move(np.angle(z) / self.wave, velocities)
        return self.state(x, 1 + self.off * (np.abs(z) - 1), self.rest * y[:, 4:])


def relaxing(n, rate):
    """Phases drawn to n places along each axis; the slope there is 1 - rate."""
    k = 2 * np.pi * n / PERIOD_M
    return lambda x, v: x + v - rate / k * np.sin(k * (x + v))


def sampled(system, walkers=64, seed=1):
    return sample_manifold(
        System(system.step, system.start, MAX_STEP_M),
        walkers=walkers,
        generator=np.random.default_rng(seed),
    )


def moves(*shape, seed=2):
    return random_velocities(*shape, max_step_m=MAX_STEP_M, generator=np.random.default_rng(seed))


def network(units=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return GridNetwork.from_config(
        ModelConfig(units=units, hidden_widths=[8]), generator=generator, dtype=torch.float64
    )


def bump(difference):
    """A bump on the unit cell, one at its middle."""
    angle = 2 * np.pi * difference
    return np.exp(1.5 * (np.cos(angle[..., 0]) + np.cos(angle[..., 1]) + np.cos(angle.sum(-1)) - 3))


class Bump:
    """A bump over phase difference, shifted by `gain` times the velocity, and constant noise."""

    def __init__(self, vectors_m=HEXAGONAL, *, units=30, gain=None, noise=0.0, seed=0):
        rng = np.random.default_rng(seed)
        self.phases, self.vectors_m = rng.random((units, 2)), vectors_m
        self.gain = np.eye(2) if gain is None else np.asarray(gain)
        self.noise = noise * rng.standard_normal((units, units))

    def __call__(self, velocities):
        difference = self.phases[:, None] - self.phases
        shift = velocities @ self.gain.T @ np.linalg.inv(self.vectors_m)
        return bump(difference - shift[:, None, None]) + self.noise


def random_matrices(units=30, seed=0):
    rng = np.random.default_rng(seed)
    rest, *along = rng.standard_normal((3, units, units)) / math.sqrt(units)
    return lambda v: np.eye(units) + 0.3 * rest + np.einsum("vd,dij->vij", v, np.stack(along))


def rotations(pairs=10, seed=0, commuting=True):
    """exp(v.G) with generators that rotate the same planes, or different ones."""
    rng = np.random.default_rng(seed)
    planes = np.linalg.qr(rng.standard_normal((2, 2 * pairs, 2 * pairs)))[0]
    if commuting:
        planes[1] = planes[0]
    blocks = [k * np.array([[0, -1], [1, 0]]) for k in rng.uniform(-9, 9, 2 * pairs)]
    halves = blocks[:pairs], blocks[pairs:]
    g = np.stack([q @ block_diag(*b) @ q.T for q, b in zip(planes, halves, strict=True)])
    rest = expm(0.3 * g[0]) if commuting else np.eye(2 * pairs)
    return lambda v: expm(np.einsum("vd,dij->vij", v, g)) @ rest


def grid(spacings_m=SPACINGS_M, *, units=16, seed=0, orientations_deg=None, **settings):
    return ideal_grid_code(
        spacings_m,
        units_per_module=units,
        generator=np.random.default_rng(seed),
        orientations_deg=orientations_deg or [17.0 * i for i in range(len(spacings_m))],
        **settings,
    )


def places_of(side=4.0, units=64, width=0.4):
    return place_code(arena_m=side, units=units, width_m=width)


def noise_code(seed=0, units=64):
    return random_code(units=units, correlation_m=0.25, generator=np.random.default_rng(seed))


def one_hot_code(*, arena_m, units):
    """A unit for each square of an arena around the origin: 1 inside, 0 elsewhere."""
    side = math.isqrt(units)

    def code(positions_m):
        square = np.floor((np.asarray(positions_m) / arena_m + 0.5) * side)
        inside = np.flatnonzero(((square >= 0) & (square < side)).all(axis=1))
        x, y = square[inside].astype(int).T
        states = np.zeros((len(square), units))
        states[inside, y * side + x] = 1.0
        return states

    return code


def random_code_similarity(distance_m, *, correlation_m):
    """Expected similarity: the arc-cosine kernel of order 1 (Cho & Saul 2009)."""
    rho = np.exp(-(np.asarray(distance_m) ** 2) / (2 * correlation_m**2))
    return (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho))) / np.pi


def constant(x):
    return np.ones((len(x), 9))


def silent(x):
    return np.zeros((len(x), 9))
