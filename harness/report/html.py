"""`index.html`: one file that opens offline, with its pictures inside. Knows blocks, and no section."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report.blocks import Block, Picture
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
    found.globals |= {"links": links, "kind": _kind, "json": _json, "address": _address}
    return found


def _kind(block: Block) -> str:
    return type(block).__name__


def _json(spec: Mapping[str, Any]) -> Markup:
    """Return JSON that ends no script element, whatever is in it."""
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _address(picture: Picture) -> str:
    """Return a picture as an address that holds it."""
    kind = KINDS[Path(picture.name).suffix]
    return f"data:image/{kind};base64,{base64.b64encode(picture.file).decode()}"
