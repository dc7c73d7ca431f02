"""Draws from the symmetric beta distribution, by a given generator."""

import math

import torch


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
