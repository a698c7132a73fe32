"""Imports run one way, from the top of this list to its foot, and no two files form a circle."""

import ast
from pathlib import Path

import pytest

import gridcode

# From the top floor down: a package imports itself and what stands below it.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["paper", "sweep"],
    ["interop"],
    ["packaged"],
    ["api"],
    ["logs"],
    ["viewer"],
    ["report"],
    ["recordings"],
    ["baselines"],
    ["training"],
    ["runs"],
    ["gpu"],
    ["models"],
    ["losses"],
    ["analysis"],
    ["world"],
    ["config"],
    ["presets"],
    ["executors"],
    ["display", "arrays", "reading", "cores", "extras"],
    ["errors", "version"],
]
FLOOR = {name: floor for floor, names in enumerate(reversed(FLOORS)) for name in names}
ROOT = Path(gridcode.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def modules_of(path):
    """Every module of the package that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (
                alias.name for alias in node.names if alias.name.split(".")[0] == "gridcode"
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gridcode":
            for alias in node.names:
                inner = ROOT.joinpath(*node.module.split(".")[1:], alias.name)
                whole = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if whole else node.module


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


IMPORTS = {name_of(path): sorted(set(modules_of(path))) for path in FILES}


@pytest.mark.parametrize("name", [name for name in IMPORTS if name != "gridcode"])
def test_imports_run_downwards(name):
    here = name.split(".")[1]
    for imported in IMPORTS[name]:
        # The package itself is lazy; only the command line uses it as a user would.
        if imported == "gridcode":
            assert here in ("cli", "__main__"), f"{name} imports the whole package"
            continue
        there = imported.split(".")[1]
        assert there == here or FLOOR[there] < FLOOR[here], f"{name} imports {imported}"


def test_no_circle():
    done, path = set(), []

    def visit(name):
        if name in done:
            return
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        path.append(name)
        for imported in IMPORTS.get(name, []):
            if imported != "gridcode":
                visit(imported)
        done.add(path.pop())

    for name in IMPORTS:
        if name != "gridcode":
            visit(name)


def test_every_name_of_the_package_is_there():
    for name in gridcode.__all__:
        assert getattr(gridcode, name) is not None
    assert set(gridcode.__all__) <= set(dir(gridcode))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gridcode.nothing
