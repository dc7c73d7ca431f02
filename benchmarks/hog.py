"""HOG features and the linear SVM of `hog_svm` against what it stands for: skimage in a loop, LinearSVC.

Features by numpy (what runs on the CPU), by torch on `--device`, and by `skimage.feature.hog` image by
image, in alternating rounds, medians; how far they differ; then one fit of scikit-learn's LinearSVC and
two of ours on `--device`, the first of which also pays for what a GPU starts up once. The images are 32 x
32 x 3, smoothed noise over a pattern of their class.

    python benchmarks/hog.py --images 5000 --threads 1
    python benchmarks/hog.py --images 45000 --device cuda --rounds 3
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray
from skimage.feature import hog
from sklearn.svm import LinearSVC

from baselines._hog_on_device import hog_features_on
from baselines.hog_svm import hog_features
from harness.train.newton_svc import NewtonSVC

CLASSES = 10
Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def main() -> None:
    """Measure and print."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    images, labels = _images(given.images)
    print(f"{given.images} images, {given.rounds} rounds, torch on {given.device} with {given.threads} CPU threads")
    features = _compare_features(images, given.device, given.rounds)
    _compare_solvers(features, labels, given.device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def _images(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, count)
    noise = random.normal(size=(count, 32, 32, 3)).astype(np.float32)
    noise += 0.5 * random.normal(size=(CLASSES, 32, 32, 3)).astype(np.float32)[labels]
    smooth: NDArray[np.float32] = gaussian_filter(noise, (0, 2, 2, 0))
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8), labels


def _compare_features(images: NDArray[np.uint8], device: str, rounds: int) -> NDArray[np.float32]:
    """Print images per second of each, and return the features."""
    ways: dict[str, Features] = {
        "numpy": lambda some: hog_features(some, 9, 8, 2),
        "torch": lambda some: hog_features_on(some, 9, 8, 2, device),
        "skimage": lambda some: np.stack([hog(rgb2gray(image), 9, (8, 8), (2, 2)) for image in some]),
    }
    found = {name: way(images) for name, way in ways.items()}
    seconds = np.array([[_seconds(way, images) for way in ways.values()] for _ in range(rounds)])
    for (name, features), median, ratio in zip(
        found.items(), np.median(seconds, axis=0), np.median(seconds[:, -1:] / seconds, axis=0), strict=True
    ):
        off = np.abs(features - found["skimage"]).max()
        print(f"{name:10} {len(images) / median:10.0f} images/s {ratio:7.1f} x skimage, at most {off:.1e} from it")
    unequal = int((found["numpy"] != found["torch"]).sum())
    print(f"numpy and torch differ in {unequal} of {found['numpy'].size} features")
    return found["numpy"]


def _compare_solvers(features: NDArray[np.float32], labels: NDArray[np.int64], device: str) -> None:
    """Print seconds, iterations and objective of LinearSVC and of ours, and how often they agree."""
    fits = {"LinearSVC": LinearSVC(), "first": NewtonSVC(device=device), "again": NewtonSVC(device=device)}
    for name, estimator in fits.items():
        started = perf_counter()
        estimator.fit(features, labels)
        taken = perf_counter() - started
        value = _objective(estimator, features, labels)
        print(f"{name:10} {taken:10.2f} s {estimator.n_iter_:5} iterations, objective {value:.6f}")
    chosen = [(features @ each.coef_.T + each.intercept_).argmax(axis=1) for each in fits.values()]
    print(f"same prediction for {(chosen[0] == chosen[1]).mean():.4%} of the images")


def _objective(fitted: LinearSVC | NewtonSVC, features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the sum over the classes of what both minimize, at C = 1."""
    signs = np.where(labels[:, None] == np.arange(CLASSES), 1, -1)
    short = np.maximum(0, 1 - signs * (features @ fitted.coef_.T + fitted.intercept_))
    return float((fitted.coef_**2).sum() / 2 + (fitted.intercept_**2).sum() / 2 + (short**2).sum())


def _seconds(way: Features, images: NDArray[np.uint8]) -> float:
    started = perf_counter()
    way(images)
    return perf_counter() - started


if __name__ == "__main__":
    main()
