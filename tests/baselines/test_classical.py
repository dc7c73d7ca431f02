from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from baselines._hog_on_device import hog_features_on
from baselines.hog_svm import HogSvm, hog_features
from baselines.logistic import Logistic
from baselines.majority import Majority
from harness.contracts import ClassicalModel, Illustrated, LabeledImages, SealedSet, Task
from harness.errors import DataError, OutOfMemoryError
from harness.train.linear import LinearClassifier, LinearProblem
from harness.train.newton_svc import NewtonSVC

TALL = Task(("a", "b", "c"), (40, 24, 3), (0.5,) * 3, (0.25,) * 3)
LINEAR = [Logistic(C=0.1, max_iter=1000), HogSvm(pixels_per_cell=4)]


class Silence:
    """A listener that notes nothing."""

    def epoch(self, epoch: int, metrics: object) -> None: ...

    def opening(self, model_digest: str, test_set: SealedSet) -> None: ...


@pytest.mark.parametrize("model", LINEAR, ids=["logistic", "hog_svm"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_linear_models_learn_stripes(model: ClassicalModel, classes: int) -> None:
    images = stripes(classes)
    classifier = model.build(task(classes), 0)
    classifier.fit(images, None, Silence())
    scores = classifier.predict(images.images)
    assert scores.shape == (len(images), classes)
    assert (scores.argmax(axis=1) == images.labels).mean() > 0.95


def test_of_two_classes_the_scores_are_opposite() -> None:
    images = stripes(2)
    classifier = LINEAR[1].build(task(2), 0)
    classifier.fit(images, None, Silence())
    scores = classifier.predict(images.images)
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1], rtol=1e-5)


def test_balanced_class_weights_are_scikit_learns() -> None:
    images = stripes(3)
    kept = np.flatnonzero((images.labels != 1) | (np.arange(len(images)) % 7 == 0))
    images = LabeledImages(images.images[kept], images.labels[kept], images.index[kept])
    pixels = ((images.images.astype(np.float32) / 255 - 0.5) / 0.25).reshape(len(images), -1)
    found = Logistic(C=0.1, max_iter=1000, class_weight="balanced").build(task(3), 0)
    found.fit(images, None, Silence())
    reference = LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced").fit(pixels, images.labels)
    np.testing.assert_allclose(np.asarray(found.state()["coef"], np.float64), reference.coef_, atol=1e-6)
    plain, weighted = (HogSvm(pixels_per_cell=4, class_weight=each).build(task(3), 0) for each in (None, "balanced"))
    for each in (plain, weighted):
        each.fit(images, None, Silence())
    assert not np.allclose(plain.state()["coef"], weighted.state()["coef"])


@pytest.mark.parametrize("classes", [2, 4])
def test_softmax_of_logistic_scores_is_scikit_learns_probability(classes: int) -> None:
    images = stripes(classes)
    classifier = LINEAR[0].build(task(classes), 0)
    classifier.fit(images, None, Silence())
    scores = classifier.predict(images.images)
    pixels = ((images.images.astype(np.float32) / 255 - 0.5) / 0.25).reshape(len(images), -1)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit(pixels, images.labels)
    np.testing.assert_allclose(_softmax(scores), reference.predict_proba(pixels), atol=1e-5)


def test_a_class_that_training_lacks_scores_below_all_others_in_its_own_column() -> None:
    images = stripes(4)
    kept = images.labels != 2
    part = LabeledImages(images.images[kept], images.labels[kept], images.index[kept])
    classifier = LINEAR[0].build(task(4), 0)
    classifier.fit(part, None, Silence())
    scores = classifier.predict(images.images)
    assert (scores.argmin(axis=1) == 2).all()
    assert (scores[kept].argmax(axis=1) == part.labels).mean() > 0.95


@pytest.mark.parametrize("model", LINEAR, ids=["logistic", "hog_svm"])
def test_training_images_of_one_class_are_refused(model: ClassicalModel) -> None:
    images = stripes(3)
    kept = images.labels == 1
    part = LabeledImages(images.images[kept], images.labels[kept], images.index[kept])
    with pytest.raises(DataError, match="all of one class"):
        model.build(task(3), 0).fit(part, None, Silence())


@pytest.mark.parametrize(
    "model", [Logistic(C=1e6, max_iter=2), HogSvm(pixels_per_cell=4, C=1e4, max_iter=1)], ids=["logistic", "hog_svm"]
)
def test_stopping_before_convergence_is_told_and_no_failure(
    model: ClassicalModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        model.build(task(5), 0).fit(stripes(5), None, Silence())
    assert "before it converged" in caplog.text
    assert "model.max_iter" in caplog.text


def test_prediction_of_no_images_has_a_column_for_each_class() -> None:
    images = stripes(3)
    classifier = LINEAR[0].build(task(3), 0)
    classifier.fit(images, None, Silence())
    assert classifier.predict(images.images[:0]).shape == (0, 3)


def test_majority_predicts_the_most_frequent_class_with_its_frequency() -> None:
    images = stripes(3)
    labels = np.where(images.labels == 0, 2, images.labels)
    classifier = Majority().build(task(3), 0)
    classifier.fit(LabeledImages(images.images, labels, images.index), None, Silence())
    scores = classifier.predict(images.images[:4])
    assert (scores.argmax(axis=1) == 2).all()
    np.testing.assert_allclose(np.exp(scores[:, 1]), (labels == 1).mean(), rtol=0.02)


@pytest.mark.parametrize("classes", [2, 5])
def test_on_a_gpu_hog_svm_scores_as_scikit_learn_would_with_more_patience(classes: int) -> None:
    images = stripes(classes)
    features = partial(hog_features, orientations=9, cell=4, block=2)
    patient = LinearSVC(tol=1e-9, max_iter=100_000)
    reference = LinearClassifier(LinearProblem("hog_svm", classes, 36, features, False), patient)
    on_gpu = by_torch("cpu", classes)
    for each in (on_gpu, reference):
        each.fit(images, None, Silence())
    np.testing.assert_allclose(on_gpu.predict(images.images), reference.predict(images.images), rtol=0, atol=1e-6)


def test_on_a_gpu_too_a_class_that_training_lacks_scores_below_all_others() -> None:
    images = stripes(4)
    kept = images.labels != 2
    classifier = by_torch("cpu", 4)
    classifier.fit(LabeledImages(images.images[kept], images.labels[kept], images.index[kept]), None, Silence())
    assert (classifier.predict(images.images).argmin(axis=1) == 2).all()


def test_what_a_gpu_fitted_predicts_the_same_on_the_cpu() -> None:
    images = stripes(3)
    fitted, other = by_torch("cpu", 3), HogSvm(pixels_per_cell=4).build(task(3), 0)
    fitted.fit(images, None, Silence())
    other.load_state(fitted.state())
    np.testing.assert_allclose(other.predict(images.images), fitted.predict(images.images), rtol=0, atol=1e-6)


def test_on_a_gpu_too_stopping_before_convergence_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        by_torch("cpu", 5, max_iter=1).fit(stripes(5), None, Silence())
    assert "hog_svm: stopped after 1 iterations before it converged" in caplog.text


def test_on_a_gpu_hog_svm_has_the_same_number_of_parameters_and_can_show_them() -> None:
    on_gpu, on_cpu = HogSvm().build_on(TALL, 0, "cuda:0"), HogSvm().build_on(TALL, 0, "cpu")
    assert isinstance(on_gpu, LinearClassifier)
    assert isinstance(on_cpu, LinearClassifier)
    assert on_gpu.parameter_count() == on_cpu.parameter_count()
    assert isinstance(on_gpu, Illustrated)
    assert isinstance(on_cpu, Illustrated)


def test_a_model_that_knows_no_devices_is_built_as_ever() -> None:
    built = Majority().build_on(task(3), 0, "cuda:0")
    built.fit(stripes(3), None, Silence())
    assert built.predict(stripes(3).images).shape == (60, 3)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_memory_that_ran_out_is_told_by_model_and_device(error: Exception) -> None:
    def greedy(images: object) -> NDArray[np.float32]:
        raise error

    classifier = LinearClassifier(LinearProblem("hog_svm", 3, 36, greedy, False), NewtonSVC())
    expected = r"^hog_svm does not fit into the memory of cpu; try smaller images \(dataset\.resize\)"
    with pytest.raises(OutOfMemoryError, match=expected):
        classifier.fit(stripes(3), None, Silence())
    with pytest.raises(OutOfMemoryError, match=expected):
        classifier.predict(stripes(3).images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_scores_as_the_cpu_does_and_tells_its_memory() -> None:
    images = stripes(5)
    on_cuda, on_cpu = HogSvm(pixels_per_cell=4).build_on(task(5), 0, "cuda"), by_torch("cpu", 5)
    report = on_cuda.fit(images, None, Silence())
    on_cpu.fit(images, None, Silence())
    np.testing.assert_allclose(on_cuda.predict(images.images), on_cpu.predict(images.images), rtol=0, atol=1e-6)
    assert report.peak_bytes is not None
    assert 0 < report.peak_bytes < 100_000_000


def by_torch(device: str, classes: int, max_iter: int = 1000) -> LinearClassifier:
    """Return what hog_svm builds for a GPU, on any device."""
    features = partial(hog_features_on, orientations=9, cell=4, block=2, device=device)
    return LinearClassifier(
        LinearProblem("hog_svm", classes, 36, features, False), NewtonSVC(max_iter=max_iter, device=device), device
    )


def task(classes: int) -> Task:
    return Task(tuple("abcdef"[:classes]), (8, 8, 1), (0.5,), (0.25,))


def stripes(classes: int) -> LabeledImages:
    """Return 20 noisy images a class, whose gray rises in the class's own direction."""
    random = np.random.default_rng(1)
    labels = np.arange(20 * classes, dtype=np.int64) % classes
    rows, columns = np.indices((8, 8)) - 3.5
    angle = np.pi * labels[:, None, None] / classes
    ramp = 128 + 15 * (np.cos(angle) * rows + np.sin(angle) * columns)
    noisy = ramp + random.normal(0, 5, (len(labels), 8, 8))
    return LabeledImages(noisy.clip(0, 255).astype(np.uint8)[..., None], labels, np.arange(len(labels)))


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares
