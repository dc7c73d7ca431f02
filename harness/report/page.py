"""`index.html`: one file that opens offline, with its pictures inside."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markupsafe import Markup

from harness.charts.style import page_loader, page_script, page_style
from harness.report.compose import Report
from harness.report.html import has_charts, pages, script_hashes
from harness.report.tuning_charts import front_charts, history_chart, importance_chart
from harness.report.tuning_lines import parallel_chart, slice_charts
from harness.report.variants import runs_of
from harness.words import amount, percent

TEMPLATES = Path(__file__).parent / "templates"
TUNING: Final = {
    "history": history_chart,
    "fronts": front_charts,
    "importance": importance_chart,
    "parallel": parallel_chart,
    "slices": slice_charts,
}


def page_text(report: Report) -> str:
    """Return the report as one HTML page without a single reference to the outside."""
    templates = pages(report.links)
    templates.filters["percent"] = percent
    templates.globals |= {"runs_of": runs_of}
    script = _included("sort.js")
    alive = any(has_charts(each.blocks) for each in report.sections)
    chart_scripts = (page_loader(), page_script()) if alive else ("", "")
    page = templates.get_template("index.html.jinja").render(
        report=report,
        new={each.anchor: each for each in report.sections},
        style=_included("charts.css") + _included("style.css") + Markup(page_style()),
        script=script,
        chart_script=Markup(chart_scripts[0]),
        script_hashes=Markup(script_hashes(script, *chart_scripts)),
        amount=amount,
        tuning_charts=TUNING,
    )
    return page.rstrip() + "\n"


def _included(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))
