"""The tables of this study as records, and their summaries over seeds.

python experiments/entropy/tables.py    # the tables of README.md
"""

import csv
import itertools
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WORDS = ("code", "noise_kind")
ONE_MODULE, THREE = "64", "64 + 64 + 64"


def read(name):
    """Rows of `NAME.csv` with numbers as numbers; an empty field is NaN."""
    with open(HERE / f"{name}.csv") as file:
        return [
            {k: v if k in WORDS else float(v or "nan") for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def by_seed(rows, value, **chosen):
    """Values by seed of the rows that have all chosen fields."""
    picked = [r for r in rows if all(_same(r[k], v) for k, v in chosen.items())]
    return {int(r["seed"]): r[value] for r in picked}


def _same(have, wanted):
    return have == wanted or (isinstance(wanted, float) and abs(have - wanted) < 1e-9)


def over_seeds(found):
    """Median, lowest and highest; NaN where there is none."""
    values = np.array(list(found.values()))
    if not len(values) or np.isnan(values).any():
        return (np.nan,) * 3
    return float(np.median(values)), float(values.min()), float(values.max())


def text(found, digits=2):
    """Median (lowest to highest)."""
    middle, low, high = (f"{v:.{digits}f}" for v in over_seeds(found))
    return "-" if middle == "nan" else f"{middle} ({low} to {high})"


def capacities(rows):
    """The weights of capacity that the rows have, ascending."""
    return sorted({r["lambda_cap"] for r in rows if r["code"] == ONE_MODULE})


def balance(weight, *, modules=1, sigma_g=0.4):
    """V and separation at which separation + capacity of ideal modules is smallest.

    States whose phases differ by p are 2 V (1 - c(p)) apart, squared, with c the mean of the three
    cosines over waves and modules. Without capacity nothing ends the rise of V: NaN.
    """
    if not weight:
        return math.nan, math.nan
    line = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    a, b = np.meshgrid(line, line)
    unlike = (1 - (np.cos(a) + np.cos(b) + np.cos(a + b)) / 3) / modules
    variance = np.linspace(0.01, 2, 400)
    one = np.array([np.exp(-v * unlike / sigma_g**2).mean() for v in variance])
    best = (one**modules + weight * variance).argmin()
    return float(variance[best]), float(one[best] ** modules)


def expected_bits(variance, sigma):
    """Information of an ideal module: log2 of its torus' area over 2 pi e sigma^2.

    The area is 4 pi^2 V / sqrt(3), whatever the spacing. For small noise.
    """
    return math.log2(4 * math.pi**2 * variance / math.sqrt(3) / (2 * math.pi * math.e * sigma**2))


def markdown(heads, rows):
    """A table."""
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    print("\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]), end="\n\n")


def room_table(rows):
    columns = {
        "variance": 3,
        "median_distance": 2,
        "dimension": 1,
        "vmf_bound_bits": 1,
        "kl_bits": 2,
        "kl_local_dimension": 1,
        "walk_spread": 3,
    }
    found = []
    for weight in capacities(rows):
        chosen = {"code": ONE_MODULE, "lambda_cap": weight, "side_m": 2.0}
        cells = [text(by_seed(rows, name, **chosen), d) for name, d in columns.items()]
        found.append([f"{weight:g}", f"{balance(weight)[0]:.2f}", *cells])
    markdown(["lambda_cap", "V expected", *columns], found)


def information_table(rows, value, kinds, side_m=2.0):
    found = []
    for weight in capacities(rows):
        chosen = {"code": ONE_MODULE, "lambda_cap": weight, "side_m": side_m}
        cells = [text(by_seed(rows, value, **chosen, **kind)) for kind in kinds.values()]
        found.append([f"{weight:g}", *cells])
    print(f"{value}, square of {side_m:g} m", end="\n\n")
    markdown(["lambda_cap", *kinds], found)


def paired_table(rows, kinds, values):
    """Differences between successive weights, seed by seed."""
    found, weights = [], capacities(rows)
    for value in values:
        for low, high in itertools.pairwise(weights):
            cells = []
            for kind in kinds.values():
                before, after = (
                    by_seed(rows, value, code=ONE_MODULE, lambda_cap=w, side_m=2.0, **kind)
                    for w in (low, high)
                )
                change = {s: after[s] - before[s] for s in before.keys() & after.keys()}
                falls = sum(v < 0 for v in change.values())
                cells.append(f"{text(change)}; falls on {falls} of {len(change)}")
            found.append([value, f"{low:g} to {high:g}", *cells])
    markdown(["", "lambda_cap", *kinds], found)


def noise_kinds(rows):
    """Fixed noises and noises in proportion to the spread of states, by heading."""
    fixed = {f"noise {s:g}": {"noise_kind": "absolute", "sigma": s} for s in (0.05, 0.1, 0.2)}
    shares = sorted({r["noise_kind"] for r in rows if r["noise_kind"] != "absolute"})
    return fixed, {f"noise {share}": {"noise_kind": share} for share in shares}


def joined_table(rows, noise):
    """Three populations before and after they are trained together."""
    found = []
    for step in sorted({r["step"] for r in rows if r["code"] == THREE}):
        own = {"code": THREE, "step": step, "side_m": 4.0}
        at = own | {"noise_kind": "absolute"}
        cells = [text(by_seed(rows, "variance", **own), 3)]
        cells += [
            text(by_seed(noise, value, sigma=sigma, **at), digits)
            for value, digits in (("information_bits", 2), ("packing_number", 0))
            for sigma in (0.1, 0.2)
        ]
        found.append([f"{step:g}", *cells])
    markdown(
        ["step", "V", *(f"{w}, {s:g}" for w in ("information", "packing") for s in (0.1, 0.2))],
        found,
    )


def ideal_table():
    """What ideal modules pay and gain: the same V, less separation the more of them there are."""
    found = []
    for weight in (0.125, 0.5, 1, 2):
        pairs = [balance(weight, modules=m) for m in (1, 2, 3)]
        one, two, _ = (s + weight * v for v, s in pairs)
        cells = [f"{v:.2f}, {s:.3f}" for v, s in pairs]
        found.append([f"{weight:g}", *cells, f"{one - two:.3f}"])
    heads = [f"V, separation of {m}" for m in (1, 2, 3)]
    markdown(["lambda_cap", *heads, "objective of 1 less that of 2"], found)


def planted_table(rows, noise):
    found = []
    for code in dict.fromkeys(r["code"] for r in rows):
        own = {"code": code, "side_m": 4.0}
        cells = [text(by_seed(rows, "variance", **own), 3)]
        for sigma in (0.05, 0.1, 0.2):
            at = own | {"noise_kind": "absolute", "sigma": sigma}
            cells.append(text(by_seed(noise, "information_bits", **at)))
        at = own | {"noise_kind": "absolute", "sigma": 0.1}
        cells.append(text(by_seed(noise, "variance_bound_bits", **at), 1))
        found.append([code, *cells])
    markdown(["code, 4 m", "V", "noise 0.05", "0.1", "0.2", "bound by V, 0.1"], found)


def training_table(rows, noise):
    found = []
    steps = sorted({r["step"] for r in rows if r["lambda_cap"] == 0.5})
    for step in steps:
        own = {"code": ONE_MODULE, "lambda_cap": 0.5, "step": step}
        at = own | {"noise_kind": "absolute", "sigma": 0.1}
        cells = [text(by_seed(rows, "variance", **own), 3)]
        values = ("renyi_bits", "information_bits", "after_walk_bits")
        cells += [text(by_seed(noise, value, **at)) for value in values]
        found.append([f"{step:g}", *cells])
    heads = ["step", "V", "Renyi entropy", "information", "after walks"]
    markdown([heads[0], heads[1], *(f"{h}, noise 0.1" for h in heads[2:])], found)


def main():
    rows, noise = read("networks"), read("networks_noise")
    room_table(rows)
    fixed, relative = noise_kinds(noise)
    for value in ("information_bits", "after_walk_bits", "renyi_bits"):
        information_table(noise, value, fixed)
    for value in ("information_bits", "after_walk_bits"):
        information_table(noise, value, relative)
    for value in ("places_told_apart", "packing_number", "information_bits"):
        information_table(noise, value, fixed, side_m=4.0)
    paired_table(noise, fixed | relative, ("information_bits", "after_walk_bits"))
    joined_table(rows, noise)
    ideal_table()
    planted_table(read("planted"), read("planted_noise"))
    training_table(read("training"), read("training_noise"))


if __name__ == "__main__":
    main()
