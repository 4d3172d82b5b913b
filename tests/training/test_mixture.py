"""Stage 2's recipe: weights, a share of text, and nothing again before all of it was there."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthvlm.errors import InvalidInput, NotFound
from synthvlm.storage import file_location, open_store
from synthvlm.training.conversation import V1_BRIEF
from synthvlm.training.encoder import Encoder
from synthvlm.training.mixture import Mixture
from synthvlm.training.samples import VersionPairs
from tests.training.tokenizers import mini_tokenizer
from tests.training.versions import drawn_version

MINI = """
text_share: 0.25
sources:
  - {name: asked, kind: questions, weight: 3}
  - {name: told, kind: pairs, weight: 1}
  - {name: lessons, kind: lessons}
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    store = open_store(file_location(tmp_path_factory.mktemp("store")))
    return VersionPairs(drawn_version(store, 10))


@pytest.fixture
def recipe(tmp_path):
    def written(text: str) -> Mixture:
        path = tmp_path / "mixture.yaml"
        path.write_text(text, encoding="utf-8")
        return Mixture.from_yaml(path)

    return written


@pytest.fixture
def instructions(tmp_path):
    """A file of four records with pictures and three without, beside the recipe."""
    Image.new("RGB", (9, 5)).save(tmp_path / "a.png")
    talk = [{"from": "human", "value": "<image>\nwhat?"}, {"from": "gpt", "value": "a star"}]
    text = [{"from": "human", "value": "who?"}, {"from": "gpt", "value": "me"}]
    records = [{"id": f"i{n}", "image": "a.png", "conversations": talk} for n in range(4)]
    records += [{"id": f"t{n}", "conversations": text} for n in range(3)]
    (tmp_path / "data.json").write_text(json.dumps(records))


def test_samples_come_by_weight_and_share(recipe, pairs) -> None:
    mixed = recipe(MINI).draw(pairs, samples=80, seed=0)
    samples = [mixed[number] for number in range(len(mixed))]
    kinds = Counter(
        "lessons" if one.image is None else "asked" if one.separate else "told" for one in samples
    )
    assert kinds == {"asked": 45, "told": 15, "lessons": 20}
    assert [int(one.image is None) for one in samples] == mixed.groups.tolist()
    assert len(mixed.lengths) == 80


@given(
    st.integers(0, 500),
    st.integers(1, 12),
    st.floats(0.01, 0.95),
    st.lists(st.floats(0.1, 9), min_size=2, max_size=5),
)
def test_counts_add_up_and_text_fills_whole_steps(samples, batch, share, weights) -> None:
    kinds = ["pairs", *["lessons", "questions"] * 2]
    sources = [
        {"name": str(number), "kind": kinds[number], "weight": weight}
        for number, weight in enumerate(weights)
    ]
    mixture = Mixture.model_validate({"text_share": share, "sources": sources})
    counts = mixture.counts(samples, batch)
    assert sum(counts.values()) == samples
    text = sum(counts[one.name] for one in mixture.sources if not one.has_images)
    assert text % batch == 0
    assert abs(text - samples * share) <= batch * (1 + share)
    total = sum(one.weight for one in mixture.sources if one.has_images)
    for one in mixture.sources:
        if one.has_images:
            assert abs(counts[one.name] - (samples - text) * one.weight / total) < 1


def test_a_source_is_gone_through_before_anything_comes_again(recipe, pairs) -> None:
    mixed = recipe("text_share: 0\nsources: [{name: a, kind: pairs}]").draw(
        pairs, samples=25, seed=3
    )
    ids = [mixed[number].id for number in range(25)]
    assert sorted(ids[:10]) == sorted(ids[10:20]) == [f"{number:04d}" for number in range(10)]
    assert ids[:10] != ids[10:20]


def test_questions_and_lessons_are_new_each_time_and_the_same_in_every_run(recipe, pairs) -> None:
    mixture = recipe(MINI.replace("told, kind: pairs", "told, kind: questions"))
    first, second = (mixture.draw(pairs, samples=80, seed=1) for _ in range(2))
    talks = [tuple(first[number].conversation) for number in range(80)]
    assert talks == [tuple(second[number].conversation) for number in reversed(range(80))][::-1]
    assert len(set(talks)) > 70
    other = mixture.draw(pairs, samples=80, seed=2)
    assert talks != [tuple(other[number].conversation) for number in range(80)]


def test_every_sample_of_the_scene_world_has_its_mask(recipe, pairs) -> None:
    mixed = recipe(MINI).draw(pairs, samples=60, seed=0)
    encoder = Encoder(mini_tokenizer(), 64, V1_BRIEF, 256)
    assert not any(encoder.encode(mixed[number]).truncated for number in range(60))


def test_files_lie_beside_the_recipe(recipe, instructions) -> None:
    mixture = recipe(
        "text_share: 0.5\nsources:\n"
        "  - {name: seen, kind: instructions, file: data.json, images: .}\n"
        "  - {name: read, kind: text, file: data.json}\n"
    )
    mixed = mixture.draw(None, samples=8, seed=0)
    assert sorted({mixed[n].id for n in range(4)}) == ["i0", "i1", "i2", "i3"]
    assert {mixed[n].id for n in range(4, 8)} == {"t0", "t1", "t2"}


def test_questions_need_captions_of_the_scene_world(recipe, tmp_path) -> None:
    store = open_store(file_location(tmp_path / "store"))
    photographs = VersionPairs(drawn_version(store, ["two dogs on a beach at sunset"]))
    mixture = recipe("text_share: 0\nsources: [{name: a, kind: questions}]")
    with pytest.raises(InvalidInput, match="scene world's language"):
        mixture.draw(photographs, samples=4, seed=0)


def test_pairs_need_a_dataset_version(recipe) -> None:
    with pytest.raises(InvalidInput, match="'a' needs a dataset version"):
        recipe("text_share: 0\nsources: [{name: a, kind: pairs}]").draw(None, samples=4, seed=0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "not YAML"),
        ("sources: []\ntext_share: 0", "sources: "),
        ("sources: [{name: a, kind: pairs}]", "text_share: Field required"),
        ("text_share: 0\nsources: [{name: a, kind: video}]", "sources.0.kind"),
        ("text_share: 0\nsources: [{name: a, kind: pairs, weight: 0}]", "greater than 0"),
        ("text_share: 0\nsources: [{name: a, kind: pairs, wieght: 2}]", "wieght"),
        ("text_share: 0\nsources: [{name: a, kind: pairs, file: x}]", "neither file nor images"),
        ("text_share: 0\nsources: [{name: a, kind: instructions, file: x}]", "file and images"),
        ("text_share: 0.5\nsources: [{name: a, kind: text, file: x}]", "no source has pictures"),
        ("text_share: 0.5\nsources: [{name: a, kind: pairs}]", "text_share is more than 0 where"),
        (
            "text_share: 0\nsources: [{name: a, kind: pairs}, {name: b, kind: lessons}]",
            "text_share is more than 0 where",
        ),
        (
            "text_share: 0\nsources: [{name: a, kind: pairs}, {name: a, kind: pairs}]",
            "the same name",
        ),
    ],
)
def test_recipes_that_are_invalid(recipe, text, problem) -> None:
    with pytest.raises(InvalidInput, match=problem):
        recipe(text)


def test_a_recipe_that_is_not_there(tmp_path) -> None:
    with pytest.raises(NotFound):
        Mixture.from_yaml(tmp_path / "none.yaml")
