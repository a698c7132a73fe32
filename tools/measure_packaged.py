"""The packaged networks evaluated again, after measures have changed.

    python tools/measure_packaged.py [NAME ...]

Writes NAME.evaluation.zip, which `gridcode pretrained NAME --out RUN` and `gridcode demo
--pretrained NAME` unpack, and the scores in NAME.json. A complete evaluation with the settings of
the run: it takes as long as `gridcode evaluate`, and its parts are shown as they end. The
comparison with the weights before rounding, which are not in the package, stays as it is.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from export_network import laid_out
from network_scores import headline_scores, small_scores

import gridcode
from gridcode.analysis.evaluate import Evaluation
from gridcode.cli.progress import progress_bar
from gridcode.packaged.evaluations import largest_change, pack_evaluation, unpack_evaluation
from gridcode.packaged.networks import PACKAGE, Pretrained, evaluation_path
from gridcode.runs.files import write_atomically

# Of the median hexagonal score: what rounding the maps may change.
TOLERANCE = 0.01


def write(found: Pretrained, evaluation: Evaluation, folder: Path = PACKAGE) -> None:
    """Put the evaluation of a packaged network beside it.

    Args:
        found: the network.
        evaluation: of its weights as they are in the package.
        folder: where its files are.
    """
    origin = evaluation.summary.origin
    assert origin is not None and origin.weights == found.details.weights, "of other weights"
    data = pack_evaluation(evaluation)
    path = evaluation_path(found.name, folder)
    change = largest_change(evaluation, unpack_evaluation(data, path.name))
    assert change["grid_score_median"] < TOLERANCE, change
    text = (folder / f"{found.name}.json").read_text(encoding="utf-8")
    details = json.loads(text) | {
        "scores": headline_scores(evaluation.summary),
        "small_scores": small_scores(found.network, found.config),
        "evaluation": {
            "command": f"python tools/measure_packaged.py {found.name}",
            "gridcode": origin.gridcode,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "largest_change": dict(change),
        },
    }
    details["comparison"]["note"] = "both with the tests of types of the version that exported"
    write_atomically(path, data)
    write_atomically(folder / f"{found.name}.json", laid_out(details) + "\n")


def main() -> None:
    """Evaluate and write each network."""
    for name in sys.argv[1:] or gridcode.pretrained_names():
        found = gridcode.pretrained(name)
        with tempfile.TemporaryDirectory() as folder, progress_bar(name, quiet=False) as progress:
            run = found.unpack(Path(folder) / "run", evaluated=False)
            evaluation = gridcode.evaluate(run, progress=progress)
        write(found, evaluation)
        size = evaluation_path(name).stat().st_size
        print(f"{name}: {evaluation.summary.verdict} ({size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
