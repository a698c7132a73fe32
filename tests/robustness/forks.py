"""Commands in forks of one process that has imported everything, to kill them at chosen moments.

As a script it is that process: it reads a command a line, runs it in a fork, kills the fork after
a delay, and answers with a line. Imports take seconds and the commands of the tests tenths of one:
so a kill costs what the command costs, and falls into the command and not into the imports.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Forks:
    """The process that forks; `run` gives it a command."""

    def __enter__(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def run(self, *words, kill_after=None, kill_once=None, limits=None):
        """Run `gridcode WORDS`, under resource limits by name where they are given.

        It gets SIGKILL after `kill_after` seconds of CPU, or once a file `kill_once` is there.

        Returns a dictionary: `code` (None where it was killed), `seconds` of CPU, `out`, `err`.
        """
        request = {
            "words": [str(word) for word in words],
            "kill_after": kill_after,
            "kill_once": kill_once and str(kill_once),
            "limits": limits or {},
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def kill_anywhere(self, chance, seconds, *words):
        """Run a command that takes so long undisturbed, and kill it at a random moment."""
        return self.run(*words, kill_after=chance.uniform(0, 1.1 * seconds))


def _child(request, out, err, modules):
    import resource

    from gridcode.cli import main

    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    for name, size in request["limits"].items():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # An OSError, as on a full disk.
        resource.setrlimit(getattr(resource, name), (size, size))
    code = 70
    try:
        code = main(request["words"])
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    if not request["limits"]:
        modules.write(json.dumps([name for name in sys.modules if name != "__main__"]).encode())
        modules.flush()
    os._exit(code)


def _kill(child, after, once):
    """Kill a child once it has used so much CPU, so that a busy machine does not shift the moment.

    Or once a file is there.
    """
    clock = (~child << 3) | 2  # its CPU clock, as clock_getcpuclockid(3) makes it
    with contextlib.suppress(OSError):  # It has ended.
        while not Path(once).exists() if once else time.clock_gettime(clock) < after:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            time.sleep(0.0005)
        os.kill(child, signal.SIGKILL)


def _serve():
    import torch

    torch.set_num_threads(1)
    known = set()
    for line in sys.stdin:
        request = json.loads(line)
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            tempfile.TemporaryFile() as modules,
        ):
            child = os.fork()
            if not child:
                _child(request, out, err, modules)
            if request["kill_after"] is not None or request["kill_once"]:
                _kill(child, request["kill_after"], request["kill_once"])
            _, status, used = os.wait4(child, 0)
            seconds = used.ru_utime + used.ru_stime
            texts = {}
            for name, file in (("out", out), ("err", err), ("modules", modules)):
                file.seek(0)
                texts[name] = file.read().decode(errors="replace")
        # What this command has imported, all later forks have imported already.
        for name in json.loads(texts.pop("modules") or "[]"):
            if name not in known:
                known.add(name)
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        code = os.waitstatus_to_exitcode(status)
        answer = {"code": None if code < 0 else code, "seconds": seconds, **texts}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    assert Path(__file__).is_absolute()
    _serve()
