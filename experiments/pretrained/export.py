"""Put a trained network into the package: src/gridcode/pretrained/NAME.safetensors and NAME.json.

    gridcode train quick --seed 0 --out runs/a && gridcode evaluate runs/a
    OMP_NUM_THREADS=1 python experiments/pretrained/export.py runs/a quick-64

Evaluates the network as it is and with its weights rounded, with the same seeds, and takes the
smallest form that keeps the scores.
"""

import argparse
import sys
from pathlib import Path

from gridcode.errors import GridcodeError
from gridcode.pretrained.export import LIMIT_BYTES, PACKAGE, export


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", help="evaluated run folder")
    parser.add_argument("name", metavar="NAME", help="name of the packaged network")
    parser.add_argument("--command", help="what trained it [made up from the settings]")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, default=PACKAGE, help="where to [the package]"
    )
    parser.add_argument(
        "--limit-bytes",
        type=int,
        default=LIMIT_BYTES,
        help=f"largest file of weights [{LIMIT_BYTES}]",
    )
    arguments = parser.parse_args()
    try:
        details = export(
            arguments.run,
            arguments.name,
            folder=arguments.out,
            command=arguments.command,
            limit_bytes=arguments.limit_bytes,
            progress=_progress,
        )
    except GridcodeError as error:
        print(f"export: {error}", file=sys.stderr)
        return error.exit_code
    comparison = details["comparison"]
    print(
        f"{details['name']}: {details['bytes']} bytes, {details['dtype']}, rank {details['rank']}; {details['command']}"
    )
    print(
        f"changes against the run's own weights: {comparison['changes']}; not taken: {comparison['not_taken']}"
    )
    return 0


def _progress(what, done, total):
    if done >= total:
        print(f"  {what} done", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
