"""The explorer's web application: the page, its scripts, and the documents of all runs. It only reads."""

import functools
import hashlib
import os
from collections.abc import Sequence
from importlib import resources

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from gridcode.viewer import pictures, shell
from gridcode.viewer.documents import Answer, Documents, to_json
from gridcode.viewer.guard import Guard, content_policy
from gridcode.viewer.library import Library
from gridcode.viewer.run_status import run_row

WEEK_S = 7 * 24 * 3600
TITLE = "gridcode explorer"
# Steps beyond this are no steps of a training, and no number that every parser agrees on.
LARGEST_STEP = 2**53


def create_app(folders: Sequence[str | os.PathLike[str]], *, host: str = "127.0.0.1") -> FastAPI:
    """The application that shows the runs in some folders.

    Args:
        folders: where to look for run folders; a folder may itself be a run.
        host: the address that it will be served at; requests for other names are refused.

    Raises:
        InputError: one of the folders is not there.
    """
    library = Library(folders)
    documents = Documents(library)
    page = shell.render_shell(
        mode="explorer",
        title=TITLE,
        documents={"palettes": pictures.palettes()},
        self_contained=False,
    ).encode()
    static = _static_files()
    app = FastAPI(
        title=TITLE, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    # Added last, it sees requests first.
    app.add_middleware(Guard, host=host, policy=content_policy(page.decode()))

    @app.exception_handler(RequestValidationError)
    async def _bad_query(_request: Request, _error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": "after must be a whole number"}, 400)

    @app.get("/", include_in_schema=False)
    def _page(request: Request) -> Response:
        return _sent(request, Answer(page, "text/html; charset=utf-8", _tag(page)))

    @app.get("/favicon.ico")
    def _icon() -> Response:
        return Response(status_code=204)

    @app.get("/static/{name}")
    def _static(request: Request, name: str) -> Response:
        if name == shell.PLOTLY:
            return _sent(request, _plotly(), keep_s=WEEK_S)
        if name not in static:
            raise HTTPException(404, "there is no such file")
        return _sent(request, static[name])

    @app.get("/api/runs")
    def _runs(request: Request) -> Response:
        body = to_json(
            {"runs": [run_row(entry) for entry in library.entries()], "folders": library.folders}
        )
        return _sent(request, Answer(body, "application/json", _tag(body)))

    @app.get("/api/runs/{run_id}/run")
    def _run(request: Request, run_id: str) -> Response:
        return _sent(request, documents.run(run_id))

    @app.get("/api/runs/{run_id}/maps/{group}")
    def _maps(request: Request, run_id: str, group: str) -> Response:
        return _sent(request, documents.maps(run_id, group))

    @app.get("/api/runs/{run_id}/correlograms/{group}")
    def _correlograms(request: Request, run_id: str, group: str) -> Response:
        return _sent(request, documents.correlograms(run_id, group))

    @app.get("/api/runs/{run_id}/spectra")
    def _spectra(request: Request, run_id: str) -> Response:
        return _sent(request, documents.spectra(run_id))

    @app.get("/api/runs/{run_id}/states")
    def _states(request: Request, run_id: str) -> Response:
        return _sent(request, documents.states(run_id))

    @app.get("/api/runs/{run_id}/metrics")
    def _metrics(request: Request, run_id: str, after: int = -1) -> Response:
        return _sent(request, documents.metrics(run_id, after))

    @app.get("/api/runs/{run_id}/history")
    def _history(request: Request, run_id: str) -> Response:
        return _sent(request, documents.history(run_id))

    @app.get("/api/runs/{run_id}/history/{step}")
    def _snapshot(request: Request, run_id: str, step: str) -> Response:
        if not (step.isascii() and step.isdecimal() and int(step[:20]) <= LARGEST_STEP):
            raise HTTPException(404, "there is no such step")
        return _sent(request, documents.snapshot(run_id, int(step)))

    @app.get("/api/runs/{run_id}/figures")
    def _figures(request: Request, run_id: str) -> Response:
        return _sent(request, documents.figures(run_id))

    @app.get("/api/runs/{run_id}/figures/{file}")
    def _picture(request: Request, run_id: str, file: str) -> Response:
        return _sent(request, documents.picture(run_id, file))

    return app


def _sent(request: Request, answer: Answer, *, keep_s: int = 0) -> Response:
    """An answer, or word that the browser has it already."""
    headers = {
        "ETag": answer.tag,
        "Cache-Control": f"public, max-age={keep_s}" if keep_s else "no-cache",
    }
    known = {
        tag.strip().removeprefix("W/")
        for tag in request.headers.get("if-none-match", "").split(",")
    }
    if answer.tag in known:
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type=answer.media, headers=headers)


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def _static_files() -> dict[str, Answer]:
    """The files that the page fetches, by name: nothing else is served, whatever a request spells."""
    found = {
        name: (text, "text/javascript; charset=utf-8") for name, text in shell.scripts().items()
    }
    found["style.css"] = (shell.style(), "text/css; charset=utf-8")
    return {
        name: Answer(text.encode(), media, _tag(text.encode()))
        for name, (text, media) in found.items()
    }


@functools.cache
def _plotly() -> Answer:
    body = (resources.files("plotly") / "package_data" / shell.PLOTLY).read_bytes()
    return Answer(body, "text/javascript; charset=utf-8", _tag(body))
