"""curl, as people type it: `curl.py TARGET`."""

import gzip
import json
import math
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from features import Check, expect, report, run
from samples import CLASSIFIER_INPUTS, INPUT, classifier_outputs, flat, sample
from target import Target

RAW = "Inference-Header-Content-Length"
OCTETS = "Content-Type: application/octet-stream"
JSON = "Content-Type: application/json"


@dataclass(frozen=True)
class Answer:
    """What curl got: the interim answers' head lines too, header names in lower case."""

    status: int
    version: str
    interim: tuple[str, ...]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class CurlSuite:
    """Checks with a curl process each."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.identity = f"/v2/models/{target.identities['FP32']}/infer"

    def checks(self) -> dict[str, Check]:
        """The checks by feature."""
        return {
            "live": self.live,
            "ready": self.ready,
            "model-ready": self.model_ready,
            "head": self.head,
            "server-metadata": self.server_metadata,
            "trailing-slash": self.trailing_slash,
            "model-metadata": self.model_metadata,
            "model-config": self.model_config,
            "statistics": self.statistics,
            "infer-json": self.infer_json,
            "infer-nested-json": self.infer_nested_json,
            "infer-version": self.infer_version,
            "infer-without-content-type": self.infer_without_content_type,
            "infer-raw": self.infer_raw,
            "infer-raw-bytes": self.infer_raw_bytes,
            "infer-raw-many-inputs": self.infer_raw_many_inputs,
            "gzip-request": self.gzip_request,
            "gzip-response": self.gzip_response,
            "deflate-response": self.deflate_response,
            "unasked-response-is-plain": self.unasked_response_is_plain,
            "chunked-request": self.chunked_request,
            "expect-continue": self.expect_continue,
            "http-1.0": self.http_1_0,
            "keep-alive": self.keep_alive,
            "repository-index": self.repository_index,
            "error-unknown-model": self.error_unknown_model,
            "error-unknown-path": self.error_unknown_path,
            "error-method": self.error_method,
            "error-not-json": self.error_not_json,
            "error-empty-body": self.error_empty_body,
            "error-not-gzip": self.error_not_gzip,
            "error-unknown-encoding": self.error_unknown_encoding,
            "error-header-length": self.error_header_length,
            "error-infinity": self.error_infinity,
            "no-model-control": self.no_model_control,
            "no-shared-memory": self.no_shared_memory,
            "no-trace-and-log-settings": self.no_trace_and_log_settings,
        }

    def curl(self, path: str, *arguments: str, body: bytes | None = None) -> Answer:
        """Ask for `path`, POSTing `body` if there is one. Fails if curl does."""
        files = {name: self.folder / name for name in ("head", "answer", "body")}
        for file in files.values():
            file.write_bytes(b"")
        if body is not None:
            files["body"].write_bytes(body)
            arguments = (*arguments, "--data-binary", f"@{files['body']}")
        kept = ("-D", str(files["head"]), "-o", str(files["answer"]), "-w", "%{http_code} %{http_version}")
        command = ["curl", "-sS", "--max-time", "10", *kept, *arguments, f"http://{self.target.rest}{path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        expect(done.returncode, 0, done.stderr)
        status, version = done.stdout.split()
        *interim, last = files["head"].read_bytes().decode().strip().split("\r\n\r\n")
        headers = dict(line.lower().split(": ", 1) for line in last.split("\r\n")[1:] if ": " in line)
        return Answer(int(status), version, tuple(interim), headers, files["answer"].read_bytes())

    def post(self, path: str, document: object, *arguments: str) -> Answer:
        return self.curl(path, "-H", JSON, *arguments, body=json.dumps(document).encode())

    def is_echo(self, answer: Answer) -> None:
        """Fail unless the identity answered in JSON what it was sent."""
        expect(answer.status, 200, answer.body.decode(errors="replace"))
        assert answer.headers["content-type"].startswith("application/json"), answer.headers
        (output,) = answer.json()["outputs"]
        expect(flat(np.array(output["data"], np.float32)), flat(sample("FP32")))

    def is_error(self, answer: Answer, *statuses: int) -> None:
        """Fail unless the answer is an error as the protocol has it."""
        assert answer.status in statuses, f"{answer.status}: {answer.body!r}"
        assert answer.headers["content-type"].startswith("application/json"), answer.headers
        expect(list(answer.json()), ["error"])
        assert answer.json()["error"], "the error says nothing"

    def live(self) -> None:
        expect(self.curl("/v2/health/live").status, 200)

    def ready(self) -> None:
        expect(self.curl("/v2/health/ready").status, 200)

    def model_ready(self) -> None:
        model = f"/v2/models/{self.target.classifier}"
        expect(self.curl(f"{model}/ready").status, 200)
        expect(self.curl(f"{model}/versions/1/ready").status, 200)
        assert self.curl(f"{model}-no/ready").status in (400, 404)

    def head(self) -> None:
        expect(self.curl("/v2/health/live", "--head").status in (200, 405), True)

    def server_metadata(self) -> None:
        answer = self.curl("/v2")
        expect(answer.status, 200)
        expect(sorted(answer.json()), ["extensions", "name", "version"])

    def trailing_slash(self) -> None:
        answer = self.curl("/v2/")
        expect(answer.status, 200)
        expect(answer.json(), self.curl("/v2").json())

    def model_metadata(self) -> None:
        for path in ("", "/versions/1"):
            answer = self.curl(f"/v2/models/{self.target.classifier}{path}")
            expect(answer.status, 200)
            document = answer.json()
            expect(document["name"], self.target.classifier)
            expect([one["name"] for one in document["inputs"]], list(CLASSIFIER_INPUTS))
            expect([one["name"] for one in document["outputs"]], ["label", "probabilities"])

    def model_config(self) -> None:
        answer = self.curl(f"/v2/models/{self.target.classifier}/config")
        expect(answer.status, 200, answer.body.decode(errors="replace"))
        expect(answer.json()["name"], self.target.classifier)

    def statistics(self) -> None:
        for path in (f"/v2/models/{self.target.classifier}/stats", "/v2/models/stats"):
            answer = self.curl(path)
            expect(answer.status, 200, answer.body.decode(errors="replace"))
            assert self.target.classifier in [one["name"] for one in answer.json()["model_stats"]]

    def infer_json(self) -> None:
        inputs = [_tensor(name, datatype, array) for name, (datatype, array) in CLASSIFIER_INPUTS.items()]
        document = {"id": "by-hand", "inputs": inputs, "outputs": [{"name": "label"}]}
        answer = self.post(f"/v2/models/{self.target.classifier}/infer", document)
        expect(answer.status, 200, answer.body.decode(errors="replace"))
        expect(answer.json()["id"], "by-hand")
        (output,) = answer.json()["outputs"]
        label, _ = classifier_outputs()
        expect(output, {"name": "label", "datatype": "INT64", "shape": [3, 1], "data": flat(label)})

    def infer_nested_json(self) -> None:
        tensor = {**_fp32(), "data": sample("FP32").tolist()}
        self.is_echo(self.post(self.identity, {"inputs": [tensor]}))

    def infer_version(self) -> None:
        path = f"/v2/models/{self.target.identities['FP32']}/versions"
        self.is_echo(self.post(f"{path}/1/infer", _echo()))
        self.is_error(self.post(f"{path}/7/infer", _echo()), 404)

    def infer_without_content_type(self) -> None:
        """curl then says that it is a form."""
        self.is_echo(self.curl(self.identity, body=json.dumps(_echo()).encode()))

    def infer_raw(self) -> None:
        """The body is the tensor of one row, and so is the answer's tail."""
        row = sample("FP32")[:1]
        answer = self.curl(self.identity, "-H", OCTETS, "-H", f"{RAW}: 0", body=row.tobytes())
        expect(answer.status, 200, answer.body.decode(errors="replace"))
        length = int(answer.headers[RAW.lower()])
        (output,) = json.loads(answer.body[:length])["outputs"]
        expect(output["shape"], list(row.shape))
        expect(answer.body[length:], row.tobytes())

    def infer_raw_bytes(self) -> None:
        """A text body would be one element, and the model takes more than that."""
        path = f"/v2/models/{self.target.identities['BYTES']}/infer"
        self.is_error(self.curl(path, "-H", OCTETS, "-H", f"{RAW}: 0", body=b"one"), 400)

    def infer_raw_many_inputs(self) -> None:
        path = f"/v2/models/{self.target.classifier}/infer"
        self.is_error(self.curl(path, "-H", OCTETS, "-H", f"{RAW}: 0", body=bytes(4)), 400)

    def gzip_request(self) -> None:
        body = gzip.compress(json.dumps(_echo()).encode())
        self.is_echo(self.curl(self.identity, "-H", "Content-Encoding: gzip", body=body))

    def gzip_response(self) -> None:
        self._compressed("gzip")

    def deflate_response(self) -> None:
        self._compressed("deflate")

    def _compressed(self, encoding: str) -> None:
        """curl inflates what the header says is deflated."""
        accepted = ("-H", f"Accept-Encoding: {encoding}")
        small = self.post(self.identity, _echo(), *accepted)
        expect(small.status, 200)
        expect(small.headers.get("content-encoding"), encoding)
        self.is_echo(self.post(self.identity, _echo(), *accepted, "--compressed"))

    def unasked_response_is_plain(self) -> None:
        answer = self.post(self.identity, _echo())
        self.is_echo(answer)
        expect(answer.headers.get("content-encoding"), None)

    def chunked_request(self) -> None:
        self.is_echo(self.post(self.identity, _echo(), "-H", "Transfer-Encoding: chunked"))

    def expect_continue(self) -> None:
        answer = self.post(self.identity, _echo(), "-H", "Expect: 100-continue")
        self.is_echo(answer)
        expect([head.split("\r\n")[0].split()[1] for head in answer.interim], ["100"])

    def http_1_0(self) -> None:
        answer = self.post(self.identity, _echo(), "--http1.0")
        self.is_echo(answer)
        assert "transfer-encoding" not in answer.headers, answer.headers

    def keep_alive(self) -> None:
        """Two requests of one curl go through one connection."""
        url = f"http://{self.target.rest}/v2"
        command = ["curl", "-sS", "--max-time", "10", "-w", "\n%{num_connects}\n", "-o", "/dev/null", "-o", "/dev/null"]
        done = subprocess.run([*command, url, url], capture_output=True, text=True, check=True)
        expect(done.stdout.split(), ["1", "0"])

    def repository_index(self) -> None:
        for body in (b"", b"{}", b'{"ready": true}'):
            answer = self.curl("/v2/repository/index", body=body)
            expect(answer.status, 200, answer.body.decode(errors="replace"))
            states = {one["name"]: one["state"] for one in answer.json()}
            expect(states.get(self.target.classifier), "READY")

    def error_unknown_model(self) -> None:
        self.is_error(self.post("/v2/models/clients-no/infer", _echo()), 404)
        self.is_error(self.curl("/v2/models/clients-no"), 404)

    def error_unknown_path(self) -> None:
        self.is_error(self.curl("/v2/nothing"), 404)

    def error_method(self) -> None:
        self.is_error(self.curl(self.identity), 404, 405)
        self.is_error(self.curl("/v2/health/live", "-X", "DELETE"), 404, 405)

    def error_not_json(self) -> None:
        self.is_error(self.curl(self.identity, "-H", JSON, body=b'{"inputs": ['), 400)

    def error_empty_body(self) -> None:
        self.is_error(self.curl(self.identity, "-X", "POST"), 400)

    def error_not_gzip(self) -> None:
        self.is_error(self.post(self.identity, _echo(), "-H", "Content-Encoding: gzip"), 400)

    def error_unknown_encoding(self) -> None:
        self.is_error(self.post(self.identity, _echo(), "-H", "Content-Encoding: zebra"), 400, 415, 501)

    def error_header_length(self) -> None:
        for length in ("9999", "-1", "many"):
            self.is_error(self.post(self.identity, _echo(), "-H", f"{RAW}: {length}"), 400)

    def error_infinity(self) -> None:
        tensor = {**_fp32(), "data": [math.inf, *flat(sample("FP32"))[1:]]}
        self.is_error(self.post(self.identity, {"inputs": [tensor]}), 400)

    def no_model_control(self) -> None:
        for action in ("load", "unload"):
            path = f"/v2/repository/models/{self.target.slow}/{action}"
            self.is_error(self.post(path, {}), 400, 403, 404, 405)

    def no_shared_memory(self) -> None:
        for kind in ("system", "cuda"):
            self.is_error(self.curl(f"/v2/{kind}sharedmemory/status"), 400, 403, 404, 405)

    def no_trace_and_log_settings(self) -> None:
        for path in ("trace/setting", "logging"):
            self.is_error(self.curl(f"/v2/{path}"), 400, 403, 404, 405)
            self.is_error(self.post(f"/v2/{path}", {}), 400, 403, 404, 405)


def _tensor(name: str, datatype: str, array: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": flat(array)}


def _fp32() -> dict[str, Any]:
    return _tensor(INPUT, "FP32", sample("FP32"))


def _echo() -> dict[str, Any]:
    return {"inputs": [_fp32()]}


async def suite() -> dict[str, str]:
    """Run every check."""
    with tempfile.TemporaryDirectory() as folder:
        return await report(CurlSuite(Target.from_arguments(), Path(folder)).checks())


if __name__ == "__main__":
    run(suite)
