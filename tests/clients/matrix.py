"""Which features of which clients are checked: the rows and columns of the matrix."""

from dataclasses import dataclass

from clients.suites.samples import DATATYPES, JSONLESS

JSONABLE = tuple(datatype for datatype in DATATYPES if datatype not in JSONLESS)


@dataclass(frozen=True)
class Client:
    """A client, the suite it is checked by, and the environment it lives in ("" is the project's own)."""

    name: str
    suite: str
    features: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: str = ""


def _each(pattern: str, datatypes: tuple[str, ...] = DATATYPES) -> tuple[str, ...]:
    return tuple(pattern.format(datatype) for datatype in datatypes)


TRITON = (
    "live",
    "ready",
    "model-ready",
    "model-ready-version",
    "unknown-model-not-ready",
    "server-metadata",
    "model-metadata",
    "model-metadata-version",
    "unknown-model-metadata",
    *_each("infer-{}-binary"),
    "version",
    "unknown-version",
    "all-outputs",
    "requested-outputs",
    "unknown-output",
    "request-id",
    "unknown-model",
    "bad-shape",
    "wrong-datatype",
    "missing-input",
    "unknown-input",
    "timeout-parameter",
    "headers",
    "statistics",
    "statistics-of-all",
    "model-config",
    "repository-index",
    "no-shared-memory-tensor",
    "no-system-shared-memory",
    "no-cuda-shared-memory",
    "no-trace-settings",
    "no-log-settings",
    "no-load-model",
    "no-unload-model",
)
TRITON_REST = (
    *TRITON,
    *_each("infer-{}-json-in"),
    *_each("infer-{}-json-out"),
    "json-and-binary-outputs",
    "gzip-request",
    "deflate-request",
    "gzip-response",
    "deflate-response",
    "gzip-error",
    "timeout",
)
TRITON_GRPC = (
    *TRITON,
    "gzip",
    "deflate",
    "timeout",
    "cancellation",
    "stream",
    "stream-errors",
    "stream-final-response",
    "stream-cancellation",
)
KSERVE = (
    "rest-live",
    "rest-ready",
    "rest-model-ready",
    "rest-unknown-model-not-ready",
    *_each("rest-infer-{}-json", JSONABLE),
    *_each("rest-infer-{}-binary", JSONABLE),
    "rest-binary-answer",
    "rest-classifier-json",
    "rest-classifier-binary",
    "rest-requested-output",
    "rest-request-id",
    "rest-bad-shape",
    "rest-wrong-datatype",
    "rest-unknown-model",
    "grpc-live",
    "grpc-ready",
    "grpc-model-ready",
    "grpc-unknown-model-not-ready",
    *_each("grpc-infer-{}-typed", JSONABLE),
    *_each("grpc-infer-{}-raw"),
    "grpc-classifier-typed",
    "grpc-classifier-raw",
    "grpc-requested-output",
    "grpc-request-id",
    "grpc-bad-shape",
    "grpc-wrong-datatype",
    "grpc-unknown-model",
)
CURL = (
    "live",
    "ready",
    "model-ready",
    "head",
    "server-metadata",
    "trailing-slash",
    "model-metadata",
    "model-config",
    "statistics",
    "infer-json",
    "infer-nested-json",
    "infer-version",
    "infer-without-content-type",
    "infer-raw",
    "infer-raw-bytes",
    "infer-raw-many-inputs",
    "gzip-request",
    "gzip-response",
    "deflate-response",
    "unasked-response-is-plain",
    "chunked-request",
    "expect-continue",
    "http-1.0",
    "keep-alive",
    "repository-index",
    "error-unknown-model",
    "error-unknown-path",
    "error-method",
    "error-not-json",
    "error-empty-body",
    "error-not-gzip",
    "error-unknown-encoding",
    "error-header-length",
    "error-infinity",
    "no-model-control",
    "no-shared-memory",
    "no-trace-and-log-settings",
)
GRPC_TOOLS = (
    "health-check",
    "health-check-service",
    "health-check-unknown",
    "health-watch",
    "reflection-v1alpha",
    "reflection-v1",
    "reflection-describes-service",
    "reflection-unknown-symbol",
    "reflected-call",
    "unknown-method",
)

CLIENTS = (
    Client("tritonclient.http", "triton_rest.py", TRITON_REST, ("blocking",)),
    Client("tritonclient.http.aio", "triton_rest.py", (*TRITON_REST, "cancellation"), ("asyncio",)),
    Client("tritonclient.grpc", "triton_grpc.py", TRITON_GRPC, ("blocking",)),
    Client("tritonclient.grpc.aio", "triton_grpc.py", TRITON_GRPC, ("asyncio",)),
    Client("kserve", "kserve_sdk.py", KSERVE, environment="kserve"),
    Client("curl", "curl.py", CURL),
    Client("grpc-tools", "grpc_tools.py", GRPC_TOOLS, environment="grpc"),
)
