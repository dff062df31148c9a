"""Each way to reach people, against a server of the other side."""

import asyncio
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from alarms import alarm
from pydantic import SecretStr
from receiving import HttpReceiver, MailReceiver, answer, listening
from tidemill_monitor.notify.mail import MailNotifier, MailServer
from tidemill_monitor.notify.notice import MAX_EVIDENCE, compose
from tidemill_monitor.notify.slack import SlackNotifier
from tidemill_monitor.notify.webhook import WebhookNotifier
from tidemill_runtime.errors import InvalidInput, Unavailable

SECRET = "a signing secret"
ALARM_ID = "0b5c7f0e-6d6f-5d39-9f1e-0c8f5ad1a001"
NOTICE = compose(ALARM_ID, alarm("temp", "wind"), "https://monitor.example/")
DELIVERY = f"{ALARM_ID}/ops"


@pytest.fixture
def closed_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    receiver = HttpReceiver()
    async with listening(receiver.serve) as receiver.port:
        yield receiver


@pytest.fixture
async def webhook(receiver: HttpReceiver) -> AsyncIterator[WebhookNotifier]:
    notifier = WebhookNotifier(receiver.url(), SecretStr(SECRET), 0.5, now=lambda: 1_700_000_000.9)
    yield notifier
    await notifier.close()


@pytest.fixture
async def mailbox() -> AsyncIterator[MailReceiver]:
    mailbox = MailReceiver()
    async with listening(mailbox.serve) as mailbox.port:
        yield mailbox


def mail(port: int, *, starttls: bool = False) -> MailNotifier:
    server = MailServer("127.0.0.1", port, starttls, None, None, 2)
    return MailNotifier(server, "tidemill@example.org", ("ada@example.org", "grace@example.org"))


def test_a_notice_says_what_moved_since_when_and_what_was_asked_of_whom():
    assert NOTICE.subject == "[warning] tide v3: input since 2013-10-22 00:00 UTC"
    assert NOTICE.text.splitlines() == [
        "temp <moved> & stays in 3 windows in a row",
        "",
        "- temp: mean 10.2 → 12.9",
        "- wind: mean 10.2 → 12.9",
        "",
        "Asked: the trainer is asked to retrain.",
        f"https://monitor.example/v1/models/tide/drift/{ALARM_ID}",
    ]


def test_a_notice_is_one_line_and_a_few_pieces_of_evidence_whatever_the_alarm_holds():
    notice = compose(ALARM_ID, alarm(*(f"f{number}" for number in range(40)), slice_="origin=J\r\nBcc: x"), None)

    assert len(notice.subject.splitlines()) == 1
    assert notice.evidence[-1] == "and 30 more"
    assert len(notice.evidence) == MAX_EVIDENCE + 1
    assert notice.link == ""


async def test_a_receiver_can_verify_a_webhook(webhook: WebhookNotifier, receiver: HttpReceiver):
    await webhook.send(NOTICE, DELIVERY)

    [post] = receiver.posts
    stamp, signature = (part.split("=")[1] for part in post.headers["tidemill-signature"].split(","))
    assert stamp == "1700000000"
    expected = hmac.new(SECRET.encode(), b"1700000000." + post.body, hashlib.sha256).hexdigest()
    assert signature == expected
    assert post.headers["tidemill-delivery"] == DELIVERY
    assert post.headers["content-type"] == "application/json"


async def test_a_webhook_carries_the_alarm_without_its_distributions(webhook: WebhookNotifier, receiver: HttpReceiver):
    await webhook.send(NOTICE, DELIVERY)

    body = json.loads(receiver.posts[0].body)
    assert body["id"] == ALARM_ID
    assert body["data"]["kind"] == "DRIFT_KIND_INPUT"
    assert [set(one) & {"then", "now"} for one in body["data"]["evidence"]] == [set(), set()]


@pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (503, Unavailable), (429, Unavailable)])
async def test_a_webhook_that_may_recover_is_worth_another_attempt(
    webhook: WebhookNotifier, receiver: HttpReceiver, status: int, error: type[Exception]
):
    receiver.answers = [answer(status, b"busy")]

    with pytest.raises(error, match=f"127.0.0.1 answered {status}: busy"):
        await webhook.send(NOTICE, DELIVERY)


async def test_a_webhook_that_refuses_is_not_asked_again(webhook: WebhookNotifier, receiver: HttpReceiver):
    receiver.answers = [answer(401, b"bad signature")]

    with pytest.raises(InvalidInput, match="answered 401: bad signature"):
        await webhook.send(NOTICE, DELIVERY)


async def test_a_redirect_is_not_followed(webhook: WebhookNotifier, receiver: HttpReceiver):
    receiver.answers = [answer(302, location=receiver.url("/elsewhere"))]

    with pytest.raises(InvalidInput, match="answered 302"):
        await webhook.send(NOTICE, DELIVERY)

    assert [post.path for post in receiver.posts] == ["/hook"]


async def test_an_endless_answer_is_not_read_to_its_end(webhook: WebhookNotifier, receiver: HttpReceiver):
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"
    receiver.answers = [head + b"x" * (1 << 20)]

    await webhook.send(NOTICE, DELIVERY)


async def test_a_webhook_that_is_silent_times_out(webhook: WebhookNotifier, receiver: HttpReceiver):
    receiver.is_silent = True

    with pytest.raises(Unavailable, match="does not answer within"):
        await webhook.send(NOTICE, DELIVERY)


async def test_a_webhook_that_is_not_there_is_worth_another_attempt(closed_port: int):
    notifier = WebhookNotifier(f"http://127.0.0.1:{closed_port}/token", SecretStr(SECRET), 1)

    with pytest.raises(Unavailable, match="cannot be reached") as error:
        await notifier.send(NOTICE, DELIVERY)

    assert "token" not in str(error.value)
    await notifier.close()


async def test_a_chat_channel_gets_a_text_and_blocks(receiver: HttpReceiver):
    notifier = SlackNotifier(SecretStr(receiver.url("/services/T0/B0/x")), 1)
    await notifier.send(NOTICE, DELIVERY)
    await notifier.close()

    body = json.loads(receiver.posts[0].body)
    assert body["text"] == NOTICE.subject
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "section", "section"]
    assert body["blocks"][1]["text"]["text"] == "temp &lt;moved&gt; &amp; stays in 3 windows in a row"
    assert f"<{NOTICE.link}|Evidence>" in body["blocks"][3]["text"]["text"]


async def test_blocks_keep_to_the_length_that_is_taken(receiver: HttpReceiver):
    long = alarm(*("x" * 600 for _ in range(10)), slice_="s" * 300)
    notifier = SlackNotifier(SecretStr(receiver.url()), 1)
    await notifier.send(compose(ALARM_ID, long, None), DELIVERY)
    await notifier.close()

    blocks = json.loads(receiver.posts[0].body)["blocks"]
    assert len(blocks[0]["text"]["text"]) == 150
    assert max(len(block["text"]["text"]) for block in blocks) == 3000


async def test_mail_reaches_every_recipient_in_plain_words(mailbox: MailReceiver):
    await mail(mailbox.port).send(NOTICE, DELIVERY)

    [(recipients, message)] = mailbox.mails
    assert recipients == ["ada@example.org", "grace@example.org"]
    assert message["Subject"] == NOTICE.subject
    assert message["Message-ID"] == f"<{ALARM_ID}.ops@example.org>"
    assert message.get_content().splitlines() == NOTICE.text.splitlines()


async def test_mail_that_is_put_off_is_worth_another_attempt(mailbox: MailReceiver):
    mailbox.recipient_codes = [451, 451]

    with pytest.raises(Unavailable, match=r"refused ada@example\.org, grace@example\.org"):
        await mail(mailbox.port).send(NOTICE, DELIVERY)


async def test_mail_that_is_refused_is_not_sent_again(mailbox: MailReceiver):
    mailbox.recipient_codes = [550, 550]

    with pytest.raises(InvalidInput, match="refused"):
        await mail(mailbox.port).send(NOTICE, DELIVERY)


async def test_mail_is_not_sent_in_clear_where_it_must_be_encrypted(mailbox: MailReceiver):
    with pytest.raises(InvalidInput, match="correct starttls"):
        await mail(mailbox.port, starttls=True).send(NOTICE, DELIVERY)

    assert mailbox.mails == []


async def test_a_mail_server_that_is_not_there_is_worth_another_attempt(closed_port: int):
    with pytest.raises(Unavailable, match="cannot be reached"):
        await asyncio.wait_for(mail(closed_port).send(NOTICE, DELIVERY), 5)
