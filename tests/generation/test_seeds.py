from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.generation.engine import Sampling
from synthvlm.generation.seeds import image_id, image_seed
from synthvlm.limits import MAX_SEED

ids = st.text(min_size=1, max_size=40)
repeats = st.integers(0, 99)
seeds = st.integers(0, MAX_SEED)
SAMPLING = Sampling(20, 3.0, 0.8, 64, 64)


@given(ids, repeats, seeds)
def test_a_seed_is_63_bits_and_always_the_same(caption, repeat, run_seed):
    seed = image_seed(caption, repeat, run_seed)
    assert 0 <= seed <= MAX_SEED
    assert seed == image_seed(caption, repeat, run_seed)


@given(st.tuples(ids, repeats, seeds), st.tuples(ids, repeats, seeds))
def test_other_captions_repeats_and_runs_get_other_seeds(one, other):
    assert (image_seed(*one) == image_seed(*other)) == (one == other)


def test_seeds_do_not_change_from_release_to_release():
    # Every image ever made is found again by its seed: these numbers must never change.
    assert image_seed("c0ffee", 0, 0) == 1223850335635659991
    assert image_seed("c0ffee", 1, 0) == 7931101446630101311


def test_the_noise_of_repeats_differs_in_the_bits_that_torch_uses():
    low = {image_seed("c0ffee", repeat, 7) & 0xFFFFFFFF for repeat in range(100)}
    assert len(low) == 100


def test_seeds_are_spread_evenly():
    seeds = np.array([image_seed(str(i), 0, 0) for i in range(4000)], dtype=np.float64)
    counts, _ = np.histogram(seeds, bins=16, range=(0, 2.0**63))
    assert counts.min() > 180
    assert counts.max() < 330


def test_an_image_id_names_everything_that_the_image_is_made_from():
    arguments = {
        "caption_id": "c",
        "repeat": 0,
        "seed": 1,
        "model_digest": "sha256:m",
        "sampling": SAMPLING,
        "image_format": "jpeg",
    }
    changes = [
        {"caption_id": "d"},
        {"repeat": 1},
        {"seed": 2},
        {"model_digest": "sha256:n"},
        {"image_format": "png"},
        *(
            {"sampling": replace(SAMPLING, **change)}
            for change in (
                {"steps": 21},
                {"guidance_scale": 3.5},
                {"high_noise_fraction": 1.0},
                {"width": 72},
                {"height": 72},
                {"negative_prompt": "blurry"},
            )
        ),
    ]
    made = {image_id(**{**arguments, **change}) for change in [{}, *changes]}
    assert len(made) == len(changes) + 1
    for one in made:
        # A WebDataset key ends at the first dot.
        assert len(one) == 32
        assert set(one) <= set("0123456789abcdef")


@given(st.floats(0.01, 50), st.floats(0.01, 1))
def test_parameters_are_what_the_proto_can_carry(guidance, fraction):
    from_profile = Sampling(20, guidance, fraction, 64, 64)
    from_request = Sampling(20, float(np.float32(guidance)), float(np.float32(fraction)), 64, 64)
    assert from_profile == from_request
    assert np.float32(from_profile.guidance_scale) == np.float32(guidance)


def test_a_fraction_keeps_its_decimal_form():
    assert Sampling(20, 7.3, float(np.float32(0.8)), 64, 64).to_json() == {
        "steps": 20,
        "guidance_scale": 7.3,
        "high_noise_fraction": 0.8,
        "width": 64,
        "height": 64,
        "negative_prompt": "",
    }
