"""Clusters of captions: what they find, and what they do not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.caption_clusters.clusters import CaptionClusters
from synthvlm.caption_clusters.k_means import k_means, nearest
from tests.caption_clusters.topics import TOPICS, captions_of

SIZES = {"sea": 240, "kitchen": 200, "street": 160}
POOL = [caption for topic, size in SIZES.items() for caption in captions_of(topic, size)]


def test_topics_are_found_and_named_by_their_words():
    clusters = CaptionClusters(sorted(POOL), 3)
    for number, (topic, size) in enumerate(SIZES.items()):
        assert clusters.of(captions_of(topic, size)).tolist() == [number] * size
        things, verbs = TOPICS[topic]
        words = {word for phrase in (*things, *verbs) for word in phrase.split()}
        assert set(clusters.names[number].split(" · ")) <= words


def test_captions_that_were_not_in_the_sample_belong_to_the_nearest():
    clusters = CaptionClusters(sorted(POOL), 3)
    assert clusters.of(captions_of("kitchen", 50, seed=1)).tolist() == [1] * 50


def test_words_that_are_used_alike_bring_captions_together():
    """The first and the last share no word, and are near by the words that both are used with."""
    beside = ["dog ball park", "puppy ball park", "dog ball grass", "puppy ball grass"]
    apart = ["bread oven flour", "cake oven flour", "bread oven sugar", "cake oven sugar"]
    clusters = CaptionClusters(sorted([*beside, *apart] * 5), 2)
    one, other, third = clusters.of(["dog park", "puppy grass", "cake flour"])
    assert one == other != third


# Few words, so that they recur; marks and words of one caption are among them.
words = st.sampled_from(["a", "red", "star", "blue", "box", "two", "—", "über"]) | st.text(
    max_size=3
)
texts = st.lists(st.lists(words, max_size=6).map(" ".join), max_size=40)


@given(texts, st.integers(1, 12), texts, st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_every_caption_has_one_cluster_whichever_are_asked_about_together(
    sample, most, captions, chunk
):
    clusters = CaptionClusters(sorted(sample), most)
    assert len(clusters.names) <= most
    assert all(clusters.names)
    numbers = clusters.of(captions)
    assert numbers.shape == (len(captions),)
    assert set(numbers.tolist()) <= {-1, *range(len(clusters.names))}
    parts = [
        clusters.of(captions[begin : begin + chunk]) for begin in range(0, len(captions), chunk)
    ]
    assert numbers.tolist() == [number for part in parts for number in part]
    again = CaptionClusters(sorted(sample), most)
    assert (again.names, again.of(captions).tolist()) == (clusters.names, numbers.tolist())


@given(texts, st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_every_cluster_has_captions_of_its_sample_the_largest_first(sample, most):
    clusters = CaptionClusters(sorted(sample), most)
    numbers = clusters.of(sample)
    sizes = np.bincount(numbers[numbers >= 0], minlength=len(clusters.names))
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert sizes.all()


@pytest.mark.parametrize("sample", [[], ["one of a kind"], ["— — —"] * 3])
def test_captions_without_a_word_in_common_are_in_no_cluster(sample):
    clusters = CaptionClusters(sample, 4)
    assert clusters.names == []
    assert clusters.of(["one of a kind", ""]).tolist() == [-1, -1]


def test_equal_captions_are_one_cluster_named_by_their_words():
    clusters = CaptionClusters(["a red star"] * 20, 8)
    assert clusters.names == ["a · red · star"]
    assert clusters.of(["a red star", "a blue box", "boxes"]).tolist() == [0, 0, -1]


points = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=40)


@given(points, st.integers(1, 6))
@settings(deadline=None)
def test_k_means_leaves_each_point_with_the_mean_that_is_nearest(coordinates, most):
    rows = 100.0 * np.array(coordinates)
    centroids = k_means(rows, most)
    assert len(centroids) <= min(most, len(set(coordinates)))
    numbers, distances = nearest(rows, centroids)
    for row, number, distance in zip(rows, numbers, distances, strict=True):
        squared = ((centroids - row) ** 2).sum(axis=1)
        assert distance == squared.min() == squared[number]
    for number in set(numbers):
        assert np.array_equal(centroids[number], np.rint(rows[numbers == number].mean(axis=0)))
