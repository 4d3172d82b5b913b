"""The longer recipe of the mini VLM is a profile like the others, and differs in training alone."""

import yaml

from benchmarks.training.mini_vlm import main, profile
from synthvlm.profiles import load_profile
from synthvlm.training.request import TrainingRequest


def test_the_longer_recipe_is_the_demos_profile_with_more_training(tmp_path, monkeypatch) -> None:
    file = tmp_path / "mini-vlm.yaml"
    monkeypatch.setattr("sys.argv", ["mini_vlm", "--out", str(file)])
    main()
    assert yaml.safe_load(file.read_text()) == profile()
    version = {"store": "file:///s", "path": "dataset/x", "digest": f"sha256:{'0' * 64}"}
    long, short = (
        TrainingRequest.model_validate(
            {"dataset": version, "store": "file:///s", "profile": name}
        ).settings()
        for name in (str(file), "mini")
    )
    assert (long.finetune.steps or 0) > 8 * (short.finetune.steps or 0) > 0
    assert long.vision_tower == short.vision_tower
    assert long.finetune.template == short.finetune.template
    services = load_profile(str(file)).sections
    for name, section in load_profile("mini").sections.items():
        assert name == "training" or services[name] == section
