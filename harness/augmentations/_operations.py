"""The operations of RandAugment and TrivialAugment on a batch, each image with its own; and warps by a matrix each.

They are torchvision's (`torchvision/transforms/autoaugment.py`), without interpolation and black where nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import torch
from torch.nn import functional

from harness.augmentations._draws import constant, gray


class Range(NamedTuple):
    """How strong an operation is from the weakest bin to the strongest; a signed one goes both ways."""

    weakest: float
    strongest: float
    is_signed: bool = True


NONE: Final = Range(0.0, 0.0, is_signed=False)


def draw(
    ranges: Mapping[str, Range], bins: torch.Tensor, most: int, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an operation for each image, int64 [N] by its place in `ranges`, and how strong it is, float32 [N].

    Args:
        ranges: The operations to draw from, each as likely as another.
        bins: int64 [N] in [0, most]: which of the evenly spaced strengths each image gets.
        most: The strongest bin.
        random: Draws operations and signs, on the images' device.
    """
    count, device = len(bins), random.device
    operation = torch.randint(len(ranges), (count,), generator=random, device=device)
    is_flipped = torch.randint(2, (count,), generator=random, device=device) == 1
    low, high, signed = (constant(tuple(map(float, column)), device) for column in zip(*ranges.values(), strict=True))
    strength = low[operation] + (high - low)[operation] * (bins / most)
    return operation, torch.where(is_flipped & (signed[operation] == 1), -strength, strength)


def apply(
    images: torch.Tensor, names: tuple[str, ...], operation: torch.Tensor, strength: torch.Tensor
) -> torch.Tensor:
    """Return images float32 [N, C, H, W] in [0, 1], each changed by `names[operation[n]]` with its strength."""
    for place, name in enumerate(names):
        if name in OPERATIONS:
            rows = (operation == place).nonzero().flatten()
            if len(rows):
                images = images.index_copy(0, rows, OPERATIONS[name](images[rows], strength[rows]))
    return images


def warp(images: torch.Tensor, matrices: torch.Tensor, mode: Literal["nearest", "bilinear"]) -> torch.Tensor:
    """Return images [N, C, H, W] seen through a matrix each, black where nothing is.

    `matrices` float32 [N, 2, 3] give, for a place in the result, x and y in the image that it shows; both are pixels
    from the middle of the image.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device) - (height - 1) / 2
    columns = torch.arange(width, device=images.device) - (width - 1) / 2
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).view(1, -1, 2)
    ones = torch.ones_like(places[..., :1])
    half = constant((width / 2, height / 2), images.device)
    seen = torch.cat((places, ones), 2).expand(len(images), -1, -1) @ (matrices.transpose(1, 2) / half)
    return functional.grid_sample(images, seen.view(-1, height, width, 2), mode, "zeros", align_corners=False)


def turning(degrees: torch.Tensor) -> torch.Tensor:
    """Return the matrices [N, 2, 3] of `warp` that turn images counter-clockwise by degrees [N]."""
    angle = -torch.deg2rad(degrees)
    nothing = torch.zeros_like(angle)
    rows = ((angle.cos(), angle.sin(), nothing), (-angle.sin(), angle.cos(), nothing))
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def _matrices(images: torch.Tensor, entry: tuple[int, int], values: torch.Tensor) -> torch.Tensor:
    """Return unit matrices [N, 2, 3] with one entry set."""
    matrices = torch.eye(2, 3, device=images.device).repeat(len(images), 1, 1)
    matrices[:, entry[0], entry[1]] = values
    return matrices


def _shear_x(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    matrices = _matrices(images, (0, 1), strength)
    matrices[:, 0, 2] = strength * images.shape[2] / 2  # the upper left corner stays
    return warp(images, matrices, "nearest")


def _shear_y(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    matrices = _matrices(images, (1, 0), strength)
    matrices[:, 1, 2] = strength * images.shape[3] / 2
    return warp(images, matrices, "nearest")


def _translate_x(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return warp(images, _matrices(images, (0, 2), -strength.trunc()), "nearest")


def _translate_y(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return warp(images, _matrices(images, (1, 2), -strength.trunc()), "nearest")


def _rotate(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return warp(images, turning(strength), "nearest")


def _blend(images: torch.Tensor, partner: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Return `partner` where the strength is -1, the image at 0, and beyond it at 1."""
    return torch.lerp(partner, images, (1 + strength)[:, None, None, None]).clamp(0, 1)


def _brightness(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return _blend(images, torch.zeros_like(images), strength)


def _color(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return _blend(images, gray(images).expand_as(images), strength)


def _contrast(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return _blend(images, gray(images).mean(dim=(1, 2, 3), keepdim=True).expand_as(images), strength)


_BLUR: Final = (1.0, 1.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0)


def _sharpness(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    channels = images.shape[1]
    kernel = (constant(_BLUR, images.device) / sum(_BLUR)).view(1, 1, 3, 3).expand(channels, 1, 3, 3)
    blurred = images.clone()
    blurred[:, :, 1:-1, 1:-1] = functional.conv2d(images, kernel, groups=channels)
    return _blend(images, blurred, strength)


def _posterize(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    step = 2 ** (8 - strength.round())[:, None, None, None]  # the lower bits are dropped
    return ((images * 255).round() / step).floor() * step / 255


def _solarize(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return torch.where(images * 255 >= strength[:, None, None, None], 1 - images, images)


def _autocontrast(images: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    least, most = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    is_flat = least == most
    spread = torch.where(is_flat, 1.0, most - least)
    return torch.where(is_flat, images, (images - least) / spread).clamp(0, 1)


def _equalize(images: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Spread each channel's histogram of 256 levels evenly, as Pillow does."""
    levels = (images * 255).round().long().flatten(2)
    counts = torch.zeros(*levels.shape[:2], 256, device=images.device, dtype=torch.long)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    last = counts.gather(2, levels.amax(2, keepdim=True))  # pixels of the highest level
    step = (levels.shape[2] - last) // 255
    divisor = step.clamp(min=1)
    before = counts.cumsum(2) - counts
    table = ((before + divisor // 2) // divisor).clamp(0, 255)
    equalized = torch.where(step == 0, levels, table.gather(2, levels))
    return equalized.view_as(images).float() / 255


OPERATIONS: Final[Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]] = {
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
    "Rotate": _rotate,
    "Brightness": _brightness,
    "Color": _color,
    "Contrast": _contrast,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": _autocontrast,
    "Equalize": _equalize,
}
"""From images [n, C, H, W] and a strength each, in torchvision's units; "Identity" is none of them."""
