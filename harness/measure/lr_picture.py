"""The picture of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.drawing import AMBER, BLUE, INK, MUTED, new_figure, plain_axes, save

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


DASHES: Final = ("-", (0, (5, 3)), (0, (1, 2)))


@dataclass(frozen=True, slots=True)
class Mark:
    """A learning rate to be marked, and what it is."""

    lr: float
    label: str


def draw_range_test(
    rates: NDArray[np.float64],
    losses: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    path: Path,
    *,
    marks: Sequence[Mark] = (),
    title: str = "loss by learning rate",
) -> None:
    """Draw loss [S] and smoothed loss [S] by learning rate [S], on a log scale, as PNG."""
    figure = new_figure(8.4, 3.8)
    axes = figure.subplots()
    plain_axes(axes, title)
    axes.set_xscale("log")
    axes.plot(rates, losses, ".", color=AMBER, markersize=3, alpha=0.6, label="loss of the batch")
    axes.plot(rates, smoothed, color=BLUE, linewidth=1.9, label="smoothed")
    axes.set_xlim(rates[0], rates[-1])
    axes.set_ylim(*_range(smoothed))
    axes.set_xlabel("learning rate", fontsize=8, color=MUTED)
    for mark, dashes in zip(marks, DASHES, strict=False):
        axes.axvline(mark.lr, color=INK, linewidth=1.0, linestyle=dashes, label=f"{mark.lr:.2g}: {mark.label}")
    axes.legend(frameon=False, fontsize=8, labelcolor=MUTED, loc="lower left", handlelength=2.4)
    save(figure, path)


def _range(smoothed: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the loss axis: where the test diverged, the rise is cut off, or nothing else could be seen."""
    low, start = float(smoothed.min()), float(np.median(smoothed[: max(1, len(smoothed) // 4)]))
    height = max(start - low, 0.1 * abs(start), 1e-6)
    return low - 0.35 * height, start + 0.6 * height
