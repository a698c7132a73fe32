"""State space and capacity of evaluated networks as one table.

    python theory.py RUN [RUN ...]

Writes theory.csv beside this file.
"""

import csv
import sys
from pathlib import Path

import gridcode


def main(folders: list[str]) -> None:
    rows = []
    for folder in folders:
        run = gridcode.Run(folder)
        summary = run.read_summary()
        theory = summary.theory
        capacity = theory.coding.codes[0].properties.capacity
        by_units = {round(row.units): row.capacity for row in capacity.by_modules}
        together = 0
        for population in theory.state_space.populations:
            whole = population.module is None
            module = None if whole else summary.modules[population.module]
            together += 0 if whole else population.n_units
            places = capacity.arena.capacity if whole else by_units.get(together, "")
            rows.append(
                {
                    "seed": run.config.training.seed,
                    "population": population.name,
                    "units": population.n_units,
                    "spacing_m": "" if whole else module.spacing_m,
                    "orientation_deg": "" if whole else module.orientation_deg,
                    "betti": " ".join(map(str, population.topology.betti)),
                    "torus": population.topology.torus,
                    "torus_p_value": population.topology.torus_p_value,
                    "places_told_apart_up_to_this_module": places,
                    "slow_exponents": theory.dynamics.lyapunov.slow if whole else "",
                    "controls_as_expected": all(c.as_expected for c in theory.state_space.controls),
                }
            )
    with (Path(__file__).parent / "theory.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
