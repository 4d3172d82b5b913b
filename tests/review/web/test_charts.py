"""Charts of the owner's page: well-formed, inside their frame, and without inline style."""

import xml.etree.ElementTree as ET

import pytest

from synthvlm.review.statistics.bootstrap import Interval
from synthvlm.review.statistics.calibration import Point
from synthvlm.review.web.charts import precision_chart


@pytest.mark.parametrize("low", [0.0, 0.55, 0.97])
def test_precision_and_its_band_lie_inside_the_frame(low: float) -> None:
    points = [
        Point(0.1 * step, 1 - step / 5, Interval((1 + low) / 2, low, 1.0, 0.01), 100 - step)
        for step in range(5)
    ]
    chart = ET.fromstring(str(precision_chart(points)))
    _, _, width, height = map(float, chart.attrib["viewBox"].split())
    (band,), (line,) = chart.findall("polygon"), chart.findall("polyline")
    assert len(band.attrib["points"].split()) == 2 * len(line.attrib["points"].split()) == 10
    for place in (*band.attrib["points"].split(), *line.attrib["points"].split()):
        x, y = map(float, place.split(","))
        assert 0 <= x <= width
        assert 0 <= y <= height
    assert not any("style" in element.attrib for element in chart.iter())
