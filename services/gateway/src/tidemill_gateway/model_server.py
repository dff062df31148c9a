"""What the gateway needs of its model servers, beyond inference, which is the data plane's."""

from collections.abc import Sequence
from typing import Any, Protocol

from tidemill_gateway.domain.tensors import Tensor


class ModelServer(Protocol):
    """Loads models from a repository: one server, or several that are kept alike."""

    async def is_ready(self, name: str) -> bool:
        """Whether the model `name` takes requests on every server that answers, and at least one does."""

    async def load(self, name: str, seconds: float) -> None:
        """Load or reload `name`; raises Unavailable, DeadlineExceeded, or TidemillError with the server's cause."""

    async def unload(self, name: str, seconds: float) -> None:
        """Unload `name`; no error if it is not loaded."""

    async def infer(
        self, name: str, inputs: Sequence[Tensor], outputs: Sequence[str], seconds: float
    ) -> list[list[Tensor]]:
        """The named outputs of every server that answers; raises Unavailable, DeadlineExceeded, InvalidInput."""

    async def statistics(self, name: str) -> list[Any]:
        """`ModelStatistics` of `name`, of every server that answers; raises Unavailable."""

    async def config(self, name: str) -> Any:
        """`ModelConfig` of `name`; raises Unavailable."""
