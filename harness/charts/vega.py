"""Vega, Vega-Lite and Vega-Embed as one script, kept in the package: to put them together takes a second each time.

Run `python -m harness.charts.vega` after another vl-convert is installed: it writes the file anew.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final

import vl_convert

FILE: Final = Path(__file__).parent / "vega.js.gz"


def vega_script() -> str:
    """Return the JavaScript (an ES module) that sets `vegaEmbed`; it takes nothing from the network."""
    return gzip.decompress(FILE.read_bytes()).decode()


def bundled() -> str:
    """Return the same from the installed vl-convert."""
    return str(vl_convert.javascript_bundle("globalThis.vegaEmbed = vegaEmbed;"))


if __name__ == "__main__":
    FILE.write_bytes(gzip.compress(bundled().encode(), mtime=0))
