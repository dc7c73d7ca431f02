"""A machine that names two GPUs, each with 40 GiB free, and has four cores; nothing can be computed there."""

from __future__ import annotations

import pytest

from harness.execute import packing
from harness.execute import plan as settings
from harness.track import environment
from harness.track import environment as accelerators


def give_it_two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (settings, accelerators, environment):
        monkeypatch.setattr(module, "gpu_names", lambda: ("Fake 1", "Fake 2"))
    monkeypatch.setattr(settings, "version", lambda _: "2.15.0")
    monkeypatch.setattr(settings, "usable_cores", lambda: 4)
    monkeypatch.setattr(packing, "free_bytes", lambda _: 40 * 2**30)
