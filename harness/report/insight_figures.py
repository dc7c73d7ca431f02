"""Pictures of errors, agreement, reliability and cost as files, for Markdown and for papers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.measure.captioned import Captioned, draw_captioned
from harness.report.agreement import draw_agreement
from harness.report.chart_files import Panel, write_charts
from harness.report.error_section import ErrorSection
from harness.report.errors import Gallery
from harness.report.reliability import ReliabilityOf, reliability_chart
from harness.words import percent

INSIGHT: Final = ("errors-*", "agreement*", "reliability*", "cost-*")
"""Names of all that is drawn here."""
MOST_VARIANTS: Final = 4
MOST_WORDS: Final = 12
DIAGRAMS_A_ROW: Final = 4
LONGEST_CAPTION: Final = 20


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture in words, and its path relative to the report's folder."""

    words: str
    path: str


def draw_errors_of(sections: Sequence[ErrorSection], folder: Path) -> tuple[tuple[Drawn, ...], ...]:
    """Draw the pictures of each section into `folder`/figures."""
    return tuple(tuple(_section(each, folder, _suffix(place))) for place, each in enumerate(sections))


def _section(section: ErrorSection, folder: Path, suffix: str) -> Iterator[Drawn]:
    errors = section.errors
    if errors.by_all and errors.by_all.pictures:
        yield _gallery([errors.by_all], errors.by_all.title, folder, f"figures/errors-by-all{suffix}.png")
    if any(gallery.pictures for gallery in errors.pair):
        title = f"The two classes that {errors.lead} confuses most"
        pair = [gallery for gallery in errors.pair if gallery.pictures]
        yield _gallery(pair, title, folder, f"figures/errors-pair{suffix}.png")
    confident = [gallery for gallery in errors.confident if gallery.pictures][:MOST_VARIANTS]
    if confident:
        yield _gallery(confident, "Most confident errors", folder, f"figures/errors-confident{suffix}.png")
    if section.agreement:
        path = f"figures/agreement{suffix}.png"
        draw_agreement(section.agreement, folder / path)
        yield Drawn(f"Agreement between models on {section.agreement.title}", path)
    if section.reliability:
        path = f"figures/reliability{suffix}.svg"
        title = f"Accuracy by confidence, both in percent, on {errors.title}"
        write_charts(title, [_diagram(each) for each in section.reliability], folder / path, DIAGRAMS_A_ROW)
        yield Drawn("; ".join(each.words for each in section.reliability), path)


def _diagram(each: ReliabilityOf) -> Panel:
    return Panel(reliability_chart(each), f"{_end(each.name)}, ECE {percent(each.ece)} %")


def _end(name: str) -> str:
    """Return a name's end, which is where variants of an experiment differ."""
    return name if len(name) <= LONGEST_CAPTION else f"…{name[1 - LONGEST_CAPTION :]}"


def _short(sure: str) -> str:
    """Return how sure a model was in fewer letters: a margin, too long to stand below a small picture, as "+2.06"."""
    return sure.replace("margin ", "+")


def _gallery(galleries: Sequence[Gallery], title: str, folder: Path, path: str) -> Drawn:
    groups = [
        (
            gallery.title if len(galleries) > 1 else "",
            [Captioned(each.pixels, each.predicted, _short(each.sure), each.true) for each in gallery.pictures],
        )
        for gallery in galleries
    ]
    draw_captioned(f"{title}: taken for (how sure), true class below", groups, folder / path)
    words = [each.words for gallery in galleries for each in gallery.pictures]
    return Drawn(f"{title}: {'; '.join(words[:MOST_WORDS])}", path)


def _suffix(place: int) -> str:
    return f"-{place + 1}" if place else ""
