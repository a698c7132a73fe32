"""Compare what the tools say of the same maps, and write the tables.

    python compare.py FOLDER [--out results]

`maps.csv`: every map with its truth and what each tool says. `scores.csv`: each named definition as
gridcode computes it against the tool it comes from. `lattices.csv`: errors of spacing and
orientation of each tool by kind of map.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

TOOLS = ("gridcode", "opexebo", "spatial_maps", "deepmind")
FROM = {
    "deepmind": "deepmind",
    "deepmind_minmax": "deepmind",
    "square": "deepmind",
    "opexebo": "opexebo",
    "spatial_maps": "spatial_maps",
}
FAILED = 0.1  # an error of the spacing beyond this is a wrong lattice, not an inaccurate one


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(
            {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def agreement(ours: np.ndarray, theirs: np.ndarray, ms: tuple[float, float]) -> dict[str, Any]:
    both = np.isfinite(ours) & np.isfinite(theirs)
    difference = np.abs(ours - theirs)[both]
    return {
        "maps": int(both.sum()),
        "only_one_has_a_score": int((np.isfinite(ours) != np.isfinite(theirs)).sum()),
        "pearson": float(stats.pearsonr(ours[both], theirs[both])[0]),
        "spearman": float(stats.spearmanr(ours[both], theirs[both])[0]),
        "differ_by_over_1e-6": int((difference > 1e-6).sum()),
        "median_difference": float(np.median(difference)),
        "largest_difference": float(difference.max()),
        "cpu_ms_gridcode": ms[0],
        "cpu_ms_tool": ms[1],
    }


def lattice_errors(
    spacing: np.ndarray, orientation: np.ndarray, truth_m: np.ndarray, truth_deg: np.ndarray
) -> dict[str, Any]:
    """Errors over maps; without an answer a map counts as failed, and as infinitely wrong."""
    error = np.abs(spacing / truth_m - 1)
    turned = np.abs((orientation - truth_deg + 30) % 60 - 30)
    error, turned = (np.where(np.isfinite(e), e, np.inf) for e in (error, turned))
    hexagonal = np.isfinite(truth_deg)
    return {
        "maps": len(error),
        "no_lattice_or_wrong": int((error > FAILED).sum()),
        "spacing_error_percent_median": float(100 * np.median(error)),
        "spacing_error_percent_90th": float(100 * np.quantile(error, 0.9, method="higher")),
        "orientation_error_deg_median": float(np.median(turned[hexagonal]))
        if hexagonal.any()
        else np.nan,
        "orientation_error_deg_90th": float(np.quantile(turned[hexagonal], 0.9, method="higher"))
        if hexagonal.any()
        else np.nan,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    files = [np.load(options.folder / f"{name}.npz") for name in ("planted", "ratinabox")]
    truth = {
        name: np.concatenate([f[name] for f in files])
        for name in ("kind", "noise", "spacing_m", "orientation_deg")
    }
    found = {tool: json.loads((options.folder / f"{tool}.json").read_text()) for tool in TOOLS}
    said = {
        tool: {name: np.array(values, dtype=float) for name, values in found[tool]["maps"].items()}
        for tool in TOOLS
    }
    ms = {tool: found[tool]["cpu_ms_per_map"] for tool in TOOLS}

    scores = []
    for definition, tool in FROM.items():
        times = (ms["gridcode"][definition], ms[tool].get(definition, ms[tool].get("deepmind")))
        scores.append(
            {"definition": definition, "against": tool}
            | agreement(said["gridcode"][definition], said[tool][definition], times)
        )
    own_ms = ms["gridcode"]["own scores and lattice"]
    for own, definition in (
        ("own_minmax", "opexebo"),
        ("own_mean60", "deepmind"),
        ("own_square", "square"),
    ):
        tool = FROM[definition]
        times = (own_ms, ms[tool].get(definition, ms[tool].get("deepmind")))
        against = {"definition": own, "against": f"{tool} {definition}"}
        scores.append(against | agreement(said["gridcode"][own], said[tool][definition], times))

    lattices = []
    resolved = np.isfinite(said["opexebo"]["spacing_m"])
    resolved &= np.abs(said["opexebo"]["spacing_m"] / truth["spacing_m"] - 1) < FAILED
    has_lattice, hexagonal = np.isfinite(truth["spacing_m"]), np.isfinite(truth["orientation_deg"])
    groups = {kind: truth["kind"] == kind for kind in dict.fromkeys(truth["kind"].tolist())}
    groups = {kind: chosen for kind, chosen in groups.items() if has_lattice[chosen].all()}
    groups |= {
        "all hexagonal": hexagonal,
        "all with a lattice": has_lattice,
        "all hexagonal that opexebo gets wrong": hexagonal & ~resolved,
    }
    for kind, chosen in groups.items():
        for tool in ("gridcode", "opexebo", "spatial_maps"):
            columns = (
                said[tool]["spacing_m"],
                said[tool]["orientation_deg"],
                truth["spacing_m"],
                truth["orientation_deg"],
            )
            lattices.append(
                {"kind": kind, "tool": tool} | lattice_errors(*(c[chosen] for c in columns))
            )

    maps = []
    for i in range(len(truth["kind"])):
        row = {name: values[i].item() for name, values in truth.items()}
        for tool in TOOLS:
            lattice = {
                f"{tool}_{name}": said[tool][name][i].item()
                for name in ("spacing_m", "orientation_deg")
                if name in said[tool]
            }
            prefix = "ours" if tool == "gridcode" else "theirs"
            row |= {
                f"{prefix}_{name}": v[i].item()
                for name, v in said[tool].items()
                if name not in ("spacing_m", "orientation_deg")
            } | lattice
        maps.append(row)

    options.out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("maps", maps), ("scores", scores), ("lattices", lattices)):
        write(options.out / f"{name}.csv", rows)
    for rows in (scores, lattices):
        for row in (dict(zip(rows[0], rows[0], strict=True)), *rows):
            print(", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    print({tool: found[tool]["versions"] for tool in TOOLS})


if __name__ == "__main__":
    main()
