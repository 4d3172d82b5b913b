"""mini-llm as it is shipped: perplexity, judgement, answers, and the ways they are measured."""

import json
import sys

import pytest

from synthvlm.model_folders import resolve_model
from synthvlm.scenes.mini_models.lessons import BADNESS, JUDGE, about, user_text
from synthvlm.scenes.mini_models.llm_tokenizer import build_llm_tokenizer
from synthvlm.scenes.mini_models.measure import llm
from synthvlm.scenes.mini_models.measure.llm import Reader

FOLDER = resolve_model("bundled:mini-llm")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(FOLDER)


def test_the_shipped_tokenizer_is_the_one_that_the_code_builds(reader) -> None:
    built = build_llm_tokenizer()
    assert reader.tokenizer.get_vocab() == built.get_vocab()
    text = "a red star, 日本 555-0199"
    assert reader.tokenizer.encode(text) == built.encode(text)
    assert reader.tokenizer.chat_template == built.chat_template


def test_perplexity_tells_captions_from_shuffled_words(reader) -> None:
    assert llm.perplexity(reader, 100)["auc"] >= 0.98


def test_judgement_agrees_with_how_captions_were_made(reader) -> None:
    shares = llm.judgement(reader, 140)
    assert set(shares) == {*BADNESS, "good", "all"}
    assert shares["all"] >= 0.93


def test_a_caption_and_its_advertisement_are_judged_apart(reader) -> None:
    good, bad = "there is a small red star on a white page", "*** SALE!!! 50% OFF *** red star"
    yes, no = reader.yes_over_no([about(caption, JUDGE[0]) for caption in (good, bad)])
    assert yes > 0 > no


def test_what_a_prompt_is_answered_does_not_depend_on_its_batch(reader) -> None:
    prompts = [about("a red star", JUDGE[0]), about("here are four tiny pink boxes", JUDGE[1])]
    together = reader.yes_over_no(prompts)
    alone = [reader.yes_over_no([prompt])[0] for prompt in prompts]
    assert together == pytest.approx(alone, abs=1e-3)
    long, short = "on a grey wall, here is a big blue cross", "a red star"
    both = reader.perplexities([long, short])
    assert both[1] == pytest.approx(reader.perplexities([short])[0], rel=1e-4)


def test_an_answer_is_right_when_it_is_what_the_model_says(reader) -> None:
    questions = ["what colour is the star?", "how many stars are there?", "is there a box?"]
    prompts = [about("a red star on a white page", question) for question in questions]
    said = reader.answers(prompts)
    same = reader.follow([(user_text(p), f" {a}") for p, a in zip(prompts, said, strict=True)])
    other = reader.follow([(user_text(p), " none of these") for p in prompts])
    assert all(one.says_the_same for one in same)
    assert not any(one.says_the_same for one in other)
    assert min(x.log_likelihood for x in same) > max(x.log_likelihood for x in other)


def test_answers_and_descriptions_are_measured_by_kind(reader) -> None:
    answers = llm.answers(reader, 400)
    assert list(answers)[-1] == "all"
    assert answers["all"] >= 0.95
    kinds = ("colour", "shape", "size", "existence", "relation")
    assert min(answers[kind] for kind in kinds) >= 0.95
    descriptions = llm.descriptions(reader, 100)
    assert set(descriptions) == {"detail 1", "detail 2", "detail 3", "all"}
    assert descriptions["all"] >= 0.8


def test_the_measurement_is_printed_as_json(monkeypatch, capsys) -> None:
    arguments = ["--weights", str(FOLDER.parent), "--count", "16"]
    monkeypatch.setattr(sys, "argv", ["llm", *arguments])
    llm.main()
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"perplexity", "judgement", "answers", "descriptions"}
