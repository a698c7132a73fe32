"""State space and capacity of evaluated networks as one table: `python theory.py RUN [RUN ...]` writes theory.csv beside this file."""

import csv
import sys
from pathlib import Path

import gridcode


def main(folders: list[str]) -> None:
    rows = []
    for folder in folders:
        run = gridcode.Run(folder)
        summary = run.read_summary()
        theory = summary["theory"]
        capacity = theory["coding"]["codes"][0]["properties"]["capacity"]
        by_units = {round(row["units"]): row["capacity"] for row in capacity["by_modules"]}
        exponents = theory["dynamics"]["lyapunov"]
        together = 0
        for population in theory["state_space"]["populations"]:
            module = population["module"]
            together += population["n_units"] if module is not None else 0
            rows.append(
                {
                    "seed": run.config.training.seed,
                    "population": population["name"],
                    "units": population["n_units"],
                    "spacing_m": summary["modules"][module]["spacing_m"]
                    if module is not None
                    else "",
                    "orientation_deg": summary["modules"][module]["orientation_deg"]
                    if module is not None
                    else "",
                    "betti": " ".join(str(b) for b in population["topology"]["betti"]),
                    "torus": population["topology"]["torus"],
                    "torus_p_value": population["topology"]["torus_p_value"],
                    "places_told_apart_up_to_this_module": by_units.get(together, "")
                    if module is not None
                    else capacity["arena"]["capacity"],
                    "slow_exponents": exponents["slow"] if module is None else "",
                    "controls_as_expected": all(
                        c["as_expected"] for c in theory["state_space"]["controls"]
                    ),
                }
            )
    with (Path(__file__).parent / "theory.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
