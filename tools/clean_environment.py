"""Environments with nothing in them, in which distributions and extras are tried."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Environment:
    """A virtual environment in a temporary folder; commands run in that folder.

    Args:
        folder: the temporary folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.venv = folder, folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)

    def run(self, name: str, *arguments: str | Path) -> str:
        """The output of one of its programs.

        Raises:
            SystemExit: the program failed; its output is the message.
        """
        bin_folder = self.venv / ("Scripts" if os.name == "nt" else "bin")
        # Nothing from outside: neither the source tree nor packages of the user.
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [bin_folder / name, *arguments],
            cwd=self.folder,
            env=clean | {"PYTHONNOUSERSITE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            words = " ".join(map(str, [name, *arguments]))
            raise SystemExit(f"{words} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, what: str) -> None:
        """Install with the versions of constraints.txt; what it needs must fit together."""
        quiet = ("--quiet", "--disable-pip-version-check")
        self.run("python", "-m", "pip", "install", *quiet, "-c", ROOT / "constraints.txt", what)
        self.run("python", "-m", "pip", "check")

    def megabytes(self) -> float:
        """What its files take, in MB (10^6 bytes); a file with several names counts once."""
        found = {(s := p.lstat()).st_ino: s.st_size for p in self.venv.rglob("*") if p.is_file()}
        return sum(found.values()) / 1e6


@contextlib.contextmanager
def clean_environment() -> Iterator[Environment]:
    """An environment that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="gridcode-") as folder:
        yield Environment(Path(folder))
