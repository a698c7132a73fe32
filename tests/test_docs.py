"""Every Python snippet of the docs runs, and the parser takes every command line in them.

The snippets of a page run one after another, as a reader would run them; those of the README each
alone. They are as printed, but for the size of trainings, evaluations and null maps. A comment in
front of a snippet says otherwise: `<!-- slow -->` runs it with the slow tests, and for
`<!-- not run: why -->` only its imports are run.
"""

import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import gridcode
from gridcode import cli
from gridcode.analysis import records
from gridcode.cli.options import Parser
from gridcode.config import Config

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "_build" not in path.parts
}
SNIPPET = re.compile(r"(?:^<!-- (slow|not run: .+?) -->\n)?^```python\n(.*?)^```$", re.M | re.S)
SLOW_PAGES = {"docs/notebook.md", "docs/explorer.md"}
BEFORE = {
    "docs/explorer.md": "import gridcode\n"
    "gridcode.pretrained('modules-192').unpack('runs/modules-192')\n"
}
SHORT = {
    "training.steps": 4, "world.steps": 4, "world.trajectories": 8, "snapshots": 0,
    "arenas_m": [2.0], "walks": ["smooth"], "bin_size_m": 0.1, "samples_per_bin": 2, "nulls": 99,
    "adapt_arena": False, "space": False, "theory": False,
}  # fmt: skip


def sessions(*, slow):
    """Snippets by the page, and for the README by number, that are run together."""
    found = {}
    for page, text in PAGES.items():
        snippets = SNIPPET.findall(text)
        is_slow = page in SLOW_PAGES or any(mark == "slow" for mark, _ in snippets)
        if not snippets or (slow and not is_slow) or (page in SLOW_PAGES and not slow):
            continue
        if page == "README.md":
            found |= {f"{page} {i}": [one] for i, one in enumerate(snippets)}
        else:
            found[page] = [one for one in snippets if slow or one[0] != "slow"]
    return found


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Trainings, evaluations and tests at their smallest, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    load, train, score = gridcode.load_config, gridcode.train, gridcode.score
    variants = gridcode.variants

    def short(config):
        return config.override(SHORT)

    def load_short(name):
        return short(load(name)).override({"units": 8})

    def train_short(config=None, **more):
        return train(None if config is None else short(config), **more)

    def score_short(source, **more):
        return score(source, **{"nulls": 99} | more)

    def variants_short(*given, **more):
        return {name: short(one) for name, one in variants(*given, **more).items()}

    monkeypatch.setattr(gridcode, "load_config", load_short, raising=False)
    monkeypatch.setattr(gridcode, "train", train_short, raising=False)
    monkeypatch.setattr(gridcode, "score", score_short, raising=False)
    monkeypatch.setattr(gridcode, "variants", variants_short, raising=False)
    with plt.rc_context():  # some snippets set the style of all figures
        yield
    plt.close("all")


def run(page, snippets):
    names = {}
    exec(BEFORE.get(page, ""), names)
    for mark, code in snippets:
        if mark.startswith("not run"):
            compile(code, page, "exec")
            code = "\n".join(re.findall(r"^(?:from|import) .*$", code, re.MULTILINE))
        exec(compile(code, page, "exec"), names)


QUICK, SLOW = sessions(slow=False), sessions(slow=True)


@pytest.mark.usefixtures("small")
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("page", QUICK)
def test_snippets_run(page):
    run(page, QUICK[page])


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("page", SLOW)
def test_slow_snippets_run(page):
    run(page, SLOW[page])


FENCED = re.compile(r"^```(?:bash|console|shell|sh|text)?\n(.*?)^```$", re.M | re.S)
# Without comments, redirections and pipes.
BLOCK = re.compile(r"^(?:    |\$ )(gridcode .*?)(?: +[#>|].*)?$", re.M)
INLINE = re.compile(r"`(gridcode [^`]+)`")


def commands():
    """Command lines as (page, line, whether it stands in a block and so is complete)."""
    found = set()
    for page, text in PAGES.items():
        if page == "docs/log.md":  # it tells of commands as they were
            continue
        joined = re.sub(r" *\\\n *", " ", text)  # a command over several lines
        indented = FENCED.sub(
            lambda block: re.sub("^(?=gridcode )", "    ", block[1], flags=re.M), joined
        )
        found |= {(page, line, True) for line in BLOCK.findall(indented)}
        found |= {(page, " ".join(line.split()), False) for line in INLINE.findall(text)}
    return sorted(one for one in found if "..." not in one[1])


COMMANDS = commands()


@pytest.mark.parametrize(("_page", "line", "block"), COMMANDS)
def test_command_lines_parse(_page, line, block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    if words[0] not in cli.COMMANDS:  # such as `gridcode --version`
        assert words[0].startswith("--") or words[0] == "COMMAND", line
        return
    if block and not {"--help", "--help-all"} & set(words):
        cli._parser(cli._module(words[0]), words).parse_args(words)
        return
    command = Parser()  # a sentence names an option without its value
    cli._module(words[0]).add_options(command, words)
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    assert options <= set(command._option_string_actions), line


def test_there_is_something_to_run():
    assert sum(map(len, QUICK.values())) >= 15 and len(COMMANDS) >= 100
    assert PAGES["README.md"].count("\n") <= 150


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/log.md"}))
def test_links_and_modules_of_the_docs_are_there(page):
    text, folder = PAGES[page], (ROOT / page).parent
    assert not re.search(r"@[A-Z]+@", text)
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        assert (folder / target).exists(), target
    for name in set(re.findall(r"gridcode((?:\.[a-z_]+)+)", text)):
        parts = name.strip(".").split(".")
        here = ROOT / "src" / "gridcode"
        if parts[0] in dir(gridcode) and not (here / parts[0]).is_dir():
            continue
        while parts and (here / parts[0]).is_dir():
            here = here / parts.pop(0)
        assert not parts or (here / f"{parts[0]}.py").is_file() or here.name != "gridcode", name


def test_the_reference_names_what_is_public():
    reference = (ROOT / "docs" / "reference" / "api.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (gridcode\.\S+)$", reference, re.MULTILINE))
    assert {f"gridcode.{name}" for name in gridcode.__all__} <= listed


def test_the_page_of_files_names_every_number_of_a_unit():
    page = PAGES["docs/reference/files.md"]
    of_recordings = {"mean_vector_length", "preferred_direction_deg", "direction_p_value"}
    of_recordings |= {"speed_score", "speed_p_value", "border_score", "border_p_value"}
    of_recordings |= {"tuning", "tuning_evidence", "scores"}
    names = set(records.UnitRecord.model_fields) - of_recordings - {"unit"}
    assert not {name for name in names if f"`{name}`" not in page}


def test_every_preset_is_described():
    page = PAGES["docs/howto/settings.md"]
    assert all(f"| `{name}` |" in page for name in gridcode.config.preset_names())
    assert isinstance(gridcode.load_config("quick"), Config)
