"""The HTTP side of a service: `/livez`, `/readyz`, `/metrics`, errors as `{"error": "…"}`."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from tidemill_runtime import logs
from tidemill_runtime.errors import TidemillError, TooLarge, Unauthorized

Readiness = Callable[[], Awaitable[Mapping[str, bool]]]

log = logs.get_logger(__name__)


def create_app(title: str, readiness: Readiness, **options: object) -> FastAPI:
    """An app with the operational endpoints and this project's error bodies.

    `readiness` says of each thing the service needs whether it is there; `/readyz` is 200 if all are, else 503.
    """
    app = FastAPI(title=title, redirect_slashes=False, **options)  # type: ignore[arg-type]

    @app.get("/livez", tags=["operations"])
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/readyz", tags=["operations"])
    async def ready() -> JSONResponse:
        checks = dict(await readiness())
        return JSONResponse({"ready": all(checks.values()), "checks": checks}, 200 if all(checks.values()) else 503)

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(TidemillError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)
    return app


def operators_only(token: SecretStr | None) -> Callable[[str], Awaitable[None]]:
    """A dependency of a route: Unauthorized unless the request bears `token`; without a token everyone may."""

    async def check(authorization: Annotated[str, Header()] = "") -> None:
        if token is None:
            return
        expected = f"Bearer {token.get_secret_value()}"
        if not secrets.compare_digest(authorization.encode(), expected.encode()):
            raise Unauthorized("this needs the operator's token: Authorization: Bearer …")

    return check


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The request's body; TooLarge as soon as it is known to have more than `max_bytes`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge(f"body of {declared} bytes; at most {max_bytes} are taken")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"body of more than {max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


class HttpServer:
    """Serves an app on `host:port`, or on a Unix `socket`; on stop it ends the open requests first."""

    def __init__(
        self,
        app: FastAPI,
        host: str = "127.0.0.1",
        port: int = 0,
        drain_seconds: float = 5,
        *,
        socket: Path | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            uds=str(socket) if socket else None,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(drain_seconds),
            lifespan="off",
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._serve(), name="http")
        while not self._server.started:
            if self.failed.done():
                self.failed.result()
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task:
            await asyncio.wait({self._task})
        if not self.failed.done():
            self.failed.cancel()

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit:
            host, port = self._server.config.host, self._server.config.port
            self.failed.set_exception(OSError(f"cannot listen on {host}:{port}; is the port taken?"))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service's lifecycle has them."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def _domain_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, TidemillError)
    headers = {"Retry-After": "1"} if error.retryable else None
    return JSONResponse({"error": str(error)}, error.status, headers)


async def _invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    causes = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
    return JSONResponse({"error": causes}, 400)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = f"no such path: {request.url.path}"
    body = detail if isinstance(detail, str) else json.dumps(detail)
    return JSONResponse({"error": body}, error.status_code, error.headers)


async def _unexpected_error(request: Request, error: Exception) -> Response:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return JSONResponse({"error": "an unexpected error; the service's log has its cause"}, 500)
