"""Small constant tensors on a device."""

from functools import cache

import torch


@cache
def constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the values as a tensor that is never to be written to.

    Copying them anew for each batch would make the host wait for a GPU each time.
    """
    return torch.tensor(values, device=device, dtype=dtype)
