"""Requests made wrong: bytes edited anywhere, JSON documents changed anywhere, HTTP/2 conversations from scratch."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from random import Random
from typing import Any

from hypothesis import strategies as st

HUGE = (b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\x80" * 10, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff")
"""Lengths that no message has, as protobuf and others write them."""
DEEP = (b"[" * 20_000, b'{"a":' * 20_000, b"\x2a\x7f" * 2_000, b"\x0b" * 5_000)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4


@dataclass(frozen=True)
class Edit:
    """A change at `place` (0 to 1 of the length)."""

    kind: str
    place: float
    data: bytes

    def apply(self, message: bytes) -> bytes:
        at = int(self.place * len(message))
        return _KINDS[self.kind](message, at, self.data)


def _flipped(message: bytes, at: int, data: bytes) -> bytes:
    changed = bytes(old ^ new for old, new in zip(message[at:], data, strict=False))
    return message[:at] + changed + message[at + len(changed) :]


_KINDS: dict[str, Callable[[bytes, int, bytes], bytes]] = {
    "flip": _flipped,
    "overwrite": lambda message, at, data: message[:at] + data + message[at + len(data) :],
    "insert": lambda message, at, data: message[:at] + data + message[at:],
    "delete": lambda message, at, data: message[:at] + message[at + len(data) :],
    "truncate": lambda message, at, _: message[:at],
    "repeat": lambda message, at, data: message[:at] + message[at : at + 4 * len(data)] * 3 + message[at:],
}
_CONTENTS = st.binary(min_size=1, max_size=12) | st.sampled_from(HUGE) | st.sampled_from(DEEP)
edits = st.lists(st.builds(Edit, st.sampled_from(sorted(_KINDS)), st.floats(0, 1), _CONTENTS), min_size=1, max_size=5)


def edited(message: bytes, changes: Sequence[Edit]) -> bytes:
    """The message after all the changes."""
    return reduce(lambda so_far, edit: edit.apply(so_far), changes, message)


def mutated(*messages: bytes) -> st.SearchStrategy[bytes]:
    """One of the messages, changed."""
    return st.builds(edited, st.sampled_from(messages), edits)


def random_edits(random: Random) -> list[Edit]:
    """Changes without hypothesis, which is too slow for thousands."""

    def contents() -> bytes:
        return random.choice((random.randbytes(random.randint(1, 12)), *HUGE))

    return [Edit(random.choice(sorted(_KINDS)), random.random(), contents()) for _ in range(random.randint(1, 5))]


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["", "FP32", "BYTES", "label", "\0", "\ud800", "x" * 5000, 1e400, -1, 0, 2**63, 2**31])
)
values = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
"""Anything JSON can say, and what only Python's JSON says."""


@st.composite
def changed_documents(draw: st.DrawFn, document: Any) -> bytes:
    """The document as JSON after some of its values became others, were left out, or were added."""
    changed = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(0, 3))):
        places = _places(changed)
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "add", "again"])):
            case "replace":
                parent[key] = draw(values)
            case "remove":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = draw(values)
            case _ if isinstance(parent, list):
                parent.append(parent[key])
    return json.dumps(changed).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with every key that is in `value`."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def call_over_http2(path: str, body: bytes) -> bytes:
    """A gRPC call as it goes over a new connection; `body` is shorter than a frame may be."""
    headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
    headers |= {"content-type": "application/grpc", "te": "trailers"}
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers.items())
    begin = PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, block)
    return begin + frame(DATA, END_STREAM, 1, body)


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()
