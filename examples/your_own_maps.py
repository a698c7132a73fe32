"""Score your own rate maps: here two planted modules among noise, to replace by your arrays."""

import numpy as np

import gridcode
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps
from gridcode.recordings.recording import recording_from_maps

generator = np.random.default_rng(0)
arena = bin_centres(2.4, 0.06)


def cells(count, **lattice):
    return [
        lattice_cell(arena, phase_m=tuple(generator.uniform(-1, 1, 2)), **lattice)
        for _ in range(count)
    ]


maps = np.array(
    [
        *cells(10, spacing_m=0.42, orientation_deg=8.0),
        *cells(10, spacing_m=0.6, orientation_deg=31.0),
    ]
)
maps = np.concatenate(
    [
        maps + 0.2 * generator.standard_normal(maps.shape),
        noise_maps(6, 40, correlation_bins=2.0, generator=generator),
    ]
)

# (unit, y, x), NaN where the animal never went; `gridcode.recordings.recording.recording_from_path`
# takes a path with spikes or activity.
recording = recording_from_maps(maps, bin_size_m=0.06)
population = gridcode.score(recording, nulls=200)
print(population.summary.verdict)
for unit in population.summary.units[::5]:
    print(unit.unit, unit.type, unit.grid_score, unit.q_value, unit.evidence)
gridcode.write_score_report(population, "cells.html", recording=recording, title="planted cells")
