"""Figure of this study: `python experiments/entropy/figure.py` writes entropy.png."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from tables import ONE_MODULE, THREE, balance, by_seed, capacities, expected_bits, read

from gridcode.report.style import INK

NOISES = (0.05, 0.1, 0.2)
WEIGHTS = {0.0: INK[2], 0.5: INK[0]}
INFORMATION = "information on place (bits)"


def curve(axes, places, found, colour, **more):
    """Medians over seeds with a band from the lowest to the highest."""
    values = [np.array(list(f.values())) for f in found]
    known = [i for i, v in enumerate(values) if len(v)]
    at = [places[i] for i in known]
    axes.fill_between(
        at,
        [values[i].min() for i in known],
        [values[i].max() for i in known],
        color=colour,
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(at, [np.median(values[i]) for i in known], color=colour, **more)


def steps_of(rows, weight):
    return sorted({r["step"] for r in rows if r["lambda_cap"] == weight})


def draw_training_variance(axes, rows):
    for weight, colour in WEIGHTS.items():
        steps = steps_of(rows, weight)
        found = [by_seed(rows, "variance", lambda_cap=weight, step=s) for s in steps]
        curve(axes, steps, found, colour, label=f"$\\lambda_{{cap}}$ = {weight:g}")
    axes.set(xlabel="training step", ylabel="$V = 1 - |E g|^2$", title="Variance overshoots")
    axes.legend(loc="lower right")


def draw_training_information(axes, noise):
    steps = steps_of(noise, 0.5)
    for sigma, colour in zip(NOISES, INK, strict=False):
        for value, style in (("information_bits", "-"), ("after_walk_bits", "--")):
            own = {"lambda_cap": 0.5, "sigma": sigma}
            found = [by_seed(noise, value, step=s, **own) for s in steps]
            label = f"noise {sigma:g}" if style == "-" else None
            curve(axes, steps, found, colour, linestyle=style, label=label)
    axes.set_ylim(0, 13.5)
    axes.set(
        xlabel="training step",
        ylabel=INFORMATION,
        title="Information meanwhile ($\\lambda_{cap}$ = 0.5)",
    )
    axes.legend(loc="upper center", ncols=3, fontsize=6, columnspacing=0.8, handlelength=1.2)


def draw_variance(axes, rows):
    weights = capacities(rows)
    found = [by_seed(rows, "variance", code=ONE_MODULE, lambda_cap=w, side_m=2.0) for w in weights]
    curve(axes, weights, found, INK[0], marker="o", markersize=3, label="networks")
    line = np.linspace(0.1, 2, 60)
    expected = [balance(w)[0] for w in line]
    axes.plot(line, expected, color="0.3", linestyle=":", label="ideal module")
    axes.set(
        xlabel="weight of capacity $\\lambda_{cap}$",
        ylabel="$V = 1 - |E g|^2$",
        title="Capacity prices variance",
    )
    axes.legend()


def draw_information(axes, noise, kinds, title):
    weights = capacities(noise)
    for (label, kind), colour in zip(kinds.items(), INK, strict=False):
        for value, style in (("information_bits", "-"), ("after_walk_bits", "--")):
            found = [
                by_seed(noise, value, code=ONE_MODULE, lambda_cap=w, side_m=2.0, **kind)
                for w in weights
            ]
            shown = {"label": label if style == "-" else None, "linestyle": style}
            curve(axes, weights, found, colour, marker="o", markersize=3, **shown)
    axes.set(xlabel="weight of capacity $\\lambda_{cap}$", ylabel=INFORMATION, title=title)
    axes.set_ylim(0.5, 13.5)
    axes.legend(loc="upper center", ncols=3, fontsize=6, columnspacing=0.8, handlelength=1.2)


def draw_codes(axes, trained, planted, sigma=0.1):
    """Information in 4 m against V, medians over seeds: networks by weight, planted codes."""
    at = {"side_m": 4.0, "noise_kind": "absolute", "sigma": sigma}
    rows, noise = trained
    shown = [
        (f"$\\lambda_{{cap}}$ = {w:g}", "o", INK[0], {"code": ONE_MODULE, "lambda_cap": w}, trained)
        for w in capacities(rows)
    ]
    step = max(r["step"] for r in rows if r["code"] == THREE)
    shown.append(("3 modules,\ntrained", "D", INK[1], {"code": THREE, "step": step}, trained))
    shown += [
        (code, "^" if "ideal" in code else "s", "0.5", {"code": code}, planted)
        for code in dict.fromkeys(r["code"] for r in planted[0])
    ]
    for label, marker, colour, own, (rows, noise) in shown:
        v, bits = (
            np.median(list(by_seed(table, value, **own, **more).values()))
            for table, value, more in (
                (rows, "variance", {"side_m": 4.0}),
                (noise, "information_bits", at),
            )
        )
        axes.plot(v, bits, marker, color=colour, markersize=4)
        place, align = ((-5, 0), "right") if v > 0.6 or marker == "D" else ((5, 0), "left")
        if v < 0.2:
            place, align = (0, 7), "center"
        if label == "random, 0.4 m":  # beside two modules
            place = (-5, -6)
        near = {"fontsize": 6, "textcoords": "offset points", "ha": align, "va": "center"}
        axes.annotate(label, (v, bits), place, **near)
    line = np.linspace(0.1, 0.85, 50)
    axes.plot(line, [expected_bits(v, sigma) for v in line], ":", color="0.3")
    axes.set(
        xlim=(0.0, 0.9),
        xlabel="$V = 1 - |E g|^2$",
        ylabel=INFORMATION,
        title=f"V does not fix it (4 m, noise {sigma:g})",
    )


def main():
    rows, noise = read("networks"), read("networks_noise")
    fixed = {f"noise {s:g}": {"noise_kind": "absolute", "sigma": s} for s in NOISES}
    shares = sorted(
        {r["noise_kind"] for r in noise} - {"absolute"}, key=lambda k: float(k.split()[0])
    )
    relative = {f"{float(k.split()[0]):.2f} $\\sqrt{{V}}$": {"noise_kind": k} for k in shares}
    plt.style.use("gridcode.report.paper")
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 4.6))
    draw_training_variance(axes[0, 0], read("training"))
    draw_training_information(axes[0, 1], read("training_noise"))
    draw_variance(axes[0, 2], rows)
    draw_information(axes[1, 0], noise, fixed, "Information at a fixed noise")
    draw_information(axes[1, 1], noise, relative, "At a noise in proportion to $\\sqrt{V}$")
    draw_codes(axes[1, 2], (rows, noise), (read("planted"), read("planted_noise")))
    for letter, one in zip("abcdef", axes.flat, strict=True):
        one.text(-0.2, 1.04, letter, transform=one.transAxes, fontweight="bold")
    figure.savefig(Path(__file__).with_name("entropy.png"), dpi=120)


if __name__ == "__main__":
    main()
