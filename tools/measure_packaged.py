"""Cell types and modules of the packaged networks, measured again after the tests have changed.

    python tools/measure_packaged.py [NAME ...]

Path integration, which does not rest on them, and the comparison with the weights before rounding,
which are not in the package, stay as they are.
"""

import json
import sys
from pathlib import Path

from export_network import laid_out
from network_scores import headline_scores, measure, small_scores

import gridcode
from gridcode.config import Config
from gridcode.packaged.networks import PACKAGE
from gridcode.runs.files import write_atomically


def main() -> None:
    for name in sys.argv[1:] or gridcode.pretrained_names():
        path = Path(PACKAGE / f"{name}.json")
        details = json.loads(path.read_text(encoding="utf-8"))
        found, old = gridcode.pretrained(name), details["scores"]
        fixed = {
            "arenas_m": [old["arena_m"]],
            "adapt_arena": False,
            "walks": [old["walk"]],
            "space": False,
            "theory": False,
        }
        settings = Config(evaluation=found.config.evaluation).override(
            {f"evaluation.{key}": value for key, value in fixed.items()}
        )
        new = headline_scores(measure(found.network, found.config, settings.evaluation))
        details["scores"] = new | {"path_integration": old["path_integration"]}
        details["small_scores"] = small_scores(found.network, found.config)
        details["comparison"]["note"] = "both with the tests of types of the version that exported"
        write_atomically(path, laid_out(details) + "\n")
        print(name, new["types"], [round(m["spacing_m"], 3) for m in new["modules"]])


if __name__ == "__main__":
    main()
