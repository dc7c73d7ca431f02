"""What holds for every chart, checked in one place."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

import altair as alt

from harness.charts.style import Chart


def sound(draw: Callable[[], Chart | None]) -> Chart:
    """Return a chart after checks that hold for all: valid, the same bytes twice, words, JSON for a page, XML."""
    chart, again = draw(), draw()
    assert chart is not None and again is not None
    assert chart.live() == again.live()
    alt.Chart.from_dict(dict(chart.spec), validate=True)
    json.loads(chart.live(), parse_constant=_refuse)
    assert "<" not in chart.live()
    assert chart.words and chart.title and chart.name
    assert chart.spec["description"] == chart.words
    svg = chart.svg()
    ElementTree.fromstring(svg)
    assert svg == again.svg()
    assert "var(--" not in svg and "NaN" not in svg
    return chart


def rows(chart: Chart) -> list[dict[str, Any]]:
    """Return all rows of data that a chart holds."""
    return [row for values in _values(chart.spec) for row in values]


def texts(chart: Chart) -> str:
    """Return the text that stands in a chart's file, and its title."""
    return " ".join(ElementTree.fromstring(chart.svg()).itertext())


def _values(part: Any) -> Iterator[list[dict[str, Any]]]:
    if isinstance(part, Mapping):
        data = part.get("data")
        if isinstance(data, Mapping) and "values" in data:
            yield list(data["values"])
        yield from part.get("datasets", {}).values()
        for key, value in part.items():
            if key not in {"data", "datasets"}:
                yield from _values(value)
    elif isinstance(part, list):
        for each in part:
            yield from _values(each)


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")
