"""Behind TLS and tokens, too, whatever is sent is answered, and nothing ends or grows.

The short form attacks one service; ``ATTACK_TLS=10000`` sends so many calls to each of them.
"""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.attack import rpcs
from tests.attack.budget import Budget, budget
from tests.attack.conftest import ROW
from tests.attack.secured import (
    OWN,
    account_token,
    any_credentials,
    requests_about_nothing,
    secured,
)
from tests.attack.watch import Watch
from tests.contracts.words import SERVICES, declared
from tests.serving.identity_servers import AUDIENCE, ApiServer, answering

CALLS = int(os.environ.get("ATTACK_TLS") or 0)


@pytest.mark.parametrize("word", SERVICES if CALLS else ["caption"])
@pytest.mark.timeout(7200 if CALLS else 600)
def test_calls_through_tls_with_tokens(
    word: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    methods, valid = list(declared(word).methods), requests_about_nothing(tmp_path)
    api = ApiServer()
    known = {group: account_token(group) for group in ("readers", "writers")}
    api.users = {token: (group, [group], [AUDIENCE]) for group, token in known.items()}
    with answering(api), secured(word, tmp_path, api) as target:
        watch = Watch(f"TLS, {word}", {word: target}, Budget(0, budget().seed))
        with watch:
            for random in watch.attempts(share=1, short=CALLS or 100):
                sent = rpcs.any_call(random, methods, valid)
                credentials = any_credentials(random, known)
                watch.record(sent.send(target, seconds=2, metadata=credentials))
        watch.check()
        codes = watch.row.codes
        assert codes.keys() >= {"UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT"}
        # Tokens are remembered: the API server is asked about few of them, and about none twice
        # within the time for which an answer counts.
        assert len(api.asked) < max(60, watch.row.attempts / 5)
        # Strangers get no further than TLS.
        with grpc.insecure_channel(target.process.address) as stranger:
            with pytest.raises(grpc.RpcError) as caught:
                call: Any = stranger.unary_unary(rpcs.path_of(methods[0]))
                call(b"", timeout=2)
            assert caught.value.code() in (
                grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
            )  # fmt: skip
    record_property(ROW, asdict(watch.row))
    log = target.process.log.read_text(errors="replace")
    assert "unexpected error" not in log
    for token in (OWN, *known.values(), ApiServer.RIGHT):
        assert token not in log
