"""The one look of all charts, and the three ways in which a chart leaves the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite chart with its name and its words."""

    name: str
    """Stem of its file, unique in a report: `curves-small-cnn`."""
    words: str
    """What it shows, for those who don't see it: the alternative text."""
    spec: Mapping[str, Any]
    """Vega-Lite JSON, complete with data and theme."""
