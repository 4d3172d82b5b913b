"""Tokens that Kubernetes or an OpenID Connect provider vouches for, and what they open."""

import asyncio
import base64
import importlib
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from joserfc.jwk import ECKey, OctKey, RSAKey
from prometheus_client import REGISTRY
from pydantic import ValidationError

from synthvlm.client import GenerationClient, RetryPolicy, connect
from synthvlm.errors import DomainError, PermissionDenied, Unauthenticated, Unavailable
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.serving.access import access as access_module
from synthvlm.serving.access import provider_keys
from synthvlm.serving.access.settings import AuthSettings, OidcAuth, safe_url
from synthvlm.serving.testing import serving
from tests.contracts.words import SERVICES, declared
from tests.serving.certificates import Authority
from tests.serving.identity_servers import (
    AUDIENCE,
    ApiServer,
    Provider,
    answering,
    files,
    rsa_key,
)
from tests.serving.probe import SERVICE, ProbeSettings, shard_request

NO_RETRY = RetryPolicy(total_seconds=0)
GENERATION = replace(SERVICE, word="generation", uses=frozenset({"GetModel"}))
READER = "system:serviceaccount:team:reader"


@pytest.fixture(scope="module")
def keys() -> tuple[RSAKey, RSAKey]:
    return rsa_key("one"), rsa_key("two")


@pytest.fixture
def api() -> Iterator[ApiServer]:
    server = ApiServer()
    with answering(server):
        yield server


@pytest.fixture
def provider(keys: tuple[RSAKey, RSAKey]) -> Iterator[Provider]:
    server = Provider()
    server.keys = [keys[0]]
    with answering(server):
        yield server


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged, at every level, by structlog and by libraries."""
    caplog.set_level(logging.DEBUG)
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    yield caplog
    structlog.configure(**before)


def looks_signed(expires_in: float = 600, **claims: Any) -> str:
    """A token of the form that ServiceAccounts have; only the API server could tell its worth."""
    said = {"iss": "https://kubernetes.default.svc", "exp": time.time() + expires_in, **claims}
    parts = [{"alg": "RS256", "kid": "k"}, said]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    return b".".join([*encoded, b"c2lnbmF0dXJl"]).decode()


@asynccontextmanager
async def service(
    tmp_path: Path,
    api: ApiServer | None = None,
    provider: Provider | None = None,
    *,
    token: str = "",
    oidc: dict[str, Any] | None = None,
    **auth: Any,
) -> AsyncIterator["Asking"]:
    if api is not None:
        grants = [
            {"users": [READER], "scopes": ["generation:use"]},
            {"groups": ["system:serviceaccounts:team"], "scopes": ["caption:write"]},
            {"groups": ["writers"], "scopes": ["*:write"]},
        ]
        auth["kubernetes"] = {
            "audience": AUDIENCE,
            "api_server": api.url,
            "grants": grants,
            **files(tmp_path, Authority(tmp_path).ca_file),
        }
    if provider is not None:
        auth["oidc"] = {"issuer": provider.url, "audience": AUDIENCE, **(oidc or {})}
    token_file = tmp_path / "token" if token else None
    if token_file is not None:
        token_file.write_text(token)
    settings = ProbeSettings(auth=AuthSettings(**auth), token_file=token_file)
    async with serving(GENERATION, settings) as server:
        yield Asking(server.address)


class Asking:
    """Calls the service with one token after the other."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def use(self, token: str | None) -> str:
        with GenerationClient(connect(self._address, token=token), NO_RETRY) as client:
            return (await asyncio.to_thread(client.get_model, pb.GetModelRequest())).engine

    async def write(self, token: str | None) -> int:
        with GenerationClient(connect(self._address, token=token), NO_RETRY) as client:
            return (await asyncio.to_thread(client.generate_shard, shard_request())).generated

    async def refused(self, token: str | None, error: type[DomainError], match: str) -> DomainError:
        with pytest.raises(error, match=match) as caught:
            await self.use(token)
        return caught.value


async def test_a_service_account_may_do_what_it_is_granted(tmp_path: Path, api: ApiServer) -> None:
    reader, writer, guest = (looks_signed(sub=name) for name in ("reader", "writer", "guest"))
    api.users = {
        reader: (READER, ["system:serviceaccounts:team"], [AUDIENCE]),
        writer: ("system:serviceaccount:team:writer", ["writers"], ["other", AUDIENCE]),
        guest: ("system:serviceaccount:else:guest", [], [AUDIENCE]),
    }
    async with service(tmp_path, api) as asking:
        assert await asking.use(reader) == "probe"
        with pytest.raises(PermissionDenied) as caught:
            await asking.write(reader)
        assert caught.value.message == (
            f"{READER} lacks the scope generation:write, which GenerateShard takes; "
            f"it has caption:write, generation:use"
        )
        assert caught.value.metadata["scope"] == "generation:write"
        assert await asking.write(writer) == 3
        assert await asking.use(writer) == "probe"
        await asking.refused(guest, PermissionDenied, "lacks the scope generation:use.* has none")
        # Each was reviewed once, however often it called.
        assert len(api.asked) == 3


async def test_what_kubernetes_does_not_vouch_for_opens_nothing(
    tmp_path: Path, api: ApiServer
) -> None:
    stranger, elsewhere, unaware = (looks_signed(sub=name) for name in "abc")
    api.users = {
        elsewhere: (READER, [], ["vault"]),
        # A server that knows no audiences would take a token that was meant for somebody else.
        unaware: (READER, [], []),
    }
    async with service(tmp_path, api) as asking:
        await asking.refused(stranger, Unauthenticated, "does not know the token")
        await asking.refused(elsewhere, Unauthenticated, "does not know the token")
        await asking.refused(unaware, Unauthenticated, f"not for the audience {AUDIENCE}")
        await asking.refused(stranger, Unauthenticated, "does not know the token")
        assert len(api.asked) == 3
        # Nobody is asked about these.
        await asking.refused(looks_signed(-3600), Unauthenticated, "expired")
        for junk in (None, "", "x", "a.b.c", "W10.W10.x", "x" * 7000, "." * 300):
            await asking.refused(junk, Unauthenticated, "send a token of the service")
        assert len(api.asked) == 3


async def test_the_own_token_opens_everything_beside_the_others(
    tmp_path: Path, api: ApiServer
) -> None:
    async with service(tmp_path, api, token="own") as asking:
        assert await asking.write("own") == 3
        await asking.refused("other", Unauthenticated, "send a token of the service")
        assert api.asked == []


@pytest.mark.parametrize("trouble", ["rights", "status", "silence", "gone", "nonsense"])
async def test_a_reviewer_that_fails_lets_nobody_in_and_holds_nobody_up(
    tmp_path: Path, api: ApiServer, trouble: str
) -> None:
    token, known = looks_signed(sub="reader"), looks_signed(sub="before")
    api.users = dict.fromkeys((token, known), (READER, [], [AUDIENCE]))
    async with service(tmp_path, api, timeout_seconds=0.3) as asking:
        assert await asking.use(known) == "probe"
        if trouble == "rights":
            (tmp_path / "own-token").write_text("another")
        elif trouble == "gone":
            api.gone = True
        elif trouble == "nonsense":
            api.content = lambda *_: (201, b"[" * 100_000)  # type: ignore[method-assign]
        else:
            api.status, api.seconds = {"status": (302, 0.0), "silence": (200, 5.0)}[trouble]
        began = time.monotonic()
        await asking.refused(token, Unavailable, "cannot check tokens now")
        assert time.monotonic() - began < 3
        # Who was reviewed before goes on for a while.
        assert await asking.use(known) == "probe"
        if trouble == "status":
            assert "/elsewhere" not in api.asked
            # A failure is not remembered.
            api.status = 200
            assert await asking.use(token) == "probe"


async def test_a_withdrawn_token_works_for_no_longer_than_it_is_remembered(
    tmp_path: Path, api: ApiServer
) -> None:
    token = looks_signed()
    api.users = {token: (READER, [], [AUDIENCE])}
    async with service(tmp_path, api, cache_seconds=0.2) as asking:
        assert await asking.use(token) == "probe"
        api.users = {}
        await asyncio.sleep(0.3)
        await asking.refused(token, Unauthenticated, "does not know")


async def test_many_calls_with_one_token_are_one_review(tmp_path: Path, api: ApiServer) -> None:
    token = looks_signed()
    api.users = {token: (READER, [], [AUDIENCE])}
    api.seconds = 0.2
    async with service(tmp_path, api) as asking:
        assert await asyncio.gather(*(asking.use(token) for _ in range(8))) == ["probe"] * 8
    assert len(api.asked) == 1


async def test_more_tokens_than_can_be_reviewed_come_again(
    tmp_path: Path, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "_REVIEWS", 2)
    monkeypatch.setattr(access_module, "_REMEMBERED", 3)
    api.seconds = 0.3
    async with service(tmp_path, api) as asking:
        tokens = [looks_signed(sub=str(number)) for number in range(6)]
        answers = await asyncio.gather(*map(asking.use, tokens), return_exceptions=True)
        full = [one for one in answers if isinstance(one, Unavailable)]
        assert full
        assert all("too many tokens" in one.message for one in full)
        # Health and calls that need no review are not in their way.
        assert all(isinstance(one, Unavailable | Unauthenticated) for one in answers)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "_REMEMBERED", 3)
    answers: Any = access_module.OrderedDict()
    for number in range(10):
        access_module._remember(answers, bytes([number]), access_module._Told(None, "", 0.0))
    assert list(answers) == [b"\x07", b"\x08", b"\x09"]


async def test_a_provider_s_token_has_scopes_of_its_own_and_of_grants(
    tmp_path: Path, provider: Provider, keys: tuple[RSAKey, RSAKey]
) -> None:
    grants = [{"groups": ["writers"], "scopes": ["generation:write"]}]
    async with service(tmp_path, provider=provider, oidc={"grants": grants}) as asking:
        user = provider.token(keys[0], scope="openid generation:use mail:read")
        writer = provider.token(keys[0], groups=["writers"], header={"x-own": "1"})
        nobody = provider.token(keys[0], scope=["generation:admin", "generation"])
        assert await asking.use(user) == "probe"
        with pytest.raises(PermissionDenied, match="ann lacks the scope generation:write"):
            await asking.write(user)
        assert await asking.write(writer) == 3
        await asking.refused(nobody, PermissionDenied, "it has none")
        # The keys were fetched once, and nobody was asked about a token.
        assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_tokens_that_the_provider_did_not_sign_for_us(
    tmp_path: Path, provider: Provider, keys: tuple[RSAKey, RSAKey]
) -> None:
    own, other = keys
    now = int(time.time())
    forged = RSAKey.import_key({**other.as_dict(private=True), "kid": "one"})
    whole = provider.token(own, scope="*:write")
    head, claims, signature = whole.split(".")
    wrong: dict[str, str] = {
        provider.token(own, aud="vault"): "not valid here",
        provider.token(own, aud=None): "not valid here",
        provider.token(own, aud=[]): "not valid here",
        provider.token(own, exp=now - 120): "not valid here",
        provider.token(own, exp=None): "not valid here",
        provider.token(own, exp="tomorrow"): "not valid here",
        provider.token(own, nbf=now + 120): "not valid here",
        provider.token(own, iat=now + 120): "not valid here",
        provider.token(own, sub=None): "no claim sub",
        provider.token(own, iss="https://else.example"): "send a token of the service",
        provider.token(forged): "signature is not valid",
        provider.token(other): "names no key",
        provider.confused(own): "not signed by RS256",
        provider.unsigned(own): "not signed by RS256",
        f"{head}.{claims}.": "signature is not valid",
        f"{head}.{claims[:-2]}.{signature}": "signature is not valid|send a token",
        provider.token(own, header={"crit": ["x-own"], "x-own": "1"}): "signature is not valid",
    }
    async with service(tmp_path, provider=provider) as asking:
        for token, problem in wrong.items():
            await asking.refused(token, Unauthenticated, problem)
        # Clocks may differ by half a minute.
        late = provider.token(own, exp=now - 10, scope="generation:use")
        assert await asking.use(late) == "probe"


async def test_only_public_keys_of_signatures_count(
    tmp_path: Path, provider: Provider, keys: tuple[RSAKey, RSAKey]
) -> None:
    secret = OctKey.import_key(b"x" * 32, {"kid": "secret"})
    curve = ECKey.generate_key("P-256", {"kid": "curve"})
    sealing = {**keys[1].as_dict(private=False), "use": "enc"}
    provider.also = [secret.as_dict(), sealing, {"kty": "new"}, {"kty": "RSA", "kid": "broken"}]
    provider.keys = [*keys[:1], curve]
    oidc = {"algorithms": ["RS256", "ES256"]}
    async with service(tmp_path, provider=provider, oidc=oidc) as asking:
        for token in (
            provider.token(keys[0], scope="*:use"),
            provider.token(curve, scope="*:use", header={"alg": "ES256"}),
        ):
            assert await asking.use(token) == "probe"
        for token in (
            provider.token(keys[1], scope="*:use"),
            provider.token(secret, scope="*:use", header={"alg": "RS256"} | {"alg": "HS256"}),
        ):
            await asking.refused(token, Unauthenticated, "names no key|not signed by")


async def test_keys_rotate(
    tmp_path: Path,
    provider: Provider,
    keys: tuple[RSAKey, RSAKey],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provider_keys, "_LEAST_SECONDS", 0.2)
    old, new = keys
    oidc = {"keys_seconds": 0.4, "keys_grace_seconds": 0.6}
    async with service(tmp_path, provider=provider, oidc=oidc, cache_seconds=0.01) as asking:
        before, after = (provider.token(key, scope="*:use") for key in keys)
        assert await asking.use(before) == "probe"
        provider.keys = [old, new]
        # Invented key ids do not make the provider be asked over and over.
        await asking.refused(after, Unauthenticated, "names no key")
        assert len(provider.asked) == 2
        await asyncio.sleep(0.25)
        fresh = provider.token(new, scope="*:use", jti="2")
        assert await asking.use(fresh) == "probe"
        # A key that was taken out counts no more once the keys are old.
        provider.keys = [new]
        await asyncio.sleep(0.45)
        await asking.refused(before, Unauthenticated, "names no key")
        # A provider that cannot be reached is done without for a while, and no longer.
        provider.status = 503
        await asyncio.sleep(0.45)
        assert await asking.use(fresh) == "probe"
        await asyncio.sleep(0.7)
        await asking.refused(fresh, Unavailable, "OpenID Connect provider does not answer")


async def test_a_provider_under_another_name_is_not_trusted(
    tmp_path: Path, provider: Provider, keys: tuple[RSAKey, RSAKey]
) -> None:
    provider.calls_itself = "https://else.example"
    async with service(tmp_path, provider=provider) as asking:
        await asking.refused(provider.token(keys[0]), Unavailable, "does not answer")


async def test_each_token_goes_to_its_own_reviewer(
    tmp_path: Path, api: ApiServer, provider: Provider, keys: tuple[RSAKey, RSAKey]
) -> None:
    account = looks_signed()
    api.users = {account: (READER, [], [AUDIENCE])}
    async with service(tmp_path, api, provider) as asking:
        # A provider's user does not get what a ServiceAccount of that name is granted.
        impostor = provider.token(keys[0], sub=READER)
        await asking.refused(impostor, PermissionDenied, "it has none")
        assert api.asked == []
        assert await asking.use(account) == "probe"
        assert len(api.asked) == 1


async def test_reviews_are_counted_and_no_token_is_logged(
    tmp_path: Path,
    api: ApiServer,
    provider: Provider,
    keys: tuple[RSAKey, RSAKey],
    logged: pytest.LogCaptureFixture,
) -> None:
    def count(reviewer: str, result: str) -> float:
        labels = {"reviewer": reviewer, "result": result}
        return REGISTRY.get_sample_value("synthvlm_serving_token_reviews_total", labels) or 0.0

    kinds = [(one, result) for one in ("kubernetes", "oidc")
             for result in ("accepted", "refused", "failed")]  # fmt: skip
    before = {kind: count(*kind) for kind in kinds}
    good, bad = looks_signed(sub="a"), looks_signed(sub="b")
    api.users = {good: (READER, [], [AUDIENCE])}
    signed, late = provider.token(keys[0], scope="*:use"), provider.token(keys[0], exp=1)
    async with service(tmp_path, api, provider, timeout_seconds=0.5) as asking:
        await asking.use(good)
        await asking.use(signed)
        await asking.refused(bad, Unauthenticated, "does not know")
        await asking.refused(late, Unauthenticated, "not valid here")
        api.status = 500
        await asking.refused(looks_signed(sub="c"), Unavailable, "cannot check")
    grown = {kind: count(*kind) - before[kind] for kind in kinds}
    assert grown == dict.fromkeys(kinds, 1.0) | {("oidc", "failed"): 0.0}
    assert logged.text
    for token in (good, bad, signed, late, ApiServer.RIGHT):
        assert token not in logged.text
        assert token.rpartition(".")[2] not in logged.text


async def test_reflection_wants_a_caller_and_no_scope(tmp_path: Path, api: ApiServer) -> None:
    guest = looks_signed()
    api.users = {guest: ("somebody", [], [AUDIENCE])}
    from synthvlm.client.call import Reflection

    async with service(tmp_path, api) as asking:
        with connect(asking._address, token=guest) as channel:
            services = await asyncio.to_thread(Reflection(channel).services)
        assert "synthvlm.generation.v1.GenerationService" in [one.full_name for one in services]
        with connect(asking._address) as channel, pytest.raises(grpc.RpcError):
            await asyncio.to_thread(Reflection(channel).services)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"oidc": {"issuer": "https://a.example"}}, "issuer needs audience"),
        ({"oidc": {"issuer": "http://a.example", "audience": "x"}}, "https://"),
        ({"oidc": {"algorithms": ["HS256"]}}, "RS256"),
        ({"oidc": {"algorithms": ["none"]}}, "RS256"),
        ({"kubernetes": {"grants": [{"scopes": ["caption:use"]}]}}, "names users or groups"),
        ({"kubernetes": {"grants": [{"users": ["a"], "scopes": ["caption"]}]}}, "pattern"),
    ],
)
def test_settings_that_would_let_too_many_in_are_refused(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        AuthSettings(**settings)


def test_urls_are_of_servers_that_can_be_trusted() -> None:
    assert safe_url("https://a.example/realm/") == "https://a.example/realm"
    assert OidcAuth(issuer="http://localhost:1", audience="x").issuer == "http://localhost:1"
    for url in ("", "http://a.example", "file:///a", "https://", "https://a.example?x=1"):
        with pytest.raises(ValueError, match="https://"):
            safe_url(url)


@pytest.mark.parametrize("word", SERVICES)
def test_what_use_is_enough_for_writes_nothing(word: str) -> None:
    module: Any = importlib.import_module(f"synthvlm.{word}.service")
    names = {method.name for method in declared(word).methods}
    uses = module.SERVICE.uses
    assert uses
    assert uses <= names
    # Requests that name where results go are those of methods that write.
    for method in declared(word).methods:
        if method.name in uses:
            assert method.name.startswith(("Get", "List", "Diff", "Evaluate", "Score", "Generate"))
            assert not method.name.endswith("Shard")
