"""The public ports and how they close: not ready first, then no new connection, then the open requests end.

The data plane holds the ports. What is not inference it hands on to an HTTP and a gRPC server here, over Unix sockets.
"""

import asyncio

from tidemill_runtime.http import HttpServer
from tidemill_runtime.lifecycle import Component

from tidemill_gateway.adapters.plane import Plane, Sockets

CLOSE_SECONDS = 6


class Listeners:
    """REST and gRPC; on stop the service says that it is not ready, lingers, and closes both."""

    def __init__(
        self, plane: Plane, http: HttpServer, grpc: Component, inference: Component, sockets: Sockets, linger: float
    ) -> None:
        self._plane = plane
        self._http = http
        self._behind = (http, grpc)
        self._inference = inference
        self._sockets = sockets
        self._linger_seconds = linger
        self.accepting = True
        """False as soon as the service is about to stop."""

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._http.failed

    async def start(self) -> None:
        for server in self._behind:
            await server.start()
        try:
            await self._plane.start()
        except BaseException:
            await self._stop_behind()
            raise
        await self._inference.start()

    async def stop(self) -> None:
        self.accepting = False
        self._plane.drain()
        await asyncio.sleep(self._linger_seconds)
        await self._plane.stop(CLOSE_SECONDS)
        await self._inference.stop()
        await self._stop_behind()

    async def _stop_behind(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._behind))
        self._sockets.remove()
