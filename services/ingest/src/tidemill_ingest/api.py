"""Ingest's HTTP API: producers push records, data engineers look at what was refused."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from tidemill_contracts import topics
from tidemill_runtime.bus import Producer
from tidemill_runtime.errors import InvalidInput, NotFound, TooLarge
from tidemill_runtime.http import read_body

from tidemill_ingest.adapters.lake import Lake
from tidemill_ingest.domain.messages import Message, RecordStream
from tidemill_ingest.settings import IngestSettings

NDJSON = "application/x-ndjson"


class RefusedRecord(BaseModel):
    """A record that went into quarantine."""

    index: int
    id: str | None
    reasons: list[str]


class Receipt(BaseModel):
    """What became of the records of a request. All of them are on Kafka; the refused ones end in quarantine."""

    accepted: int
    refused: list[RefusedRecord]


def create_router(
    settings: IngestSettings,
    streams: Mapping[str, RecordStream],
    producer: Producer,
    lake: Lake,
    lake_lock: asyncio.Lock,
) -> APIRouter:
    """The routes under `/v1/sources`."""
    router = APIRouter(prefix="/v1/sources", tags=["sources"])

    def known(source: str) -> RecordStream:
        if source not in streams:
            raise NotFound(f"no source {source!r}; there are {', '.join(sorted(streams))}")
        return streams[source]

    @router.get("")
    async def list_sources() -> dict[str, Any]:
        return {name: stream.source.model_dump(mode="json", exclude_none=True) for name, stream in streams.items()}

    @router.post("/{source}/records", response_model=Receipt, status_code=202)
    async def push(source: str, request: Request) -> JSONResponse:
        """Push one record, a list of records, or NDJSON; answered when Kafka has acknowledged them.

        202 if at least one was accepted, 400 if none was; either way every refused record is kept with its reasons.
        """
        key = known(source).source.key
        body = await read_body(request, settings.ingest_max_body_bytes)
        records = split_records(body, request.headers.get("content-type", ""), settings.ingest_max_records)
        messages = [
            Message(0, index, datetime.now(UTC), record_key(record, key), record, ())
            for index, record in enumerate(records)
        ]
        refusals = streams[source].refine(messages).refusals
        await producer.send_many(topics.records(source), [(message.key, message.value) for message in messages])
        receipt = Receipt(
            accepted=len(messages) - len(refusals),
            refused=[
                RefusedRecord(
                    index=refusal.message.offset, id=_text(refusal.message.key), reasons=list(refusal.reasons)
                )
                for refusal in refusals
            ],
        )
        return JSONResponse(receipt.model_dump(), 202 if receipt.accepted else 400)

    @router.get("/{source}/quarantine")
    async def quarantine(source: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, Any]]:
        """The newest refused messages, with their reasons."""
        known(source)
        table = lake.quarantine(source)
        async with lake_lock:
            await asyncio.to_thread(table.open)
            rows = await asyncio.to_thread(table.read)
        newest = rows.sort("received_at", "partition", "offset", descending=True).head(limit)
        return [{**row, "key": _text(row["key"]), "value": _text(row["value"])} for row in newest.to_dicts()]

    return router


def split_records(body: bytes, content_type: str, max_records: int) -> list[bytes]:
    """The JSON of each record; InvalidInput if the body is not JSON or empty, TooLarge for too many records.

    A line of NDJSON that is not JSON is kept as it is: it is refused by itself, not with its neighbours.
    """
    if content_type.startswith(NDJSON):
        records = [line for line in body.splitlines() if line.strip()]
    else:
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"body: not JSON: {error}; for one record a line send content-type {NDJSON}") from error
        records = [orjson.dumps(record) for record in parsed] if isinstance(parsed, list) else [body]
    if not records:
        raise InvalidInput("body: no records")
    if len(records) > max_records:
        raise TooLarge(f"{len(records)} records; at most {max_records} are taken at once")
    return records


def record_key(record: bytes, key: str) -> bytes | None:
    """The Kafka key of a record: its id as text, None if it has none."""
    try:
        parsed = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    identifier = parsed.get(key) if isinstance(parsed, dict) else None
    return str(identifier).encode() if isinstance(identifier, str | int) else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
