"""A linear support vector machine by Newton's method, for all classes at once, on any torch device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from harness.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_ROWS: Final = 8192
_HALVINGS: Final = 30
_ROUNDING: Final = 1e-13
"""What rounding may leave of a gradient, relative to its norm at zero."""


class NewtonSVC:
    """The exact minimum of what scikit-learn's `LinearSVC` minimizes by default.

    For each class against the rest, with y = 1 for its rows and -1 for the others:
    w.w / 2 + C * sum(max(0, 1 - y * x.w)^2), where each x ends with a 1, so that the intercept is the
    last of w and penalized as well. This is convex and piecewise quadratic, so Newton's method with
    the Hessian of the rows inside the margin, and an exact line search, is done after finitely many
    steps (Mangasarian 2002, "A finite Newton method for classification"; Keerthi and DeCoste 2005,
    "A modified finite Newton method for fast solution of large scale linear SVMs"). All is float64,
    nothing is random; one class's Hessian [D + 1, D + 1] is held at a time.

    Attributes:
        classes_: The distinct labels, sorted, [K].
        coef_: float64 [K, D]; of two classes one row, the second's.
        intercept_: float64 [K], or of two classes [1].
        n_iter_: Newton steps, of the class that took the most; `max_iter` where one had not converged.
    """

    def __init__(self, C: float = 1.0, max_iter: int = 1000, tol: float = 1e-8, device: str = "cpu") -> None:  # noqa: N803
        """Take the loss's weight, the most steps, and the error of w relative to its norm that is good enough."""
        self.C, self.max_iter, self.tol, self.device = C, max_iter, tol, device
        self.classes_: NDArray[np.int64] = np.empty(0, np.int64)
        self.coef_: NDArray[np.float64] = np.empty((0, 0))
        self.intercept_: NDArray[np.float64] = np.empty(0)
        self.n_iter_ = 0

    def fit(self, features: NDArray[np.float32], labels: NDArray[np.int64]) -> NewtonSVC:
        """Fit to features [N, D] and labels [N] of at least two classes.

        Raises:
            TrainingError: C is so large that float64 cannot hold a Hessian.
        """
        self.classes_ = np.unique(labels)
        positive = self.classes_ if len(self.classes_) > 2 else self.classes_[1:]
        with torch.inference_mode():
            signs = torch.from_numpy(np.where(labels[:, None] == positive, 1.0, -1.0)).to(self.device)
            objective = SquaredHinge(_with_ones(features, self.device), signs, self.C)
            weights, self.n_iter_ = minimize(objective, self.max_iter, self.tol)
        solution = weights.T.cpu().numpy()
        self.coef_, self.intercept_ = solution[:, :-1].copy(), solution[:, -1].copy()
        return self


@dataclass(frozen=True, slots=True)
class SquaredHinge:
    """The objectives of K classes: `rows` x float64 [N, D], `signs` y float64 [N, K] of 1 and -1."""

    rows: Tensor
    signs: Tensor
    C: float

    def products(self, weights: Tensor) -> Tensor:
        """Return y * x.w, [N, K], for weights [D, K]."""
        return self.signs * (self.rows @ weights)

    def gradient(self, weights: Tensor, short: Tensor) -> Tensor:
        """Return the gradients [D, K], given by how much each product is `short` of 1, [N, K]."""
        return weights - 2 * self.C * (self.rows.T @ (self.signs * short))

    def hessian(self, parts: Iterable[Tensor]) -> Tensor:
        """Return a class's Hessian [D, D], given the rows inside its margin in parts [M, D]."""
        hessian = torch.eye(self.rows.shape[1], dtype=torch.float64, device=self.rows.device)
        for part in parts:
            hessian.addmm_(part.T, part, alpha=2 * self.C)
        return hessian


def minimize(objective: SquaredHinge, most: int, tolerance: float) -> tuple[Tensor, int]:
    """Return weights [D, K], and the Newton steps that they took, `most` if they have not converged.

    The first step, from zero, where every row is inside the margin of every class, is ridge
    regression with one Hessian for all classes. It needs no line search: the squared loss that it
    minimizes equals the objective at zero and is nowhere below it.

    A class is done when its gradient's norm is at most `tolerance` times that of its weights: since
    no curvature is below 1, its minimum is no farther away than that.
    """
    zero = objective.rows.new_zeros(objective.rows.shape[1], objective.signs.shape[1])
    first = objective.gradient(zero, torch.ones_like(objective.signs))
    weights = _solve(objective.hessian(torch.split(objective.rows, _ROWS)), -first)
    products = objective.products(weights)
    for taken in range(1, most):
        short = _short(products)
        gradient = objective.gradient(weights, short)
        enough = tolerance * weights.norm(dim=0) + _ROUNDING * first.norm(dim=0)
        open_classes = (gradient.norm(dim=0) > enough).nonzero().flatten().tolist()
        if not open_classes:
            return weights, taken
        step = _directions(objective, gradient, short > 0, open_classes)
        change = objective.products(step)
        size = _step_sizes(objective, (weights, step), (products, change))
        weights, products = weights + size * step, products + size * change
    return weights, most


def _short(products: Tensor) -> Tensor:
    return (1 - products).clamp_(min=0)


def _directions(objective: SquaredHinge, gradient: Tensor, inside: Tensor, open_classes: list[int]) -> Tensor:
    """Return the Newton directions [D, K], zero for the classes that are done."""
    directions = torch.zeros_like(gradient)
    for each in open_classes:
        chosen = inside[:, each].nonzero().flatten()
        parts = (objective.rows[rows] for rows in torch.split(chosen, _ROWS))
        directions[:, each : each + 1] = _solve(objective.hessian(parts), -gradient[:, each : each + 1])
    return directions


def _solve(hessian: Tensor, right: Tensor) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(hessian)
    if failed.item():
        raise TrainingError("the SVM's Hessian is singular in float64: model.C must be smaller")
    return torch.cholesky_solve(right, factor)


def _step_sizes(objective: SquaredHinge, moving: tuple[Tensor, Tensor], changing: tuple[Tensor, Tensor]) -> Tensor:
    """Return how far to go, [K] in (0, 1]: whole steps, or to the minimum on the way.

    The derivative along the way only grows, so the minimum is found by bisection.

    Args:
        objective: The objectives of K classes.
        moving: Weights and their step, [D, K] each.
        changing: Products and what a whole step adds to them, [N, K] each.
    """
    (weights, step), (products, change) = moving, changing
    begin, bend = (weights * step).sum(dim=0), (step * step).sum(dim=0)

    def rises(size: Tensor) -> Tensor:
        loss = (_short(products + size * change) * change).sum(dim=0)
        return begin + size * bend - 2 * objective.C * loss > 0

    low, high = torch.zeros_like(begin), torch.ones_like(begin)
    overshoots = rises(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = rises(middle)
        low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
    return torch.where(overshoots, (low + high) / 2, torch.ones_like(begin))


def _with_ones(features: NDArray[np.float32], device: str) -> Tensor:
    """Return features [N, D] as float64 [N, D + 1] on the device, the last column 1."""
    rows = torch.ones(len(features), features.shape[1] + 1, dtype=torch.float64, device=device)
    rows[:, :-1] = torch.tensor(features, device=device)
    return rows
