"""Sweeps on a Ray cluster of two nodes and by SLURM's stand-in; workers are killed meanwhile."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import TINY
from test_sweep import same_training, swept, table, write

import gridcode
from gridcode import InputError, Run
from gridcode.executors import ray_cluster

# Of Ray, which leaves files and sockets to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
SETTINGS = TINY | {
    "training.steps": 200,
    "training.log_every": 50,
    "training.checkpoint_every": 40,
    "training.snapshots": 0,
}


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one core."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": ray_cluster.STORE_BYTES}
    found = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    found.add_node(**node)
    yield found
    found.shutdown()


def workers_of(cluster):
    """Processes of the cluster that carry out a task now."""
    raylets = {
        str(info.process.pid)
        for node in cluster.list_all_nodes()
        for info in node.all_processes.get("raylet", [])
    }
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if words.startswith(b"ray::carry_out") and parent in raylets:
            yield int(process.name)


class Killing(threading.Thread):
    """SIGKILL to workers of a cluster, so many times, each when a further training is under way."""

    def __init__(self, cluster, kills, runs):
        super().__init__(daemon=True)
        self.cluster, self.left, self.runs = cluster, kills, runs
        self.end = threading.Event()

    def run(self):
        chance = random.Random(0)
        seen = 0
        while self.left and not self.end.wait(chance.uniform(0.05, 0.5)):
            under_way = len({path.parent for path in self.runs.glob("*/checkpoints/step*")})
            found = list(workers_of(self.cluster))
            if found and under_way > seen:
                os.kill(chance.choice(found), signal.SIGKILL)
                self.left -= 1
                seen = under_way


@pytest.mark.parametrize(
    ("trainings", "kills"), [(12, 2), pytest.param(200, 40, marks=pytest.mark.slow)]
)
def test_workers_of_a_ray_cluster_are_killed(
    cluster, tmp_path, trainings, kills, capsys, monkeypatch
):
    monkeypatch.setattr(ray_cluster, "ATTEMPTS", 50)  # by chance many kills meet one trial
    path = write(
        tmp_path,
        settings=SETTINGS,
        seeds=trainings // 2,
        search={"values": {"sigma_g": [0.3, 0.4]}},
    )
    out = tmp_path / "out"
    killing = Killing(cluster, kills, out / "runs")
    killing.start()
    began = time.monotonic()
    found = swept(path, out, address=cluster.address)
    took = time.monotonic() - began
    killing.end.set()
    killing.join()
    assert killing.left == 0
    assert dict(found.counts) == {"finished": trainings}
    rows = table(out)
    with capsys.disabled():
        if trainings > 12:
            print(f"\n{trainings} trainings, {kills} kills: {took:.0f} s")
    config = gridcode.load_config("quick").override(SETTINGS)
    for row in rows if trainings > 12 else rows[::5]:
        changes = {"sigma_g": float(row["loss.sigma_g"]), "seed": int(row["seed"])}
        alone = gridcode.train(config.override(changes), out=tmp_path / "alone" / row["run"])
        same_training(Run(out / "runs" / row["run"]), alone)


def test_jobs_of_submitit(tmp_path):
    pytest.importorskip("submitit")
    path = write(tmp_path, seeds=2)
    out = tmp_path / "out"
    found = swept(path, out, submitit={"cluster": "local", "timeout_min": 5})
    assert dict(found.counts) == {"finished": 2}
    alone = gridcode.train(
        gridcode.load_config("quick").override(TINY | {"seed": 1}), out=tmp_path / "alone"
    )
    same_training(Run(out / "runs" / "00001-seed1"), alone)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "local", "submitit": {}}, "not both"),
        ({"submitit": {"cluster": "moon"}}, "--submitit: .*moon"),
        ({"submitit": {"cluster": "local", "timeout_min": "soon"}}, "--submitit: .*timeout_min"),
        ({"address": "auto"}, "no Ray cluster at 'auto'"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(tmp_path, options, message):
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    with pytest.raises(InputError, match=message) as raised:
        swept(write(tmp_path), tmp_path / "out", **options)
    assert "\n" not in str(raised.value)
