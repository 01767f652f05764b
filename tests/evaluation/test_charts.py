"""Charts as geometry."""

from __future__ import annotations

from math import inf, nan

import pytest

from cyclegan.evaluation.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Points, chart


def drawn(*lines: Points, logarithmic: bool = False) -> Chart:
    result = chart([(str(index), points) for index, points in enumerate(lines)], logarithmic=logarithmic)
    assert result is not None
    return result


def places(result: Chart, line: int = 0) -> list[tuple[float, float]]:
    pairs = [place.split(",") for place in result.lines[line].points.split()]
    return [(float(x), float(y)) for x, y in pairs]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_points_lie_within_the_axes_at_their_ticks(logarithmic: bool) -> None:
    result = drawn([(1, 20.0), (2, 5.0), (3, 0.2)], [(1, 1.0), (3, 2.0)], logarithmic=logarithmic)
    for line in range(2):
        for x, y in places(result, line):
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP <= y <= HEIGHT - BOTTOM
    heights = {tick.text: tick.place for tick in result.y_ticks}
    assert places(result)[0] == (LEFT, heights["20"])
    assert places(result)[1][1] == pytest.approx(heights["5"], abs=0.1)
    assert [tick.text for tick in result.x_ticks] == ["1", "2", "3"]
    assert (result.lines[0].first, result.lines[0].last) == ("20", "0.2")


def test_factors_are_equally_high_on_a_logarithmic_axis() -> None:
    (_, top), (_, middle), (_, bottom) = places(drawn([(1, 100.0), (2, 10.0), (3, 1.0)], logarithmic=True))
    assert middle - top == pytest.approx(bottom - middle, abs=0.2)


def test_what_cannot_be_drawn_is_left_out() -> None:
    result = drawn([(1, nan), (2, inf), (5, 3.0), (6, 4.0)], logarithmic=True)
    assert len(places(result)) == 2
    assert chart([("nothing", []), ("never finite", [(1, nan)])], logarithmic=True) is None


def test_an_axis_with_values_that_are_not_positive_is_linear() -> None:
    result = drawn([(1, -1.5), (2, 0.0), (3, 3.0)], logarithmic=True)
    assert not result.logarithmic
    (_, bottom), (_, middle), (_, top) = places(result)
    assert middle - top == pytest.approx(2 * (bottom - middle), abs=0.3)
    assert [tick.text for tick in result.y_ticks] == ["-2", "0", "2", "4"]
    assert drawn([(1, 1.5), (2, 3.0)], logarithmic=True).logarithmic


@pytest.mark.parametrize("points", [[(7, 0.5)], [(1, 2.0), (2, 2.0)], [(1, 0.0), (2, 0.0)], [(1, 1e-9), (9, 1e9)]])
def test_few_flat_and_far_values_are_drawn_too(points: Points) -> None:
    result = drawn(points)
    assert len(places(result)) == 2
    assert result.y_ticks
    assert len(drawn(points, logarithmic=True).y_ticks) <= 20 if points[0][1] else True


def test_small_values_are_written_short() -> None:
    result = drawn([(1, 2e-4), (2, 1e-5)])
    assert [tick.text for tick in result.y_ticks] == ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]
