"""Tokens of an OpenID Connect issuer."""

import base64
import hashlib
import hmac
import json
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from gateway_helpers import INFER, PREDICT, ROW, v2_body
from test_grpc import typed_request
from tidemill_gateway.callers import fetch_keys
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, free_port, running_gateway
from tidemill_runtime.errors import InvalidInput
from tritonclient.grpc import service_pb2_grpc

AUDIENCE = "tidemill"


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SigningKey:
    """An RSA key and what its owner signs."""

    def __init__(self, folder: Path, kid: str) -> None:
        self.kid = kid
        self._path = folder / f"{kid}.pem"
        openssl("genrsa", "-out", str(self._path), "2048")
        self.public_pem = openssl("rsa", "-in", str(self._path), "-pubout")
        modulus = openssl("rsa", "-in", str(self._path), "-noout", "-modulus").decode().strip().partition("=")[2]
        self.jwk = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": kid,
            "e": "AQAB",
            "n": coded(bytes.fromhex(modulus)),
        }

    def token(self, claims: dict[str, object], **header: object) -> str:
        """A token signed with RS256, whatever its header says."""
        signed = unsigned({"alg": "RS256", "kid": self.kid, **header}, claims)
        return f"{signed}.{coded(openssl('dgst', '-sha256', '-sign', str(self._path), given=signed.encode()))}"


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def unsigned(header: dict[str, object], claims: dict[str, object]) -> str:
    return f"{coded(json.dumps(header).encode())}.{coded(json.dumps(claims).encode())}"


class Issuer:
    """An issuer on loopback that says what `documents` holds, by path."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.documents: dict[str, object] = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        }
        documents = self.documents

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = documents.get(self.path)
                content = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def publish(self, *jwks: dict[str, object]) -> None:
        self.documents["/keys"] = {"keys": list(jwks)}

    def claims(self, **changes: object) -> dict[str, object]:
        """Claims of a token that is taken; None leaves one out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody", "exp": now + 3600, "models": ["flights"]}
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [SigningKey(folder, "one"), SigningKey(folder, "other")]


@pytest.fixture
def key(keys: list[SigningKey]) -> SigningKey:
    return keys[0]


@pytest.fixture
def issuer(key: SigningKey) -> Iterator[Issuer]:
    issuer = Issuer(free_port())
    issuer.publish(key.jwk)
    yield issuer
    issuer.stop()


@pytest.fixture
async def guarded(tmp_path: Path, issuer: Issuer) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path, oidc_issuer=issuer.url, oidc_audience=AUDIENCE) as running:
        await running.serve()
        yield running


@pytest.fixture
async def caller(guarded: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=guarded.http_url) as http:
        yield http


def shown(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def asked(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post(INFER, json=v2_body(), headers=shown(token))


async def until_taken(http: httpx.AsyncClient, token: str) -> None:
    """Wait until the gateway has the issuer's keys."""
    deadline = time.monotonic() + 10
    while (response := await asked(http, token)).status_code == 401:
        assert time.monotonic() < deadline, response.text
    assert response.status_code == 200, response.text


async def test_a_token_of_the_issuer_opens_its_models(
    guarded: RunningGateway, caller: httpx.AsyncClient, issuer: Issuer, key: SigningKey
) -> None:
    await guarded.route(1, [(1, await guarded.store(FakeModel(), "hotels"), 1.0)], model="hotels")
    await guarded.until_epoch(1, "hotels")
    for models in (["flights"], "flights trains"):
        token = key.token(issuer.claims(models=models))
        await until_taken(caller, token)
        assert (await caller.post(PREDICT, json=ROW, headers=shown(token))).status_code == 200
        refused = await caller.post("/v1/models/hotels:predict", json=ROW, headers=shown(token))
        assert (refused.status_code, "somebody" in refused.json()["error"]) == (403, True)


@pytest.mark.parametrize("models", [None, [], "", 7, {"flights": True}])
async def test_a_token_that_names_no_models_opens_none(
    caller: httpx.AsyncClient, issuer: Issuer, key: SigningKey, models: object
) -> None:
    await until_taken(caller, key.token(issuer.claims()))
    assert (await asked(caller, key.token(issuer.claims(models=models)))).status_code == 403


async def test_the_claim_that_lists_models_can_be_named(tmp_path: Path, issuer: Issuer, key: SigningKey) -> None:
    options = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_models_claim": "scope"}
    async with (
        running_gateway(tmp_path, **options) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        await until_taken(http, key.token(issuer.claims(models=None, scope="openid flights")))
        assert (await asked(http, key.token(issuer.claims()))).status_code == 403


async def test_one_of_several_audiences_is_enough(caller: httpx.AsyncClient, issuer: Issuer, key: SigningKey) -> None:
    await until_taken(caller, key.token(issuer.claims(aud=["another", AUDIENCE])))


NOW = int(time.time())


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 3600},
        {"exp": None},
        {"exp": "never"},
        {"nbf": NOW + 3600},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"iss": "http://another"},
        {"iss": None},
    ],
)
async def test_a_token_with_wrong_claims_is_refused(
    caller: httpx.AsyncClient, issuer: Issuer, key: SigningKey, changes: dict[str, object]
) -> None:
    await until_taken(caller, key.token(issuer.claims()))
    response = await asked(caller, key.token(issuer.claims(**changes)))
    assert (response.status_code, "not taken" in response.json()["error"]) == (401, True)


def tampered(token: str, claims: dict[str, object]) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{coded(json.dumps(claims).encode())}.{signature}"


def keyed_hash(secret: bytes, signed: str) -> str:
    return f"{signed}.{coded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


async def test_a_token_that_the_issuer_did_not_sign_is_refused(
    caller: httpx.AsyncClient, issuer: Issuer, keys: list[SigningKey]
) -> None:
    key, other = keys
    claims = issuer.claims()
    good = key.token(claims)
    await until_taken(caller, good)
    hashed = {"alg": "HS256", "kid": key.kid}
    forged = {
        "unknown key": other.token(claims),
        "another's key under a known name": other.token(claims, kid=key.kid),
        "its own key in the header": other.token(claims, jwk=other.jwk),
        "no algorithm": f"{unsigned({'alg': 'none', 'kid': key.kid}, claims)}.",
        "no signature": f"{unsigned({'alg': 'RS256', 'kid': key.kid}, claims)}.",
        "HS256 with the public key": keyed_hash(key.public_pem, unsigned(hashed, claims)),
        "HS256 with the modulus": keyed_hash(str(key.jwk["n"]).encode(), unsigned(hashed, claims)),
        "HS256 with nothing": keyed_hash(b"", unsigned(hashed, claims)),
        "another algorithm": key.token(claims, alg="PS256"),
        "another algorithm of the kind": key.token(claims, alg="RS512"),
        "changed claims": tampered(good, issuer.claims(models=["flights", "hotels"])),
        "cut short": good[:-10],
        "no token": "a.b.c",
        "empty parts": "..",
    }
    taken = {name: (await asked(caller, token)).status_code for name, token in forged.items()}
    assert taken == dict.fromkeys(forged, 401)
    assert (await asked(caller, good)).status_code == 200


async def test_a_token_without_a_key_name_is_held_against_the_only_key(
    caller: httpx.AsyncClient, issuer: Issuer, keys: list[SigningKey]
) -> None:
    key, other = keys
    await until_taken(caller, key.token(issuer.claims(), kid=None))
    assert (await asked(caller, other.token(issuer.claims(), kid=None))).status_code == 401


async def test_tokens_count_over_grpc(
    guarded: RunningGateway, caller: httpx.AsyncClient, issuer: Issuer, keys: list[SigningKey]
) -> None:
    key, other = keys
    good = key.token(issuer.claims())
    await until_taken(caller, good)
    async with grpc.aio.insecure_channel(guarded.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        await stub.ModelInfer(typed_request(), timeout=5, metadata=tuple(shown(good).items()))
        for token, code in (
            (other.token(issuer.claims()), "UNAUTHENTICATED"),
            (key.token(issuer.claims(models=[])), "PERMISSION_DENIED"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ModelInfer(typed_request(), timeout=5, metadata=tuple(shown(token).items()))
            assert caught.value.code().name == code


async def test_keys_and_tokens_go_together(tmp_path: Path, issuer: Issuer, key: SigningKey) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(json.dumps([{"name": "a", "sha256": hashlib.sha256(b"k").hexdigest()}]))
    options = {"api_keys": path, "oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
    async with (
        running_gateway(tmp_path, **options) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        await until_taken(http, "k")
        await until_taken(http, key.token(issuer.claims()))


async def test_an_issuer_that_is_away_at_first_is_asked_again(tmp_path: Path, key: SigningKey) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        running_gateway(tmp_path, oidc_issuer=url, oidc_audience=AUDIENCE) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        token = key.token({"iss": url, "aud": AUDIENCE, "exp": NOW + 3600, "models": ["flights"]})
        assert (await asked(http, token)).status_code == 401
        assert (await http.post(INFER, json=v2_body())).status_code == 401
        issuer = Issuer(port)
        try:
            issuer.publish(key.jwk)
            await until_taken(http, token)
        finally:
            issuer.stop()


FOREIGN: list[dict[str, Any]] = [
    {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AAAA"},
    {"kty": "RSA", "kid": "sealed", "use": "enc", "alg": "RSA-OAEP", "e": "AQAB", "n": "AQAB"},
    {"kty": "EC", "kid": "curve", "use": "sig", "crv": "secp256k1", "x": "AA", "y": "AA"},
    {"kty": "OKP", "kid": "curve", "use": "sig", "crv": "Ed448", "x": "AA"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=[jwk.get("crv") or jwk["alg"] for jwk in FOREIGN])
async def test_a_key_of_an_unknown_kind_does_not_hide_the_others(
    issuer: Issuer, key: SigningKey, tmp_path: Path, foreign: dict[str, Any]
) -> None:
    issuer.publish(foreign, key.jwk)
    async with (
        running_gateway(tmp_path, oidc_issuer=issuer.url, oidc_audience=AUDIENCE) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        await until_taken(http, key.token(issuer.claims()))


async def test_a_configuration_of_another_issuer_is_not_believed(issuer: Issuer) -> None:
    issuer.documents["/.well-known/openid-configuration"] = {"issuer": "http://other", "jwks_uri": f"{issuer.url}/keys"}
    with pytest.raises(InvalidInput, match="another issuer"):
        await fetch_keys(issuer.url)
