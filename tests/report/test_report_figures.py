"""Numbers and bars of the report, for any scores."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthvlm.report.charts import histogram
from synthvlm.report.distributions import Sketch, distribution
from synthvlm.report.figures import duration, size, value

scores = arrays.arrays(
    np.float32, st.integers(0, 60), elements=st.floats(-1, 1, width=32, allow_nan=False)
)


@settings(max_examples=60, deadline=None)
@given(scores, st.integers(0, 60))
def test_a_distribution_counts_every_score_once(values, chosen):
    everything, selected = Sketch(), Sketch()
    for part in np.array_split(values, 3):
        everything.add(part)
    selected.add(values[:chosen])
    made = distribution("clip_score", everything, selected, None)
    assert sum(made.histogram.everything) == len(values)
    assert sum(made.histogram.selected) == len(values[:chosen])
    assert len(made.histogram.everything) <= 60
    if len(values):
        summary = made.everything
        assert summary.mean == pytest.approx(float(values.astype(np.float64).mean()), abs=1e-9)
        assert summary.least <= summary.median <= summary.largest
        middle = np.sort(values)[(len(values) - 1) // 2]
        assert summary.median == pytest.approx(float(middle), abs=6e-4)


@settings(max_examples=60, deadline=None)
@given(scores)
def test_a_chart_stays_within_its_frame(values):
    sketch = Sketch()
    sketch.add(values)
    threshold = float(np.median(values)) if len(values) else None
    chart = str(histogram(distribution("weighted_score", sketch, sketch, threshold)))
    width, height = (int(side) for side in re.search(r'viewBox="0 0 (\d+) (\d+)"', chart).groups())
    for x, y, wide, high in re.findall(
        r'<rect class="\w+" x="([\d.-]+)" y="([\d.-]+)" width="([\d.-]+)" height="([\d.-]+)"', chart
    ):
        assert 0 <= float(x) <= float(x) + float(wide) <= width
        assert 0 <= float(y) <= float(y) + float(high) <= height
    assert chart.count("<title>") == np.count_nonzero(
        distribution("weighted_score", sketch, sketch, None).histogram.everything
    )


def test_scores_that_are_not_finite_are_left_out():
    sketch = Sketch()
    sketch.add(np.array([np.nan, 0.25, np.inf], np.float32))
    assert sketch.summary().mean == 0.25
    assert sketch.counts.sum() == 1


@pytest.mark.parametrize(
    ("given_value", "shown"),
    [
        (0.09373663, "0.09374"),
        (5500.0, "5,500"),
        (True, "true"),
        (20, "20"),
        (None, "\N{EN DASH}"),
        ([0.0, 0.5], "0, 0.5"),
    ],
)
def test_values_have_no_needless_digits(given_value, shown):
    assert value(given_value) == shown


def test_durations_and_sizes_are_for_people():
    assert [duration(s) for s in (0.44, 59.2, 61, 3725)] == [
        "0.4 s",
        "59.2 s",
        "1 min 01 s",
        "1 h 02 min",
    ]
    assert [size(n) for n in (12, 2048, 3 << 20, 5 << 40)] == [
        "12 bytes",
        "2.0 KiB",
        "3.0 MiB",
        "5.0 TiB",
    ]
