"""Batched HOG features against `skimage.feature.hog` in a loop, and their largest difference.

Run: `python benchmarks/hog.py [COUNT]`; COUNT images of 32 x 32 x 3, noise smoothed into shapes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray
from skimage.feature import hog

from baselines.hog_svm import hog_features


def main(count: int) -> None:
    """Print milliseconds an image of both, their ratio (median of 5 rounds) and the difference."""
    images = _images(count)
    rounds = [(_seconds(_batched, images), _seconds(_looped, images)) for _ in range(5)]
    batched, looped = (float(np.median(each)) / count * 1e3 for each in zip(*rounds, strict=True))
    ratio = np.median([slow / fast for fast, slow in rounds])
    difference = np.abs(_batched(images) - _looped(images)).max()
    print(f"batched {batched:.4f} ms an image, skimage {looped:.4f} ms an image, {ratio:.1f} times faster")
    print(f"largest difference {difference:.1e} over {count} images")


def _images(count: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(size=(count, 32, 32, 3))
    smooth: NDArray[np.float64] = gaussian_filter(noise, (0, 2, 2, 0))
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8)


def _batched(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return hog_features(images, orientations=9, cell=8, block=2)


def _looped(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([hog(rgb2gray(image), 9, (8, 8), (2, 2)) for image in images])


def _seconds(features: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8]) -> float:
    started = perf_counter()
    features(images)
    return perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
