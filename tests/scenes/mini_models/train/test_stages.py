"""The commands that train the mini models."""

import importlib.util
import sys

from synthvlm.scenes.mini_models.train.__main__ import main
from synthvlm.scenes.mini_models.train.stages import STAGES

LAUNCH = "python -m torch.distributed.run --standalone --nproc-per-node 2 -m"
COMMANDS = [
    "vae --out B/vae",
    "decoder --vae B/vae/vae --out B/decoder",
    "text_encoders --out B/text",
    "diffusion --vae B/decoder/vae --text B/text --out B/base --export B/teacher",
    "reflow --teacher B/teacher/mini-sdxl --guidance 2.5 --seed 6 --out B/reflow --export B/reflow",
    "reflow --teacher B/reflow/mini-sdxl --seed 8 --out B/reflow-2 --export B/reflow-2",
    "reflow --teacher B/reflow-2/mini-sdxl --seed 10 --parts 6 --steps 1400 --lr 3e-4"
    " --out B/reflow-3 --export B/weights",
    "refiner --base B/weights/mini-sdxl --out B/refiner --export B/weights",
    "clip --text B/text --out B/clip --export B/drawn",
    "judging --weights B/weights --clip B/drawn/mini-clip --out B/judging --export B/weights",
    "llm --out B/llm --export B/weights",
]
"""What the bundled models' figures in docs/scenes.md, "Trained anew", were made by."""


def printed(monkeypatch, capsys, *arguments: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    monkeypatch.setattr(sys, "executable", "python")
    main()
    output: str = capsys.readouterr().out
    return output.splitlines()


def test_a_dry_run_prints_the_commands(monkeypatch, capsys) -> None:
    lines = printed(monkeypatch, capsys, "--dry-run", "--out", "B")
    package = "synthvlm.scenes.mini_models.train"
    expected = [f"OMP_NUM_THREADS=1 {LAUNCH} {package}.{command}" for command in COMMANDS]
    assert [line for line in lines if not line.startswith("#")] == expected
    comments = [line for line in lines if line.startswith("#")]
    assert len(comments) == len(STAGES)
    assert comments[0].startswith("# 1 of 11: the autoencoder")


def test_every_stage_is_a_module() -> None:
    for stage in STAGES:
        assert importlib.util.find_spec(f"synthvlm.scenes.mini_models.train.{stage.module}")
