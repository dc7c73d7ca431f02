"""Class weights and the balanced sampler, against those of torch and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional
from torch.utils.data import WeightedRandomSampler

from harness.contracts import Augmentation, Batch, Choice, LabeledImages
from harness.errors import InputError
from harness.seeds import seed_for
from harness.train.fit import begin_epoch
from tests.train.conftest import CATALOG, Diary, classifier, pictures, recipe


def rare(count: int = 120) -> LabeledImages:
    """Return images of which one class is rare and another has none."""
    data = pictures(count)
    labels = np.where(data.labels == 3, 0, data.labels)
    kept = np.flatnonzero((labels != 1) | (np.arange(count) % 5 == 0))
    return LabeledImages(data.images[kept], labels[kept], data.index[kept])


def test_balanced_weights_are_scikit_learns() -> None:
    data = rare()
    with classifier(recipe(class_weights="balanced")).begun(data, None) as (training, _):
        found = training.step.class_weights
    assert found is not None
    expected = compute_class_weight("balanced", classes=np.unique(data.labels), y=data.labels)
    assert found.tolist() == pytest.approx([*expected, 1.0])


def test_a_mixed_images_loss_is_torchs_of_both_its_classes() -> None:
    chosen = recipe(class_weights={"dog": 4.0}, augment=[Choice(name="mixup")])
    with classifier(chosen).begun(rare(), None) as (training, plan):
        step, rows = training.step, torch.arange(16)
        batch = plan.train.gather(rows)
        mixup: Augmentation = CATALOG.realize("augmentation", "mixup", {})
        mixed = mixup.change(batch, torch.Generator().manual_seed(5))
        step.random.manual_seed(5)
        step.network.eval()
        logits = step.network(step.normalize(mixed.images))
        loss, _ = step.update(Batch(batch.images, batch.targets))
    weights, total = torch.tensor([1.0, 4.0, 1.0, 1.0]), torch.zeros(())
    assert (mixed.targets.max(dim=1).values < 1).any()
    for each in range(4):
        of_class = functional.cross_entropy(logits, torch.full((16,), each), weight=weights, reduction="none")
        total = total + (mixed.targets[:, each] * of_class).mean()
    assert loss.item() == pytest.approx(total.item(), rel=1e-5)


def test_the_balanced_sampler_draws_what_torchs_does_and_each_class_alike() -> None:
    data = rare(600)
    with classifier(recipe(sampler="balanced")).begun(data, None) as (training, plan):
        order = begin_epoch(training, plan).order
    weights = 1 / np.bincount(data.labels)[data.labels]
    random = torch.Generator().manual_seed(seed_for(0, "order"))
    theirs = WeightedRandomSampler(weights.tolist(), len(data), generator=random)
    assert order.tolist() == list(theirs)
    drawn = np.bincount(data.labels[order.numpy()])
    assert drawn.min() > 0.8 * len(data) / 3


def test_a_class_that_there_is_not_is_told_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r'recipe\.class_weights: there is no class "dgo"; did you mean "dog"\?'):
        classifier(recipe(class_weights={"dgo": 2.0}))


def test_a_weighted_class_is_found_more_often() -> None:
    data = rare(200)
    plain, weighted = (classifier(recipe(class_weights=each)) for each in (None, {"dog": 50.0}))
    for each in (plain, weighted):
        each.fit(data, None, Diary())
    said = [(each.predict(data.images).argmax(axis=1) == 1).sum() for each in (plain, weighted)]
    assert said[1] > said[0]
