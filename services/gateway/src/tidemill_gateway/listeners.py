"""The public ports and how they close: not ready first, then no new connection, then the open requests end."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tidemill_runtime.http import HttpServer

from tidemill_gateway.transports.grpc_server import GrpcServer


class Draining:
    """Whether the service is about to stop."""

    def __init__(self) -> None:
        self.active = False


class CloseConnections:
    """While draining, answers end their connection, so that none is cut while a client writes to it."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._draining.active:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)


class Listeners:
    """REST and gRPC; on stop the service says that it is not ready, lingers, and closes both."""

    def __init__(self, http: HttpServer, grpc: GrpcServer, draining: Draining, linger_seconds: float) -> None:
        self._http = http
        self._grpc = grpc
        self._draining = draining
        self._linger_seconds = linger_seconds

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._http.failed

    async def start(self) -> None:
        await self._grpc.start()
        try:
            await self._http.start()
        except BaseException:
            await self._grpc.stop()
            raise

    async def stop(self) -> None:
        self._draining.active = True
        await asyncio.sleep(self._linger_seconds)
        await asyncio.gather(self._http.stop(), self._grpc.stop())
