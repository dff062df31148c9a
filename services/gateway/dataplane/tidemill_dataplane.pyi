"""The gateway's data plane: V2 inference over REST and gRPC on threads of its own. See `core/src` for what it does.

Configuration, routes and credentials are JSON: `core/src/config.rs`, `model.rs` (`RouteSpec`) and `auth.rs`
(`AuthSpec`) define them. What is malformed raises ValueError.
"""

class DataPlane:
    """Serves once it is started; every call returns at once unless it says otherwise."""

    def __init__(self, config: str) -> None: ...
    def start(self) -> None:
        """Bind the ports and start the threads; OSError says which port is taken or which file is wrong."""

    def is_alive(self) -> bool:
        """Whether every thread still runs."""

    def drain(self) -> None:
        """Have answers end their connections from now on."""

    def stop(self, seconds: float) -> None:
        """Take no connection any more and end the open requests; blocks for at most `seconds`."""

    def set_route(self, route: str) -> None:
        """Put a route in place of its model's last one; requests under way end on the versions they began with."""

    def set_auth(self, auth: str) -> None:
        """Who may call from now on; without keys and tokens, anyone."""

    def in_flight(self, model: str, version: int) -> int:
        """Requests that use a version now, routed or not."""

    def take_suspects(self) -> list[str]:
        """Models of which a request found the server unavailable since the last call."""

    def log_rows(self) -> int:
        """Predictions that wait to be logged."""

    def drain_log(self, max_rows: int, partitions: int) -> list[tuple[int, str, int, bytes]]:
        """Take about `max_rows` predictions: partition, model, rows, serialised `PredictionBatch` of each message."""

    def count_too_large(self, rows: int) -> None:
        """Count predictions that no message can hold."""

    def count_refusal(self, protocol: str, code: int) -> None:
        """Count a request that was refused before it came to the data plane, by its HTTP status."""

    def samples(self) -> list[tuple[str, list[str], float]]:
        """Everything counted: name, labels' values, value. See `core/src/stats.rs`."""

def choose(table: str, key: str) -> int | None:
    """The version that answers requests with `key`; None if every weight is 0. The very routing that serves."""

def mirrors_of(table: str, key: str, answering: int) -> list[int]:
    """Versions that get a copy of the request with `key`, never `answering`."""

def partition_of(key: str, partitions: int) -> int:
    """Partition of a key as Kafka's default partitioner places it (murmur2)."""

Read = tuple[str, list[tuple[str, str, list[int], bytes]], list[tuple[str, bool]]]
"""A request as it was read: id, inputs (name, datatype, shape, binary form), outputs asked for (name, binary)."""

def read_body(body: bytes, json_length: int | None = None) -> Read:
    """The request in a REST body, whose first `json_length` bytes (None: all) are JSON. ValueError gives the cause."""

def read_message(message: bytes) -> Read:
    """The request in a serialised `ModelInferRequest`. ValueError gives the cause."""

def accept(signature: str, message: bytes, max_rows: int, allow_missing: bool) -> int:
    """Rows of a serialised `ModelInferRequest` that fits the signature (JSON). ValueError gives the cause."""
