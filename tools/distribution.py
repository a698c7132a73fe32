"""Build the wheel and the sdist, check what is in them, and try each in a clean environment.

    python tools/distribution.py            (or `make dist`; needs the extra `dev`)

They are left in dist/. Tried are the packaged demo, the packaged cells and `import gridcode`.
"""

import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

from clean_environment import ROOT, clean_environment

PACKAGE = ROOT / "src" / "gridcode"
# Beside the code; each must be in both.
NEEDED = (
    *("py.typed", "presets/quick.toml", "viewer/static/main.js", "viewer/shell.html.j2"),
    *("packaged/modules-192.safetensors", "packaged/modules-192.evaluation.zip"),
    "recordings/mouse_grid_cells.npz",
)
BESIDE = {"PKG-INFO", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"}


def names_in(path: Path) -> list[str]:
    """Names of the files in a wheel or an sdist, without the sdist's own folder."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.namelist()
    with tarfile.open(path) as sdist:
        return [name.partition("/")[2] for name in sdist.getnames()]


def problems(names: list[str], *, wheel: bool) -> list[str]:
    """What is missing from a distribution, or in it by mistake."""
    place = "gridcode/" if wheel else "src/gridcode/"
    source = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name.removeprefix(place) for name in names if name.startswith(place)}
    rest = [name for name in names if not name.startswith(place)]
    allowed = [name for name in rest if name in BESIDE | {".gitignore"} or ".dist-info/" in name]
    found = [f"missing: {name}" for name in sorted((source | set(NEEDED)) - packed)]
    found += [f"not in the source: {name}" for name in sorted(packed - source)]
    return found + [f"does not belong there: {name}" for name in rest if name not in allowed]


def build() -> list[Path]:
    """Build both into dist/, the wheel from the sdist.

    Raises:
        SystemExit: one of them lacks a file, or has one that does not belong there.
    """
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True)
    built = [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]
    for path in built:
        if wrong := problems(names_in(path), wheel=path.suffix == ".whl"):
            raise SystemExit("\n".join([f"{path.name}:", *wrong]))
    return built


def attempt(path: Path) -> str:
    """Install a distribution in a clean environment and use it; a line of what that took."""
    with clean_environment() as environment:
        began = time.monotonic()
        environment.install(str(path))
        installed = time.monotonic()
        environment.run("gridcode", "demo", "--pretrained", "--quiet", "--out", "demo")
        if not (environment.folder / "demo" / "report.html").is_file():
            raise SystemExit(f"{path.name}: the demo wrote no report")
        shown = time.monotonic()
        code = "import gridcode; print(gridcode.__file__); print(gridcode.example_cells())"
        file, cells = environment.run("python", "-c", code).splitlines()
        if not file.startswith(str(environment.venv)):
            raise SystemExit(f"{path.name}: gridcode was imported from {file}")
        return (
            f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, installed in "
            f"{installed - began:.0f} s to {environment.megabytes():.0f} MB; "
            f"demo --pretrained {shown - installed:.0f} s; {cells}"
        )


if __name__ == "__main__":
    for built in build():
        print(attempt(built), flush=True)
