"""Official fakes: a Triton with models that need no runtime, and artifacts for it."""

from tidemill_gateway.testing.fake_model import FakeModel, store_model
from tidemill_gateway.testing.fake_triton import FakeTriton

__all__ = ["FakeModel", "FakeTriton", "store_model"]
