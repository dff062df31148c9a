"""The public ports and how they close: not ready first, then no new connection, then the open requests end."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tidemill_runtime.http import HttpServer

from tidemill_gateway.transports.grpc_server import GrpcServer

QUIET_SECONDS = 1.0
POLL_SECONDS = 0.01


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


class DrainingHttpServer(HttpServer):
    """An HTTP server that first stops listening, and lets open connections end by themselves for a while."""

    async def stop(self) -> None:
        for listener in self._server.servers if self._server.started else ():
            listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                while self._server.server_state.connections:
                    await asyncio.sleep(POLL_SECONDS)
        await super().stop()


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

    @property
    def accepting(self) -> bool:
        """False as soon as the service is about to stop."""
        return not self._draining.active

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
