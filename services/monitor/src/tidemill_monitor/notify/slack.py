"""Tells a chat channel of alarms, where it understands Slack's incoming webhooks."""

import json

from pydantic import SecretStr
from tidemill_runtime.posting import Poster

from tidemill_monitor.notify.notice import Notice

MAX_TEXT = 3000
MAX_HEADER = 150


class SlackNotifier:
    """A POST of `text` (for notifications) and `blocks` (for reading). The address is itself the secret.

    Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and, for the caps of a block,
    https://docs.slack.dev/reference/block-kit/blocks
    """

    def __init__(self, url: SecretStr, timeout: float) -> None:
        self._poster = Poster(url.get_secret_value(), timeout)

    async def send(self, notice: Notice, delivery: str) -> None:
        await self._poster.post(json.dumps(_content(notice)).encode(), {"tidemill-delivery": delivery})

    async def close(self) -> None:
        await self._poster.close()


def _content(notice: Notice) -> dict[str, object]:
    asked = f"Asked: {notice.asked}." + (f" <{notice.link}|Evidence>" if notice.link else "")
    header = {"type": "header", "text": {"type": "plain_text", "text": notice.subject[:MAX_HEADER]}}
    sections = [_escaped(notice.reason), "\n".join(f"• {_escaped(line)}" for line in notice.evidence), asked]
    return {
        "text": _escaped(notice.subject),
        "blocks": [header, *(_section(text) for text in sections if text)],
    }


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MAX_TEXT]}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
