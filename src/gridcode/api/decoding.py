"""Position decoded from a recording: in the arena, or on the lattice of each module."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.position.decoding import Decoding, decode_path
from gridcode.analysis.position.windows import cut_windows
from gridcode.errors import InputError
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import Recording
from gridcode.recordings.spike_trains import Unit

if TYPE_CHECKING:  # scoring takes a second to import
    from gridcode.analysis.population import Population

METHODS = ("bayes", "torus")
# A single cell of a lattice does not tell the phase.
FEWEST_OF_A_MODULE = 3

Tick = Callable[[str, int, int], None]


@overload
def decode(
    source: Recording | str | os.PathLike[str],
    *,
    method: Literal["bayes"] = "bayes",
    window_s: float | None = None,
    folds: int = 5,
    shifts: int = 99,
    seed: int = 0,
    units: Sequence[Unit] | None = None,
    population: "Population | None" = None,
    progress: Tick | None = None,
) -> Decoding: ...


@overload
def decode(
    source: Recording | str | os.PathLike[str],
    *,
    method: Literal["torus"],
    window_s: float | None = None,
    folds: int = 5,
    shifts: int = 99,
    seed: int = 0,
    units: Sequence[Unit] | None = None,
    population: "Population | None" = None,
    progress: Tick | None = None,
) -> tuple[Decoding, ...]: ...


def decode(
    source: Recording | str | os.PathLike[str],
    *,
    method: str = "bayes",
    window_s: float | None = None,
    folds: int = 5,
    shifts: int = 99,
    seed: int = 0,
    units: Sequence[Unit] | None = None,
    population: "Population | None" = None,
    progress: Tick | None = None,
) -> Decoding | tuple[Decoding, ...]:
    """Decode the position from recorded cells, cross-validated, with the error expected by chance.

    Each window is decoded by Bayes' rule with rates and occupancy learnt from the other folds, see
    `gridcode.analysis.position.readout`. Chance is the same with the activity shifted circularly
    along the path.

    Args:
        source: a recording of a path with spikes or activity, or a file that
            `gridcode.recordings.recording.load_recording` reads.
        method: `bayes`, the place in the arena; `torus`, for each module the place on its lattice,
            from the module's cells alone: rates are learnt as a function of the phase in the unit
            cell, and the error is the shortest vector up to a lattice vector.
        window_s: length of a window. Default: 0.5 s, in which a rat runs some 10 cm, about as far
            as the error of tens of cells; one sample where samples are longer.
        folds: number of folds, interleaved in time in blocks of about a minute.
        shifts: circular shifts for chance; p is a multiple of 1 / (1 + shifts).
        seed: of the shifts (and of the null maps, where cells are scored here).
        units: names of the units to use; default, all.
        population: what `score` found of this recording; needed for `torus`, and by default scored
            here.
        progress: called with (what, done, total).

    Returns:
        A `Decoding`; for `torus` one for each module with 3 or more of the units, none where there
        are no modules.

    Raises:
        InputError: rate maps without a path, unknown units, a session too short, or settings that
            make no sense.

    Source: Zhang, Ginzburg, McNaughton & Sejnowski 1998.
    """
    if method not in METHODS:
        raise InputError(f"method must be 'bayes' or 'torus', not '{method}'")
    recording = source if isinstance(source, Recording) else load_recording(source)
    path = recording.path
    if path is None:
        raise InputError(
            "decoding needs a path with the spikes or activity along it, not rate maps alone"
        )
    chosen = _chosen(recording, units)

    def run(of: np.ndarray, what: str, vectors: np.ndarray | None, module: int | None) -> Decoding:
        tick = None if progress is None else lambda done, total: progress(what, done, total)
        return decode_path(
            path,
            units=of,
            names=tuple(recording.units[u] for u in of),
            vectors_m=vectors,
            module=module,
            window_s=window_s,
            folds=folds,
            null_shifts=shifts,
            seed=seed,
            progress=tick,
        )

    if method == "bayes":
        return run(chosen, "position", None, None)
    if population is None:
        from gridcode.api.scoring import score

        cut_windows(path, window_s=window_s, folds=folds)  # refused before cells are scored
        population = score(recording, seed=seed, progress=progress)
    _check_same(path, population)
    found = []
    for index, module in enumerate(population.modules.modules):
        of = np.intersect1d(module.units, chosen)
        if len(of) >= FEWEST_OF_A_MODULE:
            found.append(run(of, f"module {index}", module.vectors_m, index))
    return tuple(found)


def _chosen(recording: Recording, units: Sequence[Unit] | None) -> np.ndarray:
    """The units asked for, as places in the recording."""
    if units is None:
        return np.arange(len(recording.units))
    given = [units] if isinstance(units, str | int) else list(units)
    unknown = [name for name in given if name not in recording.units]
    if unknown:
        raise InputError(f"there is no unit {unknown[0]!r} in the recording")
    if not given:
        raise InputError("units names no unit: leave it out to use all")
    return np.unique([recording.units.index(name) for name in given])


def _check_same(path: BinnedPath, population: "Population") -> None:
    if population.data.sizes["unit"] != path.units:
        raise InputError(
            f"the population has {population.data.sizes['unit']} units, but the recording has "
            f"{path.units}: score this recording"
        )
