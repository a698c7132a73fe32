"""What each number of a unit is, in words and with its unit: for files that other tools read."""

from typing import NamedTuple

import xarray as xr


class Measure(NamedTuple):
    """A measure: what it is, and its unit (empty for names and words, 1 for pure numbers)."""

    description: str
    units: str = "1"


MEASURES: dict[str, Measure] = {
    "unit": Measure("name of the unit, as in its source", ""),
    "type": Measure("type of the map, by tests against null maps", ""),
    "module": Measure("module: units that share a lattice; -1 or missing: none"),
    "silent": Measure("whether the activity never exceeds the threshold of silent units"),
    "grid_score": Measure(
        "grid score: lowest correlation at 60, 120 deg less highest at 30, 90, 150"
    ),
    "grid_score_p_value": Measure("p-value of the grid score against null maps"),
    "grid_score_null_95": Measure("95th percentile of the grid score in null maps"),
    "lattice_z": Measure("strength of a hexagonal, sheared or square lattice, in SD of null maps"),
    "lattice_p_value": Measure("p-value of a lattice of any shape against null maps"),
    "q_value": Measure("lattice p-value, adjusted for the false discovery rate over units"),
    "band_p_value": Measure("p-value of a plane wave (band) against null maps"),
    "null_maps": Measure("null maps that the unit was compared with"),
    "spatial_p_value": Measure("p-value of any dependence on place"),
    "shift_p_value": Measure("p-value of the grid score against circular shifts along the path"),
    "mean60": Measure("grid score of means: correlation at 60, 120 deg less that at 30, 90, 150"),
    "square": Measure("square score: correlation at 90 deg less the mean of 45 and 135"),
    "corrected": Measure("grid score after the shear of the fitted lattice is undone"),
    "spacing_m": Measure("spacing of the lattice", "m"),
    "spacing_error_m": Measure("standard error of the spacing", "m"),
    "orientation_deg": Measure("angle of the first lattice axis, anticlockwise from x", "degree"),
    "orientation_error_deg": Measure("standard error of the orientation", "degree"),
    "axis_ratio": Measure("short over long axis of the ellipse through the six nearest fields"),
    "ellipse_deg": Measure("direction of the long axis of that ellipse", "degree"),
    "peaks_used": Measure("peaks of the autocorrelogram that the lattice was fitted to"),
    "field_count": Measure("firing fields in the map"),
    "field_size_m": Measure("diameter of a circle as large as the median field", "m"),
    "peak_rate": Measure("largest value of the map", "as the map"),
    "mean_rate": Measure("mean of the map, weighted by occupancy where known", "as the map"),
    "information_bits": Measure("spatial information (Skaggs)", "bit / spike"),
    "information_bits_per_s": Measure("spatial information rate (Skaggs)", "bit / s"),
    "sparsity": Measure("sparsity of the map (Skaggs)"),
    "coherence": Measure("coherence: correlation of bins with the mean of their neighbours"),
    "stability": Measure("correlation of the maps of two halves of the data"),
    "vectors_m": Measure("two lattice vectors as rows (x, y)", "m"),
    "phase": Measure("place of the fields in the module's unit cell, in lattice vectors, 0 to 1"),
    "mean_vector_length": Measure("length of the mean vector of directional tuning"),
    "preferred_direction_deg": Measure("preferred direction, anticlockwise from x", "degree"),
    "direction_p_value": Measure("p-value of directional tuning against circular shifts"),
    "speed_score": Measure("correlation of activity and running speed"),
    "speed_p_value": Measure("p-value of the speed score against circular shifts"),
    "border_score": Measure("border score (Solstad)"),
    "border_p_value": Measure("p-value of the border score against null maps"),
    "tuning": Measure("what else the unit is tuned to: head direction, speed, border", ""),
    "tuning_evidence": Measure("what the tuning rests on", ""),
    "evidence": Measure("what the type rests on", ""),
    "reason": Measure("why a measure is missing or was taken in another way", ""),
    # Maps of a dataset.
    "rate": Measure("rate map, NaN in bins that were not visited"),
    "occupancy": Measure("time in each bin"),
    "autocorrelogram": Measure("autocorrelogram of the rate map"),
}


def measure_of(name: str) -> Measure:
    """The measure of a column; grid scores as other tools define them are `score_NAME`."""
    if name.startswith("score_"):
        return Measure(f"grid score as defined by {name.removeprefix('score_')}")
    return MEASURES[name]


def described(data: xr.Dataset) -> xr.Dataset:
    """A dataset whose variables say what they are, in the attributes `long_name` and `units`."""
    data = data.copy()
    for name in map(str, data.variables):
        if name in MEASURES or name.startswith("score_"):
            words, units = measure_of(name)
            known = {"long_name": words} | ({"units": units} if units else {})
            data[name].attrs = known | data[name].attrs
    return data
