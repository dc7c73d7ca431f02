from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.errors import TrainingError
from harness.train.evaluation import flip, flip_shift, ten_crop
from tests.train.conftest import TASK, Diary, assert_same_bits, classifier, pictures, recipe

DATA = pictures(50)


def test_logits_are_those_of_the_network_on_normalized_images() -> None:
    trained = classifier(recipe())
    trained.fit(DATA, None, Diary())
    images = torch.tensor(DATA.images).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (TASK.mean, TASK.std))
    with torch.no_grad():
        expected = trained.network.eval()((images - mean) / std)
    logits = trained.predict(DATA.images)
    assert (str(logits.dtype), logits.shape) == ("float32", (50, 4))
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_state_round_trips_to_the_same_logits() -> None:
    trained = classifier(recipe())
    trained.fit(DATA, None, Diary())
    fresh = classifier(recipe(), seed=9)
    fresh.load_state(trained.state())
    assert_same_bits(trained, fresh)
    assert np.array_equal(trained.predict(DATA.images), fresh.predict(DATA.images))
    assert all(value.flags.c_contiguous for value in trained.state().values())


def test_state_is_a_copy() -> None:
    trained = classifier(recipe())
    trained.state()["0.weight"][:] = np.nan
    assert np.isfinite(trained.predict(DATA.images)).all()


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(TrainingError, match="these weights are not of TinyNet"):
        classifier(recipe()).load_state(classifier(recipe(), width=7).state())


def test_predictions_do_not_depend_on_their_neighbors() -> None:
    trained = classifier(recipe())
    together = trained.predict(DATA.images)
    alone = np.concatenate([trained.predict(DATA.images[row : row + 1]) for row in range(50)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_no_images_give_no_logits() -> None:
    assert classifier(recipe()).predict(DATA.images[:0]).shape == (0, 4)


def test_flipped_views_average_an_image_and_its_mirror_image() -> None:
    trained = classifier(recipe(tta="flip"))
    mirrored = np.ascontiguousarray(DATA.images[:, :, ::-1])
    expected = (trained.predict(DATA.images) + trained.predict(mirrored)) / 2
    np.testing.assert_allclose(trained.predict_tta(DATA.images), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained.predict_tta(mirrored), expected, rtol=1e-4, atol=1e-5)


def test_without_tta_the_views_are_the_image_alone() -> None:
    trained = classifier(recipe())
    assert np.array_equal(trained.predict_tta(DATA.images), trained.predict(DATA.images))


def test_shifted_views_are_those_of_the_image_moved_by_a_pixel_both_ways() -> None:
    images = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8).float()
    same, _, down, _, up, mirrored = flip_shift(images)
    assert torch.equal(same, images)
    assert torch.equal(down[:, :, 1:, 1:], images[:, :, :-1, :-1])
    assert torch.equal(down[:, :, 0, 1:], images[:, :, 1, :-1])  # reflected
    assert torch.equal(up[:, :, :-1, :-1], images[:, :, 1:, 1:])
    assert torch.equal(mirrored, up.flip(-1))


def test_ten_crops_are_five_shifts_and_their_mirror_images() -> None:
    images = torch.rand(2, 3, 32, 24)
    views = ten_crop(images)
    assert [view.shape for view in views] == [images.shape] * 10
    assert torch.equal(views[8], images)
    assert torch.equal(views[9], images.flip(-1))
    assert torch.equal(views[0][:, :, 3:, 3:], images[:, :, :-3, :-3])
    assert torch.equal(views[6][:, :, :-3, :-3], images[:, :, 3:, 3:])
    assert all(torch.equal(views[place + 1], views[place].flip(-1)) for place in range(0, 10, 2))
    assert torch.equal(torch.stack(flip(images)), torch.stack((images, images.flip(-1))))


def test_ten_crop_is_the_mean_over_its_views() -> None:
    trained = classifier(recipe(tta="ten_crop"))
    images = torch.tensor(DATA.images).permute(0, 3, 1, 2)
    views = [view.permute(0, 2, 3, 1).contiguous().numpy() for view in ten_crop(images.float())]
    expected = np.mean([trained.predict(view.astype(np.uint8)) for view in views], axis=0)
    np.testing.assert_allclose(trained.predict_tta(DATA.images), expected, rtol=1e-4, atol=1e-5)
