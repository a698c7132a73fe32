"""Score the maps with one tool, in that tool's environment.

    python score_maps.py FOLDER TOOL [--deepmind CLONE]

TOOL is gridcode, opexebo, spatial_maps or deepmind; the last is no package: CLONE is a clone of
github.com/google-deepmind/grid-cells. Writes FOLDER/TOOL.json: per map its scores, spacing_m and
orientation_deg, and the CPU-milliseconds a map of each score (median of five runs over 20 maps, one
thread).
"""

import argparse
import json
import math
import statistics
import sys
import time
import types
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

# From maps (unit, y, x) and the size of a bin to named columns with a value for every map.
Tool = Callable[[np.ndarray, float], dict[str, Any]]


def each(function: Callable[[np.ndarray, float], dict[str, float]]) -> Tool:
    """A tool that takes one map at a time; a map that it fails on is NaN."""

    def score(maps: np.ndarray, bin_m: float) -> dict[str, Any]:
        found = []
        for rate in maps:
            try:
                found.append(function(rate.copy(), bin_m))
            except Exception as error:
                print(f"failed: {type(error).__name__}: {error}")
                found.append({})
        names = dict.fromkeys(name for one in found for name in one)
        return {name: [one.get(name, math.nan) for one in found] for name in names}

    return score


def opexebo_tools() -> dict[str, Tool]:
    import opexebo

    def score(rate: np.ndarray, bin_m: float) -> dict[str, float]:
        value, stats = opexebo.analysis.grid_score(
            opexebo.analysis.autocorrelation(rate), bin_width=bin_m
        )
        return {
            "opexebo": value,
            "spacing_m": stats["grid_spacing"],
            "orientation_deg": stats["grid_orientation"],
        }

    return {"opexebo": each(score)}


def spatial_maps_tools() -> dict[str, Tool]:
    from spatial_maps.fields import find_peaks
    from spatial_maps.gridcells import gridness, spacing_and_orientation
    from spatial_maps.tools import autocorrelation

    def score(rate: np.ndarray, bin_m: float) -> dict[str, float]:
        correlogram = autocorrelation(np.nan_to_num(rate), mode="full", normalize=True)
        peaks = find_peaks(correlogram) * bin_m
        spacing, orientation = spacing_and_orientation(peaks, np.array(correlogram.shape) * bin_m)
        return {
            "spatial_maps": gridness(rate),
            "spacing_m": spacing,
            "orientation_deg": np.degrees(orientation),
        }

    return {"spatial_maps": each(score)}


def deepmind_tools(clone: Path) -> dict[str, Tool]:
    # Its figures are not needed, nor is the package that draws them.
    sys.modules.setdefault("matplotlib", types.ModuleType("matplotlib"))
    sys.modules.setdefault("matplotlib.pyplot", types.ModuleType("matplotlib.pyplot"))
    sys.path.insert(0, str(clone))
    import scipy.ndimage
    from scores import GridScorer

    # The name under which SciPy had it in 2018.
    scipy.ndimage.interpolation = scipy.ndimage
    rings = list(zip([0.2] * 10, np.linspace(0.4, 1.0, num=10).tolist(), strict=True))

    def tool(min_max: bool) -> Tool:
        def score(rate: np.ndarray, _bin_m: float) -> dict[str, float]:
            hexagonal, square, *_ = GridScorer(len(rate), None, rings, min_max=min_max).get_scores(
                rate
            )
            return (
                {"deepmind_minmax": hexagonal}
                if min_max
                else {"deepmind": hexagonal, "square": square}
            )

        return each(score)

    return {"deepmind": tool(False), "deepmind_minmax": tool(True)}


def gridcode_tools() -> dict[str, Tool]:
    from gridcode.analysis.cells.definitions import DEFINITIONS, grid_score
    from gridcode.analysis.cells.gridness import score_maps

    def own(maps: np.ndarray, bin_m: float) -> dict[str, Any]:
        scores = score_maps(maps, bin_size_m=bin_m, smoothing_bins=0)
        names = {
            "own_minmax": "grid_score",
            "own_mean60": "mean60",
            "own_square": "square",
            "own_corrected": "corrected",
        }
        columns = {column: getattr(scores, name).tolist() for column, name in names.items()}
        return columns | {
            "spacing_m": scores.spacing_m.tolist(),
            "orientation_deg": scores.orientation_deg.tolist(),
        }

    def named(definition: str) -> Tool:
        return lambda maps, _bin_m: {definition: grid_score(maps, definition=definition).tolist()}

    return {"own scores and lattice": own} | {
        name: named(name) for name in DEFINITIONS if name != "minmax"
    }


def milliseconds(tool: Tool, maps: np.ndarray, bin_m: float) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        tool(maps, bin_m)
        times.append(1e3 * (time.process_time() - start) / len(maps))
    return round(statistics.median(times), 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("tool", choices=["gridcode", "opexebo", "spatial_maps", "deepmind"])
    parser.add_argument(
        "--deepmind", type=Path, help="clone of github.com/google-deepmind/grid-cells"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files = [np.load(options.folder / f"{name}.npz") for name in ("planted", "ratinabox")]
    maps, bin_m = np.concatenate([f["rate_maps"] for f in files]), float(files[0]["bin_size_m"])
    if options.tool == "deepmind":
        if not options.deepmind:
            parser.error("say where the clone is: --deepmind CLONE")
        tools = deepmind_tools(options.deepmind)
    else:
        tools = {
            "gridcode": gridcode_tools,
            "opexebo": opexebo_tools,
            "spatial_maps": spatial_maps_tools,
        }[options.tool]()
    columns = {name: value for tool in tools.values() for name, value in tool(maps, bin_m).items()}
    times = {
        name: milliseconds(tool, maps[:: len(maps) // 20][:20], bin_m)
        for name, tool in tools.items()
    }
    packages = ("gridcode", "opexebo", "spatial-maps", "numpy", "scipy")
    versions = {
        p.metadata["Name"].replace("_", "-"): p.version
        for p in metadata.distributions()
        if p.metadata["Name"].replace("_", "-") in packages
    }
    (options.folder / f"{options.tool}.json").write_text(
        json.dumps({"versions": versions, "cpu_ms_per_map": times, "maps": columns}, default=float)
    )
    print(f"{options.tool}: {len(maps)} maps; CPU-ms a map {times}; {versions}")


if __name__ == "__main__":
    main()
