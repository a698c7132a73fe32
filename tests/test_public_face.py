"""Files that other programs and newcomers read: metadata, workflows, citation, what is packed."""

import csv
import itertools
import re
import tomllib
from pathlib import Path

import distribution
import extra_sizes
import pytest
import yaml

from gridcode.version import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
YAML = sorted([*(ROOT / ".github").rglob("*.yml"), ROOT / "CITATION.cff"])


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yaml_is_read(path):
    text = path.read_text(encoding="utf-8")
    assert isinstance(yaml.safe_load(text), dict)
    assert not re.search(r"secrets\.|https?://(?!doi)", text)


def test_the_workflow_runs_what_a_change_must_pass():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    made = {step["run"].removeprefix("make ") for step in steps if "make" in step.get("run", "")}
    assert {"lint", "types", "test", "dist", "docs"} == made
    assert made <= set(targets)
    versions = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    classifiers = "".join(PROJECT["classifiers"])
    assert all(f"Python :: {version}" in classifiers for version in versions)
    assert PROJECT["requires-python"] == f">={versions[0]}"


@pytest.mark.parametrize("name", ["bug", "question", "feature"])
def test_issue_forms_have_what_the_host_asks_for(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert all(part["attributes"]["label"] for part in fields)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == __version__ and citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"] == [{"name": "The gridcode developers"}]


def test_every_extra_is_measured_and_every_package_pinned():
    extras = PROJECT["optional-dependencies"]
    assert list(extra_sizes.IMPORTS) == [name for name in extras if name != "dev"]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for line in itertools.chain(PROJECT["dependencies"], *extras.values()):
        name = re.match(r"[\w-]+", line)[0].lower().replace("_", "-")
        assert name == "gridcode" or f"\n{name}==" in pinned, name


def test_what_is_missing_from_a_distribution_is_named():
    whole = [
        f"gridcode/{path.relative_to(distribution.PACKAGE).as_posix()}"
        for path in distribution.PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert "gridcode/py.typed" in whole
    assert distribution.problems([*whole, "gridcode-0.dist-info/METADATA"], wheel=True) == []
    less = [name for name in whole if name != "gridcode/py.typed"]
    assert distribution.problems(less, wheel=True) == ["missing: py.typed"]
    assert distribution.problems([*whole, "tests/test_a.py"], wheel=True) == [
        "does not belong there: tests/test_a.py"
    ]
    sdist = [f"src/{name}" for name in whole] + ["README.md", "PKG-INFO", "gridcode/a.py"]
    assert distribution.problems(sdist, wheel=False) == ["does not belong there: gridcode/a.py"]


def test_the_paper_cites_what_is_in_its_bibliography():
    paper = (ROOT / "docs/paper.md").read_text(encoding="utf-8")
    entries = (ROOT / "docs/paper.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{(\w+),", entries, re.M)
    assert set(re.findall(r"@(\w+)", paper)) == set(keys) and len(set(keys)) == len(keys)


def test_the_install_page_has_the_measured_sizes():
    page = (ROOT / "docs/start/install.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `?([(\w)]+)`? \|.*\| (\d+) \| ([\d,]+) \|$", page, re.M)
    with open(ROOT / "benchmarks/results/extra_sizes.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(name, n, mb.replace(",", "")) for name, n, mb in shown] == [
        (row["extra"], row["packages"], row["mb"]) for row in rows
    ]
    assert [row["extra"] for row in rows] == ["(base)", *extra_sizes.IMPORTS]
