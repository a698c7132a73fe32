"""Faults put into the code on purpose: does a test turn red?

    python tools/mutations.py [OUT.csv] [NUMBER ...]     an hour of one slow core for all of them

Each fault is made in a copy of the package, and the tests named beside it run against the copy
until the first fails. A fault that no test notices has survived. docs/mutations.md holds the last
table.
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What is wrong; file in src/gridcode; text; what it becomes; tests that should notice.
FAULTS = [
    (
        "rate maps drawn upside down",
        "report/style.py",
        'origin="lower"',
        'origin="upper"',
        "test_conventions.py",
    ),
    (
        "x and y swapped in the state space of a recorded path",
        "api/scoring.py",
        "np.stack([x, y], axis=1)",
        "np.stack([y, x], axis=1)",
        "test_conventions.py",
    ),
    (
        "x and y swapped in rate maps of a rollout",
        "analysis/cells/ratemaps.py",
        "index[inside, 1] * self.bins + index[inside, 0]",
        "index[inside, 0] * self.bins + index[inside, 1]",
        "test_evaluation.py",
    ),
    (
        "orientation mirrored",
        "analysis/cells/lattice.py",
        "np.degrees(np.arctan2(axes[..., 1], axes[..., 0]))",
        "np.degrees(np.arctan2(-axes[..., 1], axes[..., 0]))",
        "test_synthetic_scores.py",
    ),
    (
        "bits for nats",
        "analysis/cells/information.py",
        "/ math.log(2)",
        "/ 1.0",
        "test_information.py",
    ),
    (
        "spacing in centimetres",
        "analysis/cells/gridness.py",
        "lattices.spacing * bin_size_m",
        "100 * lattices.spacing * bin_size_m",
        "test_synthetic_scores.py",
    ),
    (
        "the square's angles in the hexagonal score",
        "analysis/cells/gridness.py",
        "np.minimum(c[60], c[120])",
        "np.minimum(c[45], c[135])",
        "test_synthetic_scores.py",
    ),
    (
        "p-values without the unit itself",
        "analysis/cells/significance.py",
        "(1 + above) / (1 + nulls)",
        "above / nulls",
        "test_significance.py",
    ),
    (
        "false discoveries not controlled",
        "analysis/cells/significance.py",
        'stats.false_discovery_control(np.asarray(p_values)[known], method="bh")',
        "np.asarray(p_values)[known]",
        "test_significance.py",
    ),
    (
        "null populations of modules counted twice",
        "analysis/modules/lattice_clustering.py",
        "(1 + (self.null",
        "(0.5 + 0.5 * (self.null",
        "test_modules.py",
    ),
    (
        "topology against states that were not shuffled",
        "analysis/topology/betti.py",
        "% len(states)",
        "* 0 + np.arange(len(states))[:, None]",
        "test_topology.py",
    ),
    (
        "error of the tracked position doubled",
        "analysis/navigation/decoding.py",
        "np.linalg.norm(position - true, axis=1)",
        "2 * np.linalg.norm(position - true, axis=1)",
        "test_decoding.py",
    ),
    (
        "capacity with the wrong sign",
        "losses/terms.py",
        "return -(g.reshape",
        "return (g.reshape",
        "test_losses.py",
    ),
    (
        "near pairs beyond sigma_x",
        "losses/terms.py",
        "< sigma_x**2",
        "< 4 * sigma_x**2",
        "test_losses.py",
    ),
    (
        "isometry of several networks over all steps",
        "losses/batched_terms.py",
        "(speed > 0) & (speed < settings.isometry_range[:, None, None])",
        "(speed > 0) & (speed < 2 * settings.isometry_range[:, None, None])",
        "test_batched.py",
    ),
    (
        "warm-up one step late",
        "training/schedule.py",
        "(step + 1) / max",
        "step / max",
        "test_training.py",
    ),
    (
        "resuming one step late",
        "training/checkpoint.py",
        'step=int(metadata["step"])',
        'step=int(metadata["step"]) + 1',
        "test_training.py",
    ),
    (
        "neural distance not squared in the invariance",
        "analysis/navigation/invariance.py",
        "** 2",
        "** 1",
        "test_space.py",
    ),
    (
        "fields twice as large",
        "analysis/cells/fields.py",
        "area * bin_size_m**2",
        "2 * area * bin_size_m**2",
        "test_fields.py",
    ),
    (
        "phases mirrored",
        "analysis/cells/phases.py",
        "@ basis @ np.linalg.inv(given)",
        "@ basis @ -np.linalg.inv(given)",
        "test_conventions.py test_phases.py",
    ),
    (
        "the norm left out of the recurrence",
        "models/recurrence.py",
        "g.div_(length.view",
        "g.mul_(length.view",
        "test_network.py",
    ),
    (
        "independent modules called commensurate",
        "analysis/modules/commensurability.py",
        "(1 + as_good) / (1 + nulls)",
        "0.001 * (1 + as_good) / (1 + nulls)",
        "test_commensurability.py",
    ),
]


def try_fault(file: str, before: str, after: str, tests: str) -> str:
    """`caught by TEST`, `survived`, or why it could not be tried."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        path = source / "gridcode" / file
        text = path.read_text(encoding="utf-8")
        if before not in text:
            return "not tried: the code has changed"
        path.write_text(text.replace(before, after), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header",
             *(f"tests/{name}" for name in tests.split())],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if failed:
        return "caught by " + failed[0].split(" ")[1].split("::")[-1]
    return "survived" if done.returncode == 0 else f"pytest ended with {done.returncode}"


def main() -> None:
    """Try every fault, or those whose numbers are given."""
    out, *numbers = sys.argv[1:] or ["mutations.csv"]
    chosen = [int(n) for n in numbers] or range(1, len(FAULTS) + 1)
    with open(out, "a" if numbers else "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        if not numbers:
            table.writerow(["number", "fault", "file", "result"])
        for number in chosen:
            what, path, before, after, tests = FAULTS[number - 1]
            result = try_fault(path, before, after, tests)
            table.writerow([number, what, path, result])
            file.flush()
            print(number, what, "->", result, flush=True)


if __name__ == "__main__":
    main()
