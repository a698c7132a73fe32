"""The explorer's web application: the page, its scripts, and the documents of all runs.

It only reads. What draws and scores is imported when it is first asked for.
"""

import base64
import functools
import hashlib
import ipaddress
import logging
import mimetypes
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridcode.errors import InputError
from gridcode.viewer import shell
from gridcode.viewer.encode import as_json
from gridcode.viewer.library import Entry, Library

TITLE = "gridcode explorer"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
EVERYWHERE = ("0.0.0.0", "::", "")
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-cache",
}
# Answers that are kept; those of large runs hold some 10 MB.
KEPT, KEPT_THUMBNAILS = 32, 2000
# A run that is being written is read again, this often and after so long.
TRIES, PAUSE_S = 3, 0.1
# What reading a file raises when it is damaged or half written.
UNREADABLE = (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError)
BUSY = "this cannot be read just now: the run is being written, or a file of it is damaged"
# What is asked for by several at once is made once: those who ask for the same wait for each other.
_MAKING = [threading.Lock() for _ in range(64)]
UNEXPECTED = "something unexpected went wrong; the terminal of `gridcode explore` says what"
LOG = logging.getLogger("gridcode.viewer")
# What some systems have on record for scripts is not what browsers run.
mimetypes.add_type("text/javascript", ".js")


def create_app(folders: Sequence[str | os.PathLike[str]], *, host: str = "127.0.0.1") -> Starlette:
    """The application that shows the runs in some folders.

    Args:
        folders: where to look for run folders; a folder may itself be a run.
        host: the address that it will be served at; requests for other names are refused.

    Raises:
        InputError: one of the folders is not there.
    """
    library, read = Library(folders), set[Entry]()

    @_answering
    def page(request: Request) -> Response:
        text, policy = _page()
        response = _sent(request, text, "text/html")
        response.headers["content-security-policy"] = policy
        return response

    @_answering
    def runs(request: Request) -> Response:
        from gridcode.viewer.nearest_preset import presets
        from gridcode.viewer.run_status import run_rows

        listed = {
            "runs": run_rows(library.entries(), read),
            "sweeps": [
                {"id": found.id, "name": found.name, "folder": found.folder}
                for found in library.sweeps()
            ],
            "presets": presets(),
            "folders": library.folders,
            "whole": library.whole,
        }
        return _sent(request, as_json(listed).encode())

    @_answering
    def sweep(request: Request) -> Response:
        from gridcode.viewer.sweep_table import sweep_document

        try:
            found = sweep_document(library, request.path_params["sweep_id"])
        except InputError as error:
            raise HTTPException(409, str(error)) from None
        if found is None:
            raise HTTPException(404, "there is no such sweep (any more)")
        return _sent(request, as_json(found).encode())

    @_answering
    def document(request: Request) -> Response:
        run_id, name, *parts = request.path_params.values()
        try:
            part = parts[0] if parts else str(int(request.query_params.get("after", -1)))
        except ValueError:
            raise HTTPException(400, "after must be a whole number") from None
        body = read_document(library, run_id, f"{name}/PART" if parts else name, part)
        is_figure = name == "figures" and parts
        file = part if is_figure else ".png" if name == "thumbnail" else ""
        return _sent(request, body, mimetypes.guess_type(f"x{file}")[0] if file else None)

    static = StaticFiles(packages=[("gridcode.viewer", "static"), ("plotly", "package_data")])
    app = Starlette(
        routes=[
            Route("/", page),
            Route("/api/runs", runs),
            Route("/api/sweeps/{sweep_id}", sweep),
            Route("/api/runs/{run_id}/{name}", document),
            Route("/api/runs/{run_id}/{name}/{part}", document),
            Mount("/static", static),
        ],
        middleware=[Middleware(SafeHeaders), Middleware(TrustedHosts, host=host)],
        exception_handlers={HTTPException: _refusal},
    )
    app.router.redirect_slashes = False
    return app


def _answering(make: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A route that answers whatever happens; what should not happen is said in the terminal."""

    @functools.wraps(make)
    def answer(request: Request) -> Response:
        try:
            return make(request)
        except HTTPException:
            raise
        except Exception:
            LOG.exception("%s could not be made", make.__name__)
            raise HTTPException(500, UNEXPECTED) from None

    return answer


class TrustedHosts(TrustedHostMiddleware):
    """Refuses hosts that are not this machine's, so that no other site's name can lead here.

    Args:
        app: what is asked for.
        host: the address that the server listens at. Where that is every address, any address is
            taken: unlike a name, it cannot be made to lead elsewhere.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._everywhere = host in EVERYWHERE
        name = socket.gethostname() if self._everywhere else host.strip("[]")
        names = [*LOOPBACK, f"[{name}]" if ":" in name else name]
        super().__init__(app, allowed_hosts=names, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self._everywhere and _is_address(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True


class SafeHeaders:
    """Adds to every answer what keeps other sites and unexpected scripts out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def read_document(library: Library, run_id: str, name: str, part: str) -> bytes:
    """A document of a run, ready to be sent; read again where the run was written meanwhile.

    Args:
        library: the runs.
        run_id: which.
        name: a key of `gridcode.viewer.documents.DOCUMENTS`.
        part: the part of its address.

    Raises:
        HTTPException: 404 where there is no such document, 409 where it cannot be read.
    """
    from gridcode.viewer.documents import DOCUMENTS
    from gridcode.viewer.run_status import plain, run_status, signatures

    problem, (_, found) = BUSY, DOCUMENTS.get(name, (None, ()))
    files = found if isinstance(found, tuple) else found(part)
    for attempt in range(TRIES):
        time.sleep(PAUSE_S if attempt else 0)
        entry = library.find(run_id)
        if entry is None:
            raise HTTPException(404, "there is no such run (any more)")
        status, key = run_status(entry), signatures(entry, files)
        try:
            if not status.readable:
                raise InputError(status.problem or BUSY)
            # What is asked for often would push the rest out.
            make = _MAKERS.get(name, _body)
            with _MAKING[hash((entry, name, part)) % len(_MAKING)]:
                body = make(entry, name, part, key, status.state)
        except InputError as error:
            problem = plain(error, entry)
        except UNREADABLE:
            problem = BUSY
        else:
            if signatures(entry, files) == key or attempt == TRIES - 1:
                if body is None:
                    raise HTTPException(404, "this run has no such document")
                return body
            continue
        if signatures(entry, files) == key:
            break
    raise HTTPException(409, problem)


@functools.lru_cache(KEPT)
def _body(entry: Entry, name: str, part: str, _key: Any, _state: str) -> bytes | None:
    """A document of a run whose files have the signatures `_key`."""
    from gridcode.viewer.documents import DOCUMENTS, ShownRun
    from gridcode.viewer.run_status import run_status

    if name not in DOCUMENTS:
        return None
    build, _ = DOCUMENTS[name]
    found = build(ShownRun(entry, run_status(entry)), part)
    return found if found is None or isinstance(found, bytes) else as_json(found).encode()


# Hundreds of thumbnails are small; every question for new metrics is another one.
_MAKERS: dict[str, Callable[..., bytes | None]] = {
    "metrics": _body.__wrapped__,
    "thumbnail": functools.lru_cache(KEPT_THUMBNAILS)(_body.__wrapped__),
}


@functools.cache
def _page() -> tuple[bytes, str]:
    """The page, and the policy that lets its own scripts run and nothing else."""
    from gridcode.viewer.pictures import palettes

    text = shell.render_shell(
        mode="explorer", title=TITLE, documents={"palettes": palettes()}, self_contained=False
    )
    scripts = re.findall(r'<script type="(?:importmap|module)">(.*?)</script>', text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    policy = [
        "default-src 'none'",
        " ".join(["script-src 'self'", *(f"'sha256-{digest}'" for digest in digests)]),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return text.encode(), "; ".join(policy)


def _sent(request: Request, body: bytes, media: str | None = None) -> Response:
    """An answer, or word that the browser has it already."""
    headers = {"etag": f'"{hashlib.sha256(body).hexdigest()[:24]}"'}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media or "application/json", headers=headers)


def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
