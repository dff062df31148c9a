"""What the gateway needs of a model server. Triton's adapter has it, and so does its fake."""

from collections.abc import Sequence
from typing import Protocol

from tidemill_gateway.domain.tensors import Tensor


class ModelServer(Protocol):
    """Loads models from its repository and runs them."""

    async def is_ready(self, name: str) -> bool:
        """Whether the model `name` takes requests; False also if the server does not answer."""

    async def load(self, name: str, seconds: float) -> None:
        """Load or reload `name`; raises Unavailable, DeadlineExceeded, or TidemillError with the server's cause."""

    async def unload(self, name: str, seconds: float) -> None:
        """Unload `name`; no error if it is not loaded."""

    async def infer(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[str], seconds: float) -> list[Tensor]:
        """The named outputs; raises Unavailable (also if the model is not loaded), DeadlineExceeded, InvalidInput."""
