"""What every test shares: one thread, and the folders of a user's own components."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--plugins",
        action="append",
        default=[],
        dest="component_folders",
        type=Path,
        metavar="DIR",
        help="run tests/contracts on the components of this folder instead of the built-in ones",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tests run side by side, so each keeps to one thread, its subprocesses too."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
