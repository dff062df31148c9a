"""Runs the checks of a client's features and prints what came of each."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Check = Callable[[], Any]
OK = "ok"
SECONDS = 20


async def settle(value: Any) -> Any:
    """What a client answers, be it blocking or not."""
    return await value if inspect.isawaitable(value) else value


def expect(actual: object, wanted: object, what: str = "") -> None:
    """Fail unless the two are equal."""
    assert actual == wanted, f"{what}{': ' if what else ''}{actual!r} is not {wanted!r}"


async def raised(call: Callable[[], Any], kind: type[Exception]) -> Exception:
    """The error of `kind` that `call` ends with; fails if there is none."""
    try:
        answer = await settle(call())
    except kind as error:
        return error
    raise AssertionError(f"no error but {answer!r}")


async def report(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run the checks in turn: "ok" or the error of each."""
    return {name: await _outcome(check) for name, check in checks.items()}


def run(suite: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
    """Run a suite and print its report."""
    print(json.dumps(asyncio.run(_collect(suite))))  # noqa: T201


async def _collect(suite: Callable[[], Awaitable[Mapping[str, str]]]) -> dict[str, str]:
    return dict(await suite())


async def _outcome(check: Check) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            await settle(check())
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:1000]
    return OK
