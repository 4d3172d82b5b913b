"""Stores behave alike, stay below their root and say clearly what is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import S3Store
from prometheus_client import REGISTRY

from synthvlm.errors import DomainError, InvalidInput, NotFound
from synthvlm.storage import Store, file_location, is_safe_path, open_store, parse_location
from synthvlm.storage.location import redacted
from synthvlm.storage.store import piece_bytes

NO_RETRY = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path: Path):
    folder = tmp_path / "a folder%20name? #1"
    memory = parse_location("memory://test")
    store = open_store(file_location(folder) if request.param == "file" else memory)
    store.delete(store.list("x"))
    return store


def test_objects_are_written_read_listed_and_deleted(store, tmp_path):
    store.write("x/b", b"12345")
    store.write("x/a", b"")
    assert store.read("x/b") == b"12345"
    assert store.read_range("x/b", 1, 3) == b"234"
    assert store.read_range("x/a", 0, 0) == b""
    assert store.list("x") == ["x/a", "x/b"]
    assert store.open("x/b").read(2) == b"12"
    store.download("x/b", tmp_path / "b")
    store.upload("x/c", tmp_path / "b")
    assert store.size("x/c") == 5
    store.delete(["x/a", "x/b", "x/c", "x/never"])
    assert store.list("x") == []


def test_operations_and_their_bytes_are_counted(store, tmp_path):
    def counted():
        read = REGISTRY.get_sample_value
        kinds = {
            kind: read("synthvlm_store_operations_total", {"operation": kind}) or 0
            for kind in ("get", "put", "head", "list", "delete")
        }
        ways = {
            way: read("synthvlm_store_bytes_total", {"direction": way}) or 0
            for way in ("read", "written")
        }
        return kinds | ways

    before = counted()
    store.write("x/a", b"12345")
    store.write_if_absent("x/b", b"123")
    store.write_if_absent("x/b", b"123")  # it is there: nothing is written
    store.read("x/a")
    store.read_range("x/a", 3, 10)
    store.download("x/a", tmp_path / "a")
    store.upload("x/c", tmp_path / "a")
    store.exists("x/a")
    store.delete(store.list("x"))
    grown = {name: count - before[name] for name, count in counted().items()}
    assert grown == {
        "put": 3,
        "get": 3,
        "head": 1,
        "list": 1,
        "delete": 3,
        "read": 12,
        "written": 13,
    }


@pytest.mark.parametrize("gib", [0, 1, 48, 49, 500, 4096])
def test_a_file_is_uploaded_in_no_more_pieces_than_s3_takes(gib: int) -> None:
    size = gib * 2**30 + 1
    assert piece_bytes(size) >= 5 * 2**20
    assert -(-size // piece_bytes(size)) <= 10_000


def test_an_object_is_read_as_a_file(store):
    data = bytes(range(256)) * 9000  # more than the file's buffer
    store.write("x/a", data)
    with store.open("x/a") as file:
        assert file.read(10) == data[:10]
        file.seek(2_000_000)
        assert file.read(500) == data[2_000_000:2_000_500]
        file.seek(-3, 2)
        assert file.read() == data[-3:]
        assert file.read() == b""
        file.seek(0)
        assert file.read() == data


def test_what_goes_wrong_in_an_open_file_is_an_error_of_the_store(store):
    store.write("x/a", b"12345")
    file = store.open("x/a")
    store.delete(["x/a"])
    with pytest.raises(NotFound):
        file.read(1)
    with pytest.raises(NotFound):
        store.open("x/a")


def test_a_range_ends_where_the_object_does(store):
    store.write("x/a", b"12345")
    assert store.read_range("x/a", 3, 9) == b"45"
    assert store.read_range("x/a", 5, 1) == b""
    assert store.read_range("x/a", 99, 1) == b""
    with pytest.raises(NotFound):
        store.read_range("x/none", 99, 1)


def test_only_the_first_of_two_creations_wins(store):
    assert store.write_if_absent("x/a", b"first")
    assert not store.write_if_absent("x/a", b"second")
    assert store.read("x/a") == b"first"


def test_a_missing_object_is_not_found(store):
    assert not store.exists("x/none")
    with pytest.raises(NotFound):
        store.read("x/none")


@pytest.mark.parametrize("path", ["../x", "x/../../y", "/etc/passwd", "x//y", "x/\0", "x/./y", ""])
def test_paths_cannot_leave_the_root(path, tmp_path):
    assert not is_safe_path(path)
    if path:
        with pytest.raises(InvalidInput):
            open_store(file_location(tmp_path)).read(path)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://somebody:p@ss/w0rd@127.0.0.1:9?sig=s3cret",
        "http://somebody:w0rd@127.0.0.1:9/s3",
        "somebody:w0rd@127.0.0.1:9",
        "http//somebody:w0rd@127.0.0.1:9",
        "http://somebody:w0 rd@127.0.0.1:9",
    ],
)
def test_an_error_does_not_repeat_credentials(monkeypatch, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(DomainError) as caught:
        Store("s3://bucket", S3Store("bucket", retry_config=NO_RETRY)).read("x")
    for secret in ("somebody", "p@ss", "w0rd", "s3cret"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "error sending request for url (http://user:pass@host/x)",
        "GET https://user:pa/ss@host:9000/bucket?X-Amz-Signature=pass failed",
        "https://account.blob.core.windows.net/c?sig=pass: 403",
    ],
)
def test_secrets_are_taken_out_of_messages(text):
    assert "pass" not in redacted(text)
    assert "pa/ss" not in redacted(text)
    assert "://" in redacted(text)
