"""Boxes of a batch as masks."""

import torch


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
