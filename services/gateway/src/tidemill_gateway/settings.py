"""Settings of the gateway."""

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from tidemill_runtime.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """What the gateway needs to know; sizes in bytes, times in seconds."""

    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(ge=1, le=65535)
    triton_url: str = Field(
        description="host:port of Triton's gRPC, comma separated; this gateway alone loads and unloads their models."
    )
    model_repository: Path = Field(description="Triton's model repository, as this process sees it.")
    artifacts_url: str = Field(description="file:///... or s3://...")
    workers: int = Field(default=1, ge=1, le=64, description="Threads of the data plane.")
    max_body_bytes: int = Field(default=64 << 20, ge=1024, description="Largest request, before and after inflation.")
    max_rows: int = Field(default=1024, ge=1, description="Rows in one request, and Triton's max_batch_size.")
    max_connections: int = Field(default=16_384, ge=1, description="Open connections on both ports together.")
    idle_seconds: float = Field(
        default=75, gt=0, description="A connection that sends no request for so long is closed."
    )
    infer_seconds: float = Field(default=10, gt=0, description="Longest and default deadline of a request.")
    candidate_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of a request's time that a version that is no champion gets at most.",
    )
    candidate_seconds: float = Field(default=1, gt=0, description="And the seconds it gets at most.")
    load_seconds: float = Field(default=120, gt=0, description="Longest loading of one version.")
    drain_seconds: float = Field(default=15, gt=0, description="Longest wait for requests on a replaced version.")
    linger_seconds: float = Field(default=0.5, ge=0, description="From not ready to closed listeners, on SIGTERM.")
    log_queue_rows: int = Field(default=50_000, ge=1, description="Predictions kept while Kafka does not take them.")
    log_queue_bytes: int = Field(default=128 << 20, ge=1, description="And their memory.")
    log_hash_key: SecretStr | None = Field(
        default=None, description="Key of the hashes that stand for personal values; absent: another one each start."
    )
    mirror_requests: int = Field(default=256, ge=1, description="Copies under way to mirrors, by worker.")
    mirror_bytes: int = Field(default=64 << 20, ge=1, description="And their memory.")
    api_keys: Path | None = Field(default=None, description="YAML file of keys: name, sha256, models, rate.")
    oidc_issuer: str | None = Field(default=None, description="Whose tokens are taken.")
    oidc_audience: str | None = Field(default=None, description="For whom they must be issued.")
    oidc_models_claim: str = Field(default="models", description="Claim that lists the models its bearer may use.")
    tls_certificate: Path | None = Field(default=None, description="PEM file: certificate and chain.")
    tls_key: Path | None = Field(default=None, description="PEM file: its key.")
    tls_client_ca: Path | None = Field(default=None, description="PEM file: callers must show a certificate of it.")
    anonymous: bool = Field(default=False, description="Take calls without a key on other addresses than loopback too.")

    @property
    def triton_urls(self) -> list[str]:
        """host:port of each Triton."""
        return [url.strip() for url in self.triton_url.split(",") if url.strip()]

    @model_validator(mode="after")
    def parts_belong_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TIDEMILL_TLS_CERTIFICATE and TIDEMILL_TLS_KEY go together")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("TIDEMILL_TLS_CLIENT_CA needs TIDEMILL_TLS_CERTIFICATE and TIDEMILL_TLS_KEY")
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("TIDEMILL_OIDC_ISSUER and TIDEMILL_OIDC_AUDIENCE go together")
        if not self.triton_urls:
            raise ValueError("TIDEMILL_TRITON_URL names no server")
        return self

    @model_validator(mode="after")
    def callers_are_known(self) -> Self:
        proven = self.api_keys or self.oidc_issuer or self.tls_client_ca
        if proven or self.anonymous or all(map(_is_loopback, (self.http_host, self.grpc_host))):
            return self
        raise ValueError(
            "it listens beyond loopback and takes calls from anyone: set TIDEMILL_API_KEYS, TIDEMILL_OIDC_ISSUER or"
            " TIDEMILL_TLS_CLIENT_CA, or TIDEMILL_ANONYMOUS=true if something in front of it knows the callers"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
