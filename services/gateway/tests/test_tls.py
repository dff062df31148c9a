"""TLS and mutual TLS on both ports."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest
from gateway_helpers import INFER, PREDICT, ROW, v2_body
from grpc_health.v1 import health_pb2, health_pb2_grpc
from test_grpc import typed_request
from tidemill_gateway.testing.running import RunningGateway, running_gateway
from tritonclient.grpc import service_pb2_grpc

EXTENSIONS = "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n"


@dataclass(frozen=True)
class Signed:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = folder / "ca.key"
        self.certificate = folder / "ca.pem"
        subject = ("-subj", f"/CN={folder.name} authority", "-days", "2")
        openssl("req", "-x509", *new_key(self._key), "-out", str(self.certificate), *subject)

    def sign(self, name: str) -> Signed:
        signed = Signed(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / "extensions"
        extensions.write_text(EXTENSIONS)
        openssl("req", *new_key(signed.key), "-out", str(request), "-subj", f"/CN={name}")
        by = ("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", str(request), *by, "-extfile", str(extensions), "-out", str(signed.certificate))
        return signed


def new_key(path: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path))


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], capture_output=True, check=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Signed:
    return authority.sign("server")


def https(running: RunningGateway, trusted: Authority, own: Signed | None = None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(trusted.certificate))
    if own:
        context.load_cert_chain(str(own.certificate), str(own.key))
    return httpx.AsyncClient(base_url=running.http_url.replace("http:", "https:"), verify=context)


def secure_channel(running: RunningGateway, trusted: Authority, own: Signed | None = None) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(
        trusted.certificate.read_bytes(),
        own.key.read_bytes() if own else None,
        own.certificate.read_bytes() if own else None,
    )
    return grpc.aio.secure_channel(running.grpc_url, credentials)


def options(server: Signed, client_ca: Authority | None = None) -> dict[str, object]:
    files: dict[str, object] = {"tls_certificate": server.certificate, "tls_key": server.key}
    return files | ({"tls_client_ca": client_ca.certificate} if client_ca else {})


async def infer_over_grpc(channel: grpc.aio.Channel) -> int:
    response = await service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(typed_request(), timeout=5)
    return int(response.model_version)


async def test_both_ports_speak_tls(tmp_path: Path, authority: Authority, server: Signed) -> None:
    async with running_gateway(tmp_path, **options(server)) as running:
        await running.serve()
        async with https(running, authority) as http:
            assert (await http.post(INFER, json=v2_body())).status_code == 200
            assert (await http.post(PREDICT, json=ROW)).status_code == 200
            assert (await http.get("/readyz")).status_code == 200
        async with secure_channel(running, authority) as channel:
            assert await infer_over_grpc(channel) == 1
            health = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest(), timeout=5)


async def test_a_megabyte_goes_through_tls(tmp_path: Path, authority: Authority, server: Signed) -> None:
    async with running_gateway(tmp_path, **options(server)) as running, https(running, authority) as http:
        await running.serve()
        assert (await http.post(INFER, json=v2_body(carrier="x" * (1 << 20)))).status_code == 200


async def test_a_client_that_trusts_another_authority_does_not_talk(
    tmp_path: Path, stranger: Authority, server: Signed
) -> None:
    async with running_gateway(tmp_path, **options(server)) as running:
        async with https(running, stranger) as http:
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await http.get("/livez")
        async with secure_channel(running, stranger) as channel:
            assert await refused(channel) is grpc.StatusCode.UNAVAILABLE


async def test_plain_text_is_not_answered_where_tls_is_on(tmp_path: Path, authority: Authority, server: Signed) -> None:
    async with running_gateway(tmp_path, **options(server)) as running:
        await running.serve()
        async with httpx.AsyncClient(base_url=running.http_url) as http:
            with pytest.raises(httpx.TransportError):
                await http.get("/livez")
        async with grpc.aio.insecure_channel(running.grpc_url) as channel:
            assert await refused(channel) is grpc.StatusCode.UNAVAILABLE
        async with https(running, authority) as http:
            assert (await http.get("/livez")).status_code == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_is_1_2_or_1_3(tmp_path: Path, authority: Authority, server: Signed, version: ssl.TLSVersion) -> None:
    async with running_gateway(tmp_path, **options(server)) as running:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.minimum_version = context.maximum_version = version
        url = running.http_url.replace("http:", "https:")
        async with httpx.AsyncClient(base_url=url, verify=context) as http:
            assert (await http.get("/livez")).status_code == 200


async def test_a_caller_of_the_client_authority_is_let_in(tmp_path: Path, authority: Authority, server: Signed) -> None:
    client = authority.sign("client")
    async with running_gateway(tmp_path, **options(server, authority)) as running:
        await running.serve()
        async with https(running, authority, client) as http:
            assert (await http.post(PREDICT, json=ROW)).status_code == 200
        async with secure_channel(running, authority, client) as channel:
            assert await infer_over_grpc(channel) == 1


@pytest.mark.parametrize("has_certificate", [False, True], ids=["no certificate", "a stranger's certificate"])
async def test_who_shows_no_certificate_of_the_client_authority_is_refused(
    tmp_path: Path, authority: Authority, stranger: Authority, server: Signed, has_certificate: bool
) -> None:
    own = stranger.sign("client") if has_certificate else None
    async with running_gateway(tmp_path, **options(server, authority)) as running:
        await running.serve()
        before = len(running.triton.inferences)
        for path in ("/livez", "/metrics", PREDICT):
            async with https(running, authority, own) as http:
                with pytest.raises((httpx.TransportError, ssl.SSLError)):
                    await http.post(path, json=ROW)
        async with secure_channel(running, authority, own) as channel:
            assert await refused(channel) is grpc.StatusCode.UNAVAILABLE
        assert len(running.triton.inferences) == before


async def refused(channel: grpc.aio.Channel) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await infer_over_grpc(channel)
    return caught.value.code()
