"""A headless Chromium, where there is one: what a page is like once its scripts have run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--window-size=1600,1200",
)


def dumped_dom(address: str, seconds: int = 30) -> str:
    """Return the page's markup after so many seconds of its own time; skips where there is no Chromium."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        own = (f"--user-data-dir={profile}", f"--virtual-time-budget={seconds * 1000}", "--dump-dom", address)
        done = subprocess.run([browser, *OPTIONS, *own], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout
