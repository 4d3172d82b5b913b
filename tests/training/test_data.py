"""What each stage reads, as the settings say."""

import math
from collections import Counter

import pytest

from synthvlm.errors import InvalidInput, NotFound
from synthvlm.model_folders import resolve_model
from synthvlm.profiles import load_profile
from synthvlm.storage import file_location, open_store
from synthvlm.training.collate import Statistics, pop_statistics
from synthvlm.training.conversation import TEMPLATES
from synthvlm.training.data import load_mixture, mixture_digest, stage_data, stage_steps
from synthvlm.training.model import Parts, load_processor
from synthvlm.training.samples import VersionPairs
from synthvlm.training.settings import FINETUNE, PRETRAIN, training_settings
from tests.training.versions import drawn_version

IMAGE_TOKENS = 64


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("store")))
    return VersionPairs(drawn_version(store, 20))


def settings(**finetune):
    section = load_profile("mini").section("training")
    section["pretrain"] |= {"steps": None, "epochs": 1.5, "global_batch": 8, "micro_batch": 4}
    section["finetune"] |= {"steps": 10, "global_batch": 12, "micro_batch": 6, **finetune}
    return training_settings(section)


def read(stage, pairs, **finetune):
    """All micro-batches of a stage, and their counts."""
    given = settings(**finetune)
    template = TEMPLATES[given.stage(stage).template]
    parts = Parts(resolve_model(given.vision_tower), resolve_model(given.language_model))
    processor = load_processor(parts, template)
    data = stage_data(given, stage, pairs, load_mixture("mini"), processor, IMAGE_TOKENS)
    size = given.stage(stage).micro_batch
    order = list(data.order)
    batches = [
        data.collate([data.dataset[index] for index in order[start : start + size]])
        for start in range(0, len(order), size)
    ]
    counts = [pop_statistics(batch) for batch in batches]
    total = Statistics()
    for one in counts:
        total.add(one)
    assert total.mismatched == {}
    return batches, counts, total


def test_stage_1_reads_every_pair_as_often_as_its_epochs_say(pairs) -> None:
    assert stage_steps(settings(), PRETRAIN, pairs) == math.ceil(1.5 * 20 / 8)
    batches, _, total = read(PRETRAIN, pairs)
    assert total.counts["samples"] == total.counts["images"] == 32
    # The caption and the line break, and nothing of a prompt.
    first = batches[0]["labels"][0]
    assert (first >= 0).sum() + 1 + IMAGE_TOKENS == batches[0]["attention_mask"][0].sum()


@pytest.mark.parametrize("options", [{}, {"by_length": True}, {"packed": True}], ids=str)
def test_stage_2_reads_its_share_of_text(pairs, options) -> None:
    _, _, total = read(FINETUNE, pairs, **options)
    share = load_mixture("mini").text_share
    assert total.counts["samples"] == 120
    assert total.counts["samples"] - total.counts["images"] == 12 * round(10 * share)


def test_by_length_every_step_is_of_one_kind(pairs) -> None:
    _, counts, _ = read(FINETUNE, pairs, by_length=True)
    assert Counter(one.counts["images"] for one in counts).keys() == {0, 6}


def test_shipped_mixtures_are_found_by_name_and_others_by_path(tmp_path) -> None:
    assert load_mixture("llava-665k").counts(665_298)["text"] == pytest.approx(40_688, abs=500)
    path = tmp_path / "own.yaml"
    path.write_text("text_share: 0\nsources: [{name: a, kind: pairs}]")
    assert load_mixture(str(path)).sources[0].name == "a"
    with pytest.raises(InvalidInput, match="llava-665k, mini"):
        load_mixture("none")
    with pytest.raises(NotFound):
        load_mixture("none.yaml")


def test_a_mixture_is_another_when_its_file_is(tmp_path) -> None:
    recipe, data = tmp_path / "own.yaml", tmp_path / "data.json"
    recipe.write_text(
        "text_share: 0\nsources: [{name: a, kind: instructions, file: data.json, images: .}]"
    )
    digests = []
    for content in ("[]", "[1]", "[]"):
        data.write_text(content)
        digests.append(mixture_digest(load_mixture(str(recipe))))
    assert digests[0] == digests[2] != digests[1]
