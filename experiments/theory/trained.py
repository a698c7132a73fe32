"""State space, dynamics, mechanism and code of trained networks: a row for each module.

    gridcode train quick --seeds 0-7 && gridcode train dense --seeds 0-1
    for run in runs/quick-seed* runs/dense-seed*; do OMP_NUM_THREADS=1 gridcode evaluate $run; done
    python experiments/theory/trained.py experiments/theory/trained.csv RUN...

Reads evaluations; nothing is computed here.
"""

import csv
import sys
from pathlib import Path

import gridcode


def listed(values, digits=3):
    return " ".join("-" if v is None else f"{v:.{digits}f}" for v in values or [])


def rows_of(folder):
    theory = gridcode.Run(folder).read_summary().theory
    dynamics, mechanism, space = theory.dynamics, theory.mechanism, theory.state_space
    rest, kick, growth = dynamics.return_map, dynamics.perturbation, dynamics.lyapunov
    code = theory.coding.codes[0].properties
    after = {(r.kind, r.level): r.errors[-1].tracked_m[1] for r in theory.robustness}
    skipped = [f"{s.name}: {s.reason}" for s in space.skipped]
    shared = {
        "fixed_points_seen": rest.distinct,
        "per_unit_cell": rest.per_unit_cell,
        "apart_m": rest.spacing_m,
        "stop_after_m": rest.way_m[1],
        "cycles": rest.outcomes["cycle"],
        "still_moving": rest.outcomes["drift"],
        "drift_m_per_step": rest.drift_m[1],
        "off_half_life": kick.off_half_life_steps,
        "on_left_after_100": kick.rows[-1].on[1],
        "lyapunov": listed(growth.exponents[:4]),
        "commutator_m": dynamics.commutator.displacement_m[1],
        "error_100": after["state noise", 0.0],
        "error_100_noise_0.1": after["state noise", 0.1],
        "error_100_lesion_0.1": after["lesion", 0.1],
        "generator_commutator": mechanism.generators.commutator,
        "permuted": mechanism.generators.permuted,
        "capacity_bits": code.capacity.headline,
        "independent": code.capacity.independent_modules.number,
        "update_r2": code.update.headline,
        "algebraic": code.algebraic.headline,
        "whitened": code.whitened.headline,
        "controls_right": sum(c.as_expected for c in space.controls),
        "controls": len(space.controls),
        "not_measured": "; ".join(skipped + [f"{k}: {v}" for k, v in theory.reasons.items()]),
    }
    profiles = {p.module: p for p in mechanism.profiles}
    for row in space.populations:
        shape, profile = row.topology, profiles.get(row.module)
        yield {
            "run": Path(folder).name,
            "population": row.name,
            "units": row.n_units,
            "betti": " ".join(map(str, shape.betti)),
            "torus": shape.torus,
            "torus_p": shape.torus_p_value,
            "loops": listed(shape.longest[1][:3], 2),
            "voids": listed(shape.longest[2][:2], 2),
            "ring_correlation": listed(row.rings and row.rings.correlation),
            "place_error_m": listed(row.rings and row.rings.place_error_m),
            "toroidal_correlation": listed(row.toroidal and row.toroidal.correlation),
            "dimension": row.dimension,
            "weights_by_phase": profile and profile.explained_at_rest,
            "profile_p": profile and profile.p_value,
            "shift_slope": profile and profile.slope,
        } | shared


def main():
    out, *folders = sys.argv[1:]
    rows = [row for folder in folders for row in rows_of(folder)]
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    tori = sum(row["torus"] for row in rows if row["population"] != "population")
    print(f"{tori} of {sum(row['population'] != 'population' for row in rows)} modules on a torus")


if __name__ == "__main__":
    main()
