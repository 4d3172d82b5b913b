from pathlib import Path

import pytest

from tests.evaluation.vision_language_model import make_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA that answers something, because its language model does."""
    return make_model(tmp_path_factory.mktemp("models") / "llava")
