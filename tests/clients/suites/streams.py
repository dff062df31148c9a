"""Streams and cancellations of tritonclient.grpc, which its blocking and its asyncio client do each in its own way."""

import asyncio
import queue
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from features import expect

ANSWER_SECONDS = 10
CANCELLED = "StatusCode.CANCELLED"
Answer = tuple[Any, Any]


class BlockingStreams:
    """With callbacks in threads of the client's."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Send the requests through one stream; (result, error) of each, in the order they come."""
        answers = Answers()
        self._client.start_stream(answers.take)
        try:
            for request in requests:
                self._client.async_stream_infer(**request)
            return [answers.get(ANSWER_SECONDS) for _ in requests]
        finally:
            self._client.stop_stream(cancel_requests=True)

    async def cancel_call(self, model: str, inputs: Sequence[Any], seconds: float) -> None:
        """Call, cancel after `seconds`, and see the call end as cancelled."""
        answers = Answers()
        call = self._client.async_infer(model, inputs, answers.take)
        answers.must_be_missing(seconds)
        call.cancel()
        answers.must_be_cancelled()

    async def cancel_stream(self, request: Mapping[str, Any], seconds: float) -> None:
        """Send a request, cancel its stream after `seconds`, and see it end as cancelled."""
        answers = Answers()
        self._client.start_stream(answers.take)
        self._client.async_stream_infer(**request)
        answers.must_be_missing(seconds)
        self._client.stop_stream(cancel_requests=True)
        answers.must_be_cancelled()


class Answers:
    """What a callback is told, (result, error) each."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Answer] = queue.Queue()

    def take(self, result: Any, error: Any) -> None:
        """The callback."""
        self._queue.put((result, error))

    def get(self, seconds: float) -> Answer:
        """The next one; fails if none comes."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no answer within {seconds:g} s") from None

    def must_be_missing(self, seconds: float) -> None:
        """Fail if one comes."""
        try:
            answer = self._queue.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"too soon to be cancelled: {answer}")

    def must_be_cancelled(self) -> None:
        """Fail unless the next one is that the call was cancelled."""
        _, error = self.get(ANSWER_SECONDS)
        expect(error and error.status(), CANCELLED, str(error))


class AsyncStreams:
    """With coroutines."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Send the requests through one stream; (result, error) of each, in the order they come."""
        return [answer async for answer in self._client.stream_infer(_each(requests))]

    async def cancel_call(self, model: str, inputs: Sequence[Any], seconds: float) -> None:
        """Call, cancel after `seconds`, and see the call end as cancelled."""
        await _cancel(asyncio.create_task(self._client.infer(model, inputs)), seconds)

    async def cancel_stream(self, request: Mapping[str, Any], seconds: float) -> None:
        """Send a request, cancel its stream after `seconds`, and see it end as cancelled."""
        stream = self._client.stream_infer(_each([request]))
        answer = asyncio.create_task(anext(stream))
        await asyncio.wait([answer], timeout=seconds)
        expect(answer.done(), False, "slow enough to be cancelled")
        expect(stream.cancel(), True)
        await asyncio.wait([answer], timeout=ANSWER_SECONDS)
        expect(answer.cancelled(), True)


async def _cancel(call: asyncio.Task[Any], seconds: float) -> None:
    await asyncio.wait([call], timeout=seconds)
    expect(call.done(), False, "slow enough to be cancelled")
    call.cancel()
    await asyncio.wait([call], timeout=ANSWER_SECONDS)
    expect(call.cancelled(), True)


async def _each(requests: Sequence[Mapping[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    for request in requests:
        yield dict(request)
