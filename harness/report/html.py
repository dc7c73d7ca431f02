"""`index.html`: one file that opens offline, with its pictures inside. Knows blocks, and no section."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.charts.style import Chart, page_loader, page_markup, page_script, page_style
from harness.errors import printable
from harness.report.blocks import Block, Charts, Document, Fold, Group, Picture
from harness.report.variants import Links

TEMPLATES: Final = Path(__file__).parent / "templates"
SMALL: Final = 320
"""Pixels."""
KINDS: Final = {".png": "png", ".webp": "webp", ".jpg": "jpeg"}


def page_text(document: Document, links: Links) -> str:
    """Return the report as one HTML page without a single reference to the outside; all text is escaped.

    Its content policy names its scripts by their hashes: these, letter by letter, and no other, and none that evaluates
    text.
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    templates.filters["tight"] = _tight
    templates.globals |= {
        "links": links,
        "kind": _kind,
        "address": _address,
        "chart_figure": page_markup,
        "are_small": _are_small,
    }
    script = _included("tables.js")
    chart_scripts = (
        (page_loader(), page_script()) if any(_has_charts(each.blocks) for each in document.sections) else ()
    )
    page = templates.get_template("page.html.jinja").render(
        document=document,
        style=_included("page.css") + Markup(page_style()),
        script=script,
        chart_script=Markup(chart_scripts[0]) if chart_scripts else "",
        script_hashes=Markup(script_hashes(script, *chart_scripts)),
    )
    return page.rstrip() + "\n"


def _shown(value: object) -> object:
    """Return what a template shows: of plain text, no letter that turns a line around or cannot be seen."""
    return printable(value, "\n\t") if isinstance(value, str) and not isinstance(value, Markup) else value


def _kind(block: Block) -> str:
    return type(block).__name__


def _tight(text: str) -> str:
    """Return a text in which a number is not parted from its percent sign."""
    return re.sub(r"(?<=\d) %", "\u00a0%", text)


def _are_small(charts: Iterable[Chart]) -> bool:
    """Whether charts are so narrow that three or more stand side by side."""
    return all(chart.spec.get("usermeta", {}).get("widest", SMALL + 1) <= SMALL for chart in charts)


def _address(picture: Picture) -> str:
    """Return a picture as an address that holds it."""
    kind = KINDS[Path(picture.name).suffix]
    return f"data:image/{kind};base64,{base64.b64encode(picture.file).decode()}"


def script_hashes(*scripts: str) -> str:
    """Return what a content policy says of scripts within a page: these, letter by letter."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _has_charts(blocks: Iterable[Block]) -> bool:
    return any(
        isinstance(block, Charts) or (isinstance(block, Group | Fold) and _has_charts(block.blocks)) for block in blocks
    )


def _included(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))
