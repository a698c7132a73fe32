"""The evaluation of a packaged network: one small file beside its weights.

A zip of `summary.json` and NetCDF files. Rate maps of the headline's arena are in it alone, rounded
to a share of each unit's peak; maps of other arenas take megabytes, and `gridcode evaluate` makes
them again in minutes.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import xarray as xr

from gridcode.analysis.evaluate import Evaluation
from gridcode.analysis.population import score_dataset
from gridcode.analysis.records import Summary
from gridcode.config import EvaluationConfig
from gridcode.errors import InputError
from gridcode.reading import reading
from gridcode.runs.evaluation_files import ENGINE

# Levels of a rate map above 0, up to the unit's peak: rounding is by 0.4% of the peak at most.
LEVELS = 127
# Each member's name is fixed, so that the same evaluation gives the same bytes.
SUMMARY, MAPS, THEORY = "summary.json", "maps.nc", "theory.nc"
DATE = (1980, 1, 1, 0, 0, 0)
KEPT = (
    f"rate maps: those of the headline's arena, rounded to {LEVELS} levels of each unit's peak; "
    "`gridcode evaluate` makes all of them"
)


def pack_evaluation(evaluation: Evaluation) -> bytes:
    """An evaluation as a file.

    Args:
        evaluation: with its origin.
    """
    assert evaluation.summary.headline is not None
    data = evaluation.headline()
    rate = data["rate"].values.astype(np.float64)
    lowest, peak = (np.nan_to_num(f(rate, axis=(1, 2))) for f in (np.fmin.reduce, np.fmax.reduce))
    size = np.where(peak > lowest, (peak - lowest) / LEVELS, 1.0)
    levels = np.round((rate - lowest[:, None, None]) / size[:, None, None])
    packed = data.drop_vars(["rate", "autocorrelogram", "lag_y", "lag_x"])
    packed["level"] = (
        ("unit", "y", "x"),
        np.where(np.isnan(levels), LEVELS + 1, levels).astype(np.uint8),
    )
    packed["lowest"], packed["step"] = ("unit", lowest), ("unit", size)
    members = {
        SUMMARY: evaluation.summary.to_json().encode(),
        MAPS: _netcdf(xr.DataTree.from_dict({f"/{evaluation.summary.headline.group}": packed})),
    }
    if evaluation.theory is not None:
        members[THEORY] = _netcdf(evaluation.theory)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as file:
        for name, content in members.items():
            about = zipfile.ZipInfo(name, DATE)
            about.compress_type = zipfile.ZIP_LZMA
            file.writestr(about, content)
    return out.getvalue()


def unpack_evaluation(content: bytes, name: str) -> Evaluation:
    """The evaluation in a file that `pack_evaluation` made.

    Args:
        content: of the file.
        name: of the file, for messages.

    Returns:
        The evaluation, with maps of the headline's arena alone.

    Raises:
        InputError: the file is damaged, or of another version.
    """
    with reading(f"cannot read {name}", remedy="install gridcode again"):
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {member: file.read(member) for member in file.namelist()}
        summary = Summary.from_json(members[SUMMARY])
        if summary.headline is None or summary.origin is None:
            raise InputError("it has no headline or origin")
        group = summary.headline.group
        trees = {
            member: xr.open_datatree(io.BytesIO(data), engine=ENGINE).load()
            for member, data in members.items()
            if member != SUMMARY
        }
        data = _with_maps(
            trees[MAPS][group].to_dataset(), EvaluationConfig(**summary.origin.settings)
        )
    maps = xr.DataTree.from_dict({f"/{group}": data})
    maps.attrs |= summary.origin.attributes()
    return Evaluation(summary, maps, trees.get(THEORY))


def _with_maps(packed: xr.Dataset, settings: EvaluationConfig) -> xr.Dataset:
    """Rate maps from their levels, and autocorrelograms of them; every score stays as it is."""
    level = packed["level"].astype(np.float32)
    rate = packed["lowest"] + packed["step"] * level.where(level <= LEVELS)
    data = packed.drop_vars(["level", "lowest", "step"])
    data["rate"] = rate.transpose("unit", "y", "x").astype(np.float32)
    again = score_dataset(
        data[["rate", "silent"]],
        smoothing_bins=settings.smoothing_bins,
        silent_below=settings.silent_below,
    )
    return data.assign(autocorrelogram=again["autocorrelogram"])


def largest_change(evaluation: Evaluation, unpacked: Evaluation) -> Mapping[str, float]:
    """What rounding changes: of rates, as a share of the peak, and of hexagonal scores.

    Scores are those of the rounded maps, which nothing shows: the scores in the evaluation are of
    the maps before. A score can jump where another ring of the autocorrelogram becomes the best.

    Args:
        evaluation: as it was packed.
        unpacked: as it was unpacked.
    """
    assert evaluation.summary.origin is not None
    settings = EvaluationConfig(**evaluation.summary.origin.settings)
    before, after = evaluation.headline(), unpacked.headline()
    active = ~before["silent"].values
    peak = np.maximum(np.fmax.reduce(before["rate"].values, axis=(1, 2)), 1e-12)
    apart = np.abs(after["rate"].values - before["rate"].values)
    scores = [
        score_dataset(
            data[["rate"]],
            smoothing_bins=settings.smoothing_bins,
            silent_below=settings.silent_below,
        )["grid_score"].values
        for data in (before, after)
    ]
    largest = {
        "rate_share": np.fmax.reduce(apart, axis=(1, 2)) / peak,
        "grid_score": np.abs(scores[0] - scores[1]),
    }
    changes = largest["grid_score"][active]
    known = changes[np.isfinite(changes)]  # not every map has a score
    found = {
        name: np.fmax.reduce(values[active], initial=0.0) for name, values in largest.items()
    } | {"grid_score_median": np.median(known) if len(known) else 0.0}
    return {name: float(f"{value:.2g}") for name, value in found.items()}


def _netcdf(tree: xr.DataTree) -> bytes:
    return bytes(tree.to_netcdf(engine=ENGINE, format="NETCDF4"))
