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
