"""Pictures made of many small ones: first-layer filters, confident errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from harness.measure.drawing import AMBER, BLUE, INK, MUTED, clear_axes, literal, new_figure, save, shortened
from harness.measure.scores import log_softmax

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

FILTERS_SHOWN: Final = 128
ERRORS_SHOWN: Final = 24
ERRORS_A_ROW: Final = 6
ROW_PITCH: Final = 1.28
"""In image pitches: the image and two lines below it."""
CAPTION: Final[dict[str, Any]] = {"fontsize": 8, "va": "top"}


@dataclass(frozen=True, slots=True)
class Errors:
    """Misclassified images, the most confident first; all arrays are [M]."""

    place: NDArray[np.int64]
    """Row of the image among those given."""
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Probability of the predicted class; for margins how far its score is above the true class's."""


def draw_filters(weights: NDArray[np.floating], path: Path) -> None:
    """Draw the first layer's filters [out, in, h, w] as PNG; `in` is 1 or 3, at most 128 are shown.

    Each is scaled by its own largest magnitude; middle gray is 0.

    Raises:
        ValueError: filters that do not look at gray or color pixels.
    """
    if weights.ndim != 4 or weights.shape[1] not in (1, 3):
        raise ValueError(f"filters {weights.shape} are no [out, in, h, w] with in 1 or 3")
    shown = weights[:FILTERS_SHOWN]
    columns = int(np.clip(np.ceil(np.sqrt(2 * len(shown))), 4, 16))
    mosaic = _filter_mosaic(shown, columns)
    figure = new_figure(6.4, 6.4 * mosaic.shape[0] / mosaic.shape[1] + 0.45)
    axes = figure.subplots()
    axes.imshow(mosaic, interpolation="nearest")
    clear_axes(axes)
    count = f"{len(weights)}" if len(shown) == len(weights) else f"the first {len(shown)} of {len(weights)}"
    height, width = weights.shape[2:]
    axes.set_title(f"{count} filters, {height} x {width}, each scaled by itself", loc="left", fontsize=9, color=MUTED)
    save(figure, path)


def draw_errors(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    scores: NDArray[np.floating],
    classes: Sequence[str],
    path: Path,
    *,
    probabilistic: bool = True,
) -> None:
    """Draw the most confident errors as PNG, each with its true and predicted class and confidence.

    Args:
        images: uint8 [N, H, W, C], C 1 or 3; may be memory-mapped, only what is shown is read.
        labels: True classes [N].
        scores: Logits where `probabilistic`, else margins, [N, K].
        classes: The K class names.
        path: The PNG file.
        probabilistic: Whether softmax of the scores is a probability.
    """
    errors = confident_errors(labels, scores, probabilistic)
    shown = errors.place[:ERRORS_SHOWN]
    rows = max(1, -(-len(shown) // ERRORS_A_ROW))
    figure = new_figure(8.4, 0.35 + 1.78 * rows if len(shown) else 1.0)
    axes = figure.subplots()
    clear_axes(axes)
    axes.set_title(_errors_title(len(shown), len(errors.place), len(labels)), loc="left", fontsize=9, color=MUTED)
    if not len(shown):
        axes.text(0.5, 0.5, "No image was misclassified.", ha="center", va="center", fontsize=11, color=INK)
    for order, place in enumerate(shown):
        left, top = order % ERRORS_A_ROW, (order // ERRORS_A_ROW) * ROW_PITCH
        _show_image(axes, images[int(place)], left, top)
        axes.text(left, top + 0.93, _said(errors, order, classes, probabilistic), color=AMBER, **CAPTION)
        truth = literal(shortened(classes[errors.true[order]], 14))
        axes.text(left, top + 1.06, f"is {truth}", color=BLUE, **CAPTION)
    if len(shown):
        axes.set(xlim=(-0.04, ERRORS_A_ROW - 0.06), ylim=(rows * ROW_PITCH - 0.03, -0.03), aspect="equal")
    save(figure, path)


def confident_errors(labels: NDArray[np.int64], scores: NDArray[np.floating], probabilistic: bool = True) -> Errors:
    """Find the misclassified of N images by labels [N] and scores [N, K], the most confident first."""
    place = np.flatnonzero(scores.argmax(axis=1) != labels)
    rows = scores[place]
    true, predicted, each = labels[place], rows.argmax(axis=1), np.arange(len(place))
    margin = rows[each, predicted].astype(np.float64) - rows[each, true]
    confidence = np.exp(log_softmax(rows)[each, predicted]) if probabilistic and len(place) else margin
    order = np.lexsort((place, -margin, -confidence))
    return Errors(place[order], true[order], predicted[order], confidence[order])


def _filter_mosaic(weights: NDArray[np.floating], columns: int) -> NDArray[np.float64]:
    """Return the filters side by side as RGB [height, width, 3] in [0, 1], white between them."""
    count, _, height, width = weights.shape
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    scaled = 0.5 + 0.5 * np.divide(weights, largest, out=np.zeros(weights.shape), where=largest > 0)
    gap = max(1, width // 5)
    rows = -(-count // columns)
    mosaic = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for order, one in enumerate(scaled):
        top, left = (order // columns) * (height + gap), (order % columns) * (width + gap)
        mosaic[top : top + height, left : left + width] = one.transpose(1, 2, 0)
    return mosaic


def _show_image(axes: Axes, image: NDArray[np.uint8], left: float, top: float) -> None:
    """Show an image [H, W, C] with its longer side 0.9 units."""
    height, width = image.shape[:2]
    pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    right, bottom = left + 0.9 * width / max(height, width), top + 0.9 * height / max(height, width)
    axes.imshow(pixels, extent=(left, right, bottom, top), interpolation="nearest")


def _said(errors: Errors, order: int, classes: Sequence[str], probabilistic: bool) -> str:
    confidence = errors.confidence[order]
    sure = f"{min(confidence * 100, 99.9):.1f} %" if probabilistic else f"+{confidence:.2f}"
    return f"{literal(shortened(classes[errors.predicted[order]], 14))}  {sure}"


def _errors_title(shown: int, wrong: int, images: int) -> str:
    if not wrong:
        return f"0 of {images:,} images misclassified"
    which = "all of them" if shown == wrong else f"the {shown} most confident"
    return f"{wrong:,} of {images:,} images misclassified; {which}: predicted class with confidence, true class below"
