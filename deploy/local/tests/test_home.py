import stat
from pathlib import Path

import pytest
from tidemill_local.errors import StackError
from tidemill_local.home import Home, ports
from tidemill_local.services import service_settings

SERVICES = {"gateway": {"TIDEMILL_HTTP_PORT": "18080", "TIDEMILL_GRPC_PORT": "18081"}}


def test_the_offset_moves_every_port():
    base, moved = ports(SERVICES, 0), ports(SERVICES, 700)

    assert {name: port + 700 for name, port in base.items()} == moved
    assert moved["gateway-grpc"] == 18781


def test_no_two_listeners_share_a_port():
    used = ports(service_settings(), 0).values()

    assert len(set(used)) == len(list(used))


@pytest.mark.parametrize("offset", [-16000, 60000])
def test_an_offset_out_of_range_is_refused(offset: int):
    with pytest.raises(StackError, match="Port offset"):
        ports(SERVICES, offset)


def test_the_offset_of_the_last_up_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TIDEMILL_PORT_OFFSET", raising=False)
    home = Home.at(tmp_path)
    assert home.port_offset() == 0

    home.record_port_offset(300)

    assert home.port_offset() == 300
    assert home.port_offset(5) == 5


def test_a_secret_is_kept_and_only_its_owner_can_read_it(tmp_path: Path):
    home = Home.at(tmp_path)

    first = home.secret("postgres")

    assert len(first) >= 24
    assert home.secret("postgres") == first
    assert stat.S_IMODE((tmp_path / "secrets/postgres").stat().st_mode) == 0o600
