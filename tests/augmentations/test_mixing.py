from __future__ import annotations

import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from harness.augmentations._draws import draw_beta
from harness.contracts import Batch
from tests.augmentations.conftest import Make


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 4.0])
def test_weights_follow_the_beta_distribution(alpha: float, random: torch.Generator) -> None:
    weights = draw_beta(alpha, 20_000, random).double().numpy()
    assert weights.min() >= 0
    assert weights.max() <= 1
    below = weights[weights < 0.5]  # above, float32 rounds what is near 1 to 1
    assert 0.49 < len(below) / len(weights) < 0.51
    assert stats.kstest(below, lambda weight: 2 * stats.beta(alpha, alpha).cdf(weight)).pvalue > 0.01


def test_mixup_blends_images_and_targets_by_the_same_weight(make: Make, batch: Batch, random: torch.Generator) -> None:
    count = len(batch.images)
    partners, weights = torch.randperm(count, generator=random), torch.rand(count, generator=random)
    mixed = make("mixup").apply(batch, partners, weights)
    for number, (partner, weight) in enumerate(zip(partners.tolist(), weights.tolist(), strict=True)):
        image = weight * batch.images[number] + (1 - weight) * batch.images[partner]
        target = weight * batch.targets[number] + (1 - weight) * batch.targets[partner]
        torch.testing.assert_close(mixed.images[number], image)
        torch.testing.assert_close(mixed.targets[number], target)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_equals_torchvision_on_the_same_parameters(name: str, make: Make, color_batch: Batch) -> None:
    """Torchvision draws one weight and box a batch and pairs each image with the one before."""
    theirs: v2.MixUp | v2.CutMix = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[name](num_classes=5)
    labels = color_batch.targets.argmax(1)
    count = len(labels)
    partners = torch.arange(count).roll(1)
    torch.manual_seed(3)
    params = theirs.make_params([color_batch.images])
    images = theirs.transform(color_batch.images, {**params, "labels": labels, "batch_size": count})
    targets = theirs.transform(labels, {**params, "labels": labels, "batch_size": count})
    if name == "mixup":
        drawn = torch.full((count,), params["lam"])
    else:
        left, top, right, bottom = params["box"]
        drawn = torch.tensor([top, bottom, left, right])[:, None].expand(4, count)
    ours = make(name).apply(color_batch, partners, drawn)
    torch.testing.assert_close(ours.images, images)
    torch.testing.assert_close(ours.targets, targets)


def test_cutmix_targets_are_the_pixels_of_each_image(make: Make, random: torch.Generator) -> None:
    """Image k is all k, target k is class k: the mean pixel must then be the mean class."""
    numbers = torch.arange(64.0)
    batch = Batch(numbers[:, None, None, None].expand(64, 3, 12, 10), torch.eye(64))
    mixed = make("cutmix").change(batch, random)
    torch.testing.assert_close(mixed.images.mean(dim=(1, 2, 3)), mixed.targets @ numbers)


def test_cutmix_boxes_stay_inside_and_cover_what_was_drawn(make: Make, random: torch.Generator) -> None:
    top, bottom, left, right = make("cutmix").draw(10_000, 100, 80, random)
    assert int(top.min()) == 0
    assert int(bottom.max()) == 100
    assert int(right.max()) == 80
    assert bool((bottom >= top).all() and (right >= left).all())


def test_label_smoothing_gives_the_loss_of_torch(make: Make, batch: Batch, random: torch.Generator) -> None:
    logits = torch.randn(len(batch.targets), 5, generator=random)
    smoothed = make("label_smoothing", share=0.3).change(batch, random)
    ours = torch.nn.functional.cross_entropy(logits, smoothed.targets)
    theirs = torch.nn.CrossEntropyLoss(label_smoothing=0.3)(logits, batch.targets.argmax(1))
    torch.testing.assert_close(ours, theirs)
