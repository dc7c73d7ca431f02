"""The learning rate stays."""

from __future__ import annotations

from harness.contracts import Schedule


class Constant(Schedule):
    """The optimizer's learning rate throughout (after warm-up, if any)."""

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return 1."""
        return 1.0
