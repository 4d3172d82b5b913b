"""Errors on their way to the client: status, details, limits."""

import errno
import tempfile
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from synthvlm import errors
from synthvlm.disk_space import is_disk_full
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.grpc_errors import typed_error
from synthvlm.serving.testing import running
from tests.serving.probe import ERRORS, SERVICE, ProbeSettings, image_request


@pytest.mark.parametrize("name", sorted(ERRORS))
async def test_each_error_arrives_as_the_same_class(name: str) -> None:
    raised = ERRORS[name]
    async with running(SERVICE, ProbeSettings()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.GenerationServiceStub(channel).GenerateImage(
                image_request(f"raise:{name}")
            )
    arrived = typed_error(caught.value)
    assert type(arrived) is type(raised)
    assert arrived.message == raised.message
    assert arrived.metadata == {
        **raised.metadata,
        "grpc_code": raised.code,
        "reason": raised.reason,
    }
    if isinstance(raised, errors.RetryableError):
        assert isinstance(arrived, errors.RetryableError)
        assert arrived.retry_after_seconds == raised.retry_after_seconds
    if isinstance(raised, errors.InvalidInput):
        assert isinstance(arrived, errors.InvalidInput)
        assert arrived.violations == raised.violations


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_is_told_as_such(number: int) -> None:
    async with running(SERVICE, ProbeSettings()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.GenerationServiceStub(channel).GenerateImage(
                image_request(f"errno:{number}")
            )
    arrived = typed_error(caught.value)
    assert isinstance(arrived, errors.OutOfSpace)
    assert "no space left" in arrived.message


async def test_no_folder_for_temporary_files_is_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tmp").touch()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "tmp")])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    assert is_disk_full(caught.value)


async def test_a_defect_is_internal_and_tells_nothing_but_to_the_log() -> None:
    async with running(SERVICE, ProbeSettings()) as channel:
        with capture_logs() as logged, pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.GenerationServiceStub(channel).GenerateImage(
                image_request("bug"), metadata=(("x-request-id", "ask-me"),)
            )
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "ask-me" in (caught.value.details() or "")
    assert "secret" not in str(caught.value)
    assert [entry["event"] for entry in logged if entry.get("exc_info")] == ["unexpected error"]


async def test_violations_name_the_fields_of_the_proto() -> None:
    request = pb.GenerateImageRequest(
        prompt="", seed=2**63, parameters={"steps": 501}, request_id="a b"
    )
    async with running(SERVICE, ProbeSettings()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.GenerationServiceStub(channel).GenerateImage(request)
    arrived = typed_error(caught.value)
    assert isinstance(arrived, errors.InvalidInput)
    assert [entry.field for entry in arrived.violations] == [
        "prompt",
        "seed",
        "parameters.steps",
        "request_id",
    ]


async def test_details_of_any_size_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "\N{PILE OF POO}" * 5_000
    many = [errors.FieldViolation(f"pairs[{n}].caption", wide) for n in range(1_000)]
    monkeypatch.setitem(ERRORS, "huge", errors.InvalidInput(wide, many))
    async with running(SERVICE, ProbeSettings()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.GenerationServiceStub(channel).GenerateImage(image_request("raise:huge"))
    arrived = typed_error(caught.value)
    assert isinstance(arrived, errors.InvalidInput)
    assert len(arrived.violations) + int(arrived.metadata["violations_omitted"]) == len(many)
    assert arrived.violations[0].field == "pairs[0].caption"
