"""What each extra adds to the base install, each alone: packages, MB, seconds.

    python tools/extra_sizes.py dist/*.whl > benchmarks/results/extra_sizes.csv

The base is installed once. Each extra is installed into a copy of that environment, its packages
are imported, and the copy is deleted.
"""

import csv
import shutil
import sys
import time
from pathlib import Path

from clean_environment import Environment, clean_environment

IMPORTS = {
    "explore": "gridcode.viewer.serving",
    "rats": "ratinabox",
    "nwb": "pynwb",
    "pynapple": "pynapple",
    "parquet": "pyarrow.parquet",
    "scale": "ray, optuna",
    "slurm": "submitit",
    "logs": "tensorboard, wandb",
    "docs": "sphinx, pydata_sphinx_theme, myst_parser, sphinx_design, sphinx_copybutton",
}


def packages(environment: Environment) -> int:
    """How many packages are installed."""
    return len(environment.run("python", "-m", "pip", "list", "--format=freeze").splitlines())


def main() -> None:
    wheel = Path(sys.argv[1]).resolve()
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["extra", "packages", "mb", "install_s", "imports"])
    with clean_environment() as environment:
        empty, began = packages(environment), time.monotonic()
        environment.install(str(wheel))
        seconds = time.monotonic() - began
        environment.run("python", "-c", "import gridcode.cli, torch")
        base, base_mb = packages(environment), environment.megabytes()
        table.writerow(["(base)", base - empty, f"{base_mb:.0f}", f"{seconds:.0f}", "gridcode"])
        kept = environment.folder / "base"
        environment.venv.rename(kept)
        for extra, modules in IMPORTS.items():
            # Links, not copies: pip replaces files and does not change them in place.
            shutil.copytree(kept, environment.venv, symlinks=True, copy_function=link)
            began = time.monotonic()
            environment.install(f"{wheel}[{extra}]")
            seconds = time.monotonic() - began
            added = packages(environment) - base
            size = environment.megabytes() - base_mb
            environment.run("python", "-c", f"import {modules}")
            table.writerow([extra, added, f"{size:.0f}", f"{seconds:.0f}", modules])
            sys.stdout.flush()
            shutil.rmtree(environment.venv)


def link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


if __name__ == "__main__":
    main()
