"""The error tree. An error's text is for people: what was wrong, where, what to do.

TidemillError                500 INTERNAL
├── InvalidInput             400 INVALID_ARGUMENT
├── Unauthorized             401 UNAUTHENTICATED
├── NotFound                 404 NOT_FOUND
├── Conflict                 409 FAILED_PRECONDITION
├── TooLarge                 413 RESOURCE_EXHAUSTED
├── CorruptArtifact          500 DATA_LOSS
├── Unavailable              503 UNAVAILABLE          retryable
└── DeadlineExceeded         504 DEADLINE_EXCEEDED
"""

from typing import ClassVar


class TidemillError(Exception):
    """Base of every error that a caller may see."""

    status: ClassVar[int] = 500
    grpc_code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False


class InvalidInput(TidemillError):
    """The caller's input is wrong; repeating it changes nothing."""

    status = 400
    grpc_code = "INVALID_ARGUMENT"


class Unauthorized(TidemillError):
    """The caller has not shown who it is."""

    status = 401
    grpc_code = "UNAUTHENTICATED"


class NotFound(TidemillError):
    """What was asked for does not exist."""

    status = 404
    grpc_code = "NOT_FOUND"


class Conflict(TidemillError):
    """The state of things forbids it."""

    status = 409
    grpc_code = "FAILED_PRECONDITION"


class TooLarge(TidemillError):
    """Over a documented cap."""

    status = 413
    grpc_code = "RESOURCE_EXHAUSTED"


class CorruptArtifact(TidemillError):
    """Stored bytes do not have the digest they are stored under."""

    grpc_code = "DATA_LOSS"


class Unavailable(TidemillError):
    """Something needed does not answer now; try again."""

    status = 503
    grpc_code = "UNAVAILABLE"
    retryable = True


class DeadlineExceeded(TidemillError):
    """The caller's time is spent."""

    status = 504
    grpc_code = "DEADLINE_EXCEEDED"
