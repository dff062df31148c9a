"""The operational endpoints and this project's error bodies."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, SecretStr
from tidemill_runtime import errors
from tidemill_runtime.errors import TidemillError
from tidemill_runtime.http import HttpServer, create_app, operators_only, read_body

MAX_BYTES = 10
TOKEN = "k3Jx9-vQ2mZ7pW"
checks = {"kafka": True, "database": True}


class Row(BaseModel):
    distance: float


@pytest.fixture
def app() -> FastAPI:
    async def readiness() -> Mapping[str, bool]:
        return checks

    app = create_app("Example", readiness)

    @app.post("/rows")
    async def add(row: Row) -> float:
        return row.distance

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await read_body(request, MAX_BYTES))

    @app.get("/errors/{name}")
    async def fail(name: str) -> None:
        raise getattr(errors, name)("what was wrong")

    @app.get("/decide", dependencies=[Depends(operators_only(SecretStr(TOKEN)))])
    async def decide() -> bool:
        return True

    @app.get("/decide-locally", dependencies=[Depends(operators_only(None))])
    async def decide_locally() -> bool:
        return True

    @app.get("/unexpected")
    async def unexpected() -> None:
        raise RuntimeError("a secret of the inside")

    @app.get("/structured")
    async def structured() -> None:
        raise HTTPException(418, {"tea": True}, {"x-pot": "small"})

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def test_livez_answers_while_the_process_lives(client: httpx.AsyncClient):
    answer = await client.get("/livez")

    assert (answer.status_code, answer.json()) == (200, {"live": True})


async def test_readyz_is_200_when_everything_needed_is_there(client: httpx.AsyncClient):
    answer = await client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "checks": {"kafka": True, "database": True}}


async def test_readyz_is_503_and_names_what_is_missing(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(checks, "kafka", False)

    answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "checks": {"kafka": False, "database": True}}


async def test_metrics_are_in_prometheus_format(client: httpx.AsyncClient):
    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE tidemill_bus_messages_total counter" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/nowhere", 404, "no such path: /nowhere"),
        ("GET", "/livez/", 404, "no such path: /livez/"),
        ("DELETE", "/livez", 405, "Method Not Allowed"),
        ("GET", "/structured", 418, '{"tea": true}'),
    ],
)
async def test_an_error_of_the_framework_has_our_body(
    client: httpx.AsyncClient, method: str, path: str, status: int, told: str
):
    answer = await client.request(method, path)

    assert (answer.status_code, answer.json()) == (status, {"error": told})


async def test_headers_of_an_error_are_kept(client: httpx.AsyncClient):
    assert (await client.get("/structured")).headers["x-pot"] == "small"
    assert (await client.delete("/livez")).headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"{}", "body.distance: Field required"), (b"{", "JSON"), (b'{"distance": "far"}', "body.distance: Input should")],
)
async def test_input_that_does_not_fit_is_400_and_names_the_field(client: httpx.AsyncClient, body: bytes, told: str):
    answer = await client.post("/rows", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert told in answer.json()["error"]


@pytest.mark.parametrize("error", TidemillError.__subclasses__())
async def test_a_domain_error_has_its_status_and_text(client: httpx.AsyncClient, error: type[TidemillError]):
    answer = await client.get(f"/errors/{error.__name__}")

    assert (answer.status_code, answer.json()) == (error.status, {"error": "what was wrong"})
    assert ("retry-after" in answer.headers) is error.retryable


async def test_an_unexpected_error_tells_nothing_of_the_inside(client: httpx.AsyncClient):
    answer = await client.get("/unexpected")

    assert answer.status_code == 500
    assert list(answer.json()) == ["error"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


@pytest.mark.parametrize("content", [b"", b"x" * MAX_BYTES, chunks(4, 6)], ids=["empty", "at the cap", "in chunks"])
async def test_a_body_up_to_the_cap_is_read(client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes]):
    answer = await client.post("/raw", content=content)

    assert answer.status_code == 200


@pytest.mark.parametrize("content", [b"x" * (MAX_BYTES + 1), chunks(6, 5)], ids=["declared", "in chunks"])
async def test_a_body_over_the_cap_is_413(client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes]):
    answer = await client.post("/raw", content=content)

    assert answer.status_code == 413
    assert list(answer.json()) == ["error"]


async def test_a_body_declared_over_the_cap_is_refused_before_it_is_read(app: FastAPI):
    reads = 0

    async def receive() -> dict[str, object]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"x", "more_body": True}

    request = Request({"type": "http", "headers": [(b"content-length", b"1000000000")]}, receive)

    with pytest.raises(errors.TooLarge, match="body of 1000000000 bytes; at most 10 are taken"):
        await read_body(request, MAX_BYTES)
    assert reads == 0


async def test_the_server_listens_once_started_and_no_more_once_stopped(app: FastAPI, free_port: int):
    server = HttpServer(app, "127.0.0.1", free_port)
    url = f"http://127.0.0.1:{free_port}/livez"

    await server.start()
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    await server.stop()

    assert answer.json() == {"live": True}
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_open_requests_are_answered_before_the_server_stops(app: FastAPI, free_port: int):
    inside, proceed = asyncio.Event(), asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        inside.set()
        await proceed.wait()
        return "done"

    server = HttpServer(app, "127.0.0.1", free_port)
    await server.start()
    async with httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{free_port}/slow"))
        await inside.wait()
        stop = asyncio.create_task(server.stop())
        proceed.set()
        answer = await request
    await stop

    assert answer.json() == "done"


async def test_a_port_that_is_taken_is_named(app: FastAPI, free_port: int):
    first, second = (HttpServer(app, "127.0.0.1", free_port) for _ in range(2))
    await first.start()
    try:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{free_port}; is the port taken"):
            await second.start()
    finally:
        await first.stop()


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", TOKEN, f"bearer {TOKEN}", "Bearer \u00e9"])
async def test_a_decision_needs_the_operators_token(client: httpx.AsyncClient, authorization: str):
    answer = await client.get("/decide", headers={"Authorization": authorization.encode()})

    assert answer.status_code == 401
    assert "operator's token" in answer.json()["error"]


async def test_who_shows_the_operators_token_decides(client: httpx.AsyncClient):
    assert (await client.get("/decide", headers={"Authorization": f"Bearer {TOKEN}"})).json() is True


async def test_without_a_token_everyone_decides(client: httpx.AsyncClient):
    assert (await client.get("/decide-locally")).json() is True
