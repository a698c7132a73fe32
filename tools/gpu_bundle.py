"""Wheels for a GPU machine that can fetch nothing: what the package and its tests need there.

    python tools/gpu_bundle.py .gpu-bundle          (or `make gpu-bundle`; needs the extra `dev`)

Versions are those of constraints.txt, built for CPython 3.12 on Linux, x86-64. `THERE` is left out:
PyTorch with its Triton, and the packages that machines made for deep learning have. What one of
them lacks all the same, `benchmarks/gpu.sh` names before it starts; add it with `--also`.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
MOST_MB = 40
TESTS = ("pytest", "pytest-xdist", "hypothesis", "beartype")
THERE = {
    *("torch", "triton", "numpy", "scipy", "scikit-learn", "pandas", "xarray", "h5py", "pillow"),
    *("matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pyparsing", "packaging"),
    *("safetensors", "jaxtyping", "wadler-lindig", "jinja2", "markupsafe", "joblib", "cloudpickle"),
    *("pytest", "pytest-xdist", "pluggy", "iniconfig", "execnet", "hypothesis", "sortedcontainers"),
    *("threadpoolctl", "narwhals", "pygments", "markdown-it-py", "mdurl", "python-dateutil", "six"),
    *("typing-extensions",),
}
# pip takes a wheel only if its platform is named exactly.
PLATFORMS = [f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17, 12, 5)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux1_x86_64"]


def plain(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def missing(also: list[str]) -> list[str]:
    """Names of the packages to carry: all that is needed, at any depth, and not there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [Requirement(line) for line in (*project["dependencies"], *TESTS)]
    seen: set[str] = set()
    while todo:
        name = plain(todo.pop().name)
        if name in seen or name in {"torch", "triton"}:
            continue
        seen.add(name)
        needs = [Requirement(line) for line in requires(name) or []]
        todo += [r for r in needs if r.marker is None or r.marker.evaluate({"extra": ""})]
    return sorted((seen - THERE) | set(map(plain, also)))


def pinned(names: list[str]) -> list[str]:
    """The names with their versions in constraints.txt.

    Raises:
        SystemExit: one has none.
    """
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    versions = {plain(line.split("==")[0]): line for line in lines if "==" in line}
    unknown = [name for name in names if name not in versions]
    if unknown:
        raise SystemExit(f"not in constraints.txt: {', '.join(unknown)}")
    return [versions[name] for name in names]


def report(folder: Path) -> None:
    """Print each wheel's size and their sum.

    Raises:
        SystemExit: together they are too large to travel.
    """
    sizes = {path.name: path.stat().st_size / 2**20 for path in sorted(folder.glob("*.whl"))}
    for name, size in sizes.items():
        print(f"{size:6.2f} MB  {name}")
    print(f"{sum(sizes.values()):6.2f} MB in {folder}, of {MOST_MB} at most")
    if sum(sizes.values()) > MOST_MB:
        raise SystemExit(f"more than {MOST_MB} MB of wheels")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME", help="carry these as well")
    options = parser.parse_args()
    wanted = pinned(missing(options.also))
    options.folder.mkdir(parents=True, exist_ok=True)
    for old in options.folder.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.12"]
    command += ["--implementation", "cp", "--dest", str(options.folder)]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    subprocess.run(command + wanted, check=True)
    report(options.folder)


if __name__ == "__main__":
    main()
