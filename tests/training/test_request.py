"""Requests and settings: every mistake is told with its field."""

import json

import pytest

from synthvlm.errors import InvalidInput
from synthvlm.profiles import load_profile, profile_names
from synthvlm.training.request import TrainingRequest, read_request
from synthvlm.training.settings import training_settings

DIGEST = f"sha256:{'0' * 64}"
DATASET = {"store": "file:///data", "path": "dataset/1", "digest": DIGEST}
REQUEST = {"dataset": DATASET, "store": "file:///models"}


def written(tmp_path, content):
    file = tmp_path / "request.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_settings_of_the_request_replace_those_of_the_profile_one_by_one(tmp_path):
    changes = {"training": {"seed": 7, "pretrain": {"steps": 3}}}
    settings = read_request(written(tmp_path, {**REQUEST, **changes})).settings()
    given = TrainingRequest(**REQUEST).settings()
    assert (settings.seed, settings.pretrain.steps) == (7, 3)
    assert settings.pretrain.learning_rate == given.pretrain.learning_rate
    assert settings.finetune == given.finetune


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ({**REQUEST, "stor": "x"}, "stor: Extra inputs are not permitted"),
        ({"store": "file:///models"}, "dataset: Field required"),
        ({**REQUEST, "dataset": {**DATASET, "digest": "sha256:1"}}, "dataset.digest"),
    ],
)
def test_a_request_that_is_none(tmp_path, content, problem):
    with pytest.raises(InvalidInput, match=problem):
        read_request(written(tmp_path, content))


def test_a_request_that_is_not_there(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_request(tmp_path / "request.json")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dtype": "float16"}, "training.dtype"),
        ({"pretrain": {"learning_rate": 0}}, "training.pretrain.learning_rate"),
        ({"pretrain": {"epochs": 1}}, "training.pretrain"),
        ({"finetune": {"steps": None, "epochs": 1}}, "training"),
        ({"batch": 3}, "training.batch"),
    ],
)
def test_a_setting_that_is_invalid(changes, field):
    with pytest.raises(InvalidInput) as raised:
        TrainingRequest(**REQUEST, training=changes).settings()
    assert [one.field for one in raised.value.violations] == [field]


def test_a_profile_without_training(tmp_path):
    profile = tmp_path / "own.yaml"
    profile.write_text("caption: {recipe: paper-rules}\n")
    with pytest.raises(InvalidInput, match="no section training"):
        TrainingRequest(**REQUEST, profile=str(profile)).settings()


def test_every_profile_that_is_shipped_has_valid_settings():
    for name in profile_names():
        settings = training_settings(load_profile(name).section("training"))
        assert settings.pretrain.template == "plain", name


@pytest.mark.parametrize("name", ["7b", "13b"])
def test_the_papers_hyper_parameters(name):
    settings = training_settings(load_profile(name).section("training"))
    both = (settings.pretrain, settings.finetune)
    assert [one.learning_rate for one in both] == [1e-3, 2e-5]
    assert [one.global_batch for one in both] == [256, 128]
    assert {(one.warmup_ratio, one.weight_decay) for one in both} == {(0.03, 0.0)}
    assert [one.pad_images for one in both] == [False, True]
    assert settings.pretrain.epochs == 1
    assert settings.finetune.steps == -(-665_298 // 128)  # one epoch of LLaVA-665K
    assert settings.max_length == 2048
    assert (settings.dtype, settings.sharding) == ("bfloat16", "fsdp2")


def test_what_decides_a_model_and_what_does_not():
    given = training_settings(load_profile("mini").section("training"))
    section = load_profile("mini").section("training")
    less = {**section, "workers": 2, "threads": 2, "checkpoint_every": 1, "sharding": "fsdp2"}
    less["finetune"] = {**section["finetune"], "micro_batch": 1}
    assert training_settings(less).decisive() == given.decisive()
    assert training_settings({**section, "seed": 1}).decisive() != given.decisive()
    assert training_settings({**section, "dtype": "bfloat16"}).numerics() != given.numerics()
