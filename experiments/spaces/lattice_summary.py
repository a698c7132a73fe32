"""Tables of line.md and volume.md, and each condition's median and range over networks.

python experiments/spaces/lattice_summary.py
"""

import csv
import statistics
from pathlib import Path

HERE = Path(__file__).parent
SHOWN = {
    "line.csv": (
        "active periodic groups period_m units ratios fields_per_period width_m stability "
        "path_error_m error_in_period_m loss"
    ),
    "ends.csv": (
        "active error_10_m error_30_m error_60_m error_200_m peaks_near_ends slope_ends "
        "slope_middle distance_of_ends periodic loss"
    ),
    "volume_trained.csv": (
        "extent_m active fields one_field diameter_m error_10_m error_15_m error_30_m error_60_m "
        "random_places_m apart_60 apart_240 returns separation invariance capacity objective"
    ),
    "volume.csv": (
        "active lattice columns planes local_order strongest_wave shared_waves fields diameter_m "
        "nearest_m variation hard_spheres stability path_error_m loss"
    ),
}


def table(rows, columns):
    lines = [["network", *columns], ["---"] * (1 + len(columns))]
    lines += [[row["network"], *(row[name] for name in columns)] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ranges(rows, columns):
    """Median and range over the networks of each condition, of columns of numbers."""
    for condition in dict.fromkeys(row["condition"] for row in rows):
        mine = [row for row in rows if row["condition"] == condition]
        words = []
        for name in columns:
            try:
                values = [float(row[name]) for row in mine if row[name] != ""]
            except ValueError:  # several numbers in a cell
                continue
            if values:
                middle = statistics.median(values)
                words.append(f"{name} {middle:.3g} ({min(values):.3g} to {max(values):.3g})")
        yield f"- {condition}, {len(mine)} networks: {', '.join(words)}"


def main():
    for file, names in SHOWN.items():
        if not (HERE / file).is_file():
            continue
        with (HERE / file).open() as source:
            rows = sorted(csv.DictReader(source), key=lambda row: (row["condition"], row["seed"]))
        print(f"\n{file}\n\n{table(rows, names.split())}\n")
        print("\n".join(ranges(rows, names.split())))


if __name__ == "__main__":
    main()
