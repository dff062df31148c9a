"""The notifiers' file: who is told of what, and how. Secrets are named there, and are in the environment."""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, model_validator
from tidemill_contracts.files import read_file
from tidemill_contracts.monitors import Action
from tidemill_contracts.values import Mistake, Name, Strict
from tidemill_runtime.settings import refuse_weak

from tidemill_monitor.notify.log import LogNotifier
from tidemill_monitor.notify.mail import MailNotifier, MailServer
from tidemill_monitor.notify.notifier import Notifier
from tidemill_monitor.notify.slack import SlackNotifier
from tidemill_monitor.notify.webhook import WebhookNotifier

LOG = "log"


class NotifiersError(ValueError):
    """A notifiers' file that cannot be used; the text lists every mistake as `file:line: field: cure`."""


def _is_http(url: str) -> str:
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname or place.username or place.fragment:
        raise ValueError("write http:// or https://, a host and a path, without a user or a fragment")
    return url


def _from_environment(name: object, info: ValidationInfo) -> str:
    environ: Mapping[str, str] = (info.context or {}).get("environ", {})
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError("give the name of an environment variable, never the secret itself")
    if not environ.get(name):
        raise ValueError(f"the environment variable {name} is not set; set it where the monitor runs")
    return environ[name]


def _is_strong(secret: SecretStr) -> SecretStr:
    refuse_weak("the signing secret", secret.get_secret_value())
    return secret


def _is_secret_http(url: SecretStr) -> SecretStr:
    _is_http(url.get_secret_value())
    return url


Url = Annotated[str, AfterValidator(_is_http)]
FromEnvironment = Annotated[SecretStr, BeforeValidator(_from_environment)]
Timeout = Annotated[float, Field(gt=0, le=60, description="Seconds for one attempt.")]
Address = Annotated[str, Field(pattern=r"^[^@\s,;<>\x00-\x1f]+@[^@\s,;<>\x00-\x1f]+$", max_length=254)]


class WebhookChannel(Strict):
    """A program that is told, signed."""

    type: Literal["webhook"]
    url: Url
    secret_env: Annotated[FromEnvironment, AfterValidator(_is_strong)]
    timeout: Timeout = 10

    def notifier(self) -> Notifier:
        return WebhookNotifier(self.url, self.secret_env, self.timeout)


class SlackChannel(Strict):
    """A chat channel with an incoming webhook, whose address is the secret."""

    type: Literal["slack"]
    url_env: Annotated[FromEnvironment, AfterValidator(_is_secret_http)]
    timeout: Timeout = 10

    def notifier(self) -> Notifier:
        return SlackNotifier(self.url_env, self.timeout)


class EmailChannel(Strict):
    """Mail through a server that takes it in."""

    type: Literal["email"]
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=587, ge=1, le=65535)
    starttls: bool | None = Field(default=None, description="Absent: unless the server is on this machine.")
    user: str | None = None
    password_env: FromEnvironment | None = None
    sender: Address
    to: tuple[Address, ...] = Field(min_length=1, max_length=50)
    timeout: Timeout = 20

    @model_validator(mode="after")
    def passwords_stay_secret(self) -> Self:
        if (self.user is None) != (self.password_env is None):
            raise ValueError("give both of user and password_env, or neither")
        if self.password_env is not None and not self.is_encrypted and not _is_loopback(self.host):
            raise ValueError("a password would travel in clear; set starttls: true")
        return self

    @property
    def is_encrypted(self) -> bool:
        return not _is_loopback(self.host) if self.starttls is None else self.starttls

    def notifier(self) -> Notifier:
        server = MailServer(self.host, self.port, self.is_encrypted, self.user, self.password_env, self.timeout)
        return MailNotifier(server, self.sender, self.to)


Channel = Annotated[WebhookChannel | SlackChannel | EmailChannel, Field(discriminator="type")]
Route = Annotated[tuple[Name, ...], Field(max_length=20)]


class Notifiers(Strict):
    """Channels by name, and which of them are told by what an alarm asks; `log` is always there."""

    channels: dict[Name, Channel] = Field(default_factory=dict)
    routes: dict[Action, Route] = Field(default_factory=dict)

    @model_validator(mode="after")
    def routes_lead_somewhere(self) -> Self:
        if LOG in self.channels:
            raise Mistake("the channel log is always there; choose another name", "channels", LOG)
        for action, route in self.routes.items():
            for position, name in enumerate(route):
                if name != LOG and name not in self.channels:
                    known = ", ".join([LOG, *self.channels])
                    raise Mistake(f"there is no channel {name!r}; there are {known}", "routes", action, position)
        return self

    def route(self, action: str) -> tuple[str, ...]:
        """Names of the channels that are told of an alarm that asks for `action`, each once."""
        routes: Mapping[str, tuple[str, ...]] = self.routes  # type: ignore[assignment]
        return tuple(dict.fromkeys(routes.get(action, (LOG,))))

    def notifiers(self) -> dict[str, Notifier]:
        """The notifier of each channel."""
        return {LOG: LogNotifier(), **{name: channel.notifier() for name, channel in self.channels.items()}}


def load_notifiers(path: Path | None, environ: Mapping[str, str] = os.environ) -> Notifiers:
    """What the YAML or JSON file says; without one, everything goes to the log. Raises NotifiersError."""
    if path is None:
        return Notifiers()

    def validate(document: dict[str, Any]) -> Notifiers:
        return Notifiers.model_validate(document, context={"environ": environ})

    return read_file(path, validate, NotifiersError, "a notifiers' file", "`channels:`")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
