"""Parameters of the paper's models, and what their training takes of a GPU."""

import pytest

from synthvlm.profiles import load_profile
from synthvlm.training.memory import PUBLISHED, count_parameters, memory_plan
from synthvlm.training.settings import training_settings
from tests.contracts.words import ROOT

PROJECTOR = {
    "7b": (1024 + 1) * 4096 + (4096 + 1) * 4096,
    "13b": (1024 + 1) * 5120 + (5120 + 1) * 5120,
}
GIB = 2**30


@pytest.mark.parametrize(
    ("name", "language_model", "total"),
    # Llama's own counts, and those of liuhaotian/llava-v1.5-7b and -13b with their tower.
    [("7b", 6_738_415_616, 7_062_902_784), ("13b", 13_015_864_320, 13_350_839_296)],
)
def test_counts_are_those_of_the_published_models(name, language_model, total):
    found = count_parameters(PUBLISHED[name])
    assert found.vision_tower == 303_507_456  # CLIP ViT-L/14-336
    assert found.projector == PROJECTOR[name]
    assert found.language_model == language_model
    assert found.total == total
    assert found.trained("pretrain") == PROJECTOR[name]
    assert found.trained("finetune") == language_model + PROJECTOR[name]


def settings(name, **changes):
    return training_settings({**load_profile(name).section("training"), **changes})


@pytest.mark.parametrize("name", ["7b", "13b"])
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_the_profiles_fit_on_eight_gpus_of_80_gb(name, stage):
    assert memory_plan(PUBLISHED[name], settings(name), stage, 8).total < 70 * GIB


def test_what_is_trained_takes_16_bytes_a_parameter_however_it_is_divided():
    trained = count_parameters(PUBLISHED["7b"]).trained("finetune")
    for gpus in (1, 8):
        plan = memory_plan(PUBLISHED["7b"], settings("7b"), "finetune", gpus)
        frozen = 4 * 303_507_456
        held = plan.weights + plan.gradients + plan.optimizer
        assert held == pytest.approx((16 * trained + frozen) / gpus, rel=1e-6)


def test_checkpointing_and_fused_kernels_save_activations():
    least = memory_plan(PUBLISHED["7b"], settings("7b"), "finetune", 8).activations
    for name in ("gradient_checkpointing", "liger"):
        more = memory_plan(PUBLISHED["7b"], settings("7b", **{name: False}), "finetune", 8)
        assert more.activations > 1.5 * least


def rows():
    for name in PUBLISHED:
        for stage in ("pretrain", "finetune"):
            own = settings(name)
            plan = memory_plan(PUBLISHED[name], own, stage, 8)
            held = (plan.weights, plan.gradients, plan.optimizer, plan.activations, plan.gathered)
            cells = [f"{one / GIB:.1f}" for one in (*held, plan.total)]
            yield f"| {name} | {stage} | {own.stage(stage).micro_batch} | {' | '.join(cells)} |"


@pytest.mark.parametrize("row", list(rows()))
def test_the_table_of_the_documentation(row):
    assert row in (ROOT / "docs/train.md").read_text().splitlines()
