"""Deep analysis of an ideal grid module: a torus and a perfect attractor."""

import numpy as np

from gridcode.analysis.coding.properties import coding_properties
from gridcode.analysis.dynamics.attractor import describe_dynamics
from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.analysis.system import System
from gridcode.analysis.topology.betti import measure_topology
from gridcode.analysis.topology.circular_coordinates import coordinates_of, match_phases

generator = np.random.default_rng(0)
code = ideal_grid_code([1.0], units_per_module=64, generator=generator)
places = generator.uniform(-2, 2, (4000, 2))

# States (sample, unit) of any origin: a model's, a recording's, or these.
found = measure_topology(code(places), generator=generator, nulls=39)
print(f"Betti numbers {found.betti}, torus: {found.torus} (p = {found.torus_p_value:.3f})")
print(f"product of its loops: {found.product:.2f}")

# Two angles of every landmark, from the shape alone, against the phases of the lattice.
theta = coordinates_of(found)
print(
    "correlation with the phases:",
    match_phases(theta, code.module_phases(places)[found.samples, 0] % 1).correlation,
)

dynamics = describe_dynamics(System(*code.as_system(), max_step_m=0.15), generator=generator)
kick = dynamics.perturbation.rows[-1]
print(f"after {kick.steps} steps, left of a displacement: {kick.on[1]:.2f}")
print(f"of a perturbation off the manifold: {kick.off[1]:.2f}")

for name, found in coding_properties(
    code, arena_m=4.0, generator=generator, vectors_m=code.vectors_m, labels=code.label
).properties:
    print(f"{name:15s} {found.headline:8.3g} {found.unit}")
