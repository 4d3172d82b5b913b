"""Training data in files: what has been made is not made again."""

import torch

from synthvlm.scenes.mini_models.train.resumable_data import make_or_load


def test_files_are_joined_in_their_order(tmp_path) -> None:
    found = make_or_load(tmp_path, 5, 3, lambda seed: {"x": torch.full((2,), seed)})
    assert found["x"].tolist() == [5, 5, 6, 6, 7, 7]


def test_a_stopped_call_goes_on_after_its_last_file(tmp_path) -> None:
    made: list[int] = []

    def make(seed: int) -> dict[str, torch.Tensor]:
        if seed == 2 and len(made) == 2:
            raise KeyboardInterrupt
        made.append(seed)
        return {"x": torch.tensor([seed])}

    try:
        make_or_load(tmp_path, 0, 4, make)
    except KeyboardInterrupt:
        made.append(-1)
    assert make_or_load(tmp_path, 0, 4, make)["x"].tolist() == [0, 1, 2, 3]
    assert made == [0, 1, -1, 2, 3]
