"""The report on the mini models: its tables and its measure of how cleanly images are drawn."""

import random
from pathlib import Path

import numpy as np
from PIL import Image

from synthvlm.model_folders import resolve_model
from synthvlm.scenes.captions import describe
from synthvlm.scenes.mini_models.measure.report import (
    choices,
    draw_curves,
    llm_tables,
    minutes,
    read_sections,
    selection,
    write_sections,
)
from synthvlm.scenes.mini_models.measure.sdxl import likeness, truth_of
from synthvlm.scenes.mini_models.measure.tables import Table
from synthvlm.scenes.render import render
from synthvlm.scenes.world import sample_scene

WEIGHTS = resolve_model("bundled:mini-sdxl").parent


def test_a_table_is_markdown() -> None:
    table = Table("Selection", ("pairs", "true"), [("all", "61.0%")])
    assert str(table).splitlines() == [
        "### Selection",
        "",
        "| pairs | true |",
        "| --- | --- |",
        "| all | 61.0% |",
    ]


def test_noise_and_blots_lower_the_likeness() -> None:
    rng = random.Random(1)
    images = [render(sample_scene(rng)) for _ in range(20)]
    noise = np.random.default_rng(0).normal(0, 12, images[0].shape)
    noisy = [np.clip(x + noise, 0, 255).astype(np.uint8) for x in images]
    assert likeness(images) > likeness(noisy) + 3


def test_truth_is_the_oracles() -> None:
    rng = random.Random(2)
    scenes = [sample_scene(rng) for _ in range(10)]
    captions = [describe(scene, rng) for scene in scenes]
    images = [render(scene) for scene in scenes]
    assert truth_of(images, captions).all()
    assert not truth_of(images, ["a red star, on a white wall"] * 10).all()


def test_a_training_that_was_resumed_took_the_time_of_all_its_runs() -> None:
    rows = [{"seconds": str(seconds)} for seconds in (30, 60, 20, 60, 120)]
    assert minutes(rows) == 3


def test_curves_are_drawn_of_the_logs_that_there_are(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "text" / "log.csv"
    log.parent.mkdir(parents=True)
    log.write_text("step,loss,seconds\n50,2.5,30\n100,1.25,60\n")
    kept = tmp_path / "curves" / "vae.png"
    kept.parent.mkdir()
    kept.write_bytes(b"of a training whose log is gone")
    (drawn,) = draw_curves(tmp_path / "logs", tmp_path / "curves")
    with Image.open(drawn) as picture:
        assert drawn.name == "text.png"
        assert picture.size == (256, 224)
    assert kept.read_bytes() == b"of a training whose log is gone"


def test_a_score_that_knows_the_truth_chooses_true_pairs() -> None:
    truth = np.arange(50) % 2 == 0
    rows = choices(truth, {"good": truth.astype(float), "bad": 1.0 - truth})
    everything, chance, good, bad = rows
    assert everything == ("all", "50", "50.0%")
    assert chance[:2] == ("a random fifth", "10")
    assert good == ("top fifth by good", "10", "100.0%")
    assert bad == ("top fifth by bad", "10", "0.0%")


def test_selection_is_measured_on_images_of_the_bundled_models() -> None:
    pairs, scores = selection(WEIGHTS, 10, 6, 2.5)
    assert [row[:2] for row in pairs.rows] == [
        ("all", "10"),
        ("a random fifth", "2"),
        ("top fifth by weighted_score", "2"),
        ("top fifth by clip_score", "2"),
        ("top fifth by ssim_score", "2"),
    ]
    assert len(scores.rows) == 2


def test_mini_llm_has_a_table_of_each_figure() -> None:
    tables = llm_tables(WEIGHTS, 20)
    assert [len(table.columns) for table in tables] == [2, 2, 2, 2]
    assert all(row[1] for table in tables for row in table.rows)


def test_a_section_that_is_measured_again_replaces_the_old_one_in_its_place() -> None:
    old = write_sections({"samplers": "### S\n\n| 1 |", "mini-llm": "### L\n\n| 2 |"})
    assert old.index("## mini-llm") < old.index("## samplers")
    sections = read_sections(old)
    assert sections == {"samplers": "### S\n\n| 1 |", "mini-llm": "### L\n\n| 2 |"}
    new = write_sections(sections | {"samplers": "### S\n\n| 3 |"})
    assert new == old.replace("| 1 |", "| 3 |")
    assert read_sections("") == {}
