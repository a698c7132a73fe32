"""Serving the explorer: a free port, one line that says where, and a quiet end."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
import threading
import warnings
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from gridcode.errors import InputError
from gridcode.viewer.server import EVERYWHERE, create_app

PORT, PORTS_TRIED = 8765, 50
# A browser keeps connections open; the end does not wait for it longer than this.
GRACE_S = 1
# A client that neither asks nor takes anything for so long is not waited for.
PATIENCE_S = 20.0
# Every connection is an open file; some are left for the files that are read.
MOST_CONNECTIONS, OPEN_FILES = 512, 2048


def serve(
    folders: Sequence[str | os.PathLike[str]],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = True,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Show the runs in some folders in a browser, until interrupted.

    Args:
        folders: where to look for run folders; a folder may itself be a run.
        host: the address to listen on.
        port: the port; None takes 8765 or, where that is taken, the next that is free. 0 takes any.
        open_browser: whether to open the page.
        ready: called with the page's address once it can be asked for.

    Raises:
        InputError: a folder is not there, the port is taken, or the address cannot be listened on.
    """
    app = create_app(folders, host=host)
    # Ctrl-C is how this ends; uvicorn raises it again once all is closed.
    with listen(host, port) as listener, _settled(), contextlib.suppress(KeyboardInterrupt):
        # Requests wait at the socket until the server runs.
        url = address(host, listener)
        if ready:
            ready(url)
        if open_browser:
            _open(url)
        uvicorn.Server(settings(app)).run(sockets=[listener])


def settings(app: ASGIApp) -> uvicorn.Config:
    """How an application is served."""
    # "critical": answers that the end cuts off are no errors, and the application logs its own.
    # h11 refuses requests with two hosts. Nothing here speaks over websockets.
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_level="critical",
        server_header=False,
        backlog=128,
        timeout_graceful_shutdown=GRACE_S,
    )


class Connection(H11Protocol):
    """A connection that ends when its client does nothing, so that there is room for others."""

    most = MOST_CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; where there are too many, the oldest that asks for nothing ends."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self.loop.call_later(PATIENCE_S, self._look, (None, 0))
        if len(self.connections) > self.most:
            idle = [c for c in self.connections if isinstance(c, Connection) and c.is_idle()]
            if idle:
                min(idle, key=lambda c: c.since).transport.abort()

    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        done = self.cycle is None or self.cycle.response_complete
        return done and not self.transport.is_closing()

    def _look(self, before: tuple[Any, int]) -> None:
        """End the connection if its client did nothing since `before`: its request, bytes to go."""
        to_go = self.transport.get_write_buffer_size()
        if self.transport.is_closing() and not to_go:
            return
        if (self.cycle, to_go) == before and (to_go or self.is_idle()):
            self.transport.abort()
        else:
            self.loop.call_later(PATIENCE_S, self._look, (self.cycle, to_go))


@contextlib.contextmanager
def _settled() -> Iterator[None]:
    """Make this process one that serves, and what it was before when that ends."""
    log = logging.getLogger("asyncio")  # It has a traceback for each client that goes away.
    level, folder = log.level, None
    with contextlib.suppress(OSError):
        folder = Path.cwd()
    # MKL ends a process whose working directory was deleted.
    os.chdir(os.sep)
    log.setLevel(logging.CRITICAL)
    Connection.most = min(MOST_CONNECTIONS, _open_files() // 4)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What is damaged in a run is said on its page.
            yield
    finally:
        log.setLevel(level)
        with contextlib.suppress(OSError):
            os.chdir(folder or os.sep)


def _open_files() -> int:
    """How many files this process may open, after asking for enough."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return OPEN_FILES
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    with contextlib.suppress(ValueError, OSError):
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft


def leave() -> None:
    """End this process if it would wait for a picture that nobody will see; no file is written."""
    if any(thread.name.startswith("AnyIO worker") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens at an address.

    Raises:
        InputError: the port is taken, or there is no such address on this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(PORT, PORT + PORTS_TRIED) if port is None else [port]
    for candidate in ports:
        try:
            return socket.create_server(
                (host, candidate),
                family=family,
                dualstack_ipv6=family == socket.AF_INET6 and socket.has_dualstack_ipv6(),
            )
        except OverflowError:
            raise InputError(f"--port must be 0 to 65535, not {port}") from None
        except (OSError, UnicodeError) as error:
            if isinstance(error, PermissionError):
                raise InputError(f"port {candidate} may not be used: take one above 1023") from None
            if isinstance(error, UnicodeError) or error.errno != errno.EADDRINUSE:
                raise InputError(f"cannot listen on '{host}' ({error})") from None
    if port is not None:
        raise InputError(
            f"port {port} is taken: choose another --port, or leave it out to take a free one"
        )
    raise InputError(f"ports {ports[0]} to {ports[-1]} are all taken: choose another with --port")


def address(host: str, listener: socket.socket) -> str:
    """What to type into the browser of this machine."""
    if host in EVERYWHERE:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"


def reached_at(host: str) -> str:
    """What other machines call the place that is served, in words."""
    return "this machine" if host in EVERYWHERE else host


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _open(url: str) -> None:
    """Open the page where there is a screen; a browser in the terminal would take it over."""
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_screen or not sys.platform.startswith("linux"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
