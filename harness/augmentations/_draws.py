"""What several augmentations share: constants on a device, beta draws, boxes as masks, gray, hue."""

import math
from functools import cache

import torch


@cache
def constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the values as a tensor [len(values)] that is never to be written to.

    Copying them anew for each batch would make the host wait for a GPU each time.
    """
    return torch.tensor(values, device=device, dtype=dtype)


def draw_beta(alpha: float, count: int, random: torch.Generator) -> torch.Tensor:
    """Return draws from Beta(alpha, alpha), float32 [count] in [0, 1], on the generator's device.

    torch.distributions takes no generator. Exact without rejection: Student's t with 2 alpha
    degrees of freedom in polar form (Bailey 1994, "Polar generation of random variates with the
    t-distribution"), and (1 + t / sqrt(2 alpha + t^2)) / 2 of it is Beta(alpha, alpha).
    """
    uniform = torch.rand(2, count, generator=random, device=random.device, dtype=torch.float64)
    power = uniform[0] ** (1 / alpha)
    cosine = torch.cos(2 * math.pi * uniform[1])
    return (0.5 + 0.5 * cosine / torch.sqrt(power / (1 - power) + cosine.square())).float()


def inside(boxes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return which pixels each image's box covers: bool [N, 1, height, width].

    `boxes` int64 [4, N] holds top, bottom, left and right, the ends exclusive; they may lie
    beyond the image.
    """
    top, bottom, left, right = boxes[:, :, None]
    row = torch.arange(height, device=boxes.device)
    column = torch.arange(width, device=boxes.device)
    rows = (row >= top) & (row < bottom)
    columns = (column >= left) & (column < right)
    return torch.logical_and(rows[:, None, :, None], columns[:, None, None, :])


def gray(images: torch.Tensor) -> torch.Tensor:
    """Return [N, 1, H, W]: ITU-R 601 luma with torchvision's digits."""
    if images.shape[1] == 1:
        return images
    red, green, blue = torch.split(images, 1, dim=1)
    return red * 0.2989 + green * 0.587 + blue * 0.114


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
