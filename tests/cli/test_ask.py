"""``synthvlm ask`` tells mistakes before it loads a model."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from synthvlm.cli.app import app
from synthvlm.cli.failures import WrongUsageError
from synthvlm.errors import InvalidInput, NotFound


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(file)
    return file


def invoke(*arguments):
    return CliRunner().invoke(app, ["ask", *map(str, arguments)])


def test_a_file_that_is_not_a_picture(tmp_path):
    (tmp_path / "picture.png").write_text("no")
    made = invoke(tmp_path / "picture.png", "what?")
    assert isinstance(made.exception, WrongUsageError)
    assert "cannot be read as a picture" in str(made.exception)


def test_a_home_without_a_model(picture, tmp_path):
    (tmp_path / "home").mkdir()
    made = invoke(picture, "what?", "--home", tmp_path / "home")
    assert isinstance(made.exception, NotFound)
    assert "no model has been trained" in str(made.exception)


def test_a_folder_that_is_not_a_model(picture, tmp_path):
    made = invoke(picture, "what?", "--model", tmp_path)
    assert isinstance(made.exception, InvalidInput)
    assert "is not the folder of a trained model" in str(made.exception)
