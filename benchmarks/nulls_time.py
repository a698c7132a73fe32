"""Time of p-values for 128 units with 500 null maps each, in a 4 m arena of 80 x 80 bins.

    OMP_NUM_THREADS=1 python benchmarks/nulls_time.py > benchmarks/results/nulls_cpu.json

Two populations: units that have nothing in common (lattices of many spacings, shapes and widths,
and noise of many widths: few share null maps), and three modules with 30% of noise. Wall and CPU
seconds with one thread and with one for each core; a minute each on two cores was asked for.
"""

import json
import os
import time

import numpy as np

from gridcode.analysis.cells.significance import cores, significance
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps

UNITS, TARGET_S = 128, 60.0


def unlike(generator):
    points = bin_centres(4.0, 0.05)
    lattices = [
        lattice_cell(
            points,
            spacing_m=generator.uniform(0.4, 1.4),
            angle_deg=generator.uniform(60, 90),
            width=generator.uniform(0.1, 0.2),
            phase_m=(0.1, 0.2),
        )
        for _ in range(UNITS // 2)
    ]
    noise = [
        noise_maps(1, 80, correlation_bins=generator.uniform(1, 6), generator=generator)[0]
        for _ in range(UNITS // 2)
    ]
    return np.array(lattices + noise) + 0.1 * generator.standard_normal((UNITS, 80, 80))


def modules(generator):
    points = bin_centres(4.0, 0.05)
    cells = [
        lattice_cell(points, spacing_m=s, phase_m=tuple(generator.uniform(-1, 1, 2)))
        for s in np.repeat([0.5, 0.72, 1.0], 30)
    ]
    noise = noise_maps(UNITS - 90, 80, correlation_bins=3.0, generator=generator)
    return np.concatenate([np.array(cells) + 0.1 * generator.standard_normal((90, 80, 80)), noise])


def main():
    rows = []
    for name, make in (("nothing in common", unlike), ("three modules and noise", modules)):
        maps = make(np.random.default_rng(0))
        for workers in sorted({1, cores()}):
            wall, cpu = time.perf_counter(), time.process_time()
            found = significance(maps, seed=0, workers=workers)
            rows.append(
                {
                    "population": name,
                    "threads": workers,
                    "wall_s": round(time.perf_counter() - wall, 1),
                    "cpu_s": round(time.process_time() - cpu, 1),
                }
                | {"groups": int(found.group.max()) + 1, "target_s": TARGET_S}
            )
    print(
        json.dumps({"cores": os.cpu_count(), "units": UNITS, "nulls": 500, "rows": rows}, indent=1)
    )


if __name__ == "__main__":
    main()
