"""What several of the gateway's tests use."""

from prometheus_client import REGISTRY

INFER = "/v2/models/flights/infer"
PREDICT = "/v1/models/flights:predict"
ROW = {"instances": [{"distance": 1000.0, "carrier": "UA"}]}


def counted(metric: str, **labels: str) -> float:
    """A metric of the gateway that runs now; 0 if it was never counted."""
    return REGISTRY.get_sample_value(f"tidemill_gateway_{metric}", labels) or 0.0


def v2_body(rows: int = 1, *, distance: float = 1000.0, carrier: str = "UA", **changes: object) -> dict[str, object]:
    """A V2 request of equal rows, in JSON, their temp missing."""
    inputs = [
        {"name": "distance", "datatype": "FP32", "shape": [rows, 1], "data": [distance] * rows},
        {"name": "temp", "datatype": "FP32", "shape": [rows, 1], "data": [None] * rows},
        {"name": "carrier", "datatype": "BYTES", "shape": [rows, 1], "data": [carrier] * rows},
    ]
    return {"inputs": inputs, **changes}
