"""Weights from a hub and from a store: pinned, checked, resumed, and nothing that runs."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from synthvlm.cli.__main__ import run
from synthvlm.errors import (
    DataCorrupt,
    InvalidInput,
    NotFound,
    OutOfSpace,
    PreconditionFailed,
    Unavailable,
)
from synthvlm.model_folders import model_digest
from synthvlm.storage import file_location, file_uri, open_store
from synthvlm.weights.fetch import fetch
from synthvlm.weights.listing import LISTING, is_wanted, read_listing
from synthvlm.weights.sources import HubSource, StoreSource, source_of
from tests.weights.hub import COMMIT, REPOSITORY, Hub, hub

FILES = {
    "config.json": b'{"model_type": "clip"}',
    "model.safetensors": bytes(range(256)) * 400,
    "unet/diffusion.safetensors": b"weights" * 5000,
    "merges.txt": b"a b\n",
    "README.md": b"# a model",
    "pytorch_model.bin": b"\x80\x04" + b"pickle" * 100,
    "model.ckpt": b"\x80\x04" + b"pickle" * 100,
    "modeling.py": b"import os",
    ".hidden/config.json": b"{}",
}
TAKEN = ["config.json", "merges.txt", "model.safetensors", "unet/diffusion.safetensors"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub(dict(FILES)) as started:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))
        yield started


def source(server: Hub) -> HubSource:
    return HubSource(REPOSITORY, COMMIT, server.url)


def visible(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_hub_s_files_without_what_could_run(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    fetched = fetch(source(server), folder)
    assert visible(folder) == {path: FILES[path] for path in TAKEN}
    assert (fetched.files, fetched.present) == (4, 0)
    assert fetched.bytes == sum(len(FILES[path]) for path in TAKEN)
    # The listing is beside the model, not a part of it.
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns(".*"))
    assert model_digest(folder) == model_digest(bare)
    before = len(server.asked)
    again = fetch(source(server), folder, fetched.digest)
    assert (again.digest, again.present) == (fetched.digest, 4)
    assert len(server.asked) == before


def test_a_store_gives_what_the_hub_gave(server: Hub, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    fetched = fetch(source(server), first)
    copied = source_of(file_uri(first), fetched.digest)
    assert fetch(copied, second, fetched.digest) == fetched
    assert visible(second) == visible(first)
    assert (second / LISTING).read_bytes() == (first / LISTING).read_bytes()


def test_only_what_is_wanted(server: Hub, tmp_path: Path) -> None:
    fetched = fetch(source(server), tmp_path / "model", only=["*.json", "unet/*"])
    assert list(visible(tmp_path / "model")) == ["config.json", "unet/diffusion.safetensors"]
    assert fetched.files == 2
    with pytest.raises(NotFound, match="safetensors, the only one taken"):
        fetch(source(server), tmp_path / "other", only=["*.txt"])


def test_a_connection_that_breaks_is_made_again(server: Hub, tmp_path: Path) -> None:
    server.cut = {"model.safetensors"}
    fetch(source(server), tmp_path / "model")
    assert visible(tmp_path / "model")["model.safetensors"] == FILES["model.safetensors"]
    gets = [name for method, name, _ in server.asked if method == "GET"]
    assert gets.count("model.safetensors") == 2


class Interrupted(Exception):
    pass


class Cutting(StoreSource):
    """A store that goes away in the middle of a file."""

    left = 1

    def download(self, path: str, file: Any, target: Path) -> None:
        super().download(path, file, target)
        if path == "model.safetensors" and self.left:
            self.left -= 1
            os.truncate(target, 1000)
            raise Interrupted


def test_an_interrupted_copy_is_taken_up(server: Hub, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    digest = fetch(source(server), first).digest
    copying = Cutting(file_uri(first), digest)
    with pytest.raises(Interrupted):
        fetch(copying, second, digest)
    # What is not whole is not seen.
    assert "model.safetensors" not in visible(second)
    read: list[int] = []
    inner = copying._store.read_range
    copying._store.read_range = lambda path, offset, size: (  # type: ignore[method-assign]
        read.append(offset) or inner(path, offset, size)  # type: ignore[func-returns-value]
    )
    fetch(copying, second, digest)
    assert read[0] == 1000
    assert visible(second) == visible(first)


@pytest.mark.parametrize("path", ["config.json", "model.safetensors"])
def test_another_byte_is_refused_and_not_kept(server: Hub, tmp_path: Path, path: str) -> None:
    right = FILES[path]
    server.sent = {path: right[:-1] + bytes([right[-1] ^ 1])}
    with pytest.raises(DataCorrupt, match=f"{path} does not have the digest"):
        fetch(source(server), tmp_path / "model")
    assert path not in visible(tmp_path / "model")
    assert not (tmp_path / "model" / LISTING).exists()
    server.sent = {}
    fetch(source(server), tmp_path / "model")
    assert visible(tmp_path / "model")[path] == right


def test_a_file_that_changed_is_fetched_again(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    fetch(source(server), folder)
    (folder / "model.safetensors").write_bytes(b"x" * len(FILES["model.safetensors"]))
    assert fetch(source(server), folder).present == 3
    assert visible(folder)["model.safetensors"] == FILES["model.safetensors"]


def test_a_folder_of_something_else_is_refused(server: Hub, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(InvalidInput, match=r"holds pytorch_model\.bin .1 such files."):
        fetch(source(server), tmp_path)


def test_what_is_not_pinned_is_refused() -> None:
    for text in ("hf:team/model", "hf:team/model@main", "hf:team/model@abc", "hf:../x@" + COMMIT):
        with pytest.raises(InvalidInput, match="does not name a commit"):
            source_of(text, None)
    with pytest.raises(InvalidInput, match="is not pinned"):
        source_of("s3://bucket/model", None)


def test_a_hub_that_answers_with_something_else(server: Hub, tmp_path: Path) -> None:
    server.commit = "b" * 40
    with pytest.raises(PreconditionFailed, match="answers with commit b"):
        fetch(source(server), tmp_path / "model")
    with pytest.raises(NotFound, match="does not show"):
        HubSource("team/other", COMMIT, server.url).files()
    with pytest.raises(Unavailable, match="cannot be had"):
        HubSource(REPOSITORY, COMMIT, "http://127.0.0.1:9").files()


def test_another_digest_than_was_asked_for(server: Hub, tmp_path: Path) -> None:
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(DataCorrupt, match=f"not {wrong}"):
        fetch(source(server), tmp_path / "model", wrong)
    assert not (tmp_path / "model" / LISTING).exists()
    fetched = fetch(source(server), tmp_path / "first")
    with pytest.raises(DataCorrupt, match="the listing of the weights has the digest"):
        source_of(file_uri(tmp_path / "first"), wrong).files()
    assert source_of(file_uri(tmp_path / "first"), fetched.digest).files()


@pytest.mark.parametrize(
    "path",
    ["../x.json", "/etc/x.json", "a/../../x.json", "x.bin", "x.safetensors.py", ".ssh/x.json", ""],
)
def test_a_listing_names_only_what_is_taken_below_the_folder(path: str) -> None:
    assert not is_wanted(path)
    data = json.dumps({"files": {path: {"size": 1, "digest": "sha256:0"}}}).encode()
    with pytest.raises(InvalidInput, match="the listing names"):
        read_listing(data, f"sha256:{hashlib.sha256(data).hexdigest()}")


def test_a_listing_that_makes_no_sense() -> None:
    for data in (b"", b"[]", b'{"files": [1]}', b'{"files": {"a.json": 1}}'):
        with pytest.raises(InvalidInput, match="makes no sense"):
            read_listing(data, f"sha256:{hashlib.sha256(data).hexdigest()}")


def test_a_disk_without_room_is_told_before(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutOfSpace, match="the weights need"):
        fetch(source(server), tmp_path / "model")
    assert server.asked == []


def test_the_command_prints_what_pins_the_weights(
    server: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first"
    digest = fetch(source(server), first).digest
    store = open_store(file_location(first))
    assert store.exists(LISTING)
    arguments = ["weights", "fetch", file_uri(first), "--digest", digest, "--json"]
    assert run([*arguments, "--to", str(tmp_path / "second")]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == digest
