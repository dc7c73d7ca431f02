from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from harness.contracts import ClassicalModel, Classifier, LabeledImages, NetworkModel, SealedSet, Task
from harness.errors import InputError
from harness.plugins import Catalog, Found
from tests.contracts.conftest import realize

SHAPES = [(32, 32, 3), (28, 28, 1), (24, 40, 3), (8, 8, 1)]
MUST_WORK = (24, 40, 3)
"""Images not smaller than this must be taken; for smaller ones a model may say that it can't."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Silence:
    """A listener that notes nothing."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear nothing."""

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Fitting must not open the test set."""
        raise AssertionError("opened")


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scores_are_finite_one_column_a_class(
    model: Found, catalog: Catalog, shape: tuple[int, int, int], classes: int
) -> None:
    try:
        scores = scores_of(realize(model, catalog), task(shape, classes))
    except InputError as refusal:
        assert min(shape[:2]) < min(MUST_WORK[:2]), refusal
        pytest.skip(str(refusal))
    assert scores.shape == (3, classes)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_images_too_small_are_refused_by_the_models_name_or_taken(model: Found, catalog: Catalog) -> None:
    try:
        scores_of(realize(model, catalog), task((2, 2, 1), 3))
    except InputError as refusal:
        assert str(refusal).startswith(f"{model.name}: ")


def test_no_option_but_known_ones(model: Found, catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        catalog.realize("model", model.name, {"no_such_option": 1})


def test_the_same_seed_gives_the_same_model(model: Found, catalog: Catalog) -> None:
    realized = realize(model, catalog)
    first, second = (state_of(realized, task((32, 32, 3), 3)) for _ in range(2))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_state_carries_everything_that_was_fitted(model: Found, catalog: Catalog) -> None:
    realized = realize(model, catalog)
    aim, images = task((32, 32, 3), 3), examples((32, 32, 3), 3)
    if isinstance(realized, ClassicalModel):
        fitted, other = fit(realized, aim, images), realized.build(aim, 1)
        other.load_state({name: value.copy() for name, value in fitted.state().items()})
        assert np.array_equal(other.predict(images.images), fitted.predict(images.images))
    else:
        trained, other_network = one_step(realized, aim, images)[0], network(realized, aim, seed=1)
        other_network.load_state_dict(trained.state_dict())
        assert torch.equal(logits(other_network, images), logits(trained, images))


def test_parameters_are_counted(model: Found, catalog: Catalog) -> None:
    realized = realize(model, catalog)
    if isinstance(realized, ClassicalModel):
        assert realized.build(task((32, 32, 3), 3), 0).parameter_count() >= 0
    else:
        assert any(each.requires_grad for each in network(realized, task((32, 32, 3), 3)).parameters())


def test_a_step_of_training_reaches_every_parameter(model: Found, catalog: Catalog) -> None:
    realized = realize(model, catalog)
    if isinstance(realized, ClassicalModel):
        pytest.skip("fits itself")
    trained, loss = one_step(realized, task((32, 32, 3), 3), examples((32, 32, 3), 3))
    assert np.isfinite(loss)
    unreached = [name for name, each in trained.named_parameters() if each.requires_grad and each.grad is None]
    assert not unreached
    assert all(torch.isfinite(each).all() for each in trained.state_dict().values())


def test_a_class_that_training_lacks_keeps_its_column(model: Found, catalog: Catalog) -> None:
    realized = realize(model, catalog)
    if isinstance(realized, NetworkModel):
        pytest.skip("trained by a recipe")
    images = examples((32, 32, 3), 4)
    present = images.labels != 1
    part = LabeledImages(images.images[present], images.labels[present], images.index[present])
    scores = fit(realized, task((32, 32, 3), 4), part).predict(images.images)
    assert scores.shape == (len(images), 4)
    assert np.isfinite(scores).all()
    assert not (scores.argmax(axis=1) == 1).any()


def test_fitting_leaves_its_images_as_they_are(model: Found, catalog: Catalog) -> None:
    realized = realize(model, catalog)
    if isinstance(realized, NetworkModel):
        pytest.skip("trained by a recipe")
    images = examples((32, 32, 3), 3)
    images.images.flags.writeable = False
    images.labels.flags.writeable = False
    fit(realized, task((32, 32, 3), 3), images).predict(images.images)


def task(shape: tuple[int, int, int], classes: int) -> Task:
    channels = shape[2]
    return Task(tuple(f"class {each}" for each in range(classes)), shape, (0.5,) * channels, (0.25,) * channels)


def examples(shape: tuple[int, int, int], classes: int) -> LabeledImages:
    """Return 12 images a class, noise over a ramp whose direction and strength tell the class."""
    random = np.random.default_rng(0)
    labels = np.arange(12 * classes) % classes
    ramp = np.linspace(0, 120, shape[0])[:, None, None] * (labels[:, None, None, None] / classes)
    noise = random.integers(0, 120, (len(labels), *shape))
    return LabeledImages((ramp + noise).astype(np.uint8), labels.astype(np.int64), np.arange(len(labels)))


def scores_of(model: Any, aim: Task) -> NDArray[np.generic]:
    images = examples(aim.shape, len(aim.classes))
    if isinstance(model, ClassicalModel):
        return fit(model, aim, images).predict(images.images[:3])
    first = LabeledImages(images.images[:3], images.labels[:3], images.index[:3])
    scores: NDArray[np.generic] = logits(network(model, aim), first).numpy()
    return scores


def state_of(model: Any, aim: Task) -> Mapping[str, NDArray[np.generic]]:
    if isinstance(model, ClassicalModel):
        return fit(model, aim, examples(aim.shape, len(aim.classes))).state()
    return {name: value.numpy() for name, value in network(model, aim).state_dict().items()}


def fit(model: ClassicalModel, aim: Task, images: LabeledImages) -> Classifier:
    classifier = model.build(aim, 2**62 + 1)
    report = classifier.fit(images, None, Silence())
    assert report.train_seconds >= 0
    return classifier


def network(model: NetworkModel, aim: Task, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return model.network(aim)


def logits(net: nn.Module, images: LabeledImages) -> torch.Tensor:
    net.eval()
    with torch.inference_mode():
        scores = net(as_floats(images))
    assert isinstance(scores, torch.Tensor)
    return scores


def as_floats(images: LabeledImages) -> torch.Tensor:
    return torch.from_numpy(images.images).permute(0, 3, 1, 2).float() / 255


def one_step(model: NetworkModel, aim: Task, images: LabeledImages) -> tuple[nn.Module, float]:
    net = network(model, aim).train()
    few = LabeledImages(images.images[:4], images.labels[:4], images.index[:4])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loss = nn.functional.cross_entropy(net(as_floats(few)), torch.from_numpy(few.labels))
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return net, loss.item()
