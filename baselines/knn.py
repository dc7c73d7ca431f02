"""The nearest training images, by their pixels."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.contracts import ClassicalModel, Classifier, Task
from harness.train.neighbors import NeighborsClassifier, NeighborsProblem


class Knn(ClassicalModel):
    """The vote of the nearest training images by Euclidean distance of pixels: a floor that learns nothing.

    The fitted model holds all training images.

    Attributes:
        neighbors: How many vote.
    """

    neighbors: Annotated[int, Field(gt=0)] = 10

    def build(self, task: Task, seed: int) -> Classifier:
        """Return the unfitted classifier; nothing in it is random."""
        return NeighborsClassifier(NeighborsProblem("knn", len(task.classes), self.neighbors, _pixels))


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return [N, H * W * C]."""
    return images.reshape(len(images), -1)
