"""Who may call: API keys from a file, of which only hashes are kept, and an OpenID Connect issuer's tokens."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from tidemill_runtime import logs
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.lifecycle import Worker

from tidemill_gateway.adapters.plane import Plane
from tidemill_gateway.settings import GatewaySettings

REFRESH_SECONDS = 60.0
RETRY_SECONDS = 2.0
FETCH_SECONDS = 10.0

log = logs.get_logger(__name__)


class Rate(BaseModel):
    """Requests a second, and how many may come at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_second: float = Field(gt=0, le=1_000_000)
    burst: float = Field(default=1, ge=1, le=1_000_000)


class Key(BaseModel):
    """A key by the SHA-256 of its text; no `models` means all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    models: list[str] | None = None
    rate: Rate | None = None


_KEYS = TypeAdapter(list[Key])


def read_keys(path: Path) -> list[Key]:
    """The keys of a YAML file; InvalidInput names the entry that is wrong."""
    try:
        return _KEYS.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or [])
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {place or 'the file'}: {first['msg']}") from None


class Callers:
    """Tells the data plane who may call; an issuer's keys are fetched now and every minute."""

    def __init__(self, settings: GatewaySettings, plane: Plane) -> None:
        self._settings = settings
        self._plane = plane
        self._keys: list[Key] = []
        self._worker = Worker("callers", self._follow)

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    async def start(self) -> None:
        if self._settings.api_keys:
            self._keys = await asyncio.to_thread(read_keys, self._settings.api_keys)
            if not self._keys:
                raise InvalidInput(f"{self._settings.api_keys}: no keys in it; then nobody could call")
        self._tell([])
        await self._worker.start()

    async def stop(self) -> None:
        await self._worker.stop()

    async def _follow(self) -> None:
        issuer = self._settings.oidc_issuer
        if not issuer:
            await asyncio.Event().wait()
        while True:
            wait = REFRESH_SECONDS
            try:
                self._tell(await fetch_keys(str(issuer)))
            except (httpx.HTTPError, InvalidInput, ValueError) as error:
                log.warning("the issuer's keys are not to be had; the last ones stay", issuer=issuer, error=str(error))
                wait = RETRY_SECONDS
            await asyncio.sleep(wait)

    def _tell(self, issuer_keys: list[dict[str, Any]]) -> None:
        settings = self._settings
        tokens = settings.oidc_issuer and {
            "issuer": settings.oidc_issuer,
            "audience": settings.oidc_audience,
            "models_claim": settings.oidc_models_claim,
            "keys": issuer_keys,
            "rate": None,
        }
        self._plane.set_callers({"keys": [key.model_dump(mode="json") for key in self._keys], "tokens": tokens})


async def fetch_keys(issuer: str) -> list[dict[str, Any]]:
    """The signing keys of an issuer. Source: OpenID Connect Discovery 1.0. Raises httpx.HTTPError or InvalidInput."""
    async with httpx.AsyncClient(timeout=FETCH_SECONDS) as client:
        found = (await client.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")).raise_for_status().json()
        if not isinstance(found, dict) or found.get("issuer") != issuer:
            raise InvalidInput(f"{issuer} says that it is another issuer")
        keys = (await client.get(str(found.get("jwks_uri")))).raise_for_status().json()
    listed = keys.get("keys") if isinstance(keys, dict) else None
    if not isinstance(listed, list):
        raise InvalidInput(f"{issuer}: no keys where its configuration says they are")
    return [key for key in listed if isinstance(key, dict) and key.get("use", "sig") == "sig"]
