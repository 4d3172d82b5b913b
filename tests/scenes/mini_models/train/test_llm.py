"""The training of mini-llm: what a batch holds, and that seeds decide the weights."""

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from synthvlm.scenes.mini_models.lessons import Turn, user_text
from synthvlm.scenes.mini_models.llm_tokenizer import CONTEXT, build_llm_tokenizer
from synthvlm.scenes.mini_models.train import llm

TOKENIZER = build_llm_tokenizer()
TURNS = [Turn("a red star\nwhat colour is the star?", "red"), Turn("how big is it?", "small", 0.5)]


def test_only_answers_and_their_ends_count() -> None:
    ids, weights = llm.encode(TOKENIZER, TURNS)
    learnt = [(TOKENIZER.decode([i]), w) for i, w in zip(ids, weights, strict=True) if w]
    assert learnt == [(" red", 1.0), ("</s>", 1.0), (" small", 0.5), ("</s>", 0.5)]


def test_a_conversation_is_encoded_as_its_text() -> None:
    text = "".join(f"{user_text(str(turn.prompt))} {turn.answer}</s>" for turn in TURNS)
    assert llm.encode(TOKENIZER, TURNS)[0] == TOKENIZER(text).input_ids


def test_a_bare_caption_counts_as_a_whole() -> None:
    ids, weights = llm.encode(TOKENIZER, [Turn(None, "here is a red star", 0.3)])
    assert TOKENIZER.decode(ids) == "<s>here is a red star</s>"
    assert weights == [0.0] + [0.3] * (len(ids) - 1)


def test_long_conversations_are_cut_to_the_context() -> None:
    ids, weights = llm.encode(TOKENIZER, [Turn(None, "red " * 1000)])
    assert len(ids) == len(weights) == CONTEXT


def test_chunks_differ_by_worker_and_not_by_call() -> None:
    chunk = llm.draw_chunk(TOKENIZER, 1, 0, 0, 2)
    again = llm.draw_chunk(TOKENIZER, 1, 0, 0, 2)
    other = llm.draw_chunk(TOKENIZER, 1, 1, 0, 2)
    assert len(chunk) == llm.CHUNK
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(chunk, again, strict=True))
    assert not all(
        a.ids.shape == b.ids.shape and torch.equal(a.ids, b.ids)
        for a, b in zip(chunk, other, strict=True)
    )
    # Both have the short and the long lessons at the same places.
    apart = [abs(a.ids.shape[1] - b.ids.shape[1]) for a, b in zip(chunk, other, strict=True)]
    assert sum(apart) / len(apart) < 12


def train(monkeypatch: pytest.MonkeyPatch, folder: Path) -> bytes:
    arguments = ["--out", str(folder / "llm"), "--export", str(folder)]
    arguments += ["--steps", "3", "--batch", "2"]
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
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a" / "mini-llm")
    assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert tokenizer.image_token_id == TOKENIZER.image_token_id
    assert tokenizer.chat_template == TOKENIZER.chat_template
