"""Settings of the gateway."""

from pathlib import Path

from pydantic import Field
from tidemill_runtime.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """What the gateway needs to know; sizes in bytes, times in seconds."""

    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(ge=1, le=65535)
    triton_url: str = Field(description="host:port of Triton's gRPC; this gateway alone loads and unloads its models.")
    model_repository: Path = Field(description="Triton's model repository, as this process sees it.")
    artifacts_url: str = Field(description="file:///... or s3://...")
    max_body_bytes: int = Field(default=64 << 20, ge=1024, description="Largest request, before and after inflation.")
    max_rows: int = Field(default=1024, ge=1, description="Rows in one request, and Triton's max_batch_size.")
    infer_seconds: float = Field(default=10, gt=0, description="Deadline of a request that brings none.")
    load_seconds: float = Field(default=120, gt=0, description="Longest loading of one version.")
    drain_seconds: float = Field(default=15, gt=0, description="Longest wait for requests on a replaced version.")
    linger_seconds: float = Field(default=0.5, ge=0, description="From not ready to closed listeners, on SIGTERM.")
    log_queue_rows: int = Field(default=50_000, ge=1, description="Predictions kept while Kafka does not take them.")
    mirror_queue: int = Field(default=256, ge=1, description="Copies waiting for a mirror.")
