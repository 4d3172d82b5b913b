"""The training loop: averages, also of weights that two names share, and resumption."""

import torch
from torch import nn

from synthvlm.scenes.mini_models.train.loop import Training


class Tied(nn.Module):
    """One weight under two names, as the embeddings of a language model."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.ones(2))
        self.second = self.first

    def forward(self) -> torch.Tensor:
        return (self.second - 5.0).square().sum()


def step(training: Training) -> None:
    training.update(training.modules["tied"]())


def test_shared_weights_are_averaged_under_both_names(tmp_path) -> None:
    training = Training({"tied": Tied()}, tmp_path, 20, 0.1, 0.9)
    for _ in range(5):
        step(training)
    state = training.averaged()["tied"]
    assert torch.equal(state["first"], state["second"])
    assert not torch.equal(state["first"], training.modules["tied"].state_dict()["first"])


def test_a_training_goes_on_where_it_was_saved(tmp_path) -> None:
    whole = Training({"tied": Tied()}, tmp_path / "whole", 20, 0.1, 0.9)
    for _ in range(20):
        step(whole)
    part = Training({"tied": Tied()}, tmp_path / "part", 20, 0.1, 0.9)
    for _ in range(10):
        step(part)
    part.save()
    rest = Training({"tied": Tied()}, tmp_path / "part", 20, 0.1, 0.9)
    assert rest.step == 10
    while rest.step < 20:
        step(rest)
    assert torch.equal(rest.averaged()["tied"]["first"], whole.averaged()["tied"]["first"])


def test_each_optimizer_follows_the_curve_at_its_own_rate(tmp_path) -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    optimizers = [
        torch.optim.SGD(model["a"].parameters(), 0.4),
        torch.optim.SGD(model["b"].parameters(), 0.1),
    ]
    training = Training({"both": model}, tmp_path, 40, 0.4, 0.9, optimizers)
    training.update(model["b"](model["a"](torch.ones(2))).sum())
    # The first of two steps of warm-up.
    assert [group["lr"] for o in optimizers for group in o.param_groups] == [0.2, 0.05]
    training.save()
    again = Training({"both": model}, tmp_path, 40, 0.4, 0.9, optimizers)
    while again.step < 40:
        again.update(model["b"](model["a"](torch.ones(2))).sum())
    assert optimizers[0].param_groups[0]["lr"] < 1e-2
