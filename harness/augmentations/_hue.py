"""Hue of a batch of images, by torchvision's formulas."""

import torch

from harness.augmentations._constants import constant


def shift_hue(images: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Return RGB images [N, 3, H, W] in [0, 1] with each one's hue turned by its shift (float [N], in turns).

    Through HSV and back, with the arithmetic of torchvision's `adjust_hue`.
    """
    hue, saturation, value = _to_hsv(images)
    hue = (hue + shifts[:, None, None]).remainder(1.0)
    return _to_rgb(hue, saturation, value)


def _to_hsv(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return hue, saturation, value, each [N, H, W] in [0, 1]; a gray pixel has hue and saturation 0."""
    red, green, _ = images.unbind(1)
    least, value = images.aminmax(dim=1)
    chroma = value - least
    gray = chroma == 0
    saturation = chroma / torch.where(gray, 1.0, value)
    distance = (value[:, None] - images) / torch.where(gray, 1.0, chroma)[:, None]
    to_red, to_green, to_blue = distance.unbind(1)
    sector = torch.where(value == green, 2 + to_red - to_blue, 4 + to_green - to_red)
    sector = torch.where(value == red, to_blue - to_green, sector)
    return (sector / 6 + 1).fmod(1.0), saturation, value


def _to_rgb(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Smith 1978: channel n is v - v s max(0, min(k, 4 - k, 1)) with k = (n + 6 h) mod 6, n = 5, 3, 1."""
    offsets = constant((5.0, 3.0, 1.0), hue.device)[None, :, None, None]
    place = (offsets + 6 * hue[:, None]).remainder(6.0)
    depth = torch.minimum(place, 4 - place).clamp(0, 1)
    return (value[:, None] * (1 - saturation[:, None] * depth)).clamp(0, 1)
