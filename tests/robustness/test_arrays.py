"""Every public function of the analysis takes any array of real numbers, or says why not.

`EXAMPLES` holds good arguments of each; a public function that takes arrays and has none fails
`test_every_function_has_an_example`. Seeds are fixed: a failure repeats.
"""

import copy
import dataclasses
import importlib
import inspect
import pkgutil
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from planted import HEXAGONAL, MAX_STEP_M, Bump, Torus, grid, lattice_maps, moves, sampled

import gridcode.analysis
from gridcode.analysis.cells.autocorrelogram import autocorrelograms
from gridcode.analysis.cells.binning import bin_path, rebin
from gridcode.analysis.cells.nulls import spectra_of
from gridcode.analysis.cells.phases import fit_waves
from gridcode.analysis.cells.ratemaps import RateMapAccumulator, rate_maps
from gridcode.analysis.cells.shift_tests import AllShifts
from gridcode.analysis.dimensions.rates import BinnedRates
from gridcode.analysis.modules.lattice_clustering import OrientationScan
from gridcode.analysis.navigation.decoding import Tracker
from gridcode.analysis.navigation.neural_distance import distance_curve
from gridcode.analysis.navigation.reference import ReferenceMap, unit_length
from gridcode.analysis.position.places import unit_cell_places
from gridcode.analysis.synthetic import noise_maps
from gridcode.analysis.system import System
from gridcode.errors import InputError

RNG = np.random.default_rng(0)


def draw():
    return np.random.default_rng(1)


MAPS = lattice_maps(RNG.random((4, 2)))[:, :24, :26] + 0.05 * RNG.random((4, 24, 26))
MAPS[:, 0, :3] = np.nan
FULL = np.nan_to_num(MAPS, nan=0.1)
TIME = 1.0 + RNG.random(MAPS.shape[1:])
VISITED = np.isfinite(MAPS)
CORRELOGRAMS = autocorrelograms(MAPS)
BASIS = 0.5 * HEXAGONAL
LATTICES = BASIS * (1 + 0.02 * RNG.standard_normal((12, 1, 1))) + 0.004 * RNG.standard_normal(
    (12, 2, 2)
)
PHASES = RNG.random((12, 2))
P_VALUES = RNG.random(12)
SAMPLES = 500
POSITIONS = RNG.uniform(-0.5, 0.5, (SAMPLES, 2))
CODE = grid((0.6,), units=12)
STATES = CODE(POSITIONS) + 0.01 * RNG.standard_normal((SAMPLES, 12))
WIDE = RNG.uniform(-2.0, 2.0, (1000, 2))
LABELS = np.repeat([0, 1], 6)
TORUS = Torus()
SAMPLE = sampled(TORUS, walkers=12)
SYSTEM = System(TORUS.step, TORUS.start, MAX_STEP_M)
ANGLE = 2 * np.pi * POSITIONS @ np.linalg.inv(BASIS).T
READER = fit_waves(STATES, ANGLE)[0]
WAVES = np.linalg.inv(BASIS).T
TIMES = 0.05 * np.arange(SAMPLES)
PATH = bin_path(POSITIONS, TIMES, activity=STATES, bin_size_m=0.1)
ANGLES_DEG = 360.0 * RNG.random(SAMPLES)
PATH_MAPS = rebin(PATH)
SPIKES = [np.sort(RNG.uniform(0, TIMES[-1], 60)) for _ in range(2)]
VECTORS = unit_length(np.abs(RNG.standard_normal((9, 9, 12))))
REFERENCE = ReferenceMap(VECTORS, 0.1)
TURNS = np.stack(np.meshgrid(np.arange(12) / 12, np.arange(12) / 12), axis=-1).reshape(-1, 2)
ON_TORUS = np.concatenate([np.cos(2 * np.pi * TURNS), np.sin(2 * np.pi * TURNS)], axis=1)
RING = np.stack([np.arange(6), (np.arange(6) + 1) % 6], axis=1)
RING.sort(axis=1)
BUMP = Bump(units=12)
PROBES = np.concatenate([np.zeros((1, 2)), 0.1 * np.eye(2), -0.1 * np.eye(2)])
RATES = rate_maps(POSITIONS, STATES, arena_m=1.0, bin_size_m=0.1)
CURVE = distance_curve(POSITIONS, STATES, generator=draw())
MANY = noise_maps(3, 20, correlation_bins=2.0, generator=draw())


LINES = (
    1 + np.cos(2 * np.pi * (np.arange(90) / 18 + RNG.random((3, 1)))) + 0.1 * RNG.random((3, 90))
)
AXIS = np.arange(12)
VOLUMES = 1 + np.cos(2 * np.pi * AXIS[:, None, None] / 4 + 6 * RNG.random((2, 1, 1, 1)))
VOLUMES = VOLUMES * (1 + np.cos(np.pi * AXIS / 2)[:, None]) + 0.1 * RNG.random((2, 12, 12, 12))


def binned():
    return BinnedRates(side_m=1.0, bin_size_m=0.1, dimensions=2, units=12)


def tracker():
    return Tracker(REFERENCE, walkers=20, window_m=0.3)


def accumulator():
    return RateMapAccumulator(arena_m=1.0, bin_size_m=0.1, units=12)


# Good arguments by where a function is; copied for each call, so that generators begin anew.
EXAMPLES = {
    "dimensions.groups.group_periods": {"period_m": 0.5 + 0.01 * RNG.random(12)},
    "dimensions.line.find_periods": {"rates": LINES, "bin_size_m": 0.05, "nulls": 19},
    "dimensions.line.shuffled_lines": {"rate": LINES[0], "count": 3, "generator": draw()},
    "dimensions.order.local_order": {"volumes": VOLUMES, "side_m": 1.2, "nulls": 19},
    "dimensions.order.find_fields_3d": {"volume": VOLUMES[0], "side_m": 1.2},
    "dimensions.rates.BinnedRates.add": {
        "self": binned(),
        "positions": POSITIONS,
        "activity": STATES,
    },
    "dimensions.rates.filled": {"rates": LINES},
    "dimensions.reading.straight_states": {"system": SYSTEM, "places": POSITIONS[:20]},
    "dimensions.waves.find_waves": {"volumes": VOLUMES, "nulls": 99},
    "dimensions.waves.random_phase_volumes": {
        "volume": VOLUMES[0],
        "count": 2,
        "generator": draw(),
    },
    "dimensions.waves.independent": {"waves": np.eye(3)},
    "cells.autocorrelogram.as_maps": {"rate_maps": MAPS},
    "cells.autocorrelogram.shared_mask": {"visited": VISITED},
    "cells.autocorrelogram.smooth": {"rate_maps": MAPS, "sigma_bins": 1.0},
    "cells.autocorrelogram.autocorrelograms": {"rate_maps": MAPS},
    "cells.autocorrelogram.centred": {"maps": MAPS, "visited": VISITED},
    "cells.binning.bin_path": {
        "positions_m": POSITIONS,
        "time_s": TIMES,
        "activity": STATES,
        "bin_size_m": 0.1,
    },
    "cells.binning.bin_path (spikes)": {
        "positions_m": POSITIONS,
        "time_s": TIMES,
        "spikes_s": SPIKES,
        "bin_size_m": 0.1,
    },
    "cells.path_input.checked_path": {"positions_m": POSITIONS, "time_s": TIMES},
    "cells.path_input.checked_activity": {"activity": STATES, "samples": SAMPLES},
    "cells.path_input.checked_intervals": {"intervals_s": np.array([[0.0, 1.0]]), "time": TIMES},
    "cells.path_input.count_left_out": {"notes": [], "out": TIMES > 1.0, "what": "late"},
    "cells.path_input.sample_spans": {"time": TIMES, "interval": 0.05, "notes": []},
    "cells.path_input.bins_of_arena": {"positions": POSITIONS, "bin_size_m": 0.1, "arena_m": None},
    "cells.map_smoothing.rates": {
        "total": np.nan_to_num(np.abs(MAPS)),
        "time_s": 1.0 + FULL[0],
        "visited": VISITED[0],
        "sigma_bins": 1.5,
        "method": "before dividing",
    },
    "cells.spike_clock.spike_samples": {
        "spikes_s": SPIKES,
        "left": TIMES - 0.025,
        "right": TIMES + 0.025,
        "kept": TIMES > 0.3,
        "notes": [],
    },
    "cells.tracking.lost_tracking": {"positions_m": POSITIONS, "time_s": TIMES},
    "cells.spike_clock.on_position_clock": {"spikes": SPIKES, "clock": (1.0, 0.001)},
    "cells.duplicates.shared_spikes": {"spikes_s": SPIKES, "window_s": 0.5},
    "cells.duplicates.unexplained_correlation": {
        "activity": STATES,
        "bin_index": np.arange(len(STATES)) % 7,
    },
    "cells.duplicates.same_maps": {"rate_maps": MAPS},
    "cells.binning.without_extremes": {"values": FULL, "name": "maps", "notes": [], "axis": (1, 2)},
    "cells.binning.rebin": {
        "path": PATH,
        "shift_samples": np.arange(3),
        "units": np.array([0, 4, 2]),
    },
    "cells.binning.speeds": {"positions_m": POSITIONS, "time_s": TIMES},
    "cells.border.border_scores": {"rate_maps": MAPS, "bin_size_m": 0.05},
    "cells.border.border_p_values_by_phase": {
        "rate_maps": MAPS,
        "bin_size_m": 0.05,
        "seed": 1,
        "nulls": 50,
    },
    "cells.celltypes.possibly_spatial": {
        "silent": P_VALUES > 0.9,
        "spatial_p_value": P_VALUES,
        "significance": 0.01,
    },
    "cells.celltypes.undecided": {
        "low": np.stack([P_VALUES, P_VALUES]) / 2,
        "high": np.stack([P_VALUES, P_VALUES]),
        "among": P_VALUES < 0.9,
        "band_share": P_VALUES,
        "false_discovery_rate": 0.05,
    },
    "cells.definitions.grid_score": {"rate_maps": MAPS, "definition": "opexebo"},
    "cells.direction.mean_vectors": {"curves": TIME},
    "cells.direction.movement_directions": {"positions_m": POSITIONS, "time_s": TIMES},
    "cells.direction.direction_tuning": {"path": PATH, "direction_deg": ANGLES_DEG},
    "cells.fields.find_fields": {"rate_maps": MAPS, "bin_size_m": 0.05},
    "cells.gridness.score_maps": {"rate_maps": MAPS, "bin_size_m": 0.05},
    "cells.gridness.unscorable": {"maps": MAPS},
    "cells.gridness.score_correlograms": {"correlograms": CORRELOGRAMS, "bin_size_m": 0.05},
    "cells.information.spatial_information": {"rate_maps": MAPS, "occupancy": TIME},
    "cells.information.spatial_coherence": {"rate_maps": MAPS},
    "cells.information.split_half_stability": {"maps_a": MAPS, "maps_b": FULL},
    "cells.information.spatial_test": {"rate_maps": MAPS},
    "cells.lattice.shortest": {"basis": LATTICES},
    "cells.gridness.grid_scores": {"correlograms": CORRELOGRAMS},
    "cells.gridness.long_axis_deg": {"to_hexagon": LATTICES},
    "cells.lattice.turns": {"angle": P_VALUES},
    "cells.lattice.fit_lattices": {"correlograms": CORRELOGRAMS},
    "cells.lattice.reduced": {"vectors": LATTICES},
    "cells.lattice.as_basis": {"vectors_m": BASIS},
    "cells.lattice.shape_of": {"vectors": LATTICES},
    "cells.nulls.spectra_of": {"maps": MAPS},
    "cells.nulls.draw_random_phases": {
        "power": spectra_of(MAPS[:1]).power[0],
        "values": np.sort(MAPS[0][VISITED[0]]),
        "visited": VISITED[0],
        "count": 2,
        "generator": draw(),
    },
    "cells.nulls.random_phase_maps": {"rate_map": MAPS[0], "count": 2, "generator": draw()},
    "cells.nulls.field_shuffled_maps": {"rate_map": MAPS[0], "count": 2, "generator": draw()},
    "cells.phases.wave_vectors": {"vectors_m": BASIS},
    "cells.phases.wave_components": {"rate_maps": MAPS, "bin_size_m": 0.05, "waves": WAVES},
    "cells.phases.WaveReader.__call__": {"self": READER, "states": STATES},
    "cells.phases.fit_waves": {"states": STATES, "angle": ANGLE},
    "cells.phases.wave_columns": {"angle": ANGLE},
    "cells.phases.spatial_phases": {"rate_maps": MAPS, "bin_size_m": 0.05, "vectors_m": BASIS},
    "cells.phases.phase_uniformity": {"phases": PHASES, "generator": draw(), "nulls": 99},
    "cells.phases.phase_coverage": {"phases": PHASES, "vectors_m": BASIS},
    "cells.phases.wrapped": {"phase": 3 * PHASES},
    "cells.ratemaps.RateMapAccumulator.add": {
        "self": accumulator(),
        "positions": POSITIONS,
        "activity": STATES,
    },
    "cells.ratemaps.rate_maps": {
        "positions": POSITIONS,
        "activity": STATES,
        "arena_m": 1.0,
        "bin_size_m": 0.1,
    },
    "cells.significance.benjamini_hochberg": {"p_values": P_VALUES},
    "cells.significance.plane_wave_share": {"rate_maps": MAPS},
    "cells.shift_tests.AllShifts.__call__": {
        "self": AllShifts(np.fft.rfft(POSITIONS.T), SAMPLES),
        "activity": STATES[:, 0],
    },
    "cells.shift_tests.without_place": {"path": PATH, "values": POSITIONS.T},
    "cells.shift_tests.p_among": {"null": P_VALUES, "observed": 0.5, "nulls": 99},
    "cells.significance.significance": {"rate_maps": MANY, "seed": 1, "nulls": 99},
    "cells.significance.tail": {"null": np.sort(P_VALUES), "values": P_VALUES},
    "cells.waves.strengths": {"rate_maps": MAPS},
    "cells.waves.lattices_from_waves": {"rate_maps": MAPS},
    "cells.spectrum.power_at": {
        "rate_maps": MAPS,
        "bin_size_m": 0.05,
        "wave_numbers_per_m": np.linspace(-3, 3, 7),
    },
    "cells.spectrum.module_spectrum": {"rate_maps": MAPS, "bin_size_m": 0.05, "vectors_m": BASIS},
    "coding.capacity.capacity": {"states": STATES, "delta": 0.3},
    "coding.capacity.capacity_against_units": {
        "states": STATES,
        "subsets": [np.arange(6), np.arange(2, 12)],
        "delta": 0.3,
    },
    "coding.capacity.expected_capacity": {
        "metric": np.stack([np.eye(2), 2 * np.eye(2)]),
        "cell_area_m2": np.array([0.5, 0.8]),
        "delta": 0.1,
    },
    "coding.capacity.independent_modules": {
        "positions_m": WIDE,
        "states": CODE(WIDE),
        "apart_m": 0.5,
        "delta": 0.3,
        "generator": draw(),
    },
    "coding.codes.states_at": {"code": CODE, "positions_m": POSITIONS},
    "coding.codes.slopes": {"code": CODE, "positions_m": POSITIONS, "step_m": 0.01},
    "coding.geometry.separation": {
        "positions_m": POSITIONS,
        "states": STATES,
        "sigma_x_m": 0.05,
        "delta": 0.3,
        "generator": draw(),
    },
    "coding.geometry.correlation_curve": {"curve": CURVE, "states": STATES},
    "coding.geometry.equal_norm": {"states": STATES, "generator": draw()},
    "coding.geometry.dimensions": {"states": STATES, "generator": draw()},
    "coding.properties.coding_properties": {
        "code": CODE,
        "arena_m": 2.0,
        "generator": draw(),
        "labels": np.zeros(12, dtype=np.int64),
        "vectors_m": CODE.vectors_m,
    },
    "coding.update_operators.phase_algebra": {
        "code": CODE,
        "waves_per_m": WAVES,
        "side_m": 2.0,
        "generator": draw(),
        "places": 200,
    },
    "coding.update_operators.code_waves": {
        "code": CODE,
        "side_m": 2.0,
        "vectors_m": CODE.vectors_m[0],
    },
    "coding.update_operators.module_updates": {
        "code": grid((0.6, 0.8), units=12),
        "labels": np.repeat([0, 1], 12),
        "arena_m": 2.0,
        "step_m": 0.05,
        "generator": draw(),
        "places": 200,
    },
    "deep_analysis.analyse_theory": {
        "system": SYSTEM,
        "arena_m": 1.0,
        "modules": None,
        "phases": PHASES,
        "independent": 0,
    },
    "dynamics.attractor.describe_dynamics": {
        "system": SYSTEM,
        "generator": draw(),
        "vectors_m": BASIS,
        "walkers": 32,
        "longest": 100,
    },
    "dynamics.connectivity.phase_profile": {
        "weights": BUMP(PROBES),
        "velocities": PROBES,
        "phases": BUMP.phases,
        "vectors_m": BUMP.vectors_m,
        "generator": draw(),
        "nulls": 9,
    },
    "dynamics.fixedpoints.period_error": {
        "step": TORUS.step,
        "sample": SAMPLE,
        "vectors_m": BASIS,
        "max_step_m": MAX_STEP_M,
    },
    "dynamics.generators.evaluate_matrices": {"matrices": BUMP, "velocities": PROBES},
    "dynamics.generators.move_generators": {
        "matrices": BUMP,
        "max_step_m": MAX_STEP_M,
        "generator": draw(),
        "states": STATES,
        "nulls": 9,
    },
    "dynamics.lyapunov.lyapunov_exponents": {
        "step": TORUS.step,
        "states": SAMPLE.states,
        "velocities": moves(30, 12),
        "generator": draw(),
        "exponents": 3,
        "transient": 5,
    },
    "dynamics.manifold.ManifoldSample.select": {"self": SAMPLE, "index": np.array([3, 1])},
    "dynamics.manifold.tangent_plane": {
        "step": TORUS.step,
        "states": SAMPLE.states,
        "velocities": moves(12),
    },
    "dynamics.manifold.directional_derivative": {
        "step": TORUS.step,
        "states": SAMPLE.states,
        "velocities": moves(12),
        "directions": SAMPLE.tangent,
    },
    "dynamics.manifold.jacobian": {
        "step": TORUS.step,
        "states": SAMPLE.states,
        "velocities": moves(12),
    },
    "dynamics.manifold.step_gains": {"step": TORUS.step, "sample": SAMPLE, "velocities": moves(12)},
    "dynamics.manifold.commutator": {
        "step": TORUS.step,
        "sample": SAMPLE,
        "one": moves(12),
        "other": moves(12, seed=3),
    },
    "dynamics.manifold.spans_plane": {"tangent": SAMPLE.tangent},
    "dynamics.manifold.to_metres": {"tangent": SAMPLE.tangent},
    "dynamics.manifold.plane_overlap": {"one": SAMPLE.tangent[0], "other": SAMPLE.tangent[1]},
    "dynamics.mechanism.spectra": {"matrices": BUMP, "velocities": PROBES},
    "dynamics.mechanism.block_structure": {
        "weights": BUMP(PROBES),
        "labels": LABELS,
        "generator": draw(),
        "nulls": 9,
    },
    "dynamics.mechanism.describe_mechanism": {
        "matrices": BUMP,
        "labels": np.zeros(12, dtype=np.int64),
        "phases": BUMP.phases,
        "vectors_m": [BUMP.vectors_m],
        "max_step_m": MAX_STEP_M,
        "generator": draw(),
        "states": STATES,
        "nulls": 9,
    },
    "dynamics.perturbation.perturb": {
        "step": TORUS.step,
        "sample": SAMPLE,
        "velocities": moves(20, 12),
        "size_m": 0.01,
        "generator": draw(),
    },
    "modules.detection.find_modules": {
        "vectors_m": LATTICES,
        "candidate": np.arange(12) > 0,
        "arena_m": 2.0,
        "generator": draw(),
        "nulls": 99,
    },
    "modules.lattice_clustering.cluster_lattices": {
        "vectors": LATTICES,
        "min_units": 5,
        "significance": 0.05,
        "nulls": 99,
        "generator": draw(),
    },
    "modules.lattice_clustering.gap_between": {"first": LATTICES[:5], "second": LATTICES[5:]},
    "modules.lattice_clustering.OrientationScan.of": {
        "self": OrientationScan,
        "vectors": LATTICES,
        "nulls": 19,
        "generator": draw(),
    },
    "modules.lattice_clustering.OrientationScan.p_value": {
        "self": OrientationScan.of(LATTICES, 19, draw()),
        "group": np.arange(5),
    },
    "modules.strain.strain": {"first": LATTICES, "second": LATTICES[::-1]},
    "modules.strain.strains": {"first": LATTICES, "second": LATTICES[::-1]},
    "modules.strain.mean_lattice": {"vectors": LATTICES},
    "navigation.decoding.decode": {"reference": REFERENCE, "states": STATES[:20]},
    "navigation.decoding.Tracker.follow": {"self": tracker(), "states": STATES[:20]},
    "navigation.decoding.Tracker.read": {"self": tracker(), "states": STATES[:20]},
    "navigation.decoding.quartiles": {"errors_m": P_VALUES},
    "navigation.decoding.median": {"errors_m": P_VALUES},
    "navigation.invariance.path_invariance": {
        "system": SYSTEM,
        "velocities": moves(10, 12),
        "generator": draw(),
        "lengths": (2, 5),
        "apart_m": 0.1,
    },
    "navigation.neural_distance.bin_distances": {
        "physical_m": P_VALUES,
        "neural": P_VALUES[::-1],
        "bin_size_m": 0.2,
        "longest_m": 1.0,
    },
    "navigation.neural_distance.distance_curve": {
        "positions_m": POSITIONS,
        "activity": STATES,
        "group": np.repeat(np.arange(50), 10),
        "generator": draw(),
    },
    "navigation.neural_distance.distance_from_origin": {
        "positions_m": POSITIONS,
        "activity": STATES,
        "origin": STATES[0],
    },
    "navigation.reference.ReferenceMap.position": {
        "self": REFERENCE,
        "y": np.arange(3.0),
        "x": np.arange(3.0),
    },
    "navigation.reference.unit_length": {"vectors": STATES},
    "navigation.robustness.add_noise": {"states": STATES, "level": 0.1, "generator": draw()},
    "navigation.robustness.with_lesion": {"step": TORUS.step, "alive": np.arange(12) > 3},
    "population.analyse_population": {
        "data": RATES,
        "nulls": 99,
        "unsmoothed": RATES["rate"].values,
    },
    "population.without_silent": {"rate_maps": MAPS, "silent_below": 1e-3},
    "position.decoding.decode_path": {
        "path": PATH,
        "units": np.arange(3),
        "names": (0, 1, 2),
        "vectors_m": BASIS,
        "folds": 2,
        "null_shifts": 19,
    },
    "position.places.unit_cell_places": {"path": PATH, "vectors_m": BASIS},
    "position.places.shortest_offsets": {"offsets_m": POSITIONS, "vectors_m": BASIS},
    "position.places.Places.nearest": {
        "self": unit_cell_places(PATH, BASIS),
        "decoded": np.arange(SAMPLES),
        "positions_m": POSITIONS,
    },
    "position.readout.lay": {"path": PATH, "units": np.arange(3)},
    "synthetic.lattice_cell": {"positions": POSITIONS, "spacing_m": 0.5},
    "synthetic.band_cell": {"positions": POSITIONS, "spacing_m": 0.5},
    "synthetic.place_cell": {"positions": POSITIONS},
    "synthetic.IdealGridCode.__call__": {"self": CODE, "positions_m": POSITIONS},
    "synthetic.IdealGridCode.module_phases": {"self": CODE, "positions_m": POSITIONS},
    "topology.betti.count_by_gap": {"lifetimes": np.sort(P_VALUES)[::-1]},
    "topology.betti.gap_p_value": {"lifetimes": np.sort(P_VALUES)[::-1], "count": 2},
    "topology.betti.shuffled": {"states": STATES, "generator": draw()},
    "topology.betti.measure_topology": {
        "states": STATES,
        "generator": draw(),
        "nulls": 19,
        "landmarks": 60,
    },
    "topology.circular_coordinates.toroidal_coordinates": {"points": ON_TORUS, "scale": 0.8},
    "topology.circular_coordinates.extend_coordinates": {
        "points": ON_TORUS,
        "coordinates": TURNS,
        "at": 0.9 * ON_TORUS[:5],
    },
    "topology.circular_coordinates.circular_correlation": {
        "first": P_VALUES,
        "second": P_VALUES[::-1],
    },
    "topology.circular_coordinates.match_phases": {"coordinates": TURNS, "phases": TURNS[:, ::-1]},
    "topology.cocycles.find_loops": {"points": ON_TORUS, "scale": 0.8},
    "topology.cocycles.integer_cocycles": {"edges": RING, "points": 6},
    "topology.cocycles.triangles_of": {"edges": RING, "points": 6},
    "topology.embedding.explained_variance": {"states": STATES},
    "topology.embedding.embed": {
        "states": STATES,
        "generator": draw(),
        "method": "isomap",
        "components": 3,
    },
    "topology.embedding.lattice_rings": {
        "states": STATES,
        "positions_m": POSITIONS,
        "waves_per_m": WAVES,
        "generator": draw(),
        "nulls": 19,
    },
    "topology.embedding.checked_states": {"states": STATES},
    "topology.known_shapes.known_shape_states": {
        "name": "place cells",
        "positions_m": POSITIONS,
        "units": 12,
        "spacing_m": 0.5,
        "orientation_deg": 10.0,
        "generator": draw(),
    },
    "topology.known_shapes.measure_known_shapes": {
        "states": STATES,
        "positions_m": POSITIONS,
        "spacing_m": 0.5,
        "orientation_deg": 10.0,
        "generator": draw(),
        "nulls": 19,
        "landmarks": 50,
    },
    "system.System.activity": {
        "self": dataclasses.replace(SYSTEM, observed=np.array([0, 2])),
        "states": STATES,
    },
    "topology.persistence.principal_components": {"states": STATES},
    "topology.persistence.choose_landmarks": {"points": STATES, "count": 50},
    "topology.persistence.persistence": {"points": ON_TORUS, "dimensions": 1},
    "topology.state_space.analyse_state_space": {
        "states": STATES,
        "positions_m": POSITIONS,
        "whole_vectors_m": BASIS,
        "modules": [],
        "nulls": 19,
        "controls": False,
    },
    "topology.state_space.map_states": {"rate": FULL, "bin_size_m": 0.05, "generator": draw()},
    "tuning.tuning_of": {
        "path": PATH,
        "rate_maps": PATH_MAPS,
        "types": ["hexagonal"] * 12,
        "bin_size_m": 0.1,
        "silent": P_VALUES < 0.2,
        "nulls": 99,
    },
}

# Seconds to minutes each: what arrays they take is tried with -m slow. Refusals come before the
# work, and are tried for all. The first needs modules, and only its refusals are tried.

# The second chooses landmarks of random states: in another order of memory, products of matrices
# differ in their last digit, and with them which of two samples is the farther one.
REFUSALS_ONLY = {"deep_analysis.analyse_theory", "topology.known_shapes.measure_known_shapes"}
LONG = {
    "coding.properties.coding_properties",
    "dynamics.attractor.describe_dynamics",
    "cells.significance.significance",
    "population.analyse_population",
    "topology.betti.measure_topology",
    "topology.embedding.embed",
    "topology.state_space.analyse_state_space",
}
# An error that was lost is infinite, and so is a state that diverged.
INFINITE = {"navigation.decoding.quartiles", "navigation.decoding.median", "system.System.activity"}


def functions():
    """Every public function and method of the analysis with an array among its parameters."""
    found = {}
    for info in pkgutil.walk_packages(gridcode.analysis.__path__, "gridcode.analysis."):
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != info.name:
                continue
            own = {name: thing}
            if inspect.isclass(thing):
                own = {
                    f"{name}.{method}": getattr(function, "__func__", function)
                    for method, function in vars(thing).items()
                    if not method.startswith("_") or method == "__call__"
                }
            for path, function in own.items():
                if inspect.isfunction(function) and arrays_of(function):
                    found[f"{info.name}.{path}".removeprefix("gridcode.analysis.")] = function
    return found


def arrays_of(function):
    """Parameters that are annotated as arrays, alone or with others."""
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if "ndarray" in str(parameter.annotation) and "Callable" not in str(parameter.annotation)
    ]


FUNCTIONS = functions()
QUICK = sorted(EXAMPLES.keys() - LONG - REFUSALS_ONLY)
ARRAYS = [
    (name, argument)
    for name, example in sorted(EXAMPLES.items())
    for argument in arrays_of(FUNCTIONS[name.split()[0]])
    if argument in example
]


def call(name, **changed):
    """What a function gives for its example with some arguments changed."""
    function = FUNCTIONS[name.split()[0]]
    example = copy.deepcopy({k: v for k, v in EXAMPLES[name].items() if k not in changed}) | changed
    first = [example.pop("self")] if "self" in example else []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            first += example.pop(parameter.name)
    found = function(*first, **example)
    # What a method changes is its result.
    return (found, vars(first[0])) if found is None and first else found


def answer(name, errors=(InputError,), **changed):
    """The same, or the kind of an error that may be; any other error is a failure."""
    with warnings.catch_warnings():
        # NumPy warns of what is not a number; the answer says it, too.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return call(name, **changed)
        except errors as error:
            return type(error).__name__


def each(change, value):
    """Change an array, or each of several."""
    return [change(v) for v in value] if isinstance(value, list) else change(value)


def assert_same(one, two, where="", **tolerance):
    """Two results are equal, whatever they are made of."""
    assert type(one) is type(two), where
    if isinstance(one, np.ndarray) and one.dtype.kind in "fc":
        np.testing.assert_allclose(two, one, err_msg=where, **tolerance)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(two, one, err_msg=where)
    elif isinstance(one, float | complex | np.number):
        np.testing.assert_allclose(two, one, err_msg=where, **tolerance)
    elif isinstance(one, xr.Dataset):
        xr.testing.assert_allclose(one, two, **tolerance)
    elif dataclasses.is_dataclass(one) or hasattr(type(one), "model_fields"):
        assert_same(vars(one), vars(two), where, **tolerance)
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same(one[key], two[key], f"{where}.{key}", **tolerance)
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_same(a, b, f"{where}[{i}]", **tolerance)
    elif isinstance(one, str | int | bool | None):
        assert one == two, where


def strided(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def backwards(array):
    return np.ascontiguousarray(array[::-1])[::-1]


def frame(array):
    if array.ndim > 2:
        return array
    pandas = pytest.importorskip("pandas")
    return (pandas.Series if array.ndim == 1 else pandas.DataFrame)(array)


def as_complex(array):
    return array if array.dtype == bool else array.astype(complex)


def long_double(array):
    return array.astype(np.longdouble) if array.dtype.kind == "f" else array


def unsigned(array):
    whole = array.dtype.kind == "i" and array.min() >= 0
    return array.astype(np.uint8) if whole else array


def numbers(array):
    """True as 1, whole numbers as floats."""
    return array.astype(np.int64 if array.dtype == bool else np.float64)


FORMS = {
    "lists": lambda a: a.tolist(),
    "Fortran": np.asfortranarray,
    "strided": strided,
    "backwards": backwards,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "long double": long_double,
    "no masks": lambda a: np.ma.masked_array(a, mask=np.zeros(a.shape, dtype=bool)),
    "tensors": lambda a: torch.from_numpy(a.copy()).requires_grad_(a.dtype.kind == "f"),
    "labelled": xr.DataArray,
    "frames": frame,
    "complex without imaginary part": as_complex,
    "unsigned": unsigned,
    "numbers": numbers,
}


def test_every_function_has_an_example():
    named = {name.split()[0] for name in EXAMPLES}
    assert sorted(FUNCTIONS.keys() - named) == [], "add arguments of these to EXAMPLES"
    assert sorted(named - FUNCTIONS.keys()) == []


def check_forms(name, forms):
    arguments = [argument for other, argument in ARRAYS if other == name]
    plain = {k: copy.deepcopy(EXAMPLES[name][k]) for k in arguments}
    before = copy.deepcopy(plain)
    for array in plain.values():
        each(lambda a: getattr(a, "setflags", lambda **_: None)(write=False), array)
    expected = call(name, **plain)
    for argument, value in plain.items():
        assert_same(before[argument], value, f"{argument} was changed")
    for form, change in forms.items():
        found = call(name, **{k: each(change, v) for k, v in plain.items()})
        # Sums in another order differ in their last digits.
        assert_same(expected, found, form, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", QUICK)
def test_the_form_of_arrays_does_not_matter(name):
    """Two forms of each function, another two of the next; all are tried with -m slow."""
    names = list(FORMS)
    first = 2 * QUICK.index(name)
    check_forms(
        name, {names[i % len(names)]: FORMS[names[i % len(names)]] for i in (first, first + 1)}
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - REFUSALS_ONLY))
def test_no_form_of_arrays_matters(name):
    check_forms(name, FORMS)


@pytest.mark.parametrize("name", QUICK)
def test_half_precision_is_taken_at_its_word(name):
    """Sixteen bits are read as they are, and not reckoned with."""
    half = {
        k: each(lambda a: a.astype(np.float16) if a.dtype.kind == "f" else a, EXAMPLES[name][k])
        for other, k in ARRAYS
        if other == name
    }
    double = {
        k: each(lambda a: a.astype(np.float64) if a.dtype.kind == "f" else a, v)
        for k, v in half.items()
    }
    assert_same(answer(name, **double), answer(name, **half), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_what_is_no_real_number_is_refused(name, argument):
    value = EXAMPLES[name][argument]
    bad = {
        "complex": lambda a: a + 1j,
        "objects": lambda a: a.astype(object),
        "strings": lambda a: a.astype(str),
        "dates": lambda a: np.zeros(a.shape, "datetime64[s]"),
        "nothing": lambda _: [None],
        "ragged": lambda _: [[1.0, 2.0], [3.0]],
        "infinite": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 1, np.inf, a),
        "beyond the squares": lambda a: 1e155 * (a.astype(np.float64) + 1.0),
    }
    kind = (value[0] if isinstance(value, list) else value).dtype.kind
    if kind != "f":
        bad["fractions"] = lambda a: a + 0.5
        bad["masked"] = lambda a: np.ma.masked_array(a, mask=np.ones(a.shape))
    if name in INFINITE:
        del bad["infinite"], bad["beyond the squares"]
    for what, change in bad.items():
        with pytest.raises(InputError) as raised:
            call(name, **{argument: each(change, value)})
        assert "\n" not in str(raised.value), what


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_masked_is_unknown(name, argument):
    """What is under a mask is never read."""
    if name in LONG | REFUSALS_ONLY:
        pytest.skip("long")
    rng = np.random.default_rng(3)
    value = EXAMPLES[name][argument]
    if (value[0] if isinstance(value, list) else value).dtype.kind != "f":
        return  # refused, above
    masks = iter(
        [rng.random(v.shape) < 0.1 for v in (value if isinstance(value, list) else [value])]
    )
    hidden, unknown = [], []
    for v in value if isinstance(value, list) else [value]:
        mask = next(masks)
        hidden.append(np.ma.masked_array(np.where(mask, 7.0, v), mask=mask))
        unknown.append(np.where(mask, np.nan, v))
    if not isinstance(value, list):
        hidden, unknown = hidden[0], unknown[0]
    assert_same(
        answer(name, **{argument: unknown}), answer(name, **{argument: hidden}), rtol=0, atol=0
    )


# Some functions leave it to NumPy to say that there are no samples at all.
EMPTY = (InputError, ValueError, IndexError, ZeroDivisionError)


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_odd_shapes_are_an_answer_or_an_error(name, argument):
    if name in LONG | REFUSALS_ONLY:
        pytest.skip("long")
    value = EXAMPLES[name][argument]
    for change in (
        lambda a: a[..., :0],
        lambda a: a[:1],
        lambda a: a.ravel()[0],
        lambda a: a[None],
        lambda a: a[None, None],
        lambda a: a.ravel(),
        lambda a: a[:0],
    ):
        answer(name, EMPTY, **{argument: each(change, value)})


@pytest.mark.parametrize("argument", ["rate_map", "rate_maps", "maps_a", "maps_b"])
@pytest.mark.parametrize("factor", [1e-99, 1e99])
def test_rate_maps_as_large_as_they_may_be_do_not_overflow(argument, factor):
    """Any warning is an error here."""
    for name in (n for n, a in ARRAYS if a == argument and n not in LONG):
        call(name, **{argument: factor * EXAMPLES[name][argument]})


def test_what_was_a_fault():
    """The number for noise was p = 0, and bits a spike were those of what the mask hides."""
    with pytest.raises(InputError, match="beyond 1e\\+100"):
        call("cells.significance.significance", rate_maps=1e155 * MANY)
    name = "cells.information.spatial_information"
    masked = np.ma.masked_array(FULL, mask=MAPS > 0.5)
    one = call(name, rate_maps=masked).bits_per_spike
    two = call(name, rate_maps=np.where(MAPS > 0.5, np.nan, FULL)).bits_per_spike
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, call(name, rate_maps=FULL).bits_per_spike)
