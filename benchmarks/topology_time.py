"""Time and memory of the topology: 1,200 landmarks, shuffled clouds, all with 99 shuffles.

    OMP_NUM_THREADS=1 python benchmarks/topology_time.py > benchmarks/results/topology_cpu.json

Under 10 CPU-seconds and 300 MB were asked for the first. Every case runs in a separate process:
`before_megabytes` is what that holds with its libraries and data, `peak_megabytes` its largest.
"""

import json
import multiprocessing
import os
import resource
import time

import numpy as np

from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.analysis.topology.betti import (
    LOW_THRESHOLD,
    _null_diagram,
    measure_topology,
    shuffled,
)
from gridcode.analysis.topology.persistence import (
    THRESHOLD,
    choose_landmarks,
    persistence,
    principal_components,
)

LANDMARKS = 1200


def states_of(rng):
    x = rng.uniform(-2, 2, (8000, 2))
    states = ideal_grid_code([1.0], units_per_module=64, phases="random", generator=rng)(x)
    return states + 0.3 * states.std() * rng.standard_normal(states.shape)


def cloud(denoised, null=False):
    rng = np.random.default_rng(0)
    states = states_of(rng)
    components = principal_components(shuffled(states, rng) if null else states)
    return (
        choose_landmarks(components, count=LANDMARKS)
        if denoised
        else (components[rng.permutation(len(components))[:LANDMARKS]], None)
    )


def to_low(points):
    return persistence(points, threshold=LOW_THRESHOLD)


CASES = {
    f"{LANDMARKS} landmarks, up to {LOW_THRESHOLD} of the median distance": lambda: (
        cloud(True)[0],
        to_low,
    ),
    f"{LANDMARKS} states as they are, not denoised, up to {LOW_THRESHOLD}": lambda: (
        cloud(False)[0],
        to_low,
    ),
    f"{LANDMARKS} landmarks, up to {THRESHOLD}": lambda: (cloud(True)[0], persistence),
    f"{LANDMARKS} landmarks of shuffled states, until all has closed": lambda: (
        cloud(True, null=True)[0],
        lambda p: _null_diagram(p, LOW_THRESHOLD),
    ),
    "64 units, 300 landmarks, 99 shuffles": lambda: (
        states_of(np.random.default_rng(0)),
        lambda s: measure_topology(s, generator=np.random.default_rng(1)).diagram,
    ),
}


def megabytes():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def case(name):
    given, measure = CASES[name]()
    before, began = megabytes(), time.process_time()
    diagram = measure(given)
    row = {
        "case": name,
        "cpu_s": round(time.process_time() - began, 2),
        "before_megabytes": before,
        "peak_megabytes": megabytes(),
    }
    longest = {
        what: [round(float(v), 3) for v in diagram.lifetimes(d)[:3]]
        for d, what in ((1, "loops"), (2, "voids"))
    }
    return row | longest


def main():
    rows = []
    for name in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(case, (name,)))
    print(
        json.dumps(
            {"cores": os.cpu_count(), "asked": {"cpu_s": 10, "megabytes": 300}, "rows": rows},
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
