"""Servers that answer as the services do, and the command line that asks them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tidemill_local.cli import app
from typer.testing import CliRunner, Result

PORTS = {"trainer": 18020, "registry": 18030, "monitor": 18050}


@dataclass
class Services:
    """Answers by method and path, and what was asked."""

    offset: int = 0
    answers: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{PORTS[name] + self.offset}"

    def answer(self, request: str, body: bytes, token: str | None) -> tuple[int, object]:
        self.tokens.append(token)
        self.asked.append((request, json.loads(body) if body else None))
        path = request.partition("?")[0]
        return (200, self.answers[path]) if path in self.answers else (404, {"error": f"no such thing: {path}"})


@pytest.fixture
def services() -> Iterator[Services]:
    services = Services()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = services.answer(f"{self.command} {self.path}", body, self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_DELETE = respond  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    with ExitStack() as stack:
        services.offset, servers = listening(Handler)
        for server in servers:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        yield services


def listening(handler: type[BaseHTTPRequestHandler]) -> tuple[int, list[HTTPServer]]:
    """A server at each service's port, all at one offset that is free."""
    for _ in range(50):
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            offset = probe.getsockname()[1] - PORTS["monitor"]
        servers: list[HTTPServer] = []
        try:
            for port in PORTS.values():
                servers.append(HTTPServer(("127.0.0.1", port + offset), handler))
        except OSError:
            for server in servers:
                server.server_close()
        else:
            return offset, servers
    raise AssertionError("no free ports")


@pytest.fixture
def tidemill(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TIDEMILL_OPERATOR_TOKEN", raising=False)

    def run(*arguments: str) -> Result:
        options = ["--home", str(tmp_path), "--port-offset", str(services.offset)]
        return CliRunner().invoke(app, [*options, *arguments], env={"COLUMNS": "200"})

    return run
