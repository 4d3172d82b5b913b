"""The training of mini-llm: what a batch holds, and that seeds decide the weights."""

import math
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from synthvlm.scenes.mini_models.llm_tokenizer import build_llm_tokenizer
from synthvlm.scenes.mini_models.train import llm
from synthvlm.scenes.mini_models.train.curriculum import sample_lesson_at
from synthvlm.scenes.mini_models.train.packing import Batch, encode

TOKENIZER = build_llm_tokenizer()
STEPS = 100
LATER = 50
"""A step with lessons of every kind."""


def without_evidence(batch: Batch) -> Batch:
    return replace(batch, asked=batch.asked[:0], told=batch.told[:0])


def test_a_row_is_the_same_whichever_worker_draws_it() -> None:
    together = llm.draw(TOKENIZER, 1, LATER, STEPS, range(4))
    assert together.ids.shape == (4, llm.LENGTH)
    for rank in range(2):
        own = llm.draw(TOKENIZER, 1, LATER, STEPS, range(rank, 4, 2))
        assert torch.equal(own.ids, together.ids[rank::2])
    rows = {tuple(row) for row in together.ids.tolist()}
    later = {tuple(row) for row in llm.draw(TOKENIZER, 1, LATER + 1, STEPS, range(4)).ids.tolist()}
    assert len(rows | later) == 8


def test_workers_share_one_loss() -> None:
    torch.manual_seed(0)
    model = llm.fresh_model(TOKENIZER)
    torch.nn.init.normal_(model.lm_head.weight, std=0.1)
    losses = [
        llm.lesson_loss(model, without_evidence(llm.draw(TOKENIZER, 1, LATER, STEPS, rows))).item()
        for rows in (range(4), range(0, 4, 2), range(1, 4, 2))
    ]
    assert losses[0] == pytest.approx((losses[1] + losses[2]) / 2, rel=2e-3)


def test_any_lesson_fits_a_row() -> None:
    rng = random.Random(9)
    lessons = [encode(TOKENIZER, sample_lesson_at(0.9, rng)) for _ in range(800)]
    longest = max(len(one.shared) + len(one.conversations[0]) for one in lessons)
    assert longest < 0.9 * llm.LENGTH


def test_every_weight_has_one_optimizer() -> None:
    model = llm.fresh_model(TOKENIZER)
    optimizers = llm.make_optimizers(model, 0.02)
    trained = [p for o in optimizers for group in o.param_groups for p in group["params"]]
    assert Counter(map(id, trained)) == Counter(map(id, model.parameters()))


def test_a_fresh_model_finds_every_word_equally_likely() -> None:
    torch.manual_seed(0)
    model = llm.fresh_model(TOKENIZER)
    batch = without_evidence(llm.draw(TOKENIZER, 1, 0, STEPS, range(2)))
    assert llm.lesson_loss(model, batch).item() == pytest.approx(math.log(len(TOKENIZER)), rel=0.01)


def test_looking_where_the_evidence_is_costs_nothing() -> None:
    batch = llm.draw(TOKENIZER, 1, 0, STEPS, range(2))
    before = functional.one_hot(batch.before, llm.LENGTH).float()[:, None]
    twice = before @ before
    asked, told = torch.zeros_like(before), torch.zeros_like(before)
    for heads, places in ((asked, batch.asked), (told, batch.told)):
        heads[places[:, 0], 0, places[:, 1], places[:, 2]] = 1.0
    right = (torch.cat([before, twice], 1), asked, told)
    assert llm.guidance_loss(right, batch).item() == pytest.approx(0.0, abs=1e-4)
    elsewhere = tuple(heads.roll(1, -1) for heads in right)
    assert llm.guidance_loss(elsewhere, batch).item() > 10.0


def test_lessons_in_binding_teach_to_look() -> None:
    torch.manual_seed(0)
    model = llm.fresh_model(TOKENIZER)
    batch = llm.draw(TOKENIZER, 1, 0, STEPS, range(2))
    guided = llm.lesson_loss(model, batch) - llm.lesson_loss(model, without_evidence(batch))
    assert guided.item() > 1.0


def train(monkeypatch: pytest.MonkeyPatch, folder: Path) -> bytes:
    arguments = ["--out", str(folder / "llm"), "--export", str(folder)]
    arguments += ["--steps", "3", "--rows", "2"]
    monkeypatch.setattr(sys, "argv", ["llm", *arguments])
    llm.main()
    return (folder / "mini-llm" / "model.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_weights_and_a_finished_training_stays(
    tmp_path, monkeypatch
) -> None:
    weights = train(monkeypatch, tmp_path / "a")
    assert train(monkeypatch, tmp_path / "b") == weights
    assert train(monkeypatch, tmp_path / "a") == weights
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a" / "mini-llm")
    assert model.dtype == torch.float32
    assert model.lm_head.weight.data_ptr() != model.model.embed_tokens.weight.data_ptr()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a" / "mini-llm")
    assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert tokenizer.image_token_id == TOKENIZER.image_token_id
    assert tokenizer.chat_template == TOKENIZER.chat_template
