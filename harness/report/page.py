"""`index.html`: one file that opens offline, with its pictures inside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report.charts import curve_chart
from harness.report.compose import Report
from harness.report.heatmaps import heat_picture, heat_rows, short_names
from harness.report.numbers import amount, percent
from harness.report.strips import strips_of

TEMPLATES = Path(__file__).parent / "templates"


def page_text(report: Report) -> str:
    """Return the report as one HTML page without a single reference to the outside."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["percent"] = percent
    page = pages.get_template("index.html.jinja").render(
        report=report,
        strips=strips_of(report.variants),
        style=_included("style.css"),
        script=_included("sort.js"),
        amount=amount,
        curve_chart=curve_chart,
        heat_rows=heat_rows,
        heat_picture=heat_picture,
        short_names=short_names,
    )
    return page.rstrip() + "\n"


def _included(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))
