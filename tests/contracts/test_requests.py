"""Whatever a caller sends, a service answers with what is wrong, never with a breakdown."""

from random import Random
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.contracts.values import BYTES, FLOATS, INTEGERS, TEXTS
from tests.contracts.words import methods

METHODS = {f"{method.containing_service.name}.{method.name}": method for method in methods()}
COMPLETE_WHEN_EMPTY = {
    "AlignmentService.GetModel",
    "DatasetService.ListVersions",
    "GenerationService.GetModel",
    "ReviewService.ListCampaigns",
}
"""Calls whose every field is optional."""
ANSWERS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}
DEEPEST = 4


def call(addresses: dict[str, str], method: MethodDescriptor, request: Message) -> Any:
    """The error that the service answers with, or None."""
    word = method.full_name.split(".")[1]
    path = f"/{method.containing_service.full_name}/{method.name}"
    options = [("grpc.max_send_message_length", 64 << 20)]
    with grpc.insecure_channel(addresses[word], options=options) as channel:
        kind: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
        try:
            answer = kind(path)(request.SerializeToString(), timeout=120)
            list(answer) if method.server_streaming else None
        except grpc.RpcError as error:
            return error
    return None


def violations(error: Any) -> list[error_details_pb2.BadRequest.FieldViolation]:
    found = error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    assert status is not None, "the status has no details"
    for detail in status.details:
        detail.Unpack(found)
    return list(found.field_violations)


def names_a_field(descriptor: Descriptor, path: str) -> bool:
    """Whether ``path`` leads to a field of the message: ``pairs[3].caption``, ``store.uri``."""
    for step in path.split("."):
        name = step.partition("[")[0]
        entry = descriptor.fields_by_name.get(name) or descriptor.oneofs_by_name.get(name)
        if entry is None:
            return False
        if isinstance(entry, FieldDescriptor) and entry.message_type is not None:
            descriptor = entry.message_type
    return True


def assert_explained(method: MethodDescriptor, error: Any) -> None:
    named = violations(error)
    assert named, f"{error.details()} names no field"
    for violation in named:
        assert violation.description
        assert names_a_field(method.input_type, violation.field), violation.field


@pytest.mark.parametrize("name", sorted(set(METHODS) - COMPLETE_WHEN_EMPTY))
def test_an_empty_request_is_explained(addresses: dict[str, str], name: str) -> None:
    method = METHODS[name]
    error = call(addresses, method, message_factory.GetMessageClass(method.input_type)())
    assert error is not None
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error.details()
    assert_explained(method, error)


@pytest.mark.parametrize("name", sorted(COMPLETE_WHEN_EMPTY))
def test_a_request_that_needs_nothing_is_answered(addresses: dict[str, str], name: str) -> None:
    method = METHODS[name]
    assert call(addresses, method, message_factory.GetMessageClass(method.input_type)()) is None


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, depth + 1)
    if field.cpp_type in INTEGERS:
        return st.sampled_from(INTEGERS[field.cpp_type])
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return st.sampled_from(FLOATS)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([0, 1, 99, -1])
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    return st.sampled_from(BYTES if field.type == FieldDescriptor.TYPE_BYTES else TEXTS)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Message:
    """Messages of the given kind, most of them wrong in several places."""
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if depth > DEEPEST or draw(st.integers(0, 3)) == 0:
            continue
        if field.is_repeated:
            for value in draw(st.lists(values(field, depth), max_size=3)):
                entries = getattr(message, field.name)
                if field.message_type is None:
                    entries.append(value)
                else:
                    entries.add().CopyFrom(value)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(values(field, depth)))
        else:
            setattr(message, field.name, draw(values(field, depth)))
    return message


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_request_breaks_a_service(addresses: dict[str, str], name: str) -> None:
    method = METHODS[name]

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(request=messages(method.input_type))
    def send(request: Message) -> None:
        error = call(addresses, method, request)
        code = grpc.StatusCode.OK if error is None else error.code()
        assert code in ANSWERS, f"{code}: {error.details()} for {str(request)[:2000]}"
        if code == grpc.StatusCode.INVALID_ARGUMENT:
            assert_explained(method, error)

    send()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_bytes_break_a_service(addresses: dict[str, str], name: str) -> None:
    method = METHODS[name]
    random = Random(name)

    class Damaged:
        """Random bytes, some of which begin like a field of the request."""

        def SerializeToString(self) -> bytes:
            begin = bytes([8 * random.randrange(8) + 2, random.randrange(40)])
            return begin * random.randrange(2) + random.randbytes(random.choice([1, 5, 30, 20_000]))

    for _ in range(100):
        error = call(addresses, method, Damaged())  # type: ignore[arg-type]
        assert error is None or error.code() in ANSWERS, f"{error.code()}: {error.details()}"
