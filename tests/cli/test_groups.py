"""Sessions that are on both sides of a given test are told at every step; where they are kept whole, noise is noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.groups import SharedGroups
from tests.cli.homes import harness
from tests.data.test_groups import LABELS, NAMED, noise

SHARED = SharedGroups(
    name="site", groups=12, images=30, test_images=30, examples=tuple(f"s{number:02}" for number in range(12))
).words
OPTIONS = ("--home", "home", "--device", "cpu", "--executor", "inline")


def write_matrix(name: str, options: str) -> str:
    Path(f"{name}.yaml").write_text(
        f"version: 1\nstudy: {name}\n"
        f"dataset: {{name: npz, {options}, validation: {{fraction: 0.2}}, groups: site}}\n"
        "seeds: [0]\nexperiments: {knn: {model: knn}}\n"
    )
    return f"{name}.yaml"


@pytest.fixture(autouse=True)
def _sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise with a cast of color a session, once with a test of a quarter of each session, once in one part."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    images, test = noise(), np.arange(len(LABELS)) % 4 == 0
    parts = {"x_train": images[~test], "y_train": LABELS[~test], "site": NAMED[~test]}
    np.savez("given.npz", **parts, x_test=images[test], y_test=LABELS[test], site_test=NAMED[test])
    np.savez("lone.npz", x=images, y=LABELS, site=NAMED)


def test_a_given_test_of_the_same_sessions_is_told_before_and_after() -> None:
    matrix = write_matrix("given", "path: given.npz")
    for command in ("validate", "data", "plan"):
        assert SHARED in " ".join(harness(command, matrix).stderr.split()), command
    done = harness("run", matrix, *OPTIONS)
    assert done.exit_code == 0 and done.stderr.index(SHARED) < done.stderr.index("start knn")
    assert SHARED in Path("home/reports/given/results.md").read_text()[:3000]
    audited = harness("audit", matrix, "--home", "home", "--json")
    assert audited.exit_code == 1 and SHARED in audited.stdout


def test_carved_by_whole_sessions_validation_and_test_say_chance() -> None:
    done = harness("run", write_matrix("lone", "train: lone.npz, test_fraction: 0.25"), *OPTIONS, "--json")
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["metrics"]["test/accuracy"] < 0.75 and cell["metrics"]["val/accuracy"] < 0.75
    assert harness("audit", "lone.yaml", "--home", "home").exit_code == 0


def test_copies_that_harness_data_found_are_told_before_training() -> None:
    images = noise()
    splits: dict[str, Any] = {"x_train": images[10:], "y_train": LABELS[10:], "site": NAMED[10:]}
    tested = np.concatenate([images[:10], images[20:25]])
    np.savez("copied.npz", **splits, x_test=tested, y_test=np.zeros(15, np.int64), site_test=np.repeat("new", 15))
    matrix = write_matrix("copied", "path: copied.npz")
    said = "npz: 5 test images are in the training split too"
    assert said not in harness("plan", matrix, "--home", "home").stderr
    assert harness("data", matrix, "--home", "home").exit_code == 0
    for command in (("plan", matrix, "--home", "home"), ("run", matrix, *OPTIONS, "--smoke")):
        assert said in harness(*command).stderr, command
