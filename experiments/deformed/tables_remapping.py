"""Tables of `remapping.py`, for tables.py."""

from pathlib import Path

import numpy as np
import pandas as pd
from markdown_tables import ranged, show

from gridcode.analysis.cells.phases import phase_uniformity

HERE = Path(__file__).parent


def remapping() -> None:
    """Coherence of shifts, and dependence of modules."""
    table = pd.read_csv(HERE / "remapping.csv")
    table["kind"] = np.where(table.network.str.startswith("quick"), "one module", "three modules")
    rows = []
    for (kind, relax), part in table.groupby(["kind", "relax_steps"], sort=False):
        networks = part.assign(
            above=part.coherence > part.coherence_null_95, miss=(np.log(part.spacing_ratio)).abs()
        )
        each = networks.groupby("network").mean(numeric_only=True)
        rows.append(
            {
                "networks": f"{len(each)}, {kind}",
                "steps before": relax,
                "coherence of shifts": ranged(each.coherence),
                "shuffled units": ranged(each.coherence_null_median),
                "starts above 95% of shuffles": ranged(each.above),
                "correlation with the own maps": ranged(each.map_correlation),
                "grid score before": ranged(each.grid_score_own),
                "after": ranged(each.grid_score_moved),
                "change of log spacing": ranged(each.miss, 3),
            }
        )
    show("Two starts: maps from a random start against those from the network's own", rows)
    pairs(table)


def pairs(table: pd.DataFrame) -> None:
    """Are shifts spread evenly, and do those of two modules depend on one another?"""
    generator = np.random.default_rng(0)
    even, dependent = [], []
    for _, network in table[table.kind == "three modules"].groupby("network"):
        shifts = [m[["shift_1", "shift_2"]].values for _, m in network.groupby("module")]
        even += [phase_uniformity(s, generator=generator) for s in shifts]
        dependent += [
            dependence(a, b, generator) for i, a in enumerate(shifts) for b in shifts[i + 1 :]
        ]
    for name, found in (("uneven shifts", even), ("dependent pairs of modules", dependent)):
        low = sum(p < 0.05 for p in found)
        least = np.round(sorted(found)[:3], 3).tolist()
        print(f"\n{name}: p < 0.05 on {low} of {len(found)}, lowest p {least}")


def dependence(first: np.ndarray, second: np.ndarray, generator: np.random.Generator) -> float:
    """p-value of shifts (start, 2) of two modules that depend on one another, by permutation."""

    def statistic(order: np.ndarray) -> float:
        a, b = np.exp(2j * np.pi * first), np.exp(2j * np.pi * second[order])
        return max(np.abs(a.T @ b).max(), np.abs(a.T @ b.conj()).max())

    own = statistic(np.arange(len(first)))
    nulls = [statistic(generator.permutation(len(first))) for _ in range(999)]
    return (1 + sum(n >= own for n in nulls)) / 1000
