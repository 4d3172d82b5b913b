"""A location is read once; whatever a URI looks like, no store outside of the roots is opened."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from synthvlm.errors import InvalidInput
from synthvlm.storage import Roots, file_location, file_uri, open_store, parse_location
from synthvlm.storage.location import Location, parse_root

ESCAPES = [
    *("%2e%2e/secret", ".%2e/secret", "%2E./secret", "%252e%252e/secret", ".\t./secret"),
    *(".\n./secret", "../secret", "./secret", "a/../../secret", "..%2fsecret", "..%5csecret"),
    *("..\\secret", "\\secret", "/secret", "a//secret", "\uff0e\uff0e/secret", "\u2025/secret"),
    *("..\uff0fsecret", "%c0%ae%c0%ae/secret", "%ff/secret", "%zz/secret", "%/secret"),
    *(".. /secret", " ../secret", ".\u200b./secret", "%00/secret", "\0", "?secret", "a#secret"),
    *("a?x=/../secret", ".%09./secret", "%0a/secret", "\u202e/secret", "\ud800/secret"),
]
PIECES = st.sampled_from(
    [
        *ESCAPES,
        "a",
        "b c",
        "\u00e9",
        "%C3%A9",
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2F",
        "%",
        "@",
        ":",
        "?",
    ]
)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "dGVzdA==")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")


def opened(roots: list[str], uri: str) -> Any | None:
    """The backend of the store that a caller gets; None: it is refused."""
    try:
        return open_store(Roots(roots).require(parse_location(uri)))._backend
    except InvalidInput as error:
        assert error.violations[0].field == "store.uri"
        return None


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "memory", "file"])
def test_no_disguise_of_a_step_up_is_read(scheme: str, escape: str) -> None:
    if scheme == "file" and "%25" in escape:
        return  # a folder of this machine may have a percent sign in its name: nobody decodes it
    authority = "" if scheme == "file" else "bucket"
    with pytest.raises(InvalidInput) as caught:
        parse_location(f"{scheme}://{authority}/allowed/{escape}/x")
    assert caught.value.violations[0].field == "store.uri"


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "",
            "ftp://host/x",
            "/folder",
            "file:///a/../b",
            "file:///a\0b",
            "file://host/a",
            "file:/a",
        ),
        *(
            "file://localhost/a",
            "s3://",
            "s3:///x",
            "s3://no bucket/x",
            "s3://[::1/x",
            "s3://b:80/x",
        ),
        *(
            "s3://user:pass@b/x",
            "s3://user:a pass@b/x",
            "s3:user:pass@b/x",
            "https:/user:pass@b/x",
            "s3://b@c/x",
            "s3://a..b/x",
            "s3://%62/x",
            "s3://\u0431/x",
            "s3://b?q",
        ),
        *(
            "s3://b#f",
            "S3://b/x",
            " s3://b/x",
            "s3:// b/x",
            "s3://../x",
            "s3://b/x?q",
            "s3://b/x#f",
        ),
        *("s3://b\n/x", "s3://b\\x/y", "https://b.s3.amazonaws.com/x", "gs://b/x//"),
    ],
)
def test_what_is_not_a_store_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_location(uri)
    assert caught.value.violations[0].field == "store.uri"
    assert "pass" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_local_folder_has_one_uri_which_leads_back_to_it(name: str) -> None:
    try:
        location = file_location(Path("/nowhere") / name)
    except (InvalidInput, ValueError):
        return
    assert parse_location(location.uri) == location
    assert parse_location(location.uri).folder == (Path("/nowhere") / name).resolve()


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(["s3", "gs", "az"]), st.lists(PIECES | st.text(max_size=4), max_size=6))
def test_what_is_opened_in_a_bucket_lies_below_the_root(scheme: str, pieces: list[str]) -> None:
    uri = f"{scheme}://bucket/allowed{''.join(pieces)}"
    backend = opened([f"{scheme}://bucket/allowed"], uri)
    if backend is not None:
        assert {"bucket", "container_name"} & set(backend.config)
        assert "bucket" in backend.config.values()
        prefix = f"{backend.prefix}/"
        assert prefix.startswith("allowed/")
        assert not {"", ".", ".."} & set(prefix[:-1].split("/"))
        # Nor is there anything left that somebody could decode.
        assert "%" not in prefix
        assert "\\" not in prefix


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES | st.text(max_size=4), max_size=6))
def test_what_is_opened_in_another_bucket_is_refused(pieces: list[str]) -> None:
    assert (
        opened(["s3://bucket/allowed"], f"s3://bucket{''.join(pieces) or '-two'}/allowed2") is None
    )


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(PIECES | st.sampled_from(["link", "/link/", "loop", "inner"]), max_size=6))
def test_what_is_opened_on_this_machine_lies_below_the_root(
    tmp_path: Path, pieces: list[str]
) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    if not secret.exists():
        (allowed / "a").mkdir(parents=True)
        secret.mkdir()
        (allowed / "link").symlink_to(secret)
        (allowed / "a" / "link").symlink_to(tmp_path)
        (allowed / "loop").symlink_to(allowed / "loop")
        (allowed / "inner").symlink_to(allowed / "a")
    backend = opened([file_uri(allowed)], f"file://{allowed}/{''.join(pieces)}")
    if backend is not None:
        obstore.put(backend, "mark", b"")
        assert not list(secret.iterdir())
        assert not [path for path in tmp_path.iterdir() if path not in (allowed, secret)]
        assert Path(backend.prefix).resolve().is_relative_to(allowed.resolve())


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=6))
def test_what_is_opened_in_memory_lies_below_the_root(pieces: list[str]) -> None:
    open_store(parse_location("memory://bucket/secret")).write("x", b"secret")
    backend = opened(["memory://bucket/allowed"], f"memory://bucket/allowed{''.join(pieces)}")
    if backend is not None:
        assert not [entry for batch in obstore.list(backend) for entry in batch]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def test_a_server_gets_no_request_outside_of_the_root(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reproduction: with ``s3://bucket/allowed`` allowed, objects beside it were reached."""
    with urlopen(Request(f"{s3}/bucket", method="PUT")):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    whole = S3Store("bucket")
    obstore.put(whole, "secret/x/y", b"secret")
    reached = 0
    for escape in ["", "b c/\u00e9", "a+b&c=d", *ESCAPES]:
        backend = opened(["s3://bucket/allowed"], f"s3://bucket/allowed/{escape}")
        if backend is not None:
            obstore.put(backend, "y", b"mine")
            reached += 1
    keys = [str(entry["path"]) for batch in obstore.list(whole) for entry in batch]
    assert reached == 3
    assert sorted(keys) == [
        *("allowed/a+b&c=d/y", "allowed/b c/\u00e9/y", "allowed/y", "secret/x/y"),
    ]
    assert bytes(obstore.get(whole, "secret/x/y").bytes()) == b"secret"


def test_roots_are_compared_by_parts_not_by_text(tmp_path: Path) -> None:
    roots = Roots([file_uri(tmp_path / "data"), "s3://bucket/a", "gs://", str(tmp_path / "plain")])
    for uri in (
        f"file://{tmp_path}/data",
        f"file://{tmp_path}/data/below/",
        f"file://{tmp_path}/plain/x",
        "s3://bucket/a/b",
        "gs://any/thing",
    ):
        roots.require(parse_location(uri))
    for uri in (
        f"file://{tmp_path}",
        f"file://{tmp_path}/database",
        "s3://bucket/ab",
        "s3://bucket",
        "s3://bucket2/a",
        "az://bucket/a",
        "memory://bucket/a",
    ):
        with pytest.raises(InvalidInput, match="may use"):
            roots.require(parse_location(uri))


def test_a_root_may_be_reached_by_a_link(tmp_path: Path) -> None:
    """The reproduction: a home whose store lies on another disk refused every run."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "store").symlink_to(tmp_path / "disk")
    for root in (f"file://{tmp_path}/home/store", f"file://{tmp_path}/disk"):
        for uri in (f"file://{tmp_path}/home/store", file_uri(tmp_path / "home" / "store")):
            location = Roots([root]).require(parse_location(uri))
            assert open_store(location).uri == f"file://{tmp_path}/disk"


def test_a_circle_of_links_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(InvalidInput, match="circle"):
        open_store(parse_location(f"file://{tmp_path}/a"))


def test_every_bucket_is_a_root_but_not_a_store() -> None:
    assert parse_root("s3://") == Location("s3", "")
    with pytest.raises(InvalidInput, match="names no bucket"):
        parse_location("s3://")


def test_percent_encoding_is_decoded_once(tmp_path: Path) -> None:
    assert parse_location(f"file://{tmp_path}/a%20b%2525").folder == tmp_path / "a b%25"
    assert parse_location("s3://bucket/a%20b").segments == ("a b",)
