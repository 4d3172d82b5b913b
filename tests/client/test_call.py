"""The generic client, against servers that offer reflection."""

import io
import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.client import call
from tests.serving.certificates import Authority

SERVICE = caption_pb2.DESCRIPTOR.services_by_name["CaptionService"]


class Echo(caption_pb2_grpc.CaptionServiceServicer):
    """Keeps every caption."""

    def EvaluateCaptions(self, request, context):
        return caption_pb2.EvaluateCaptionsResponse(verdicts=[verdict(c) for c in request.captions])

    def EvaluateFile(self, request, context):
        for number in range(2):
            one = caption_pb2.CaptionVerdict(id=str(number), text=request.file)
            yield caption_pb2.EvaluateFileResponse(verdicts=[one])

    def CurateShard(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such shard")


def verdict(caption: caption_pb2.Caption) -> Message:
    stats = {"text_len": float(len(caption.text))}
    return caption_pb2.CaptionVerdict(id=caption.id, text=caption.text, keep=True, stats=stats)


def make_server() -> grpc.Server:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    caption_pb2_grpc.add_CaptionServiceServicer_to_server(Echo(), server)
    status = health.HealthServicer()
    status.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    names = [SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    return server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = make_server()
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_methods_are_listed(address, capsys):
    assert call.main([address]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "synthvlm.caption.v1.CaptionService" in lines
    assert {f"  {SERVICE.full_name}/{method.name}" for method in SERVICE.methods} <= set(lines)


@pytest.mark.parametrize("name", ["EvaluateCaptions", f"{SERVICE.full_name}/EvaluateCaptions"])
@pytest.mark.parametrize("source", ["argument", "file", "stdin"])
def test_a_call_is_sent_from_wherever_its_json_comes(
    address, capsys, monkeypatch, tmp_path, name, source
):
    text = '{"captions": [{"id": "1", "text": "日本"}]}'
    (tmp_path / "request.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    given = {"argument": text, "file": f"@{tmp_path}/request.json", "stdin": "-"}[source]
    assert call.main([address, name, given]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdicts"][0]["text"] == "日本"
    assert answer["verdicts"][0]["stats"] == {"text_len": 2.0}


def test_a_service_that_wants_a_certificate_gets_it(capsys, tmp_path):
    authority = Authority(tmp_path)
    own, client = authority.issue("server"), authority.issue("client")
    server = make_server()
    credentials = grpc.ssl_server_credentials(
        [(own.key.read_bytes(), own.certificate.read_bytes())],
        root_certificates=authority.ca_file.read_bytes(),
        require_client_auth=True,
    )
    target = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    trusting = [target, "--ca-file", str(authority.ca_file)]
    presented = ["--certificate-file", str(client.certificate), "--key-file", str(client.key)]
    assert call.main([*trusting, *presented]) == 0
    assert SERVICE.full_name in capsys.readouterr().out
    assert call.main(trusting) == 1
    assert "UNAVAILABLE" in capsys.readouterr().err
    server.stop(None)


def test_each_message_of_a_stream_is_a_line(address, capsys):
    assert call.main([address, "EvaluateFile", '{"file": "x"}']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["verdicts"][0]["id"] for line in lines] == ["0", "1"]


def test_symbols_are_described(address, capsys):
    assert call.main([address, "describe", "synthvlm.caption.v1.CaptionVerdict"]) == 0
    assert "  map<string, double> stats = 2;" in capsys.readouterr().out
    assert call.main([address, "describe", "grpc.health.v1.HealthCheckResponse.ServingStatus"]) == 0
    assert "  NOT_SERVING = 2;" in capsys.readouterr().out
    assert call.main([address, "describe", "CurateShard"]) == 0
    assert "returns (stream synthvlm.caption.v1.CurateShardResponse)" in capsys.readouterr().out
    assert call.main([address, "describe", SERVICE.full_name]) == 0
    assert capsys.readouterr().out.startswith(f"service {SERVICE.full_name} {{")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["CurateShard"], 1, "NOT_FOUND: no such shard"),
        (["Nothing"], 2, "no service has a method called 'Nothing'"),
        (["EvaluateCaptions", "{"], 2, "is invalid"),
        (["EvaluateCaptions", '{"captoins": []}'], 2, "captoins"),
        (["EvaluateCaptions", "@no-such-file"], 2, "cannot be read"),
    ],
)
def test_failures_are_told_in_one_line(address, capsys, arguments, status, told):
    assert call.main([address, *arguments]) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err
    assert "Traceback" not in shown.err


def test_a_request_file_that_is_no_text_is_told(address, capsys, tmp_path):
    request = tmp_path / "request.json"
    request.write_bytes(b"\xff")
    assert call.main([address, "EvaluateCaptions", f"@{request}"]) == 2
    assert "cannot be read" in capsys.readouterr().err
