"""What a finished cell left, written down with it, so that `harness audit` notices whatever is changed later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.digests import file_digest

METRICS: Final = "metrics.json"
"""The final metrics with all their digits, by MLflow name."""
DIGESTS: Final = "digests.json"
"""Path -> digest of every other artifact; its own digest is the tag `TAG` of the run."""
TAG: Final = "harness.artifacts_digest"


def write_manifest(folder: Path, metrics: Mapping[str, float]) -> str:
    """Write metrics.json and digests.json among the artifacts in `folder`; return the latter's digest."""
    (folder / METRICS).write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    (folder / DIGESTS).unlink(missing_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1) + "\n")
    return file_digest(folder / DIGESTS)
