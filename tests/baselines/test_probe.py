"""Frozen features: computed once, kept, found again; and the heads on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from harness.contracts import Caching, LabeledImages, Task
from harness.errors import DataError
from harness.plugins import Catalog

pytest.importorskip("timm")

TASK = Task(tuple("0123456789"), (8, 8, 1), mean=(0.3,), std=(0.37,))
BACKBONE = {"name": "timm", "arch": "test_resnet", "weights": "none", "input_size": 32}


def digits(start: int, stop: int) -> LabeledImages:
    found = load_digits()
    images = (found.images[start:stop, ..., None] * 15).astype(np.uint8)
    return LabeledImages(images, found.target[start:stop].astype(np.int64), np.arange(start, stop))


def built(**options: object) -> Any:
    return Catalog().realize("model", "probe", {"backbone": BACKBONE, **options}).build(TASK, 0)


@pytest.mark.parametrize("head", ["logistic", "linear_svm", "knn"])
def test_a_head_learns_and_is_the_same_when_it_is_loaded(head: str) -> None:
    probe = built(head=head, neighbors=5)
    probe.fit(digits(0, 600), None, None)
    test = digits(600, 800)
    scores = probe.predict(test.images)
    assert (scores.argmax(1) == test.labels).mean() > 0.5  # the network is random; chance is 0.1
    loaded = built(head=head, neighbors=5)
    loaded.load_state(probe.state())
    np.testing.assert_array_equal(loaded.predict(test.images), scores)


def test_the_network_counts_as_parameters_and_the_head_alone_as_fitted() -> None:
    probe = built()
    network = sum(each.numel() for each in probe._features.network.parameters())
    assert probe.parameter_count() == 10 * (probe._features.dimensions + 1)
    assert probe.total_parameter_count() == probe.parameter_count() + network


def test_features_of_an_image_do_not_depend_on_the_others() -> None:
    features = built()._features
    images = digits(0, 70).images
    together = features(images)
    features._known.clear()
    np.testing.assert_array_equal(features(images[66:67]), together[66:67])


def seen_by(probe: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of images whenever features are computed."""
    seen: list[int] = []
    computed = type(probe._features)._computed

    def counting(self: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(len(images))
        found: NDArray[np.float32] = computed(self, images)
        return found

    monkeypatch.setattr(type(probe._features), "_computed", counting)
    return seen


def test_features_are_computed_once_for_all_heads_and_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = built(), built(head="linear_svm", C=0.01)
    assert all(isinstance(probe, Caching) for probe in (first, second))
    seen = seen_by(first, monkeypatch)
    for probe in (first, second):
        probe.cache = tmp_path
        probe.fit(digits(0, 300), None, None)
    assert seen == [300]
    second.predict(digits(290, 320).images)
    assert seen == [300, 20]


def test_damaged_features_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = built(), built()
    first.cache = second.cache = tmp_path
    first.fit(digits(0, 100), None, None)
    ((file,),) = (list(tmp_path.rglob("*.npy")),)
    content = bytearray(file.read_bytes())
    content[2000] ^= 255
    file.write_bytes(content)
    seen = seen_by(second, monkeypatch)
    second.fit(digits(0, 100), None, None)
    assert seen == [100]
    np.testing.assert_array_equal(second.state()["coef"], first.state()["coef"])


@pytest.mark.parametrize(("seed", "options"), [(1, {}), (0, {"input_size": 48}), (0, {"normalize": "dataset"})])
def test_another_network_or_preprocessing_has_features_of_its_own(
    tmp_path: Path, seed: int, options: dict[str, object]
) -> None:
    first = built()
    other = Catalog().realize("model", "probe", {"backbone": {**BACKBONE, **options}}).build(TASK, seed)
    first.cache = other.cache = tmp_path
    images = digits(0, 3).images
    assert not np.array_equal(first._features(images), other._features(images))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_probe_leaves_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    built().fit(digits(0, 100), None, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_knn_votes_as_scikit_learn_does() -> None:
    train, test = digits(0, 500), digits(500, 700)
    knn = Catalog().realize("model", "knn", {"neighbors": 7}).build(TASK, 0)
    knn.fit(train, None, None)
    theirs = KNeighborsClassifier(7, algorithm="brute").fit(train.images.reshape(500, -1), train.labels)
    votes = theirs.predict_proba(test.images.reshape(200, -1)) * 7
    np.testing.assert_allclose(knn.predict(test.images), np.log((votes + 1) / 17), rtol=1e-5)
    assert (knn.predict(test.images).argmax(1) == test.labels).mean() > 0.8


def test_more_neighbors_than_images_are_refused() -> None:
    with pytest.raises(DataError, match="knn: 7 neighbors are asked for and there are 5 training images"):
        Catalog().realize("model", "knn", {"neighbors": 7}).build(TASK, 0).fit(digits(0, 5), None, None)
