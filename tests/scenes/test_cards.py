"""Every bundled model has a card whose code works, and all are small enough to be shipped."""

import re

import pytest

from synthvlm.model_folders import bundled_models, model_digest, resolve_model

MODELS = ("mini-clip", "mini-llm", "mini-sdxl", "mini-sdxl-refiner")
LIMIT_BYTES = 40 * 10**6


def card_of(name: str) -> str:
    return (resolve_model(f"bundled:{name}") / "README.md").read_text(encoding="utf-8")


def test_these_are_the_bundled_models() -> None:
    assert bundled_models() == sorted(MODELS)


def test_all_weights_together_are_small() -> None:
    folders = [resolve_model(f"bundled:{name}") for name in MODELS]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LIMIT_BYTES


@pytest.mark.parametrize("name", MODELS)
def test_a_card_says_what_a_reader_asks(name: str) -> None:
    headings = re.findall(r"^#+ (.+)$", card_of(name), re.MULTILINE)
    assert headings[0] == name
    assert {"Use", "Training", "Quality", "Intended use and limits"} <= set(headings)
    assert "docs/models/measured.md" in card_of(name)


@pytest.mark.parametrize("name", MODELS)
def test_the_code_of_a_card_runs(name: str) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", card_of(name), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    if name == "mini-llm":
        assert str(names["answer"]).endswith("ASSISTANT: red")
    elif name == "mini-clip":
        assert getattr(names["embedding"], "shape", None) == (1, 128)
    else:
        assert getattr(names["image"], "size", None) == (64, 64)


def test_a_card_is_no_part_of_the_model(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = model_digest(tmp_path)
    (tmp_path / "README.md").write_text("# A card")
    assert model_digest(tmp_path) == before
