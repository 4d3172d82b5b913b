"""Where the home is, and what it holds."""

from pathlib import Path

import pytest

from synthvlm.errors import InvalidInput
from synthvlm.local.home import Home, home_at


def test_the_home_is_found(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHVLM_HOME", raising=False)
    assert home_at(None).root == tmp_path / ".synthvlm"
    monkeypatch.setenv("SYNTHVLM_HOME", "elsewhere")
    assert home_at(None).root == tmp_path / "elsewhere"
    assert home_at(Path("chosen")).root == tmp_path / "chosen"


def test_two_runs_at_the_same_second_have_their_own_folders(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folders = [home.new_run("x") for _ in range(4)]
    assert len(set(folders)) == 4


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be used"):
        Home(tmp_path / "file").prepare()


def test_a_home_keeps_its_state_in_its_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.store_uri == f"file://{tmp_path}/store"
    assert home.catalogue_url == f"sqlite:///{tmp_path}/catalogue.sqlite"
    assert home.reuse_url == f"sqlite:///{tmp_path}/reuse.sqlite"


def test_a_homes_file_names_other_places(tmp_path: Path) -> None:
    database = "postgresql+psycopg://synthvlm@db/synthvlm"
    (tmp_path / "home.yaml").write_text(
        f"store: s3://bucket/prefix\ncatalogue: {database}\nreuse: {database}\n"
    )
    home = Home(tmp_path)
    home.prepare()
    assert home.store_uri == "s3://bucket/prefix"
    assert (home.catalogue_url, home.reuse_url) == (database, database)
    assert not home.store.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("store: ftp://host/x", "'ftp://host/x' is not an object store"),
        ("stroe: s3://bucket", "stroe: Extra inputs are not permitted"),
        ("- store", "the file: Input should be a valid dictionary"),
        ("store: [", "expected the node content"),
    ],
)
def test_a_homes_file_that_is_wrong_is_named(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "home.yaml").write_text(content)
    with pytest.raises(InvalidInput) as caught:
        Home(tmp_path).prepare()
    assert str(tmp_path / "home.yaml") in caught.value.message
    assert problem in caught.value.message
