"""`index.html`: one file that opens offline, with its pictures inside. Knows blocks, and no section."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.charts.style import page_markup
from harness.report.blocks import Block, Charts, Fold, Group, Picture
from harness.report.variants import Links

TEMPLATES: Final = Path(__file__).parent / "templates"
KINDS: Final = {".png": "png", ".webp": "webp", ".jpg": "jpeg"}


def pages(links: Links) -> Environment:
    """Return the templates: all text is escaped, all that they know of blocks is in `blocks.html.jinja`."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {"links": links, "kind": _kind, "address": _address, "chart_figure": page_markup}
    return found


def _kind(block: Block) -> str:
    return type(block).__name__


def _address(picture: Picture) -> str:
    """Return a picture as an address that holds it."""
    kind = KINDS[Path(picture.name).suffix]
    return f"data:image/{kind};base64,{base64.b64encode(picture.file).decode()}"


def script_hashes(*scripts: str) -> str:
    """Return what a content policy says of a page's own scripts: these, letter by letter, and no other."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts if script)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def has_charts(blocks: Iterable[Block]) -> bool:
    """Whether a chart is among blocks, or within one of them."""
    return any(
        isinstance(block, Charts) or (isinstance(block, Group | Fold) and has_charts(block.blocks)) for block in blocks
    )
