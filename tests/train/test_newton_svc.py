"""Newton's method against liblinear's solver of the same problem, run to a far smaller tolerance than usual."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.svm import LinearSVC

from harness.errors import TrainingError
from harness.train import newton_svc
from harness.train.newton_svc import NewtonSVC


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e2])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_solution_is_liblinears(classes: int, C: float) -> None:  # noqa: N803
    features, labels = clouds(300, 20, classes, apart=0.5)
    ours, reference = NewtonSVC(C).fit(features, labels), liblinear(features, labels, C)
    np.testing.assert_array_equal(ours.classes_, reference.classes_)
    np.testing.assert_allclose(ours.coef_, reference.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.intercept_, reference.intercept_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("apart", [0.5, 10.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_no_objective_is_above_liblinears(classes: int, apart: float, C: float) -> None:  # noqa: N803
    features, labels = clouds(200, 12, classes, apart)
    ours, reference = NewtonSVC(C).fit(features, labels), liblinear(features, labels, C)
    assert (objectives(ours, features, labels, C) <= objectives(reference, features, labels, C) * (1 + 1e-12)).all()
    assert ours.n_iter_ < ours.max_iter


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e2])
def test_at_the_end_the_gradient_is_zero(C: float) -> None:  # noqa: N803
    features, labels = clouds(150, 10, 3, apart=1.0)
    ours = NewtonSVC(C).fit(features, labels)
    weights = np.c_[ours.coef_, ours.intercept_].T
    rows, signs = with_ones(features), np.where(labels[:, None] == ours.classes_, 1, -1)
    short = np.maximum(0, 1 - signs * (rows @ weights))
    gradient = weights - 2 * C * rows.T @ (signs * short)
    assert np.linalg.norm(gradient) < 1e-7 * np.linalg.norm(weights)


def test_more_features_than_rows() -> None:
    features, labels = clouds(30, 80, 3, apart=1.0)
    ours, reference = NewtonSVC().fit(features, labels), liblinear(features, labels, 1.0)
    np.testing.assert_allclose(ours.coef_, reference.coef_, rtol=0, atol=1e-6)


def test_constant_features_share_the_intercepts_weight_and_zeros_get_none() -> None:
    features, labels = clouds(200, 6, 3, apart=0.5)
    features[:, 1], features[:, 2] = 1, 0
    ours = NewtonSVC().fit(features, labels)
    np.testing.assert_allclose(ours.coef_[:, 1], ours.intercept_, rtol=1e-9)
    assert not ours.coef_[:, 2].any()


def test_labels_need_not_be_consecutive() -> None:
    features, labels = clouds(200, 6, 3, apart=1.0)
    numbers = np.array([1, 4, 9])
    ours = NewtonSVC().fit(features, numbers[labels])
    assert ours.classes_.tolist() == [1, 4, 9]
    np.testing.assert_array_equal(ours.coef_, NewtonSVC().fit(features, labels).coef_)


def test_of_two_classes_there_is_one_row_and_it_speaks_for_the_second() -> None:
    features, labels = clouds(200, 6, 2, apart=3.0)
    ours = NewtonSVC().fit(features, labels)
    assert ours.coef_.shape == (1, 6)
    assert ours.intercept_.shape == (1,)
    assert (((features @ ours.coef_[0] + ours.intercept_[0]) > 0) == (labels == 1)).mean() > 0.9


def test_rows_in_many_parts_give_the_same_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds(300, 8, 3, apart=0.5)
    whole = NewtonSVC().fit(features, labels)
    monkeypatch.setattr(newton_svc, "_ROWS", 7)
    np.testing.assert_allclose(NewtonSVC().fit(features, labels).coef_, whole.coef_, rtol=0, atol=1e-10)


def test_a_whole_step_that_overshoots_is_shortened() -> None:
    features, labels = clouds(200, 12, 4, apart=10.0)
    values = [
        objectives(NewtonSVC(1e4, max_iter=steps).fit(features, labels), features, labels, 1e4)
        for steps in range(1, 12)
    ]
    assert all((after <= before * (1 + 1e-12)).all() for before, after in pairwise(values))


def test_a_shortened_step_ends_at_the_minimum_on_its_way() -> None:
    random = np.random.default_rng(0)
    rows, weights, step = (torch.from_numpy(random.normal(size=size)) for size in ((40, 3), (3, 2), (3, 2)))
    objective = newton_svc.SquaredHinge(rows, torch.ones(40, 2, dtype=torch.float64), C=0.05)

    def value(size: float, column: int) -> float:
        moved = (weights + size * step)[:, column]
        return float(moved @ moved / 2 + 0.05 * (1 - rows @ moved).clamp(min=0).square().sum())

    changing = objective.products(weights), objective.products(step)
    backwards = -torch.sign(torch.tensor([value(1e-6, each) - value(0, each) for each in range(2)]))
    step, changing = step * backwards, (changing[0], changing[1] * backwards)
    for each, size in enumerate(newton_svc._step_sizes(objective, (weights, 9 * step), (changing[0], 9 * changing[1]))):
        best = minimize_scalar(lambda at, each=each: value(at * 9, each), bounds=(0, 1), method="bounded")
        assert float(size) == pytest.approx(best.x, abs=1e-5)
        assert 0 < float(size) < 1


def test_too_few_steps_are_reported_as_the_most() -> None:
    features, labels = clouds(300, 20, 5, apart=0.5)
    assert NewtonSVC(max_iter=2).fit(features, labels).n_iter_ == 2


def test_the_features_are_not_written_to() -> None:
    features, labels = clouds(50, 5, 3, apart=0.5)
    features.setflags(write=False)
    NewtonSVC().fit(features, labels)


def test_what_float64_cannot_hold_is_told() -> None:
    features, labels = clouds(50, 5, 3, apart=0.5)
    features[:, 1] = features[:, 0]
    with pytest.raises(TrainingError, match=r"model\.C must be smaller"):
        NewtonSVC(1e25).fit(features, labels)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("classes", [2, 5])
def test_cuda_finds_the_minimum_of_the_cpu(classes: int) -> None:
    features, labels = clouds(3000, 40, classes, apart=0.3)
    on_cpu, on_cuda = (NewtonSVC(device=device).fit(features, labels) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(on_cuda.coef_, on_cpu.coef_, rtol=0, atol=1e-9)
    again = NewtonSVC(device="cuda").fit(features, labels)
    np.testing.assert_array_equal(again.coef_, on_cuda.coef_)


def clouds(count: int, dimensions: int, classes: int, apart: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return normal clouds, one a class; `apart` is the deviation of their means, the clouds' own is 1."""
    random = np.random.default_rng(3)
    labels = np.arange(count) % classes
    means = apart * random.normal(size=(classes, dimensions))
    return (means[labels] + random.normal(size=(count, dimensions))).astype(np.float32), labels


def liblinear(features: NDArray[np.float32], labels: NDArray[np.int64], C: float) -> LinearSVC:  # noqa: N803
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LinearSVC(C=C, tol=1e-9, dual=False, max_iter=20_000).fit(features, labels)


def objectives(
    fitted: NewtonSVC | LinearSVC,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    C: float,  # noqa: N803
) -> NDArray[np.float64]:
    weights = np.c_[fitted.coef_, fitted.intercept_]
    positive = fitted.classes_[-len(weights) :]
    signs = np.where(labels[:, None] == positive, 1, -1)
    short = np.maximum(0, 1 - signs * (with_ones(features) @ weights.T))
    values: NDArray[np.float64] = (weights**2).sum(axis=1) / 2 + C * (short**2).sum(axis=0)
    return values


def with_ones(features: NDArray[np.float32]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = np.c_[features.astype(np.float64), np.ones(len(features))]
    return rows
