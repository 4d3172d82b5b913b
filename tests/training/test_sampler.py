"""The order of samples is a function of one position, whoever reads it."""

from itertools import islice

import numpy as np
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader, TensorDataset

from synthvlm.errors import InvalidInput
from synthvlm.training.sampler import GlobalOrder

ORDERS = st.builds(
    lambda length, global_batch, seed, columns, window: {
        "length": length,
        "seed": seed,
        "global_batch": global_batch,
        "window": window,
        "lengths": [number * 7919 % 97 for number in range(length)] if columns & 1 else None,
        "groups": [number % 3 for number in range(length)] if columns & 2 else None,
    },
    length=st.integers(1, 60),
    global_batch=st.sampled_from([4, 8, 12]),
    seed=st.integers(0, 5),
    columns=st.integers(0, 3),
    window=st.integers(1, 3),
)
FIRST = [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]
SORTED = [0, 2, 3, 4, 1, 8, 7, 5, 6, 9]
few = settings(max_examples=60, deadline=None)


@few
@given(ORDERS)
def test_each_epoch_has_each_sample_once(made) -> None:
    length = made["length"]
    read = list(GlobalOrder(**made, end=3 * length))
    for epoch in range(3):
        assert sorted(read[epoch * length : (epoch + 1) * length]) == list(range(length))


@few
@given(ORDERS, st.data())
def test_any_position_goes_on_with_the_same_samples(made, data) -> None:
    end = 3 * made["length"]
    position = data.draw(st.integers(0, end))
    assert (
        list(GlobalOrder(**made, position=position, end=end))
        == (list(GlobalOrder(**made, end=end))[position:])
    )


@few
@given(ORDERS, st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.integers(0, 3))
def test_processes_may_come_and_go(made, before, after, steps) -> None:
    """Each step has the same samples, also where other processes go on after some steps."""
    batch = made["global_batch"]
    end = 6 * batch
    whole = list(GlobalOrder(**made, end=end))
    order = GlobalOrder(**made, end=end)
    for step, samples in enumerate(islice(_steps(order, before), steps)):
        assert sorted(samples) == sorted(whole[step * batch : (step + 1) * batch])
        order.advance(batch)
    resumed = GlobalOrder(**made, end=end)
    resumed.load_state_dict(order.state_dict())
    for step, samples in enumerate(_steps(resumed, after), steps):
        assert sorted(samples) == sorted(whole[step * batch : (step + 1) * batch])


def _steps(order, processes):
    """The samples of each step, with accelerate's division of batches among processes."""
    batches = BatchSampler(order, order.global_batch // processes, drop_last=False)
    shards = [BatchSamplerShard(batches, processes, rank) for rank in range(processes)]
    for parts in zip(*shards, strict=True):
        yield [index for part in parts for index in part]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_any_number_of_workers_reads_the_same(workers) -> None:
    order = GlobalOrder(30, 1, 6, 6, end=42)
    numbers = TensorDataset(torch.arange(30))
    loader = DataLoader(numbers, batch_size=3, sampler=order, num_workers=workers)
    assert [int(index) for (batch,) in loader for index in batch] == list(order)
    assert order.position == 6  # what was read ahead has not been trained on


def test_epochs_and_seeds_differ() -> None:
    first, second = np.array(list(GlobalOrder(50, 0, 5, end=100))).reshape(2, 50).tolist()
    assert first != second
    assert first != list(GlobalOrder(50, 1, 5, end=50))
    assert first != sorted(first)


def test_the_order_does_not_change() -> None:
    """A checkpoint of any age means this order."""
    assert list(GlobalOrder(10, 0, 5, end=10)) == FIRST
    assert list(GlobalOrder(10, 0, 5, end=10, lengths=range(10), window=2)) == SORTED


def test_it_ends_after_one_epoch_with_a_whole_step() -> None:
    assert len(list(GlobalOrder(10, 0, 4))) == 12


@few
@given(ORDERS.filter(lambda made: made["groups"] is not None))
def test_a_step_is_of_one_kind(made) -> None:
    length, batch = made["length"], made["global_batch"]
    kinds = np.array(made["groups"])[list(GlobalOrder(**made, end=length))]
    whole = sum((kinds == kind).sum() // batch for kind in range(3))
    for step in range(whole):
        assert len(set(kinds[step * batch : (step + 1) * batch])) == 1


def test_lengths_save_padding() -> None:
    lengths = np.random.default_rng(0).integers(10, 200, 2000)

    def padding(**options) -> float:
        rows = lengths[list(GlobalOrder(2000, 0, 20, **options))].reshape(-1, 20)
        return float(1 - rows.sum() / (rows.max(axis=1) * 20).sum())

    assert padding() > 0.4
    assert padding(lengths=lengths) < 0.1
    assert padding(lengths=lengths, window=1) == pytest.approx(padding(), abs=0.02)


def test_steps_of_similar_length_come_in_no_order_of_length() -> None:
    order = GlobalOrder(400, 0, 10, lengths=range(400))
    means = np.array(list(order)).reshape(-1, 10).mean(axis=1)
    assert abs(np.corrcoef(means, np.arange(40))[0, 1]) < 0.4


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ({"length": 0}, "1 or more"),
        ({"global_batch": 0}, "1 or more"),
        ({"window": 0}, "1 or more"),
        ({"position": 13}, "between 0 and 12"),
        ({"position": -1}, "between 0 and 12"),
        ({"lengths": [1, 2]}, "lengths"),
        ({"groups": [[1] * 10]}, "groups"),
    ],
)
def test_orders_that_are_invalid(made, problem) -> None:
    with pytest.raises(InvalidInput, match=problem):
        GlobalOrder(**{"length": 10, "seed": 0, "global_batch": 4, **made})


@pytest.mark.parametrize("other", [{"seed": 1}, {"length": 11}, {"global_batch": 2}, {"window": 3}])
def test_a_position_in_another_order_is_refused(other) -> None:
    state = GlobalOrder(10, 0, 4).state_dict()
    with pytest.raises(InvalidInput, match="another order"):
        GlobalOrder(**{"length": 10, "seed": 0, "global_batch": 4, **other}).load_state_dict(state)


def test_training_goes_no_further_than_the_end() -> None:
    order = GlobalOrder(10, 0, 4)
    order.advance(12)
    assert list(order) == []
    with pytest.raises(InvalidInput):
        order.advance(4)
