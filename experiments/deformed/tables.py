"""Tables of networks and seeds from the CSV files beside it, as Markdown.

    python experiments/deformed/tables.py > experiments/deformed/tables.md

Medians over networks, with the lowest and the highest network in brackets. A network's fine modules
(spacing below 1.2 m) are averaged first: the unit of replication is the network.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from markdown_tables import ranged, show
from tables_remapping import remapping

HERE = Path(__file__).parent
SIDE_M, COARSE_M = 2.0, 1.2


def rescaling() -> pd.DataFrame:
    """The table of deformed boxes with what is derived from it."""
    table = pd.read_csv(HERE / "rescaling.csv")
    table["size"] = np.where(table.spacing_m > COARSE_M, "coarse", "fine")
    gains = table.world.str.extract(r"^([\d.]+) x ([\d.]+)$").astype(float)
    table["gain_x"], table["gain_y"] = gains[0], gains[1]
    table["longer_m"] = (table.gain_x - 1) * SIDE_M
    table["predicted"] = 1 - table.rest_x_m / (table.gain_x * SIDE_M)
    # How much of the box's change the lattice follows along x: 0 none, 1 all of it.
    table["share"] = (1 - table.a_xx) / (1 - 1 / table.gain_x)
    table["share_predicted"] = (1 - table.predicted) / (1 - 1 / table.gain_x)
    table["turn_deg"] = np.degrees(np.arctan2(table.a_yx - table.a_xy, table.a_xx + table.a_yy))
    singular = [
        np.linalg.svd(m, compute_uv=False)
        for m in table[["a_xx", "a_xy", "a_yx", "a_yy"]].values.reshape(-1, 2, 2)
    ]
    table["strain"] = [np.log(s[0] / s[1]) / 2 for s in singular]
    return table


def by_network(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Means over the modules of each network."""
    return table.groupby([*keys, "network"], sort=False).mean(numeric_only=True).reset_index()


def signal(anchor: str, alpha: float) -> str:
    """The boundary signal in words."""
    return anchor if anchor == "none" else f"{anchor}, {alpha:g}"


def boxes(table: pd.DataFrame) -> None:
    """A row for each rectangular box, signal and size of module."""
    main = table[(table.part == "whole") & table.gain_x.isin([0.7, 1, 1.4])]
    main = main[~main.world.str.startswith("turned") & (main.world != "trapezoid")]
    keys = ["world", "anchor", "alpha", "size"]
    each = by_network(main, keys)
    rows = [
        {
            "box (x, y)": world,
            "signal": signal(anchor, alpha),
            "modules": f"{size}, {len(networks)} networks",
            "scale along x": ranged(1 / networks.a_xx),
            "along y": ranged(1 / networks.a_yy),
            "consistency": ranged(networks.consistency),
            "follows the path": ranged(networks.follows_path),
            "follows the box": ranged(networks.follows_box),
        }
        for (world, anchor, alpha, size), networks in each.groupby(keys, sort=False)
    ]
    show("Scale of the lattice (1: unchanged)", rows)


def turned(table: pd.DataFrame) -> None:
    """Turn of the lattice where the box or the compass is turned by 30 degrees."""
    keys = ["world", "anchor", "alpha"]
    main = table[table.world.str.startswith("turned")]
    rows = [
        {
            "world": world,
            "signal": signal(anchor, alpha),
            "turn of the lattice (deg)": ranged(-networks.turn_deg, 1),
            "consistency": ranged(networks.consistency),
            "follows the path": ranged(networks.follows_path),
            "follows the box": ranged(networks.follows_box),
        }
        for (world, anchor, alpha), networks in by_network(main, keys).groupby(keys, sort=False)
    ]
    show("Turned by 30 degrees, all modules", rows)


def swept(table: pd.DataFrame, anchor: str) -> pd.DataFrame:
    """Boxes of other lengths with walls of known place."""
    chosen = table[(table.anchor == anchor) & (table.alpha == 0.3) & (table.gain_y == 1)]
    return chosen[chosen.gain_x != 1].copy()


def sweep(table: pd.DataFrame, anchor: str) -> None:
    """Along x: what is measured, what the rule says, and the errors of three rules."""
    chosen = swept(table, anchor)
    keys = ["gain_x", "size"]
    rows = [
        {
            "gain of x": f"{gain:g}",
            "modules": f"{size}, {len(networks)} networks",
            "share of the change followed": ranged(networks.share),
            "by the rule": ranged(networks.share_predicted),
            "consistency": ranged(networks.consistency),
        }
        for (gain, size), networks in by_network(chosen, keys).groupby(keys)
    ]
    show(f"Share of the change of length that the lattice follows ({anchor}, 0.3)", rows)
    chosen["rule"] = (chosen.a_xx - chosen.predicted).abs()
    chosen["never"] = (chosen.a_xx - 1).abs()
    chosen["always"] = (chosen.a_xx - 1 / chosen.gain_x).abs()
    chosen["miss"] = chosen.east_west_miss_m / chosen.spacing_m
    correlation = chosen.groupby(["network", "size"])[["a_xx", "predicted"]].corr().iloc[::2, 1]
    rows = [
        {
            "modules": f"{size}, {len(networks)} networks",
            "error of the phase rule": ranged(networks.rule, 3),
            "of `keeps its scale`": ranged(networks.never, 3),
            "of `follows the box`": ranged(networks.always, 3),
            "correlation with the phase rule": ranged(correlation.xs(size, level="size")),
            "east-west shift: miss / spacing": ranged(networks.miss),
            "by chance": f"{hexagon_chance():.2f}",
        }
        for size, networks in by_network(chosen, ["size"]).groupby("size")
    ]
    show(f"Mean error of three rules for 1 / scale along x ({anchor}, 0.3)", rows)


def hexagon_chance() -> float:
    """Mean distance of a random place from a hexagonal lattice of spacing 1."""
    generator = np.random.default_rng(0)
    basis = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    whole = np.stack(np.meshgrid(np.arange(-1, 3), np.arange(-1, 3)), axis=-1).reshape(-1, 2)
    places = generator.random((20000, 1, 2)) @ basis
    return float(np.linalg.norm(places - whole @ basis, axis=2).min(axis=1).mean())


def trapezoid(table: pd.DataFrame) -> None:
    """The narrow against the wide half."""
    halves = table[(table.world == "trapezoid") & (table.part != "whole")]
    keys = ["anchor", "alpha", "part"]
    rows = [
        {
            "signal": signal(anchor, alpha),
            "half": part,
            "strain": ranged(networks.strain),
            "scale along y": ranged(1 / networks.a_yy),
            "consistency": ranged(networks.consistency),
            "agrees with the familiar lattice": ranged(networks.follows_path),
        }
        for (anchor, alpha, part), networks in by_network(halves, keys).groupby(keys, sort=False)
    ]
    show("Trapezoid, all modules", rows)
    wide = halves.pivot_table(
        index=["network", "module", "anchor", "alpha"], columns="part", values="follows_path"
    )
    worse = (wide.narrow < wide.wide).groupby(["anchor", "alpha"]).agg(["sum", "size"])
    words = [f"{signal(*index)}: {n} of {size}" for index, n, size in worse.itertuples()]
    print(f"\nModules that agree less in the narrow half: {'; '.join(words)}")


def drift() -> None:
    """Path integration in the familiar box."""
    table = pd.read_csv(HERE / "drift.csv")
    keys = ["anchor", "alpha"]
    rows = [
        {"signal": signal(anchor, alpha)}
        | {
            f"after {c.split('_')[1]} steps (m)": ranged(networks[c], 3)
            for c in table
            if c.startswith("error_")
        }
        for (anchor, alpha), networks in by_network(table, keys).groupby(keys, sort=False)
    ]
    show("Median error of the place that a module stands for, modulo its lattice", rows)


def training_on() -> None:
    """Strain against the lattice before, over steps."""
    table = pd.read_csv(HERE / "training_on.csv")
    shown = table[table.step.isin([0, 17, 67, 150, 267, 600])]
    rows = [
        {
            "variant": variant,
            "step": step,
            "seeds with a lattice": f"{int(seeds.shear.notna().sum())} of {len(seeds)}",
            "spacing (m)": ranged(seeds.spacing_m),
            "axis ratio": ranged(seeds.axis_ratio),
            "shear": ranged(seeds.shear, 3),
            "log scale": ranged(seeds.scale, 3),
            "loss": ranged(seeds.loss, 3),
        }
        for (variant, step), seeds in shown.groupby(["variant", "step"], sort=False)
    ]
    show("Trained on with another gain; shear 0.168 is a gain of 1.4", rows)
    halves = table.groupby(["variant", "seed"], sort=False).apply(half_time, include_groups=False)
    rows = [
        {"variant": variant} | {f"seed {seed}": f"{step:.0f}" for seed, step in times.items()}
        for variant, times in halves.unstack().iterrows()
        if times.notna().any()
    ]
    show("Steps until half of the shear is gone (inf: not in 600)", rows)


def half_time(seed: pd.DataFrame) -> float:
    """Step at which the shear has first fallen to half of its first value, NaN if it never does."""
    seed = seed.dropna(subset="shear").sort_values("step")
    if seed.empty or seed.shear.iloc[0] < 0.1:
        return np.nan
    below = np.flatnonzero(seed.shear.values <= seed.shear.iloc[0] / 2)
    if not len(below):
        return np.inf
    i = below[0]
    a, b = seed.iloc[i - 1], seed.iloc[i]
    part = (a.shear - seed.shear.iloc[0] / 2) / (a.shear - b.shear)
    return round(a.step + part * (b.step - a.step))


def main() -> None:
    table = rescaling()
    boxes(table)
    turned(table)
    sweep(table, "place")
    sweep(table, "ends")
    trapezoid(table)
    drift()
    training_on()
    remapping()


if __name__ == "__main__":
    main()
