"""Whether confidence can be trusted: accuracy by confidence, a diagram a variant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup

from harness.measure.scores import Reliability, expected_calibration_error, reliability
from harness.report.blocks import Run
from harness.report.predictions import Member, Panel
from harness.report.variants import runs_of
from harness.words import percent

WIDTH, HEIGHT = 190, 190
LEFT, RIGHT, TOP, BOTTOM = 30, 6, 6, 24
EXPLAINED: Final = (
    "Images in 15 bins by the confidence of the predicted class: a dot is a bin's accuracy at its mean confidence, "
    "its size how many images. On the line, confidence is right; below it the model is surer than it may be. "
    "All seeds together. ECE is the mean distance from the line, images counted equally."
)


@dataclass(frozen=True, slots=True)
class ReliabilityOf:
    """A variant's diagram; `ece` is of all its seeds' predictions together, a share."""

    name: str
    found: Reliability
    ece: float
    runs: tuple[Run, ...] = ()

    @property
    def words(self) -> str:
        """The diagram in words."""
        lean = float((self.found.count * (self.found.confidence - self.found.accuracy)).sum() / self.found.count.sum())
        way = "surer than right" if lean > 0 else "less sure than right"
        return f"{self.name}: ECE {percent(self.ece)} %, on average {percent(abs(lean))} points {way}"


def reliability_of(panel: Panel) -> tuple[ReliabilityOf, ...]:
    """Return the diagrams of the members whose scores are probabilities."""
    return tuple(filter(None, (_of(member, panel) for member in panel.members)))


def reliability_chart(each: ReliabilityOf) -> Markup:
    """Return a diagram as SVG."""
    head = Markup('<svg class="reliability" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    parts = [head.format(WIDTH, HEIGHT, each.words)]
    for value in (0.0, 0.5, 1.0):
        text = f"{value * 100:.0f}"
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, _y(value), WIDTH - RIGHT))
        parts.append(Markup('<text x="{}" y="{:.1f}" class="y">{}</text>').format(LEFT - 4, _y(value) + 3.5, text))
        parts.append(Markup('<text x="{:.1f}" y="{}">{}</text>').format(_x(value) - 4 * value, HEIGHT - 8, text))
    diagonal = Markup('<path class="ideal" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>')
    parts.append(diagonal.format(_x(0), _y(0), _x(1), _y(1)))
    dot = Markup('<circle class="val" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>')
    for confidence, accuracy, count, share in _dots(each.found):
        said = f"{count:,} images: confidence {percent(confidence)} %, right {percent(accuracy)} %"
        parts.append(dot.format(_x(confidence), _y(accuracy), _radius(share), said))
    return Markup("").join([*parts, Markup("</svg>")])


def _of(member: Member, panel: Panel) -> ReliabilityOf | None:
    sure = [each.confidence for each in member.said if each.confidence is not None]
    if len(sure) < len(member.said) or not sure:
        return None
    confidence = np.concatenate(sure)
    correct = np.concatenate([each.predicted == panel.labels for each in member.said])
    ece = expected_calibration_error(confidence, correct)
    return ReliabilityOf(member.variant.name, reliability(confidence, correct), ece, runs_of(member.variant))


def _dots(found: Reliability) -> list[tuple[float, float, int, float]]:
    """Return confidence, accuracy, number and share of images of the bins that have any."""
    total = found.count.sum()
    rows = zip(found.confidence, found.accuracy, found.count, strict=True)
    return [(float(c), float(a), int(n), float(n / total)) for c, a, n in rows if n]


def _radius(share: float) -> float:
    return 2.0 + 5.0 * math.sqrt(share)


def _x(value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value


def _y(value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value
