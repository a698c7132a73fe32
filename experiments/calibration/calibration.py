"""False-positive rates of every null on maps without a lattice: are p-values uniform?

    OMP_NUM_THREADS=1 python experiments/calibration/calibration.py
    experiments/calibration/rates.csv --maps 400

A row for each family of maps, null and statistic: how many maps have a p-value, the share of them
at or below 0.001, 0.01, 0.05, 0.1 and 0.5 with the 95% interval of the second (exact binomial), and
the p-value of Kolmogorov and Smirnov's test of uniformity.
"""

import argparse
import csv
import time

import numpy as np
from scipy import stats

from gridcode.analysis.cells.significance import significance
from gridcode.analysis.synthetic import noise_maps, scattered_fields

BINS = 80  # 4 m at 0.05 m
STATISTICS = {
    "lattice": "lattice_p_value",
    "band": "band_p_value",
    "grid score": "grid_score_p_value",
}


def standardised(maps):
    maps = maps - maps.mean(axis=(1, 2), keepdims=True)
    return maps / maps.std(axis=(1, 2), keepdims=True)


def cut(units, correlation_bins, generator):
    """Noise that is not periodic: a quarter of a larger plane."""
    return standardised(
        noise_maps(units, 2 * BINS, correlation_bins=correlation_bins, generator=generator)[
            :, :BINS, :BINS
        ]
    )


FAMILIES = {
    "noise smoothed by 2 bins": lambda n, g: noise_maps(n, BINS, correlation_bins=2.0, generator=g),
    "noise smoothed by 4 bins": lambda n, g: noise_maps(n, BINS, correlation_bins=4.0, generator=g),
    "noise smoothed by 6 bins": lambda n, g: noise_maps(n, BINS, correlation_bins=6.0, generator=g),
    "the same by 4 bins, rectified": lambda n, g: np.maximum(cut(n, 4.0, g), 0.0),
    "the same by 4 bins, exponentiated": lambda n, g: np.exp(cut(n, 4.0, g)),
    "12 fields at random places": lambda n, g: scattered_fields(
        n, BINS, fields=12, width_bins=4.0, generator=g
    ),
    "30 fields at random places": lambda n, g: scattered_fields(
        n, BINS, fields=30, width_bins=4.0, generator=g
    ),
    # Beyond the seven families: cells that are no stationary noise, which is what the null is.
    "6 fields at random places": lambda n, g: scattered_fields(
        n, BINS, fields=6, width_bins=6.0, generator=g
    ),
    "3 fields at random places": lambda n, g: scattered_fields(
        n, BINS, fields=3, width_bins=6.0, generator=g
    ),
}


def rows(family, null, statistic, p):
    known = p[np.isfinite(p)]
    low, high = (
        (stats.binomtest(int((known <= 0.01).sum()), len(known)).proportion_ci(0.95))
        if len(known)
        else (np.nan, np.nan)
    )
    # Without a lattice the p-value is 1: those stand apart from the uniform part.
    uniform = stats.kstest(known, "uniform").pvalue if len(known) else np.nan
    shares = {
        f"share_{level}": round(float((known <= level).mean()), 4)
        for level in (0.001, 0.01, 0.05, 0.1, 0.5)
    }
    return {
        "family": family,
        "null": null,
        "statistic": statistic,
        "maps": len(p),
        "with_p_value": len(known),
        **shares,
        "low_0.01": round(low, 4),
        "high_0.01": round(high, 4),
        "uniformity_p": round(float(uniform), 4),
    }


def plot(path, curves):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from gridcode.report.style import INK, STYLE

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.2))
        for k, statistic in enumerate(("lattice", "grid score")):
            ax = figure.add_subplot(1, 2, k + 1)
            for (family, p), ink in zip(
                curves[statistic].items(), (*INK, "0.3", "0.6"), strict=False
            ):
                p = np.sort(p[np.isfinite(p)])
                ax.plot(
                    p, np.arange(1, len(p) + 1) / len(p), color=ink, linewidth=1.2, label=family
                )
            ax.plot([1e-3, 1], [1e-3, 1], color="black", linewidth=0.8, linestyle="--")
            ax.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1))
            ax.set(xlabel="p-value", ylabel="share of maps at or below", title=statistic)
        ax.legend(fontsize=7)
        figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("--maps", type=int, default=2000)
    parser.add_argument("--nulls", type=int, default=500)
    parser.add_argument("--plot")
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    table, curves = [], {name: {} for name in STATISTICS}
    for index, (family, make) in enumerate(FAMILIES.items()):
        maps = make(arguments.maps, np.random.default_rng([7, index]))
        for null in ("random phase", "field shuffle"):
            some = maps if null == "random phase" else maps[: arguments.maps // 10]
            start = time.process_time()
            result = significance(
                some,
                seed=index,
                nulls=arguments.nulls if null == "random phase" else 199,
                null=null,
                workers=arguments.workers,
            )
            for name, attribute in STATISTICS.items():
                table.append(rows(family, null, name, getattr(result, attribute)))
                if null == "random phase":
                    curves[name][family] = getattr(result, attribute)
            cost = f"{time.process_time() - start:.0f} CPU-s, {result.nulls.sum()} null maps"
            print(
                f"{family}, {null}: {cost}",
                *({k: row[k] for k in list(row)[2:]} for row in table[-3:]),
                sep="\n  ",
                flush=True,
            )
    with open(arguments.out, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    if arguments.plot:
        plot(arguments.plot, curves)


if __name__ == "__main__":
    main()
