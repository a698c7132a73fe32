"""What every request passes before it is looked at, and every answer carries: only reading, only from this machine's own pages, no surprises."""

import base64
import hashlib
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from html.parser import HTMLParser
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
LONGEST_PATH = 1024
LOG = logging.getLogger("gridcode.viewer")


class Guard:
    """Wraps an ASGI application.

    Refused are methods other than GET and HEAD (405), names of the host that are not this machine's
    (400: a page of another site whose name is made to lead here must not read what is served),
    overlong paths and ones with NUL (404).

    Args:
        app: what is wrapped.
        host: the address that the server listens on.
        policy: the content security policy.
    """

    def __init__(self, app: App, *, host: str, policy: str) -> None:
        self._app = app
        self._everywhere = host in EVERYWHERE
        self._hosts = (
            LOOPBACK
            | {host.lower().strip("[]")}
            | ({socket.gethostname().lower()} if self._everywhere else set())
        )
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"x-frame-options", b"DENY"),
        ]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        started = False
        body_too = scope["method"] != "HEAD"

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", []), *self._headers]
            elif message["type"] == "http.response.body" and not body_too:
                message = {
                    "type": "http.response.body",
                    "body": b"",
                    "more_body": message.get("more_body", False),
                }
            await send(message)

        if (refusal := self._refusal(scope)) is not None:
            await _say(guarded, *refusal)
            return
        try:
            await self._app({**scope, "method": "GET"}, receive, guarded)
        except Exception:
            LOG.exception("an answer could not be made")
            if not started:
                await _say(
                    guarded,
                    500,
                    "something unexpected went wrong; the terminal of `gridcode explore` says what",
                )

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "this only shows: GET and HEAD are answered"
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not hosts or not all(self._is_ours(host) for host in hosts):
            return 400, "this address is not one that the explorer was started for"
        raw = scope.get("raw_path") or scope["path"].encode()
        if len(raw) > LONGEST_PATH or "\x00" in scope["path"]:
            return 404, "Not Found"
        return None

    def _is_ours(self, header: str) -> bool:
        name = host_name(header)
        if name is None:
            return False
        if name in self._hosts:
            return True
        # A name can be made to lead anywhere; an address says itself where it leads.
        return self._everywhere and _is_address(name)


def host_name(header: str) -> str | None:
    """The name in a Host header, without port and brackets; None where it is none."""
    text = header.strip().lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") else port and "x"
        return name if bracket and (not port or port.isdecimal()) else None
    name, _, port = text.partition(":")
    return name if name and (not port or port.isdecimal()) else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _say(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def content_policy(page: str) -> str:
    """The content security policy of a page: its own scripts, by their hashes, and what comes from this server."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in inline_scripts(page)
    )
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {hashes}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def inline_scripts(page: str) -> list[str]:
    """Text of the scripts in a page that run, import maps included; data in script elements is left out."""
    reader = _ScriptReader()
    reader.feed(page)
    reader.close()
    # Browsers hash the text after newlines were made alike.
    return [text.replace("\r\n", "\n").replace("\r", "\n") for text in reader.found]


class _ScriptReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        runs = (values.get("type") or "text/javascript").strip().lower() in (
            "text/javascript",
            "module",
            "importmap",
            "application/javascript",
        )
        if tag == "script" and "src" not in values and runs:
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._text is not None:
            self.found.append("".join(self._text))
            self._text = None
