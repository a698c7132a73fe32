"""Every snippet of the README runs, and every command line in it is one that the parser takes."""

import re
import shlex
from pathlib import Path

import pytest

import gridcode
from gridcode import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    (gridcode .*?)(?:\s+#.*)?$|`(gridcode [^`]+)`", README, re.MULTILINE)
SHORT = {
    "units": 8, "training.steps": 4, "world.steps": 4, "world.trajectories": 8, "snapshots": 0,
    "arenas_m": [2.0], "walks": ["smooth"], "bin_size_m": 0.1, "samples_per_bin": 2, "nulls": 99,
    "space": False, "theory": False,
}  # fmt: skip


def test_there_is_something_to_run():
    assert len(SNIPPETS) >= 4 and len(COMMANDS) >= 10
    assert README.count("\n") <= 150


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_snippets_run(snippet, tmp_path, monkeypatch):
    """As printed, but for the size of the training."""
    monkeypatch.chdir(tmp_path)
    load = gridcode.load_config
    monkeypatch.setattr(gridcode, "load_config", lambda name: Short(load(name)), raising=False)
    exec(compile(snippet, "README.md", "exec"), {})


class Short:
    """A configuration whose overrides are cut short."""

    def __init__(self, config):
        self.config = config

    def override(self, changes):
        return self.config.override(changes | SHORT)


@pytest.mark.parametrize("line", sorted({a or b for a, b in COMMANDS}))
def test_command_lines_parse(line):
    words = shlex.split(line)[1:]
    if len(words) == 1 or words[1].isupper() or "--help" in words:
        return
    command = cli._module(words[0])
    cli._parser(command, words).parse_args(words)


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "log.md"], ids=str)
def test_links_and_modules_of_the_docs_are_there(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"@[A-Z]+@", text)
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    for name in set(re.findall(r"gridcode((?:\.[a-z_]+)+)", text)):
        parts = name.strip(".").split(".")
        here = ROOT / "src" / "gridcode"
        if parts[0] in dir(gridcode) and not (here / parts[0]).is_dir():
            continue
        while parts and (here / parts[0]).is_dir():
            here = here / parts.pop(0)
        assert not parts or (here / f"{parts[0]}.py").is_file() or here.name != "gridcode", name
