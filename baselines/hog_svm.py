"""Histograms of oriented gradients and a linear support vector machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from skimage.color import rgb2gray
from sklearn.svm import LinearSVC

from harness.contracts import Answers, ClassicalModel, Classifier, Task
from harness.errors import InputError
from harness.train.linear import LinearClassifier, LinearProblem
from harness.train.newton_svc import NewtonSVC

from ._hog_on_device import hog_features_on
from ._hog_pictures import HogShape, hog_picture

_CHUNK = 64


class HogSvm(ClassicalModel):
    """HOG features of the gray image (Dalal and Triggs 2005) and scikit-learn's LinearSVC.

    On a GPU both are ours: the same features, and Newton's method for the same minimum.
    Block normalization is L2-Hys, clipped at 0.2. 324 features at 32x32, so 3,250 numbers are
    fitted for 10 classes. Scores are margins, one class against the rest.

    Attributes:
        orientations: Bins of a cell's histogram over 180 degrees.
        pixels_per_cell: Height and width of a cell in pixels.
        cells_per_block: Height and width, in cells, of the blocks that are normalized.
        C: Weight of the squared hinge loss against the squared norm of the weights.
        max_iter: Most iterations of the solver.
        class_weight: "balanced" weighs each class's loss with images / (classes * images of the class); then the
            support vector machine is fitted on the CPU.
    """

    margins: ClassVar[bool] = True
    orientations: Annotated[int, Field(gt=0)] = 9
    pixels_per_cell: Annotated[int, Field(gt=0)] = 8
    cells_per_block: Annotated[int, Field(gt=0)] = 2
    C: Annotated[float, Field(gt=0)] = 1.0
    max_iter: Annotated[int, Field(gt=0)] = 1000
    class_weight: Literal["balanced"] | None = None

    def build(self, task: Task, seed: int) -> Classifier:
        """Return the unfitted classifier; raises InputError if an image has no room for one block."""
        return self._classifier(task, hog_features, self._svm(seed), "cpu")

    def build_on(self, task: Task, seed: int, device: str) -> Classifier:
        """Return the unfitted classifier for a device; raises InputError as `build` does."""
        if torch.device(device).type == "cpu":
            return self.build(task, seed)
        on_device = NewtonSVC(C=self.C, max_iter=self.max_iter, device=device)
        svm = on_device if self.class_weight is None else self._svm(seed)
        return self._classifier(task, partial(hog_features_on, device=device), svm, device)

    def _svm(self, seed: int) -> LinearSVC:
        return LinearSVC(C=self.C, max_iter=self.max_iter, random_state=seed % 2**32, class_weight=self.class_weight)

    def _classifier(
        self, task: Task, features: Callable[..., NDArray[np.float32]], svm: LinearSVC | NewtonSVC, device: str
    ) -> Classifier:
        rows, columns = (side // self.pixels_per_cell - self.cells_per_block + 1 for side in task.shape[:2])
        if min(rows, columns) < 1:
            self._refuse(task)
        dimensions = rows * columns * self.cells_per_block**2 * self.orientations
        shape = HogShape(self.orientations, self.pixels_per_cell, self.cells_per_block)
        bound = partial(features, orientations=shape.orientations, cell=shape.cell, block=shape.block)
        return _HogClassifier(
            LinearProblem("hog_svm", len(task.classes), dimensions, bound, False), svm, device, shape=shape
        )

    def _refuse(self, task: Task) -> None:
        height, width, _ = task.shape
        most = min(height, width) // self.cells_per_block
        advice = f"set model.pixels_per_cell to {most} or less" if most else "set model.cells_per_block lower"
        raise InputError(
            f"hog_svm: images of {height} x {width} pixels have no room for a block of "
            f"{self.cells_per_block} x {self.cells_per_block} cells of {self.pixels_per_cell} pixels; {advice}"
        )


class _HogClassifier(LinearClassifier):
    """A linear classifier over histograms that can show them."""

    def __init__(self, problem: LinearProblem, estimator: Any, device: str, *, shape: HogShape) -> None:
        super().__init__(problem, estimator, device)
        self._shape = shape

    def pictures(self, answers: Answers, classes: Sequence[str]) -> dict[str, bytes]:
        """Return `hog.png`: images, their edges, and which of them speak for the predicted class."""
        added = {
            "right": self.contributions(answers.right.images, answers.right.predicted),
            "wrong": self.contributions(answers.wrong.images, answers.wrong.predicted),
        }
        return {"hog.png": hog_picture(answers, added, self._shape, classes)}


def hog_features(images: NDArray[np.uint8], orientations: int, cell: int, block: int) -> NDArray[np.float32]:
    """Return what `skimage.feature.hog` gives for each gray image, for all at once.

    Args:
        images: uint8 [N, H, W, C], C is 1 or 3.
        orientations: Histogram bins over 180 degrees.
        cell: Side of a cell in pixels.
        block: Side of a block in cells.

    Returns:
        [N, block rows * block columns * block * block * orientations].
    """
    chunks = [images[at : at + _CHUNK] for at in range(0, len(images), _CHUNK)]
    return np.concatenate(
        [_normalized_blocks(_histograms(_gray(chunk), orientations, cell), block) for chunk in chunks]
    )


def _gray(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return images as float64 [N, H, W] in [0, 1]."""
    gray: NDArray[np.float64] = rgb2gray(images) if images.shape[3] == 3 else images[..., 0] / 255.0
    return gray


def _histograms(gray: NDArray[np.float64], orientations: int, cell: int) -> NDArray[np.float64]:
    """Return [N, cell rows, cell columns, orientations]: mean gradient magnitude by direction."""
    count, rows, columns = len(gray), gray.shape[1] // cell, gray.shape[2] // cell
    down, right = np.zeros_like(gray), np.zeros_like(gray)
    np.subtract(gray[:, 2:], gray[:, :-2], out=down[:, 1:-1])
    np.subtract(gray[:, :, 2:], gray[:, :, :-2], out=right[:, :, 1:-1])
    down, right = down[:, : rows * cell, : columns * cell], right[:, : rows * cell, : columns * cell]
    place = np.arange(count * rows * columns).reshape(count, rows, 1, columns, 1) * orientations
    bins = _bins(down, right, orientations).reshape(count, rows, cell, columns, cell) + place
    magnitude = np.sqrt(down**2 + right**2)
    total = np.bincount(bins.ravel(), magnitude.ravel(), count * rows * columns * orientations)
    return total.reshape(count, rows, columns, orientations) / cell**2


def _bins(down: NDArray[np.float64], right: NDArray[np.float64], orientations: int) -> NDArray[np.intp]:
    """Return the bin of each gradient's direction; opposite directions share one.

    Bin edges are computed as scikit-image does, since gray images have many angles of exactly 45
    degrees; counting the edges passed is several times faster than `%` and `searchsorted`.
    """
    angle = np.rad2deg(np.arctan2(down, right))
    np.add(angle, 180.0, out=angle, where=angle < 0)
    bins = np.zeros(angle.shape, np.intp)
    for edge in 180.0 / orientations * np.arange(1, orientations):
        bins += angle >= edge
    bins[angle >= 180.0] = 0
    return bins


def _normalized_blocks(histograms: NDArray[np.float64], block: int) -> NDArray[np.float32]:
    """Return L2-Hys normalized overlapping blocks, flattened to [N, D]."""
    windows = np.lib.stride_tricks.sliding_window_view(histograms, (block, block), axis=(1, 2))
    blocks = np.moveaxis(windows, 3, 5).reshape(*windows.shape[:3], -1)
    clipped = np.minimum(_unit(blocks), 0.2)
    return _unit(clipped).reshape(len(histograms), -1).astype(np.float32)


def _unit(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = (blocks**2).sum(axis=-1, keepdims=True)
    return blocks / np.sqrt(squares + 1e-10)
