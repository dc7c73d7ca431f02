from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.data import digest_of, fingerprint, load_splits, open_test
from harness.plugins import Catalog
from tests.data.conftest import dataset


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_the_split_is_fixed(catalog: Catalog, shared_cache: Path) -> None:
    wanted = dataset("digits")
    test = open_test(wanted, catalog, shared_cache, lambda _: None)
    assert fingerprint(wanted, catalog, shared_cache) == "334e261dee6532cffa3c94c66ee54e6d"
    assert digest_of(test) == "0f3cfb97f195c2a5223f4e384a9a05aa"


def test_train_and_test_are_all_digits(catalog: Catalog, shared_cache: Path) -> None:
    wanted = dataset("digits")
    splits = load_splits(wanted, catalog, shared_cache)
    test = open_test(wanted, catalog, shared_cache, lambda _: None)
    ours = [np.rint(part.images[..., 0] / (255 / 16)) for part in (splits.train, splits.validation, test)]
    theirs = load_digits().images
    assert len(test) == 360
    assert sorted(map(bytes, np.concatenate(ours))) == sorted(map(bytes, theirs))
    assert np.bincount(test.labels).min() >= 34
