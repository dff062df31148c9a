"""Tells people of alarms by e-mail."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate

from pydantic import SecretStr
from tidemill_runtime import logs
from tidemill_runtime.errors import InvalidInput, Unavailable

from tidemill_monitor.notify.notice import Notice

PERMANENT = 500

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in; the certificate is verified when `starttls`."""

    host: str
    port: int
    starttls: bool
    user: str | None
    password: SecretStr | None
    timeout: float


class MailNotifier:
    """A plain-text mail, its Message-ID the same for each attempt (RFC 5321, 5322; STARTTLS: RFC 3207)."""

    def __init__(self, server: MailServer, sender: str, recipients: tuple[str, ...]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = recipients

    async def send(self, notice: Notice, delivery: str) -> None:
        await asyncio.to_thread(self._deliver, self._message(notice, delivery))

    async def close(self) -> None:
        return

    def _message(self, notice: Notice, delivery: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Subject"] = notice.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{delivery.replace('/', '.')}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text)
        return message

    def _deliver(self, message: EmailMessage) -> None:
        server = self._server
        try:
            with smtplib.SMTP(server.host, server.port, timeout=server.timeout) as client:
                if server.starttls:
                    client.starttls(context=ssl.create_default_context())
                if server.user is not None and server.password is not None:
                    client.login(server.user, server.password.get_secret_value())
                if refused := client.send_message(message):
                    log.warning("some recipients are refused", host=server.host, recipients=sorted(refused))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _failure(server.host, min(codes), f"refused {', '.join(error.recipients)}") from error
        except smtplib.SMTPResponseException as error:
            told = error.smtp_error
            text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            raise _failure(server.host, error.smtp_code, f"answered {error.smtp_code} {text[:200]}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise InvalidInput(f"{server.host}: {error}; correct starttls or the user of this channel") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"{server.host}:{server.port} cannot be reached: {error}") from error


def _failure(host: str, code: int, what: str) -> InvalidInput | Unavailable:
    return (InvalidInput if code >= PERMANENT else Unavailable)(f"{host} {what}")
