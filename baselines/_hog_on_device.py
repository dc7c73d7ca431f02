"""Histograms of oriented gradients by torch: the same bits on every device, without atomic additions."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.train.batches import as_tensor

_CPU_PIXELS: Final = 2**17
_CUDA_PIXELS: Final = 2**22
_RED, _GREEN, _BLUE = 2125, 7154, 721  # of 10,000: skimage.color.rgb2gray
_WHITE: Final = 255 * 10_000


def hog_features_on(
    images: NDArray[np.uint8], orientations: int, cell: int, block: int, device: str
) -> NDArray[np.float32]:
    """Return what `hog_svm.hog_features` does, computed on a torch device.

    Grays are whole numbers of 10,000ths of a level, so gradients are exact. What follows are single
    float64 operations that IEEE 754 rounds alike everywhere, and sums in an order of our own. If 4
    divides `orientations`, gradients of exactly 45 degrees lie on an edge between bins: here they
    are in the bin that begins there, in scikit-image the rounding of its grays decides.

    Args:
        images: uint8 [N, H, W, C], C is 1 or 3; they go to the device in chunks of about 4 million pixels.
        orientations: Histogram bins over 180 degrees.
        cell: Side of a cell in pixels.
        block: Side of a block in cells.
        device: As torch names it.

    Returns:
        [N, block rows * block columns * block * block * orientations], in host memory.
    """
    pixels = _CPU_PIXELS if torch.device(device).type == "cpu" else _CUDA_PIXELS
    count = max(1, pixels // math.prod(images.shape[1:3]))
    with torch.inference_mode():
        chunks = (as_tensor(images[at : at + count]).to(device) for at in range(0, len(images), count))
        features = [_blocks(_histograms(_gray(chunk), orientations, cell), block).cpu().numpy() for chunk in chunks]
    return np.concatenate(features)


def _gray(images: Tensor) -> Tensor:
    """Return images uint8 [N, H, W, C] as whole numbers, float64 [N, H, W] in [0, _WHITE]."""
    first, *others = images.unbind(3)
    if not others:
        return first.double() * (_WHITE / 255)
    green, blue = others
    return (first.int() * _RED).add_(green, alpha=_GREEN).add_(blue, alpha=_BLUE).double()


def _histograms(gray: Tensor, orientations: int, cell: int) -> Tensor:
    """Return [orientations, N, cell rows, cell columns]: mean gradient magnitude by direction."""
    rows, columns = gray.shape[1] // cell, gray.shape[2] // cell
    down, right = torch.zeros_like(gray), torch.zeros_like(gray)
    torch.sub(gray[:, 2:], gray[:, :-2], out=down[:, 1:-1])
    torch.sub(gray[:, :, 2:], gray[:, :, :-2], out=right[:, :, 1:-1])
    down, right = (each[:, : rows * cell, : columns * cell] for each in (down, right))
    cotangent = (right / down).nan_to_num_(nan=math.inf, posinf=math.inf, neginf=math.inf)  # horizontal is 0 degrees
    magnitude = down.square_().add_(right.square_()).sqrt_()
    by_column = magnitude.new_empty(orientations, *gray.shape[:1], rows, columns * cell)
    beyond, after = magnitude.clone(), torch.empty_like(magnitude)  # those whose direction is not before this bin
    for each, edge in enumerate(_edges(orientations)):  # two buffers, since new ones would cost more than the sums
        torch.le(cotangent, edge, out=after).mul_(magnitude)
        by_column[each] = _total(torch.unflatten(beyond.sub_(after), 1, (rows, cell)).movedim(2, 0))
        beyond, after = after, beyond
    by_column[-1] = _total(torch.unflatten(beyond, 1, (rows, cell)).movedim(2, 0))
    histograms = _total(torch.unflatten(by_column, 3, (columns, cell)).movedim(4, 0).contiguous())
    return histograms.mul_(1 / (cell**2 * _WHITE))


def _edges(orientations: int) -> list[float]:
    """Return the cotangents of the angles between bins, in the order of the angles.

    Of these only 1, 0 and -1 can be those of a gradient of whole numbers (Niven's theorem), and
    gray images have many of exactly 45 degrees: they belong to the bin that begins there.
    """
    cotangents = [1 / math.tan(math.pi * each / orientations) for each in range(1, orientations)]
    return [round(each) if abs(each - round(each)) < 1e-9 else each for each in cotangents]


def _blocks(histograms: Tensor, block: int) -> Tensor:
    """Return L2-Hys normalized overlapping blocks, flattened to float32 [N, D]."""
    rows, columns = (side - block + 1 for side in histograms.shape[2:])
    corners = [(down, right) for down in range(block) for right in range(block)]
    cells = torch.cat([histograms[..., down : down + rows, right : right + columns] for down, right in corners])
    return _unit(_unit(cells).clamp_(max=0.2)).float().permute(1, 2, 3, 0).flatten(1)


def _unit(blocks: Tensor) -> Tensor:
    return blocks / (_total(blocks * blocks) + 1e-10).sqrt_()


def _total(values: Tensor) -> Tensor:
    """Return the sum over the first axis, by halves and in place; `Tensor.sum` has another order on each device."""
    while len(values) > 1:
        half = len(values) // 2
        values[:half].add_(values[-half:])
        values = values[:-half]
    return values[0]
