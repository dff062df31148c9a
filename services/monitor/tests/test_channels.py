"""The notifiers' file: what it may say, and what a mistake is told with."""

from pathlib import Path

import pytest
from tidemill_monitor.notify.channels import EmailChannel, Notifiers, NotifiersError, load_notifiers
from tidemill_monitor.notify.log import LogNotifier
from tidemill_monitor.notify.webhook import WebhookNotifier

SECRETS = {"OPS_SECRET": "k3Jx9-vQ2mZ7pW", "CHAT_URL": "https://chat.example/services/x", "WEAK": "secret"}
WHOLE = """\
channels:
  ops: {type: webhook, url: "https://ops.example/hook", secret_env: OPS_SECRET}
  chat: {type: slack, url_env: CHAT_URL, timeout: 5}
  mail:
    type: email
    host: smtp.example.org
    user: tidemill
    password_env: OPS_SECRET
    sender: tidemill@example.org
    to: [ada@example.org]
routes:
  retrain: [log, ops, ops]
  tell_data_scientist: [chat, mail]
  tell_data_engineer: []
"""


def load(folder: Path, text: str) -> Notifiers:
    path = folder / "notifiers.yaml"
    path.write_text(text)
    return load_notifiers(path, SECRETS)


def test_without_a_file_everything_goes_to_the_log():
    loaded = load_notifiers(None, {})

    assert {action: loaded.route(action) for action in ("retrain", "tell_data_engineer")} == {
        "retrain": ("log",),
        "tell_data_engineer": ("log",),
    }
    assert isinstance(loaded.notifiers()["log"], LogNotifier)


def test_each_action_has_its_channels_each_once(tmp_path: Path):
    loaded = load(tmp_path, WHOLE)

    assert loaded.route("retrain") == ("log", "ops")
    assert loaded.route("tell_data_scientist") == ("chat", "mail")
    assert loaded.route("tell_data_engineer") == ()
    assert isinstance(loaded.notifiers()["ops"], WebhookNotifier)


def test_an_action_without_a_route_goes_to_the_log(tmp_path: Path):
    loaded = load(tmp_path, WHOLE.replace("  tell_data_engineer: []\n", ""))

    assert loaded.route("tell_data_engineer") == ("log",)


def test_the_file_may_be_json(tmp_path: Path):
    assert load(tmp_path, '{"routes": {"retrain": []}}').route("retrain") == ()


def test_secrets_are_taken_from_the_environment_and_never_shown(tmp_path: Path):
    loaded = load(tmp_path, WHOLE)

    assert loaded.channels["ops"].secret_env.get_secret_value() == SECRETS["OPS_SECRET"]
    assert SECRETS["OPS_SECRET"] not in repr(loaded)
    assert "services/x" not in repr(loaded)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("OPS_SECRET}", "NOT_SET}", ":2: channels.ops.webhook.secret_env: the environment variable NOT_SET is not set"),
        ("OPS_SECRET}", '"k3J-9"}', ":2: channels.ops.webhook.secret_env: give the name of an environment variable"),
        ("OPS_SECRET}", "WEAK}", ":2: channels.ops.webhook.secret_env: the signing secret is weak"),
        ("https://ops", "ftp://ops", ":2: channels.ops.webhook.url: write http:// or https://"),
        ("https://ops", "https://u:p@ops", ":2: channels.ops.webhook.url: write http:// or https://"),
        ("timeout: 5", "timeout: 500", ":3: channels.chat.slack.timeout: Input should be less than or equal to 60"),
        ("url_env: CHAT_URL", "url_env: OPS_SECRET", ":3: channels.chat.slack.url_env: write http:// or https://"),
        ("to: [ada@example.org]", "to: []", "channels.mail.email.to: "),
        ("[ada@", "[a b@", "channels.mail.email.to.0: "),
        ("    user: tidemill\n", "", "give both of user and password_env"),
        ("[chat, mail]", "[chat, fax]", "routes.tell_data_scientist.1: there is no channel 'fax'; there are log, ops"),
        ("tell_data_engineer", "tell_nobody", "routes.tell_nobody: "),
        ("type: slack", "type: pigeon", ":3: channels.chat: "),
        ("  ops:", "  log:", "channels.log: the channel log is always there"),
        ("channels:", "chanels:", "chanels: unknown field; correct its name or remove it"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_cure(tmp_path: Path, old: str, new: str, told: str):
    assert old in WHOLE

    with pytest.raises(NotifiersError) as refused:
        load(tmp_path, WHOLE.replace(old, new))

    assert told in str(refused.value)
    assert SECRETS["OPS_SECRET"] not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "starttls", "encrypted"),
    [("smtp.example.org", None, True), ("127.0.0.1", None, False), ("localhost", None, False), ("::1", True, True)],
)
def test_mail_is_encrypted_unless_the_server_is_on_this_machine(host: str, starttls: bool | None, encrypted: bool):
    channel = EmailChannel(type="email", host=host, starttls=starttls, sender="a@b", to=("c@d",))

    assert channel.is_encrypted is encrypted


def test_a_password_never_travels_in_clear(tmp_path: Path):
    with pytest.raises(NotifiersError, match="a password would travel in clear; set starttls: true"):
        load(tmp_path, WHOLE.replace("type: email", "type: email\n    starttls: false"))
