"""Multinomial logistic regression on raw pixels."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression

from harness.contracts import ClassicalModel, Classifier, Task
from harness.train.linear import LinearClassifier, LinearProblem


class Logistic(ClassicalModel):
    """Multinomial logistic regression on standardized pixels, by scikit-learn's L-BFGS.

    Pixels are scaled to [0, 1] and standardized by channel with the training images' mean and
    deviation, as for the networks. 30,730 numbers are fitted at 32x32x3 and 10 classes. L-BFGS
    because it takes float32 and whole-batch products: the stochastic solvers need many times
    longer on 45,000 x 3,072 pixels, and neighboring pixels are too alike for coordinate descent.

    Attributes:
        C: Weight of the summed log loss against half the squared norm of the weights.
        max_iter: Most iterations of the solver.
        class_weight: "balanced" weighs each class's loss with images / (classes * images of the class).
    """

    C: Annotated[float, Field(gt=0)] = 1.0
    max_iter: Annotated[int, Field(gt=0)] = 200
    class_weight: Literal["balanced"] | None = None

    def build(self, task: Task, seed: int) -> Classifier:
        """Return the unfitted classifier; L-BFGS starts from zero and draws nothing."""
        height, width, channels = task.shape
        problem = LinearProblem(
            name="logistic",
            classes=len(task.classes),
            dimensions=height * width * channels,
            features=partial(_standardized, task=task),
            probabilistic=True,
            on_pixels=True,
        )
        return LinearClassifier(
            problem, LogisticRegression(C=self.C, max_iter=self.max_iter, class_weight=self.class_weight)
        )


def _standardized(images: NDArray[np.uint8], task: Task) -> NDArray[np.float32]:
    """Return [N, H * W * C]; a channel without any spread is only centered."""
    mean = np.asarray(task.mean, np.float32)
    std = np.asarray([each or 1.0 for each in task.std], np.float32)
    pixels = images.astype(np.float32).reshape(-1, len(mean)) / np.float32(255)
    standardized: NDArray[np.float32] = (pixels - mean) / std
    return standardized.reshape(len(images), -1)
