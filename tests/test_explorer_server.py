"""The explorer's server: what it shows of runs in every condition, and what it refuses."""

import asyncio
import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
import uvicorn
from conftest import TINY

import gridcode
from gridcode.cli import main
from gridcode.errors import InputError
from gridcode.runs.files import write_atomically
from gridcode.viewer import documents, encode, figure_cache, library, run_status, server, serving
from gridcode.viewer.server import create_app

LOCAL = "http://127.0.0.1:8765"
SMALL = TINY | {
    "model.units": 16,
    "training.steps": 20,
    "training.snapshots": 3,
    "evaluation.walks": ["smooth"],
    "evaluation.history": False,
}


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example") / "small"
    gridcode.train(gridcode.load_config("quick").override(SMALL), out=folder)
    gridcode.evaluate(folder)
    return folder


@pytest.fixture
def runs(tmp_path, example, monkeypatch):
    monkeypatch.setattr(library, "RESCAN_S", 0.0)
    monkeypatch.setattr(library, "SCANNING_SHARE", 1e9)
    shutil.copytree(example, tmp_path / "runs" / "good")
    return tmp_path / "runs"


DOCUMENTS = (
    *("run", "maps/smooth_1m", "maps/other", "correlograms/smooth_1m", "spectra", "states"),
    *("metrics", "metrics?after=9", "history", "history/0", "history/20", "history/7", "history/x"),
    *("figures", "figures/scores.png", "figures/training.pdf", "figures/nothing.png"),
)


class Client:
    """Requests to an application in this process."""

    def __init__(self, *folders, host="127.0.0.1"):
        self.transport = httpx.ASGITransport(create_app(folders, host=host))

    def ask(self, path, method="GET", **options):
        async def go():
            async with httpx.AsyncClient(transport=self.transport, base_url=LOCAL) as client:
                return await client.request(method, path, **options)

        return asyncio.run(go())

    def rows(self):
        """The list once all runs are read, by name."""
        while True:
            rows = {row["name"]: row for row in self.ask("/api/runs").json()["runs"]}
            if all(row["state"] != "reading" for row in rows.values()):
                return rows

    def of(self, run, document, **options):
        """A document of a run that is known by its name."""
        return self.ask(f"/api/runs/{self.rows()[run]['id']}/{document}", **options)

    def every(self, run_id, names=DOCUMENTS):
        """All documents of a run, some of them not there."""
        return {name: self.ask(f"/api/runs/{run_id}/{name}") for name in names}


@contextlib.contextmanager
def serving_at(app):
    """A real server on a free port of this machine."""
    listener = serving.listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def raw(port, path, method="GET", headers=()):
    """A request whose path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers or [("Host", f"127.0.0.1:{port}")]:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def tree_hash(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        digest.update(f"{path.relative_to(folder)} {found.st_mode} {found.st_mtime_ns}".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    digest.update(str(folder.stat().st_mtime_ns).encode())
    return digest.hexdigest()


# -- what is shown ------------------------------


def test_every_document_of_a_run_and_nothing_is_written(runs):
    before = tree_hash(runs)
    client = Client(runs)
    listed = client.ask("/api/runs").json()
    assert listed["folders"] == ["runs"]
    (row,) = listed["runs"]
    assert row["id"].startswith("good-")
    assert row["name"] == "good" and row["folder"] == "runs/good"
    assert row["state"] == "evaluated" and row["problem"] is None
    assert row["units"] == 16 and row["step"] == row["steps"] == 20
    assert row["arena_m"] == 1.0 and abs(row["updated"] - time.time()) < 3600
    answers = client.every(row["id"])
    missing = {"maps/other", "states", "history/7", "history/x", "figures/nothing.png"}
    assert {name for name, answer in answers.items() if answer.status_code != 200} == missing
    assert {answers[name].status_code for name in missing} == {404}
    json_of = {name: answers[name].json() for name in DOCUMENTS if not name.startswith("figures/")}
    run = json_of["run"]
    assert run["state"] == "evaluated" and len(run["units"]) == 16
    assert run["has"]["maps"] == ["smooth_1m"]
    assert run["has"]["history"] == json_of["history"]["steps"]
    assert json_of["history"]["rate"] is None
    shown = encode.decode_array(json_of["maps/smooth_1m"]["rate"])
    truth = gridcode.Run(runs / "good").read_maps("smooth_1m")["rate"].values
    assert shown.shape == truth.shape == (16, 20, 20)
    assert np.nanmax(abs(shown - truth)) <= np.nanmax(truth) / 500
    for step in (0, 20):
        snapshot = json_of[f"history/{step}"]
        assert snapshot["step"] == step and len(snapshot["grid_score"]) == 16
        assert snapshot["rate"]["shape"][0] == 16
    assert answers["history/0"].content != answers["history/20"].content
    later = json_of["metrics?after=9"]["step"]
    assert later and all(step > 9 for step in later)
    assert len(json_of["metrics"]["step"]) > len(later)
    figures = answers["figures"].json()
    assert {"scores", "gallery", "training"} <= {figure["name"] for figure in figures}
    assert all(figure["text"] and figure["title"] for figure in figures)
    assert client.ask("/" + figures[0]["url"]).content[:8] == b"\x89PNG\r\n\x1a\n"
    assert answers["figures/training.pdf"].content[:5] == b"%PDF-"
    assert answers["figures/training.pdf"].headers["content-type"] == "application/pdf"
    assert answers["figures/scores.png"].headers["content-type"] == "image/png"
    assert tree_hash(runs) == before


def test_page_and_its_files(runs):
    client = Client(runs)
    page = client.ask("/")
    assert page.status_code == 200
    assert 'data-mode="explorer"' in page.text and 'data-document="palettes"' in page.text
    imports = json.loads(re.search(r'"importmap">(.*?)</script>', page.text)[1])["imports"]
    assert "gridcode/main.js" in imports
    for url in (*imports.values(), "./static/plotly.min.js"):
        assert url.startswith("./static/")
        script = client.ask(url.removeprefix("."))
        assert script.status_code == 200 and script.headers["cache-control"] == "no-cache"
        assert script.headers["content-type"].startswith("text/javascript")
    known = {"If-None-Match": script.headers["etag"]}
    again = client.ask("/static/plotly.min.js", headers=known)
    assert again.status_code == 304 and not again.content
    nowhere = ("/docs", "/openapi.json", "/api", "/api/runs/", "/static/", "/static")
    assert {client.ask(path).status_code for path in (*nowhere, "/static/shell.py")} == {404}


def test_policy_allows_the_scripts_of_the_page_and_no_others(runs):
    client = Client(runs)
    page = client.ask("/")
    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    for name in ("default-src", "frame-ancestors", "base-uri", "form-action"):
        assert policy[name] == "'none'"
    assert policy["connect-src"] == "'self'" and "unsafe" not in policy["script-src"]
    scripts = re.findall(r'<script type="(?:importmap|module)">(.*?)</script>', page.text)
    assert policy["script-src"].count("'sha256-") == len(scripts) == 2
    for text in scripts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy["script-src"]
    for answer in (
        page,
        client.ask("/api/runs"),
        client.ask("/nothing"),
        client.ask("/static/main.js"),
        client.ask("/", "POST"),
        client.ask("/", headers={"Host": "evil.example"}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in answer.headers


def test_answers_are_kept_until_files_change(runs, monkeypatch):
    client = Client(runs)
    first = client.of("good", "maps/smooth_1m")
    known = {"If-None-Match": first.headers["etag"]}
    assert client.of("good", "maps/smooth_1m", headers=known).status_code == 304
    with monkeypatch.context() as patch:
        patch.setattr(documents, "maps_document", lambda *_: pytest.fail("built again"))
        assert client.of("good", "maps/smooth_1m").content == first.content
    summary = runs / "good" / "evaluation" / "summary.json"
    os.utime(summary, ns=(1, time.time_ns()))
    with monkeypatch.context() as patch:
        patch.setattr(documents, "maps_document", lambda *_: {"new": float("nan")})
        assert client.of("good", "maps/smooth_1m").json() == {"new": None}


def test_numbers_that_json_lacks_become_null():
    assert encode.as_json({"a": [float("inf"), (float("nan"), 1.5)]}) == '{"a":[null,[null,1.5]]}'


def test_figures_are_taken_from_the_run_where_they_show_its_evaluation(runs):
    run = gridcode.Run(runs / "good")
    run.write_report("page", {"scores.png": b"as saved"})
    client = Client(runs)
    assert run.figure_is_current("scores.png") and not run.figure_is_current("scores.pdf")
    assert client.of("good", "figures/scores.png").content == b"as saved"
    shutil.copytree(runs / "good", runs / "copied")  # all times are new
    run.summary_path.write_text(run.summary_path.read_text() + " ")
    assert not run.figure_is_current("scores.png")
    drawn = client.of("good", "figures/scores.png").content
    assert drawn[:4] == b"\x89PNG"
    assert Client(runs).of("copied", "figures/scores.png").content == b"as saved"
    page = client.of("good", "figures/scores.pdf").content
    for kept in (server._body, figure_cache._read, figure_cache._drawn):
        kept.cache_clear()
    assert client.of("good", "figures/scores.pdf").content == page  # in the other order
    assert client.of("good", "figures/scores.png").content == drawn
    assert (run.folder / "figures" / "scores.png").read_bytes() == b"as saved"
    assert len(list((run.folder / "figures").iterdir())) == 2
    # The next report deletes what shows an earlier evaluation, and nothing that it did not write.
    (run.folder / "figures" / "own.png").write_bytes(b"of the user")
    run.write_report("page", {"dynamics.png": b"new"})
    names = {path.name for path in (run.folder / "figures").iterdir()}
    assert names == {"dynamics.png", "own.png", "evaluation.sha256"}


def test_a_snapshot_is_mapped_once_however_often_the_training_logs(runs, monkeypatch):
    calls = []
    real = documents.map_step
    monkeypatch.setattr(documents, "map_step", lambda *parts: calls.append(parts) or real(*parts))
    client = Client(runs)
    first = client.of("good", "history/20").json()
    with (runs / "good" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 21}\n')
    assert client.of("good", "history/20").json() == first and len(calls) == 1
    run = gridcode.Run(runs / "good")
    # As a training writes it.
    write_atomically(run.snapshot_path(20), run.snapshot_path(0).read_bytes())
    assert client.of("good", "history/20").json() != first and len(calls) == 2


def test_maps_over_training_that_were_kept(runs):
    kept = gridcode.map_training(runs / "good")
    client = Client(runs)
    document = client.of("good", "history").json()
    assert document["rate"]["shape"] == list(kept["rate"].shape) and document["complete"] is True
    shown = encode.decode_array(client.of("good", "history/20").json()["rate"])
    assert np.nanmax(abs(shown - kept["rate"].values[-1])) < 0.01


# -- runs in every state ------------------------------


def test_states(runs, example):
    for name in ("trained", "stopped", "training", "locked", "earlier"):
        shutil.copytree(example, runs / name)
        if name != "earlier":
            shutil.rmtree(runs / name / "evaluation")
    for name in ("stopped", "training", "locked"):
        _change(runs / name / "manifest.json", step=14, finished=False)
        for path in (runs / name / "metrics.jsonl", runs / name / "checkpoints"):
            os.utime(path, (time.time() - 3600,) * 2)
    os.utime(runs / "training" / "metrics.jsonl")
    _change(runs / "earlier" / "evaluation" / "summary.json", format=1)
    client = Client(runs)
    (runs / "trained" / ".lock").unlink(missing_ok=True)
    with gridcode.Run(runs / "locked").lock():
        rows = client.rows()
        states = {"good": "evaluated", "trained": "trained", "stopped": "stopped"}
        states |= {"training": "training", "locked": "training", "earlier": "trained"}
        assert {name: row["state"] for name, row in rows.items()} == states
    assert client.rows()["locked"]["state"] == "stopped"
    assert not (runs / "trained" / ".lock").exists()
    assert "earlier version" in rows["earlier"]["problem"] and rows["earlier"]["active"] is None
    notes = {name: " ".join(client.of(name, "run").json()["notes"]) for name in rows}
    assert "gridcode evaluate runs/trained" in notes["trained"]
    assert "gridcode train runs/stopped" in notes["stopped"]
    assert "step 20 of 20" in notes["training"]
    earlier = client.of("earlier", "run").json()
    assert earlier["units"] == [] and earlier["has"]["maps"] == []
    assert "evaluate" in earlier["problem"]
    assert client.of("earlier", "maps/smooth_1m").status_code == 409
    assert client.of("trained", "maps/smooth_1m").status_code == 404
    assert client.of("trained", "figures").json() == []


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _link_out(path):
    outside = path.parents[2] / "secret"
    path.rename(outside)
    path.symlink_to(outside)


NESTED = "[" * 100_000 + "]" * 100_000
SUMMARY, MAPS = "evaluation/summary.json", "evaluation/ratemaps.nc"
DAMAGE = {
    "not toml": lambda run: (run / "config.toml").write_text("= ="),
    "unknown setting": lambda run: (run / "config.toml").write_text("[model]\nunitz = 3\n"),
    "not text": lambda run: (run / "config.toml").write_bytes(b"\xff\xfe\x00"),
    "no configuration": lambda run: (run / "config.toml").unlink(),
    "configuration nested": lambda run: (run / "config.toml").write_text(f"a = {NESTED}"),
    "configuration is a pipe": lambda run: _pipe(run / "config.toml"),
    "configuration elsewhere": lambda run: _link_out(run / "config.toml"),
    "scores cut": lambda run: _cut(run / SUMMARY),
    "scores of something else": lambda run: (run / SUMMARY).write_text('{"a": 1}'),
    "scores are a number": lambda run: (run / SUMMARY).write_text("5"),
    "scores nested": lambda run: (run / SUMMARY).write_text(NESTED),
    "headline is a number": lambda run: _change(run / SUMMARY, headline=5),
    "space is a number": lambda run: _change(run / SUMMARY, space=[5]),
    "maps cut": lambda run: _cut(run / MAPS),
    "no maps": lambda run: (run / MAPS).unlink(),
    "a folder for a file": lambda run: _folder(run / "manifest.json"),
    "manifest nested": lambda run: (run / "manifest.json").write_text(NESTED),
    "step is a word": lambda run: _change(run / "manifest.json", step="twenty"),
    "metrics are a pipe": lambda run: _pipe(run / "metrics.jsonl"),
    "a snapshot is a pipe": lambda run: _pipe(next((run / "snapshots").iterdir())),
}


@pytest.mark.filterwarnings("ignore:.*left out")
def test_damaged_runs_beside_a_good_one(runs, example, tmp_path):
    for name, damage in DAMAGE.items():
        shutil.copytree(example, runs / name)
        damage(runs / name)
    before = tree_hash(runs)
    client = Client(runs)
    rows = client.rows()
    assert set(rows) == {"good", *DAMAGE}
    assert rows["good"]["state"] == "evaluated"
    quick = [name for name in DOCUMENTS if not name.startswith(("figures/", "history/2"))]
    for name in DAMAGE:
        row = rows[name]
        assert row["state"] == "damaged" and row["problem"], name
        assert "\n" not in row["problem"] and str(tmp_path) not in row["problem"], name
        for document, answer in client.every(row["id"], quick).items():
            assert answer.status_code in (200, 404, 409), (name, document)
            if answer.status_code != 200:
                assert set(answer.json()) == {"detail"} and "\n" not in answer.json()["detail"]
            assert str(tmp_path).encode() not in answer.content
            assert b"Traceback" not in answer.content
    assert client.of("scores cut", "run").json()["state"] == "damaged"
    assert client.of("scores cut", "metrics").json()["step"]
    assert "config.toml is a link that leads out" in rows["configuration elsewhere"]["problem"]
    assert client.of("good", "spectra").status_code == 200
    assert tree_hash(runs) == before


@pytest.mark.parametrize(
    "name", [SUMMARY, MAPS, "evaluation", "snapshots", "figures/scores.png", "metrics.jsonl"]
)
def test_nothing_outside_the_folder_is_read(runs, tmp_path, name):
    path = runs / "good" / name
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(b"x")
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    client = Client(runs)
    row = client.rows()["good"]
    assert row["state"] == "damaged" and "leads out of the folder" in row["problem"]
    assert {answer.status_code for answer in client.every(row["id"]).values()} <= {404, 409}


def test_a_working_directory_and_a_home_that_are_gone(runs, tmp_path, monkeypatch):
    (runs / "good" / "evaluation" / "summary.json").write_text("{")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.delenv("HOME", raising=False)
    assert Client(runs).rows()["good"]["state"] == "damaged"
    with pytest.raises(InputError, match="cannot read the folder"):
        Client(".")


def test_links_to_folders_are_not_followed(runs, tmp_path, example):
    (runs / "out").symlink_to(example.parent)
    (runs / "out-run").symlink_to(example)
    (runs / "circle").symlink_to(runs)
    (runs / "same").symlink_to(runs / "good")
    assert list(Client(runs).rows()) == ["good"]
    (tmp_path / "link").symlink_to(runs)
    client = Client(tmp_path / "link")  # the folder that was asked for may itself be a link
    assert client.of("good", "run").status_code == 200


def test_what_counts_as_a_run(runs, example):
    other = runs / "other program"
    other.mkdir()
    (other / "config.toml").write_text("[server]\nport = 3\n")
    (runs / "new").mkdir()
    shutil.copy(example / "config.toml", runs / "new")
    (runs / "pipe").mkdir()
    os.mkfifo(runs / "pipe" / "config.toml")
    for hidden in (".hidden/a", "good/evaluation/b", "good/checkpoints/c", "1/2/3/4/5/6/deep"):
        shutil.copytree(example, runs / hidden)
    shutil.copytree(example, runs / "good" / "nested")
    shutil.copytree(example, runs / "1" / "2" / "3" / "4" / "5" / "6th")
    rows = Client(runs).rows()
    assert set(rows) == {"good", "nested", "new", "6th"}
    assert rows["new"]["state"] == "stopped" and rows["nested"]["folder"] == "runs/good/nested"


def ids_by_folder(*folders):
    rows = Client(*folders).ask("/api/runs").json()["runs"]
    return {row["folder"].split("/", 1)[-1]: row["id"] for row in rows}


def test_ids_stay_when_folders_move_and_never_clash(runs, tmp_path, example):
    shutil.copytree(example, runs / "set" / "good")
    shutil.copytree(example, runs / "set good")
    shutil.copytree(example, runs / "Ünïcode λ")
    before = ids_by_folder(runs)
    assert len(set(before.values())) == len(before) == 4
    moved = tmp_path / "moved"
    runs.rename(moved)
    assert ids_by_folder(moved) == before
    both = Client(moved, moved / "set", example).ask("/api/runs").json()
    assert both["folders"] == ["moved", "set", "small"]
    ids = {row["id"] for row in both["runs"]}
    assert len(ids) == len(both["runs"]) == 5  # a folder inside another is shown once
    shutil.copytree(moved, tmp_path / "copy" / "moved")
    twice = Client(moved, tmp_path / "copy" / "moved").ask("/api/runs").json()["runs"]
    ids = {row["id"] for row in twice}
    assert len(ids) == 8 and set(before.values()) <= ids
    with pytest.raises(InputError, match="no folder"):
        Client(tmp_path / "nowhere")
    for name in ("a/b", "λ", "..", "x" * 999):
        assert re.fullmatch("[a-z0-9-]+", library.run_id(name))


def test_odd_names(runs, example):
    names = ["<b>x", "two\nlines", os.fsdecode(b"caf\xe9"), "a'b;c $(d)", "%2e%2e"]
    for name in names:
        shutil.copytree(example, runs / name)
    client = Client(runs)
    assert set(client.rows()) == {"good", *names}
    for name in names:
        assert client.of(name, "run").json()["name"] == name


def test_a_run_that_is_deleted_between_list_and_click(runs, example):
    shutil.copytree(example, runs / "gone")
    client = Client(runs)
    rows = client.rows()
    shutil.rmtree(runs / "gone")
    for answer in client.every(rows["gone"]["id"]).values():
        assert answer.status_code == 404 and set(answer.json()) == {"detail"}
    assert list(client.rows()) == ["good"]
    shutil.rmtree(runs)
    assert client.ask("/api/runs").json()["runs"] == []


def test_a_run_deleted_while_it_is_read(runs, monkeypatch):
    client = Client(runs)
    run_id = client.rows()["good"]["id"]

    def read(run, _group):
        shutil.rmtree(runs / "good", ignore_errors=True)
        raise InputError(f"no maps in {run.folder}")

    monkeypatch.setattr(documents, "maps_document", read)
    assert client.ask(f"/api/runs/{run_id}/maps/smooth_1m").status_code == 404


def test_a_run_that_is_being_written(runs, monkeypatch):
    run = runs / "good"
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 21, "lo')
    for part in ("evaluation/.ratemaps.nc.part", "checkpoints/.step-00000021.safetensors.x.part"):
        (run / part).write_bytes(b"half")
    client = Client(runs)
    row = client.rows()["good"]
    assert row["state"] == "evaluated" and row["step"] == 20
    assert client.of("good", "metrics").json()["step"][-1] == 20
    with open(run / "metrics.jsonl", "a") as file:
        file.write('ss": NaN}\n')  # what a diverged training logs
    assert client.of("good", "metrics").json()["loss"][-1] is None
    # An evaluation that is replaced while it is read is read again.
    whole, calls = documents.maps_document, []

    def torn(run, group):
        calls.append(group)
        if len(calls) == 1:
            os.utime(run.summary_path, ns=(1, time.time_ns()))
            raise KeyError("rate")
        return whole(run, group)

    monkeypatch.setattr(documents, "maps_document", torn)
    assert client.of("good", "maps/smooth_1m").status_code == 200 and len(calls) == 2
    monkeypatch.setattr(documents, "correlograms_document", lambda *_: {}["rate"])
    assert client.of("good", "correlograms/smooth_1m").status_code == 409


def test_an_error_of_our_own_is_no_page_of_code(runs, monkeypatch, caplog):
    client = Client(runs)
    monkeypatch.setattr(documents, "spectra_document", lambda *_: 1 // 0)
    answer = client.of("good", "spectra")
    assert answer.status_code == 500 and set(answer.json()) == {"detail"}
    assert b"ZeroDivision" not in answer.content and "ZeroDivisionError" in caplog.text
    assert client.ask("/api/runs").status_code == 200


def test_a_training_is_followed(runs, tiny):
    live = runs / "live"
    gridcode.train(tiny.override({"training.steps": 30}), out=live)
    _change(live / "manifest.json", finished=False, step=20)
    lines = (live / "metrics.jsonl").read_text().splitlines(keepends=True)
    (live / "metrics.jsonl").write_text("".join(lines[:5]))
    client = Client(runs)
    row = client.rows()["live"]
    assert row["state"] == "training" and row["step"] == 20
    assert row["loss"] == json.loads(lines[4])["loss"]
    seen = client.of("live", "metrics").json()["step"]
    (live / "metrics.jsonl").write_text("".join(lines[:8]))
    new = client.of("live", "metrics", params={"after": seen[-1]}).json()["step"]
    assert seen + new == [json.loads(line)["step"] for line in lines[:8]]
    assert client.rows()["live"]["step"] == max(20, new[-1])


# -- what is refused ------------------------------

TRAVERSALS = [
    *("/../../../../etc/passwd", "//etc/passwd", "/static//etc/passwd", "/static/main.js%00.css"),
    *("/static/../run_status.py", "/static/..%2frun_status.py", "/static/%252e%252e%252fshell.py"),
    *("/static/%2e%2e/%2e%2e/__init__.py", "/static/..%5c..%5csecret"),
    *("/api/runs/../runs/secret", "/api/runs/%2e%2e/run", "/api/runs/%2Fetc/run"),
    *("/api/runs/good/run", "/api/runs/runs%2fgood/run", "/api/runs/{ID}/run"),
    *("/api/runs/{id}%20/run", "/api/runs/{id}/run;x=1", "/api/runs/{id}/documents"),
    *("/api/runs/{id}/maps/%2f", "/api/runs/{id}/maps/smooth_1m%00", "/api/runs/{id}/maps"),
    *("/api/runs/{id}/maps//smooth_1m", "/api/runs/{id}/correlograms/%c0%ae%c0%ae"),
    *("/api/runs/{id}/figures/..%2f..%2fconfig.toml", "/api/runs/{id}/figures/.png"),
    *("/api/runs/{id}/figures/../../config.toml", "/api/runs/{id}/figures/scores.svg"),
    *("/api/runs/{id}/figures/scores.png%2f..%2f..%2fsecret", "/api/runs/{id}/history/.."),
    *("/api/runs/{id}/history/-1", "/api/runs/{id}/history/%D9%A3", "/api/runs/{id}/run/PART"),
    "/api/runs/{id}/history/" + "9" * 5000,
    "/api/runs/" + "a" * 9000 + "/run",
    "/api/runs/{id}/maps/" + "%41" * 2000,
]
ESCAPES = (
    "..",
    "%2e%2e",
    "%252e%252e",
    "..%2f..",
    "..%5c..",
    "%c0%ae%c0%ae",
    ".%00.",
    "....%2f%2f",
)
PLACES = (
    *("/", "/static/", "/api/", "/api/runs/", "/api/runs/{id}/", "/api/runs/{id}/maps/"),
    *("/api/runs/{id}/history/", "/api/runs/{id}/figures/", "/api/runs/{id}/metrics/"),
)
TARGETS = ("secret", "%2fetc%2fpasswd", "runs/good/config.toml", "", "secret/run", "secret%00.png")
TRAVERSALS += [
    f"{place}{'/'.join([escape] * depth)}/{target}"
    for place in PLACES
    for escape in ESCAPES
    for depth in (1, 4)
    for target in TARGETS
]


def test_only_names_that_were_listed_lead_anywhere(runs):
    (runs.parent / "secret").write_text("top secret")
    run_id = Client(runs).rows()["good"]["id"]
    with serving_at(create_app([runs])) as port:
        for path in TRAVERSALS:
            path = path.replace("{id}", run_id).replace("{ID}", run_id.upper())
            status, body, _ = raw(port, path)
            assert status == 404, path
            assert set(json.loads(body)) == {"detail"}, path
            assert str(runs).encode() not in body and b"top secret" not in body
        assert raw(port, f"/api/runs/{run_id}/run")[0] == 200
        assert raw(port, f"http://127.0.0.1:{port}/api/runs/{run_id}/nothing")[0] == 404


def test_only_reading(runs):
    before = tree_hash(runs)
    document = f"/api/runs/{Client(runs).rows()['good']['id']}/run"
    with serving_at(create_app([runs])) as port:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            for path in ("/", "/api/runs", document, "/static/main.js", "/nothing/here"):
                status, body, headers = raw(port, path, method)
                assert status == (404 if "nothing" in path else 405)
                assert status == 404 or {*headers["allow"].split(", ")} == {"GET", "HEAD"}
                assert set(json.loads(body)) == {"detail"}
        for path in ("/", "/api/runs", document, "/static/plotly.min.js", "/nothing"):
            whole, empty = raw(port, path), raw(port, path, "HEAD")
            assert empty[0] == whole[0] and empty[1] == b""
            length = str(len(whole[1]))
            assert empty[2]["content-length"] == length == whole[2]["content-length"]
    assert tree_hash(runs) == before


HOSTS = {
    "127.0.0.1": {
        *("localhost", "localhost:8765", "LOCALHOST", "[::1]:80", "127.0.0.1:1"),
        *("!evil.example", "!127.0.0.1.evil.example", "!localhost.evil.example", "!192.168.0.7"),
        *("!", "![::1", "!localhost:x", "!user@localhost", "![::1]x", "!:1", "!www.localhost"),
    },
    "192.168.0.7": {"192.168.0.7:8765", "127.0.0.1", "!192.168.0.8"},
    "0.0.0.0": {"192.168.0.8:8765", "localhost", "!evil.example", "!1.2.3.4.evil.example", "!"},
    "::": {"[fe80::1]:8765", "10.0.0.1", "!evil.example"},
    "grid.lan": {"GRID.lan:8765", "!other.lan"},
}


@pytest.mark.parametrize("host", HOSTS)
def test_other_hosts(tmp_path, host):
    client = Client(tmp_path, host=host)
    for header in HOSTS[host]:
        answer = client.ask("/api/runs", headers={"Host": header.removeprefix("!")})
        assert answer.status_code == (400 if header.startswith("!") else 200), header


def test_requests_without_a_host_or_with_two(tmp_path):
    two = [("Host", "localhost"), ("Host", "evil.example")]
    with serving_at(create_app([tmp_path])) as port:
        assert raw(port, "/api/runs", headers=[("Accept", "*/*")])[0] == 400
        assert raw(port, "/api/runs", headers=two)[0] == 400


def test_bad_queries(runs):
    client = Client(runs)
    bad = client.of("good", "metrics", params={"after": "x"})
    assert bad.json() == {"detail": "after must be a whole number"} and bad.status_code == 400
    assert client.of("good", "metrics", params={"after": 10**30}).json()["step"] == []
    assert client.of("good", "metrics", params={"other": "1"}).status_code == 200


# -- many runs, the command ------------------------------


def test_many_runs_are_listed_quickly(runs, example, monkeypatch):
    monkeypatch.setattr(library, "RESCAN_S", 1.0)
    for number in range(20):
        shutil.copytree(example, runs / f"run-{number}")
    client = Client(runs)
    client.ask("/")
    begin = time.perf_counter()
    assert len(client.rows()) == 21
    assert time.perf_counter() - begin < 3
    begin = time.perf_counter()
    client.rows()
    assert time.perf_counter() - begin < 1
    scans = []
    monkeypatch.setattr(library.Library, "_scan", lambda _self: scans.append(1) or iter(()))
    for _ in range(3):
        client.rows()
    assert len(scans) <= 1


def test_many_requests_at_once(runs):
    run_id = Client(runs).rows()["good"]["id"]
    names = [
        name for name in DOCUMENTS if name.startswith(("run", "maps/s", "corr", "spec", "met"))
    ]
    names += ["history/0", "figures/scores.png", "figures/modules.png"]
    with serving_at(create_app([runs])) as port:
        results = {}

        def fetch(number):
            results[number] = raw(port, f"/api/runs/{run_id}/{names[number % len(names)]}")[:2]

        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {status for status, _ in results.values()} == {200}
    assert all(results[number] == results[number % len(names)] for number in results)


def test_status_is_read_again_only_when_files_change(runs, monkeypatch):
    (entry,) = library.Library([runs]).entries()
    first = run_status.run_status(entry)
    with monkeypatch.context() as patch:
        patch.setattr(run_status, "Run", lambda *_: pytest.fail("read again"))
        assert run_status.run_status(entry) == first
    (runs / "good" / "evaluation" / "summary.json").write_text("{")
    assert run_status.run_status(entry).state == "damaged"
    assert run_status.run_status(entry).state == "damaged"


def test_start_needs_little_and_nothing_trains():
    code = """
import sys, gridcode.viewer.serving
slow = {"torch", "xarray", "sklearn", "scipy", "matplotlib", "plotly"} & set(sys.modules)
assert not slow, slow
import gridcode.viewer.documents
training = [name for name in sys.modules if name.startswith(
    ("gridcode.training", "gridcode.losses", "gridcode.gpu"))]
assert not training, training
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def fetch_whatever_comes(url):
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(url, trust_env=False, timeout=20)


def test_command_serves_and_ends_quietly(runs):
    command = [sys.executable, "-m", "gridcode", "explore", str(runs)]
    command += ["--port", "0", "--no-browser", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            url = json.loads(process.stdout.readline())["url"]
            assert url.startswith("http://127.0.0.1:")
            (row,) = httpx.get(f"{url}api/runs", trust_env=False, timeout=60).json()["runs"]
            assert row["name"] == "good"
            figure = f"{url}api/runs/{row['id']}/figures/gallery.png"
            threading.Thread(target=fetch_whatever_comes, args=(figure,), daemon=True).start()
            time.sleep(0.3)  # it is being drawn, and nobody will see it
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0 and out == "" and err == ""


def test_command_says_where_and_asks_the_browser(runs, monkeypatch, capsys):
    opened = threading.Event()
    monkeypatch.setattr(serving.uvicorn.Server, "run", lambda *_, **__: None)
    monkeypatch.setattr(serving.webbrowser, "open", lambda _: opened.set())
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.chdir(runs.parent)
    monkeypatch.setattr(serving, "PORT", free_port())
    assert main(["explore"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"explorer: http://127.0.0.1:{serving.PORT}/ (Ctrl-C stops it)\n"
    assert printed.err == "" and opened.wait(5)
    assert main(["explore", "--quiet", "--no-browser", "--host", "0.0.0.0", "--port", "0"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and "no password" in printed.err
    assert len(printed.err.splitlines()) == 1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def test_a_port_that_is_taken(runs, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["explore", str(runs), "--port", str(port), "--no-browser"]) == 2
        assert f"port {port} is taken" in capsys.readouterr().err
        monkeypatch.setattr(serving, "PORT", port)
        with serving.listen("127.0.0.1", None) as listener:
            assert port < listener.getsockname()[1] < port + serving.PORTS_TRIED
        monkeypatch.setattr(serving, "PORTS_TRIED", 1)
        with pytest.raises(InputError, match="all taken"):
            serving.listen("127.0.0.1", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no folder 'nowhere'"),
        ([], "no folder 'runs'"),
        ([".", "--port", "x"], "--port"),
        ([".", "--port", "70000"], "--port"),
        ([".", "--host", "no such host"], "no such host"),
        ([".", "--host", "203.0.113.1"], "203.0.113.1"),
    ],
)
def test_command_with_bad_arguments(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "--no-browser", *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors and len(errors.strip().splitlines()) <= 2 and "Traceback" not in errors


def test_command_without_the_extra(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("gridcode.viewer.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(gridcode.viewer, "serving", None, raising=False)
    monkeypatch.delattr(gridcode.viewer, "serving")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["explore", str(tmp_path), "--no-browser"]) == 2
    assert (
        capsys.readouterr().err
        == "gridcode: the explorer needs uvicorn: pip install 'gridcode[explore]'\n"
    )


def test_addresses():
    with serving.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert serving.address("0.0.0.0", listener) == f"http://127.0.0.1:{port}/"
        assert serving.address("::1", listener) == f"http://[::1]:{port}/"
        assert serving.address("::", listener) == f"http://[::1]:{port}/"
    assert all(map(serving.is_loopback, ("127.0.0.1", "127.8.8.8", "localhost", "::1")))
    assert not any(map(serving.is_loopback, ("0.0.0.0", "10.0.0.1")))


def test_looking_at_the_lock_does_not_keep_a_training_from_starting(runs):
    fcntl = pytest.importorskip("fcntl")
    run = gridcode.Run(runs / "good")
    with open(run.folder / ".lock", "a") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        threading.Timer(0.01, lambda: fcntl.flock(looked_at, fcntl.LOCK_UN)).start()
        with (
            run.lock(),
            pytest.raises(InputError, match="another process"),
            gridcode.Run(run.folder).lock(),
        ):
            pass


def test_help(capsys):
    assert main(["explore", "--help"]) == 0
    assert "gridcode explore [RUNS ...]" in capsys.readouterr().out


def test_inside(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").write_text("x")
    assert library.is_inside(tmp_path / "a", tmp_path / "a" / "b")
    for outside in ("ab", "a/../ab", "a\0b"):
        assert not library.is_inside(tmp_path / "a", tmp_path / outside)


def test_many_new_runs_are_read_over_several_answers(example, tmp_path, monkeypatch):
    for number in range(3):
        shutil.copytree(example, tmp_path / f"run-{number}", copy_function=os.link)
    entries, read = library.Library([tmp_path]).entries(), set()
    monkeypatch.setattr(run_status, "READING_S", 0.0)
    monkeypatch.setattr(run_status, "READ_AT_LEAST", 1)
    states = [row["state"] for row in run_status.run_rows(entries, read)]
    assert states == ["evaluated", "reading", "reading"]
    assert [row["state"] for row in run_status.run_rows(entries, read)][:2] == ["evaluated"] * 2
    rows = run_status.run_rows(entries, read)
    assert rows == [run_status.run_row(entry) for entry in entries]
