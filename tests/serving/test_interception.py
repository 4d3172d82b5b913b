"""How the interceptor ends a call that nobody reads to its end."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from synthvlm.serving.admission import Admission
from synthvlm.serving.calls import Kind, Shutdown, methods_of
from synthvlm.serving.interception import CallInterceptor
from synthvlm.serving.metrics import Metrics
from tests.serving.probe import DESCRIPTOR


class Context:
    """What the interceptor asks of a context."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def time_remaining(self) -> None:
        return None


async def numbers(_request: Any, _context: Any) -> AsyncIterator[int]:
    for number in range(10):
        yield number


async def test_a_stream_that_is_closed_between_two_answers_counts_as_cancelled() -> None:
    admission = Admission(dict.fromkeys(Kind, 1), 0)
    admission.open()
    metrics = Metrics("closed", admission)
    with ThreadPoolExecutor(1) as pool:
        interceptor = CallInterceptor(
            methods_of(DESCRIPTOR), admission, metrics, pool, Shutdown(), None
        )

        async def handler(_details: Any) -> Any:
            return grpc.unary_stream_rpc_method_handler(numbers)

        class Details:
            method = f"/{DESCRIPTOR.full_name}/GenerateShard"

        wrapped = await interceptor.intercept_service(handler, Details())  # type: ignore[arg-type]
        answers = wrapped.unary_stream(None, Context())
        assert await anext(answers) == 0
        assert admission.lanes[Kind.SHARD].running == 1
        await answers.aclose()
    assert admission.lanes[Kind.SHARD].running == 0
    assert admission.unfinished == 0
    labels = {"method": "GenerateShard", "code": "CANCELLED"}
    assert metrics.registry.get_sample_value("synthvlm_closed_requests_total", labels) == 1.0
