"""Official fakes of the external systems."""

from tidemill_runtime.testing.producer import FakeProducer, Sent

__all__ = ["FakeProducer", "Sent"]
