from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.measure.predictions import read_confusion, write_class_report, write_confusion
from harness.measure.scores import evaluate


def test_a_confusion_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    classes = ('a, "quoted" name', "plain", "Käse")
    counts = np.arange(9, dtype=np.int64).reshape(3, 3)
    write_confusion(counts, classes, tmp_path / "confusion.csv")
    found = read_confusion(tmp_path / "confusion.csv")
    assert found.classes == classes
    np.testing.assert_array_equal(found.counts, counts)


@pytest.mark.parametrize("text", ["", "true/predicted,a,b\na,1,2\n", "true/predicted,a\na,x\n"])
def test_a_file_that_is_no_confusion_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "confusion.csv").write_text(text)
    with pytest.raises(ValueError, match=r"not a square table|invalid literal"):
        read_confusion(tmp_path / "confusion.csv")


def test_the_class_report_holds_plain_numbers(tmp_path: Path) -> None:
    scores = evaluate(np.eye(2, dtype=np.float32), np.array([0, 0]), probabilistic=True)
    write_class_report(scores, ("a", "b"), tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["accuracy"] == 0.5
    assert report["classes"][0] == {
        "class": "a",
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "support": 2,
    }
