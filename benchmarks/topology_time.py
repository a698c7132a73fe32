"""Time and memory of the topology: 1,200 landmarks up to voids, and the whole measurement with 99 shuffles.

    OMP_NUM_THREADS=1 python benchmarks/topology_time.py > benchmarks/results/topology_cpu.json

Under 10 CPU-seconds and 300 MB were asked for the first. Memory is that of the whole process at its largest, the libraries included.
"""

import json
import os
import resource
import time

import numpy as np

from gridcode.analysis.persistence import choose_landmarks, persistence, principal_components
from gridcode.analysis.topology import NULL_THRESHOLD, measure_topology
from gridcode.synthetic import ideal_grid_code


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (8000, 2))
    states = ideal_grid_code([1.0], units_per_module=64, phases="random", generator=rng)(x)
    states = states + 0.3 * states.std() * rng.standard_normal(states.shape)
    rows = []
    points, _ = choose_landmarks(principal_components(states), count=1200)
    persistence(points[:50])
    began = time.process_time()
    diagram = persistence(points, threshold=NULL_THRESHOLD)
    rows.append(
        {
            "what": f"{len(points)} landmarks to voids, joined up to {NULL_THRESHOLD} of the median distance",
            "cpu_s": round(time.process_time() - began, 2),
        }
    )
    rows[-1] |= {"megabytes": round(megabytes()), "loops": [round(float(v), 3) for v in diagram.lifetimes(1)[:3]]}
    rows[-1] |= {"voids": [round(float(v), 3) for v in diagram.lifetimes(2)[:2]], "asked_cpu_s": 10, "asked_megabytes": 300}
    began = time.process_time()
    found = measure_topology(states, generator=rng)
    rows.append(
        {
            "what": "300 landmarks with 99 shuffles, 64 units",
            "cpu_s": round(time.process_time() - began, 1),
            "torus": found.torus,
            "p": found.torus_p_value,
        }
    )
    print(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
