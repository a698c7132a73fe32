"""The explorer against damaged runs, hostile requests, and clients that wait or go away.

The long tests print what they measured; ROBUSTNESS_DRAWS says how many random draws they take.
"""

import collections
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from test_explorer_server import SMALL, Client

import gridcode
from gridcode.runs import history
from gridcode.runs.files import write_atomically
from gridcode.viewer import documents, library, run_status, server, serving

# What is damaged in a run is said on its page; elsewhere the same is a warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*left out")
SEED = int(os.environ.get("ROBUSTNESS_SEED", "1"))
DRAWS = int(os.environ.get("ROBUSTNESS_DRAWS", "300"))
SUMMARY, MAPS = "evaluation/summary.json", "evaluation/ratemaps.nc"
THEORY, HISTORY = "evaluation/theory.nc", "evaluation/history.nc"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example") / "small"
    gridcode.train(gridcode.load_config("quick").override(SMALL), out=folder)
    gridcode.evaluate(folder)
    gridcode.map_training(folder)
    return folder


@pytest.fixture
def runs(tmp_path, example, monkeypatch):
    monkeypatch.setattr(library, "RESCAN_S", 0.0)
    monkeypatch.setattr(library, "SCANNING_SHARE", 1e9)
    shutil.copytree(example, tmp_path / "runs" / "good")
    return tmp_path / "runs"


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x80
    path.write_bytes(bytes(data))


# -- what is intact is shown ------------------------------

EVERYTHING = (
    *("run", "maps/smooth_1m", "correlograms/smooth_1m", "spectra", "metrics", "history"),
    *("history/20", "figures"),
)
# File, damage, and the documents that go with it.
COSTS = {
    "manifest cut": ("manifest.json", lambda p: p.write_bytes(p.read_bytes()[:40]), set()),
    "manifest is a list": ("manifest.json", lambda p: p.write_text("[1]"), set()),
    "manifest of words": (
        "manifest.json",
        lambda p: p.write_text('{"step": "twenty", "git_commit": 5}'),
        set(),
    ),
    "a line of the log": (
        "metrics.jsonl",
        lambda p: p.write_text('{"step": \n' + p.read_text()),
        set(),
    ),
    "scores cut": (SUMMARY, lambda p: p.write_bytes(p.read_bytes()[:999]), {"spectra"}),
    "scores nested": (SUMMARY, lambda p: p.write_text("[" * 100_000), {"spectra"}),
    "maps cut": (
        MAPS,
        lambda p: p.write_bytes(p.read_bytes()[:9999]),
        {"maps/smooth_1m", "correlograms/smooth_1m", "spectra"},
    ),
    "maps empty": (
        MAPS,
        lambda p: p.write_bytes(b""),
        {"maps/smooth_1m", "correlograms/smooth_1m", "spectra"},
    ),
    "history cut": (HISTORY, lambda p: p.write_bytes(p.read_bytes()[:99]), set()),
}


FEW = ("manifest of words", "a line of the log", "scores cut", "maps empty", "history cut")


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in COSTS]
)
def test_damage_costs_what_the_file_holds(runs, name):
    file, damage, lost = COSTS[name]
    client = Client(runs)
    before = client.of("good", "run").json()
    damage(runs / "good" / file)
    row = client.rows()["good"]
    assert Path(file).name in row["problem"] or "summary" in row["problem"]
    assert "\n" not in row["problem"]
    assert row["units"] == 16 and row["step"] == 20
    answers = {part: client.of("good", part) for part in EVERYTHING}
    assert {part for part, answer in answers.items() if answer.status_code != 200} == lost
    page = answers["run"].json()
    assert page["problem"] == row["problem"] and page["config"] == before["config"]
    assert page["has"]["metrics"] and page["has"]["history"] == before["has"]["history"]
    assert bool(page["units"]) == (file != SUMMARY)
    assert page["has"]["maps"] == ([] if file == MAPS else ["smooth_1m"])
    assert [group["group"] for group in page["groups"]] == ["smooth_1m"]
    if file == SUMMARY:  # the same maps, without scores
        assert row["hexagonal"] is None and page["has"]["figures"] == []
    if file == "metrics.jsonl":
        assert row["state"] == "evaluated" and "1 of" in row["problem"]
    else:
        assert row["state"] == "damaged"


def test_arrays_that_are_damaged_are_not_opened(runs, capfd):
    for file in (MAPS, THEORY, HISTORY):
        (runs / "good" / file).write_bytes(b"x")
    client = Client(runs)
    for part in (*EVERYTHING, "states"):
        assert client.of("good", part).status_code in (200, 404, 409)
    assert "ignored" not in capfd.readouterr().err  # what a reader says on its way out


def test_a_permission_that_comes_back_is_seen(runs):
    path = runs / "good" / SUMMARY
    (entry,) = library.Library([runs]).entries()
    path.chmod(0o600)
    before = library.signature(path)
    path.chmod(0o644)
    assert library.signature(path) != before
    assert run_status.run_status(entry).state == "evaluated"


@contextlib.contextmanager
def unprivileged():
    """As somebody whose permissions count: those of root do not."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


def test_missing_permissions_hide_one_run_only(example):
    with tempfile.TemporaryDirectory() as root:  # that of pytest is closed to others
        os.chmod(root, 0o755)
        names = ("good", "closed", "listed", "no config", "no log", "no maps")
        for name in names:
            shutil.copytree(example, Path(root, name))
        client = Client(root)
        for part in EVERYTHING:
            client.of("good", part)  # all is imported
        for name, mode in (
            ("closed", 0),
            ("listed", 0o444),
            ("no config/config.toml", 0),
            ("no log/metrics.jsonl", 0),
            (f"no maps/{MAPS}", 0),
        ):
            Path(root, name).chmod(mode)
        try:
            with unprivileged():
                shown = Client(root)
                rows = shown.rows()
                assert set(names) - {"closed"} <= set(rows)
                assert rows["good"]["state"] == "evaluated"
                for name in set(rows) - {"good"}:
                    assert (
                        "ermission" in rows[name]["problem"]
                        or "Errno 13" in (rows[name]["problem"])
                    )
                    assert root not in rows[name]["problem"]
                assert shown.of("no maps", "run").json()["units"]
                assert shown.of("no log", "maps/smooth_1m").status_code == 200
                assert shown.of("no config", "run").status_code == 409
        finally:
            Path(root, "closed").chmod(0o755)
            Path(root, "listed").chmod(0o755)


def test_what_vanishes_while_it_is_listed(runs, example, monkeypatch):
    for name in ("a", "b", "z"):
        shutil.copytree(example, runs / name)
    real = library._is_run

    def looked_at(folder, names):
        if folder.name in ("a", "b"):
            shutil.rmtree(folder)
        return real(folder, names)

    monkeypatch.setattr(library, "_is_run", looked_at)
    rows = Client(runs).rows()
    assert {"good", "z"} <= set(rows) and rows["good"]["state"] == "evaluated"


def test_any_error_of_one_run_leaves_the_others(runs, example, monkeypatch):
    shutil.copytree(example, runs / "odd")
    real = run_status._status_now

    def status(entry):
        return real(entry) if entry.name == "good" else 1 // 0

    monkeypatch.setattr(run_status, "_status_now", status)
    rows = Client(runs).rows()
    assert rows["good"]["state"] == "evaluated" and rows["odd"]["state"] == "damaged"


def test_pipes_everywhere(runs):
    for place in ("", "a", "a/b", "good", "good/deep", "good/evaluation", "good/snapshots"):
        (runs / place).mkdir(exist_ok=True, parents=True)
        for name in ("config.toml", "manifest.json", "metrics.jsonl"):
            if not (runs / place / name).exists():
                os.mkfifo(runs / place / name)
    found = {}
    thread = threading.Thread(target=lambda: found.update(Client(runs).rows()), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert found["a"]["problem"].endswith("is not an ordinary file")


def test_more_runs_than_are_shown_is_said(runs, example, monkeypatch):
    for name in ("a", "b"):
        shutil.copytree(example, runs / name)
    client = Client(runs)
    assert client.ask("/api/runs").json()["whole"] is True
    monkeypatch.setattr(library, "MOST_RUNS", 2)
    listed = client.ask("/api/runs").json()
    assert listed["whole"] is False and len(listed["runs"]) == 2


# -- random damage ------------------------------

ODD = [
    *(None, True, -1, 0, 1e308, float("nan"), 10**400, "", "x", "\ud800", "\n", [], {}),
    *([[]], {"a": 1}, [1, "a"], "[" * 2000),
]
DAMAGED = (
    *("config.toml", "manifest.json", "metrics.jsonl", SUMMARY, MAPS, HISTORY),
    *("snapshots/step-00000009.safetensors", "checkpoints/step-00000020.safetensors", ".lock"),
)


def places(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else ()
    items = list(enumerate(data))[:3] if isinstance(data, list) else items
    for key, value in items:
        yield from places(value, (*path, key))


def change_a_value(data, rng):
    *way, key = rng.choice([path for path in places(data) if path])
    for step in way:
        data = data[step]
    if isinstance(data, dict) and rng.random() < 0.25:
        del data[key]
    else:
        data[key] = rng.choice(ODD)


def damage(run, rng):
    path = run / rng.choice(DAMAGED)
    if not path.is_file():
        return f"{path.name} again"
    data = path.read_bytes()
    kinds = ["flip", "cut", "empty", "zeros", "longer", "gone", "pipe", "folder", "link"]
    if path.suffix == ".json":
        kinds += ["value"] * 9
    if path.suffix == ".jsonl":
        kinds += ["line"] * 9
    kind = rng.choice(kinds)
    if kind == "value":
        whole = json.loads(data)
        for _ in range(rng.randint(1, 3)):
            change_a_value(whole, rng)
        path.write_text(json.dumps(whole))
    elif kind == "line":
        lines = data.decode().splitlines()
        number = rng.randrange(len(lines))
        row = json.loads(lines[number])
        change_a_value(row, rng)
        lines[number] = json.dumps(row)
        path.write_text("\n".join(lines) + "\n")
    elif kind in ("gone", "pipe", "folder", "link"):
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "link":
            targets = ("/etc/passwd", "nowhere", path.name, "/dev/zero", "../config.toml")
            path.symlink_to(rng.choice(targets))
    else:
        changed = {
            "cut": data[: rng.randrange(len(data) + 1)],
            "empty": b"",
            "zeros": bytes(len(data)),
            "longer": data + rng.randbytes(100),
            "flip": data,
        }[kind]
        path.write_bytes(changed)
        for _ in range(rng.choice((1, 3, 40)) if kind == "flip" and data else 0):
            flip(path, rng.randrange(len(data)))
    return f"{path.name}: {kind}"


def damage_randomly(runs, example, draws, parts, monkeypatch, caplog):
    # Maps of snapshots that are quick, and as hard to read.
    monkeypatch.setattr(history, "WALK_STEPS", 10)
    monkeypatch.setattr(history, "SAMPLES_PER_BIN", 0.01)
    client, counted = Client(runs), collections.Counter()
    for number in range(draws):
        rng = random.Random(f"{SEED} {number}")
        run = runs / "damaged"
        shutil.copytree(example, run)
        done = [damage(run, rng) for _ in range(rng.choice((1, 1, 2)))]
        what = f"seed {SEED}, draw {number}: {done}"
        rows = client.rows()
        assert rows["good"]["state"] == "evaluated", what
        row = rows.get("damaged", {"id": "none", "problem": None, "state": "not a run"})
        counted[row["state"]] += 1
        assert "\n" not in (row["problem"] or ""), what
        assert str(runs.parent) not in json.dumps(row), what
        for part in parts:
            answer = client.ask(f"/api/runs/{row['id']}/{part}")
            counted[answer.status_code] += 1
            assert answer.status_code in (200, 404, 409), (what, part, caplog.text)
            assert str(runs.parent).encode() not in answer.content, (what, part)
            if "json" in answer.headers["content-type"]:
                json.loads(answer.content, parse_constant=lambda text: pytest.fail(text))
        shutil.rmtree(run)
    return counted


def test_random_damage(runs, example, monkeypatch, caplog):
    parts = ("run", "maps/smooth_1m", "metrics")
    damage_randomly(runs, example, 6, parts, monkeypatch, caplog)


@pytest.mark.slow
def test_random_damage_at_length(runs, example, monkeypatch, caplog, capsys):
    parts = (*EVERYTHING, "states", "metrics?after=9", "history/9")
    counted = damage_randomly(runs, example, DRAWS, parts, monkeypatch, caplog)
    with capsys.disabled():
        print(f"\n{DRAWS} damaged runs, seed {SEED}: {dict(counted)}")


# -- answers that are kept ------------------------------


def test_a_snapshot_stays_mapped_when_the_training_writes_another(runs, monkeypatch):
    calls = []
    real = documents.map_step
    monkeypatch.setattr(documents, "map_step", lambda *parts: calls.append(parts) or real(*parts))
    run = gridcode.Run(runs / "good")
    run.history_path.unlink()
    client = Client(runs)
    first = client.of("good", "history/9").json()
    assert len(calls) == 1
    write_atomically(run.snapshot_path(30), run.snapshot_path(20).read_bytes())
    manifest = runs / "good" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"step": 21}))
    assert client.of("good", "history/9").json() == first and len(calls) == 1
    assert client.of("good", "history/30").status_code == 200 and len(calls) == 2
    for part in ("history/../x", "history/9999", "history/" + "9" * 5000, "history/%00"):
        assert client.of("good", part).status_code == 404


def test_what_several_ask_for_is_made_once(runs, monkeypatch):
    calls = []

    def slowly(*_):
        calls.append(1)
        time.sleep(0.3)
        return {"made": len(calls)}

    monkeypatch.setattr(documents, "maps_document", slowly)
    client = Client(runs)
    path = f"/api/runs/{client.rows()['good']['id']}/maps/smooth_1m"
    threads = [threading.Thread(target=client.ask, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


# -- hostile requests ------------------------------


@contextlib.contextmanager
def served(folder):
    """The explorer as `gridcode explore` serves it, in this process: its port."""
    listener = serving.listen("127.0.0.1", 0)
    uvicorn_server = uvicorn.Server(serving.settings(server.create_app([folder])))
    thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        uvicorn_server.should_exit = True
        thread.join()
        listener.close()


@contextlib.contextmanager
def process(*arguments, cwd=None):
    """`gridcode explore` as a process, ended by Ctrl-C: (its address, a list that gets stderr)."""
    command = [sys.executable, "-m", "gridcode", "explore", *map(str, arguments)]
    command += ["--port", "0", "--no-browser", "--json"]
    errors = []
    # The package that is tested, wherever the process starts.
    environment = os.environ | {"PYTHONPATH": str(Path(gridcode.__file__).parents[1])}
    with (
        tempfile.TemporaryFile("w+") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=cwd, env=environment
        ) as running,
    ):
        try:
            yield json.loads(running.stdout.readline())["url"], errors
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 0
        finally:
            running.kill()
            stderr.seek(0)
            errors.append(stderr.read())


def exchange(port, data):
    """What comes back for some bytes, until the server closes."""
    found = b""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    with connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        while part := connection.recv(65536):
            found += part
    return found


METHODS = ["GET"] * 9 + ["HEAD", "POST", "PUT", "OPTIONS", "TRACE", "CONNECT", "FOO", "get", ""]
PIECES = [
    *("..", "%2e%2e", "%2f", "%00", "%", "%zz", "%c3%28", "%ff", "%F0%9F%92%A9", "%0d%0a", "\\"),
    *("api", "runs", "run", "maps", "smooth_1m", "history", "9", "-1", "9" * 400, "figures"),
    *("metrics", "static", "main.js", "?after=", "?", "&", "#", ";", "a" * 3000, "\xe9", "\x00"),
    *("config.toml", "*", "@", "//", '"', "<script>", "{", "|", "^", "~", "scores.png", "http://"),
]
LINES = [
    *("X: " + "y" * n for n in (10_000, 70_000)),
    *(f"Range: bytes={r}" for r in ("0-", "5-2", "-1", "a", "0-0,1-1", "9999999999-")),
    *(f"If-None-Match: {t}" for t in ("*", '"', 'W/"x"')),
    *(f"Content-Length: {n}" for n in ("5", "-1", "x", "9" * 30)),
    *("Transfer-Encoding: chunked", "Expect: 100-continue", "\xff: x", ": x", "x", "Host: evil"),
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
    "If-Modified-Since: Thu, 99 Jan 99999 00:00:00 GMT",
]


def hostile(rng, port, run_id):
    """A request that nobody should send."""
    draw = rng.random()
    if draw < 0.05:
        return rng.randbytes(rng.randint(1, 300)) + b"\r\n\r\n"
    if draw < 0.5:
        path = "/" + "/".join(rng.choice([*PIECES, run_id]) for _ in range(rng.randint(0, 6)))
    elif draw < 0.85:
        known = ("run", "maps/smooth_1m", "metrics?after=3", "history/x", "figures/scores.pn")
        path = rng.choice(["/", "/api/runs", *(f"/api/runs/{run_id}/{name}" for name in known)])
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(path) + 1)
            path = path[:at] + rng.choice([*PIECES, chr(rng.randrange(1, 256))]) + path[at + 1 :]
    else:
        path = "".join(chr(rng.randrange(256)) for _ in range(rng.randint(1, 60)))
    lines = [f"{rng.choice(METHODS)} {path} HTTP/1.{rng.choice('111105')}"]
    lines += [f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [rng.choice(LINES)] if rng.random() < 0.3 else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def ask_hostilely(port, runs, run_id, draws):
    counted, slowest = collections.Counter(), 0.0
    for number in range(draws):
        request = hostile(random.Random(f"{SEED} {number}"), port, run_id)
        what = f"seed {SEED}, draw {number}: {request[:200]}"
        begin = time.perf_counter()
        answer = exchange(port, request)
        slowest = max(slowest, time.perf_counter() - begin)
        status = re.match(rb"HTTP/1\.1 (\d+)", answer)
        assert status, what
        counted[int(status[1])] += 1
        assert int(status[1]) < 500, what
        assert str(runs).encode() not in answer and b"Traceback" not in answer, what
    return counted, slowest


def test_hostile_requests(runs):
    run_id = Client(runs).rows()["good"]["id"]
    with served(runs) as port:
        ask_hostilely(port, runs, run_id, 150)
        assert httpx.get(f"http://127.0.0.1:{port}/api/runs", trust_env=False).status_code == 200


@pytest.mark.slow
def test_hostile_requests_at_length(runs, capsys):
    run_id = Client(runs).rows()["good"]["id"]
    with process(runs) as (url, errors):
        draws = 10 * DRAWS
        counted, slowest = ask_hostilely(int(url.split(":")[2].strip("/")), runs, run_id, draws)
    assert errors == [""]
    with capsys.disabled():
        print(f"\n{draws} hostile requests, seed {SEED}: {dict(counted)}, slowest {slowest:.2f} s")


# -- many clients, and slow ones ------------------------------


def listed(port, timeout=20):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as c:
        c.request("GET", "/api/runs")
        return c.getresponse().status


def half_a_request(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(b"GET / HTTP/1.1\r\nHost")
    return connection


def has_ended(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_the_oldest_that_ask_for_nothing_make_room(runs, monkeypatch):
    monkeypatch.setattr(serving.Connection, "most", 10)
    with served(runs) as port, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(half_a_request(port)) for _ in range(30)]
        assert listed(port) == 200
        assert has_ended(slow[0])  # has made room
        slow[-1].sendall(b": 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert slow[-1].recv(99).startswith(b"HTTP/1.1 200")


def test_clients_that_do_nothing_are_not_waited_for(runs, monkeypatch):
    monkeypatch.setattr(serving, "PATIENCE_S", 0.5)
    with served(runs) as port, contextlib.ExitStack() as stack:
        silent = stack.enter_context(half_a_request(port))
        again = stack.enter_context(half_a_request(port))  # half of a second request
        again.sendall(b": 127.0.0.1\r\n\r\nGET / HT")
        greedy = stack.enter_context(socket.socket())  # asks, and takes nothing
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.connect(("127.0.0.1", port))
        greedy.sendall(b"GET /static/plotly.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        begin = time.monotonic()
        assert has_ended(silent) and time.monotonic() - begin < 5
        with contextlib.suppress(ConnectionError):
            while again.recv(65536):
                pass
        time.sleep(2)
        with contextlib.suppress(ConnectionError):
            taken = 0
            while part := greedy.recv(65536):
                taken += len(part)
            assert taken < 4_000_000
        assert time.monotonic() - begin < 15 and listed(port) == 200


def test_answers_that_take_long_are_waited_for(runs, monkeypatch):
    monkeypatch.setattr(serving, "PATIENCE_S", 0.2)
    monkeypatch.setattr(documents, "maps_document", lambda *_: time.sleep(1.5) or {})
    run_id = Client(runs).rows()["good"]["id"]
    with served(runs) as port:
        url = f"http://127.0.0.1:{port}/api/runs/{run_id}/maps/smooth_1m"
        assert httpx.get(url, trust_env=False, timeout=20).json() == {}


def go_away(port, path, number):
    """Ask once or many times, take nothing or a little, and leave politely or not."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with connection, contextlib.suppress(ConnectionError):
        connection.sendall(asked * (1, 1, 20)[number % 3])
        if number % 2:
            connection.recv(10)
        if number % 5 < 2:  # a reset in the place of a goodbye
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_clients_that_go_away(runs, capfd, caplog):
    run_id = Client(runs).rows()["good"]["id"]
    paths = ["/static/plotly.min.js", "/api/runs", f"/api/runs/{run_id}/maps/smooth_1m"]
    with served(runs) as port:
        for number in range(60):
            go_away(port, paths[number % 3], number)
        assert listed(port) == 200
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == "" and caplog.text == ""


def test_serving_needs_no_working_directory(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with serving._settled():
        assert Path.cwd() == Path("/")
        assert serving.Connection.most > 200
    assert Path.cwd() == tmp_path / "here"
    with serving._settled():
        (tmp_path / "here").rmdir()
    with serving._settled():  # neither before nor after
        pass


@pytest.mark.slow
def test_a_working_directory_that_is_deleted(runs, tmp_path):
    (tmp_path / "here").mkdir()
    with process(runs, cwd=tmp_path / "here") as (url, errors):
        (tmp_path / "here").rmdir()
        run_id = httpx.get(f"{url}api/runs", trust_env=False, timeout=60).json()["runs"][0]["id"]
        (runs / "good" / HISTORY).unlink()
        for part in ("history/20", "figures/scores.png"):
            url_of_part = f"{url}api/runs/{run_id}/{part}"
            assert httpx.get(url_of_part, trust_env=False, timeout=120).status_code == 200
    assert errors == [""]


@pytest.mark.slow
def test_two_hundred_requests_at_once(runs, capsys):
    with process(runs) as (url, errors):
        port = int(url.split(":")[2].strip("/"))
        run_id = httpx.get(f"{url}api/runs", trust_env=False, timeout=60).json()["runs"][0]["id"]
        parts = (
            *EVERYTHING,
            "history/9",
            "figures/scores.png",
            "figures/gallery.png",
            "figures/gallery.pdf",
        )
        paths = ["/", "/api/runs", "/static/main.js", "/static/plotly.min.js", "/static/style.css"]
        paths += [f"/api/runs/{run_id}/{part}" for part in parts]
        for title in ("first", "again"):
            begin = time.perf_counter()
            found = at_once(port, paths, 200)
            seconds = time.perf_counter() - begin
            assert collections.Counter(status for status, _, _ in found) == {200: 200}
            for number, (_, length, _) in enumerate(found):
                assert length == found[number % len(paths)][1]
            slowest = max(took for _, _, took in found)
            with capsys.disabled():
                print(
                    f"\n200 requests at once, {title}: 200 answered, slowest {slowest:.1f} s, "
                    f"all {seconds:.1f} s, load {os.getloadavg()[0]:.1f}"
                )
    assert errors == [""]


def at_once(port, paths, number):
    """Status, length and seconds of requests that start together."""
    found, together = [None] * number, threading.Barrier(number)

    def ask(k):
        together.wait()
        begin = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
        with contextlib.closing(connection):
            connection.request("GET", paths[k % len(paths)])
            answer = connection.getresponse()
            body = answer.read()
        found[k] = answer.status, len(body), time.perf_counter() - begin

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.slow
def test_slow_clients_beside_others(runs, capsys):
    with process(runs) as (url, errors), contextlib.ExitStack() as stack:
        port = int(url.split(":")[2].strip("/"))
        slow = [stack.enter_context(half_a_request(port)) for _ in range(700)]
        took = []
        for _ in range(5):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
            begin = time.perf_counter()
            assert listed(port) == 200
            took.append(time.perf_counter() - begin)
            time.sleep(1)
        for number in range(400):
            go_away(port, "/static/plotly.min.js", number)
        assert listed(port) == 200
    assert errors == [""]
    with capsys.disabled():
        print(f"\nbeside 700 slow clients: slowest of 5 lists {max(took):.3f} s")


@pytest.mark.slow
def test_from_another_address_of_this_machine(runs):
    with process(runs, "--host", "0.0.0.0") as (url, errors):
        port = url.split(":")[2].strip("/")
        for address in ("127.0.0.1", "127.0.0.2"):
            place = f"http://{address}:{port}/api/runs"
            for host, status in ((address, 200), (socket.gethostname(), 200), ("evil.test", 400)):
                answer = httpx.get(place, headers={"Host": host}, trust_env=False, timeout=60)
                assert answer.status_code == status, (address, host)
    (line,) = errors[0].splitlines()
    assert "anyone on the network" in line and "no password" in line


@pytest.mark.slow
def test_ten_thousand_runs(tmp_path, example, capsys):
    root = tmp_path / "many"
    for number in range(10_000):
        (root / f"{number // 100:03d}" / f"run-{number}").mkdir(parents=True)
        target = root / f"{number // 100:03d}" / f"run-{number}"
        for name in ("config.toml", "manifest.json", "metrics.jsonl"):
            os.link(example / name, target / name)
    client = Client(root)
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        assert len(client.ask("/api/runs").json()["runs"]) == 10_000
        times.append(time.perf_counter() - begin)
    with capsys.disabled():
        print(f"\n10,000 runs: listed in {times[0]:.1f} s, again in {times[1]:.1f} s")
