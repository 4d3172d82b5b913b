"""Caption pools: deterministic, mostly good, and bad in ways that the paper's rules catch."""

import json
import random
from collections import Counter

import pytest

from synthvlm.caption.statistics.ratios import (
    alphanumeric_ratio,
    character_repetition_ratio,
    special_character_ratio,
    word_repetition_ratio,
)
from synthvlm.caption.statistics.texts import Texts
from synthvlm.scenes.captions import DETAILS, describe, sample_captions
from synthvlm.scenes.files import write_captions, write_sheet
from synthvlm.scenes.flawed import FLAWS
from synthvlm.scenes.grammar import Meaning, parse
from synthvlm.scenes.world import sample_scene

POOL = list(sample_captions(5, 4000, 0.3))


@pytest.fixture(scope="module")
def kept() -> list[bool]:
    """Which captions of the pool the paper's four statistical rules keep."""
    texts = Texts([c.caption for c in POOL])
    keep = alphanumeric_ratio(texts) >= 0.60
    keep &= character_repetition_ratio(texts, 10) <= 0.09373663
    special = special_character_ratio(texts)
    keep &= (special >= 0.16534802) & (special <= 0.42023757)
    keep &= word_repetition_ratio(texts, 10) <= 0.03085751
    return list(map(bool, keep))


def test_the_same_seed_gives_the_same_pool() -> None:
    assert list(sample_captions(5, 4000, 0.3)) == POOL
    assert list(sample_captions(6, 50)) != list(sample_captions(5, 50))
    assert [c.id for c in POOL] == list(range(4000))


def test_nearly_all_good_captions_pass_the_rules(kept) -> None:
    good = [k for c, k in zip(POOL, kept, strict=True) if c.flaw is None]
    assert sum(good) / len(good) > 0.96


@pytest.mark.parametrize("flaw", sorted(set(FLAWS) - {"contradictory"}))
def test_nearly_all_flawed_captions_are_dropped(kept, flaw) -> None:
    bad = [k for c, k in zip(POOL, kept, strict=True) if c.flaw == flaw]
    assert len(bad) > 50
    assert sum(bad) / len(bad) < 0.05


def test_contradictions_pass_the_rules_but_have_no_meaning(kept) -> None:
    chosen = [(c, k) for c, k in zip(POOL, kept, strict=True) if c.flaw == "contradictory"]
    assert sum(k for _, k in chosen) / len(chosen) > 0.8
    assert all(parse(c.caption) is None for c, _ in chosen)


@pytest.mark.parametrize("detail", DETAILS)
def test_details_add_background_then_sizes_and_places(detail: int) -> None:
    rng = random.Random(detail)
    for _ in range(200):
        scene = sample_scene(rng)
        meaning = parse(describe(scene, rng, detail))
        assert isinstance(meaning, Meaning)
        assert sum(group.count for group in meaning.groups) == len(scene.things)
        assert (meaning.background is not None) == (detail > 1)
        assert (meaning.place is not None) == (detail == 3 and len(scene.things) == 1)
        assert detail < 3 or all(group.size is not None for group in meaning.groups)


def test_the_share_of_flaws_is_what_was_asked_for() -> None:
    counts = Counter(c.flaw is not None for c in POOL)
    assert 0.25 < counts[True] / len(POOL) < 0.35
    assert all(c.flaw is None for c in sample_captions(1, 200, 0.0))


def test_files_are_reproducible(tmp_path) -> None:
    for name in ("a", "b"):
        write_captions(3, 20, 0.2, tmp_path / f"{name}.jsonl")
        write_sheet(3, 10, tmp_path / f"{name}.png")
    for suffix in ("jsonl", "png"):
        one, two = (tmp_path / f"{name}.{suffix}" for name in ("a", "b"))
        assert one.read_bytes() == two.read_bytes()
    lines = [json.loads(x) for x in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(20))
    assert set(lines[0]) == {"id", "caption"}


def test_a_pool_of_any_size_is_drawn_one_by_one():
    assert next(sample_captions(5, 100_000_000, 0.3)) == POOL[0]
