"""Trained networks with their modules, and the waves of each module read from states."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gridcode
from gridcode.analysis.cells.phases import WaveReader, fit_waves, wave_vectors
from gridcode.analysis.evaluate import map_arena
from gridcode.analysis.modules.detection import Module, find_modules
from gridcode.analysis.system import System, roll
from gridcode.packaged.networks import pretrained, pretrained_names
from gridcode.world.walks import smooth_walk

ARENA_M = 6.0
# Units whose ellipse-corrected score is higher are candidates for modules.
LEAST_SCORE = 0.5
SMALLEST_MODULE = 10


@dataclass(frozen=True)
class Known:
    """A trained network and its modules, smallest spacing first."""

    name: str
    seed: int
    system: System
    sizes: tuple[int, ...]
    modules: tuple[Module, ...]
    readers: tuple[WaveReader, ...]

    def waves(self, module: int) -> np.ndarray:
        """Wave vectors (wave, 2) of a module, cycles per metre."""
        return wave_vectors(self.modules[module].vectors_m)

    def phasors(self, states: np.ndarray, module: int) -> np.ndarray:
        """Phases (sample, wave) of a module's waves in states (sample, unit), as unit numbers."""
        units = self.modules[module].units
        read = self.readers[module](states[:, units])
        return read / np.maximum(np.abs(read), 1e-12)


def load(runs: Path, name: str) -> Known:
    """A packaged network or a run folder by name, such as `modules-seed11`."""
    if name in pretrained_names():
        packaged = pretrained(name)
        network, config = packaged.network, packaged.config
    else:
        run = gridcode.Run(runs / name)
        network, config = gridcode.load_network(run), run.config
    system = System(*network.as_system(), config.world.max_velocity_m)
    modules = modules_of(system, config.evaluation)
    readers = tuple(_reader(system, module) for module in modules)
    return Known(name, config.training.seed, system, config.model.sizes, modules, readers)


def modules_of(system: System, evaluation) -> tuple[Module, ...]:
    """The modules in a square arena; units count by their score, without null maps."""
    maps = map_arena(system, walk="smooth", arena_m=ARENA_M, config=evaluation)
    found = find_modules(
        maps["vectors_m"].values,
        candidate=maps["corrected"].values > LEAST_SCORE,
        arena_m=ARENA_M,
        generator=np.random.default_rng(0),
    )
    return tuple(m for m in found.modules if len(m.units) >= SMALLEST_MODULE)


def from_start(system: System, start: np.ndarray) -> System:
    """The same system from another start state."""
    return dataclasses.replace(system, start=start)


def _reader(system: System, module: Module) -> WaveReader:
    walk = smooth_walk(
        arena_m=3.0,
        steps=100,
        walkers=128,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(1),
    )
    states = roll(system, walk)[..., module.units]
    angle = 2 * np.pi * walk.positions @ wave_vectors(module.vectors_m).T
    return fit_waves(states.reshape(-1, states.shape[-1]), angle.reshape(-1, 3))[0]
