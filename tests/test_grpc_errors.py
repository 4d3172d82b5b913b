"""Typed errors as status: bounded, with nothing dropped silently."""

from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from synthvlm import errors
from synthvlm.grpc_errors import status_of


@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=30))
def test_a_status_is_bounded_and_counts_what_it_omits(
    message: str, violations: list[tuple[str, str]]
) -> None:
    error = errors.InvalidInput(message, [errors.FieldViolation(*entry) for entry in violations])
    status = status_of(error)
    assert status.ByteSize() <= 4_096
    bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(bad)
        detail.Unpack(info)
    omitted = int(info.metadata.get("violations_omitted", "0"))
    assert len(bad.field_violations) + omitted == len(violations)
