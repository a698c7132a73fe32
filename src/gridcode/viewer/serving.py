"""Serving the explorer: a free port, one line that says where, and a quiet end."""

import contextlib
import errno
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence

import uvicorn

from gridcode.errors import InputError
from gridcode.viewer.guard import EVERYWHERE
from gridcode.viewer.server import create_app

PORT, PORTS_TRIED = 8765, 50
# A browser keeps connections open; the end does not wait for it longer than this.
GRACE_S = 1
_LOG = logging.getLogger("uvicorn.error")


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
        ready: called with the page's address once it is answered.

    Raises:
        InputError: a folder is not there, the port is taken, or the address cannot be listened on.
    """
    app = create_app(folders, host=host)
    with listen(host, port) as listener:
        url = address(host, listener)

        def started() -> None:
            if ready:
                ready(url)
            if open_browser:
                _open(url)

        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(settings, started)
        # Ctrl-C is how this ends; uvicorn raises it again once all is closed.
        try:
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
        finally:
            _LOG.disabled = False


def leave() -> None:
    """End this process if it would otherwise wait for a picture that is being drawn for nobody. Nothing is ever half written here."""
    if any(thread.name.startswith("AnyIO worker") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens at an address.

    Raises:
        InputError: the port is taken, or there is no such address on this machine.
    """
    ports = range(PORT, PORT + PORTS_TRIED) if port is None else [port]
    for candidate in ports:
        try:
            return _bound(host, candidate)
        except (socket.gaierror, UnicodeError):
            raise InputError(f"there is no address '{host}'") from None
        except OverflowError:
            raise InputError(f"--port must be 0 to 65535, not {port}") from None
        except OSError as error:
            if isinstance(error, PermissionError):
                raise InputError(f"port {candidate} may not be used: take one above 1023") from None
            if error.errno != errno.EADDRINUSE:
                raise InputError(f"cannot listen on '{host}' ({error.strerror or error})") from None
    if port is not None:
        raise InputError(
            f"port {port} is taken: choose another --port, or leave it out to take one that is free"
        )
    raise InputError(f"ports {ports[0]} to {ports[-1]} are all taken: choose another with --port")


def address(host: str, listener: socket.socket) -> str:
    """What to type into the browser of this machine."""
    shown = (
        ("[::1]" if ":" in host else "127.0.0.1")
        if host in EVERYWHERE
        else f"[{host}]"
        if ":" in host
        else host
    )
    return f"http://{shown}:{listener.getsockname()[1]}/"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host in ("localhost", "::1") or host.startswith("127.")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if not self.should_exit:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Answers that the end cuts off are no errors.
        _LOG.disabled = True
        await super().shutdown(sockets=sockets)


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # Elsewhere this lets two programs listen on one port.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _open(url: str) -> None:
    """Open the page where there is a screen; a browser in the terminal would take it over."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
