"""Check: the test images are not in the training split, and the comparison is as it was logged.

What is tolerated, and why. An exact duplicate can add at most itself to the images that are classified right, so
0.1 % of them can raise an accuracy by 0.1 points at most: less than its standard error on 10,000 test images, which is
0.3 points at 90 %. Public data sets have a few; a study on one should not fail of them, nor hide them. Near copies are
found by a likeness, which takes some pictures for copies that are none (two drawings of a 1), and public sets have more
of them: 3.3 % of CIFAR-10's test images by hand (Barz and Denzler 2020, "Do we train on test data?"). So 5 % of them
are tolerated, told all the same; a test set of which more is nearly in train measures memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow.parquet as pq

from harness.audit.evidence import Evidence, Finding, altered_files, remark
from harness.contracts import Dataset
from harness.data.leakage import TOLERATED, TOLERATED_NEAR, Leakage
from harness.report.sections.openings import newest_checks
from harness.report.variants import dataset_name

CHECKS: Final = "leakage"
"""The folder of a matrix run's checks, one for each data set of its plan."""


def check_leakage(evidence: Evidence, tolerance: float = TOLERATED) -> tuple[Finding, ...]:
    """Return data sets whose opened test split shares images with train, or was not compared with it."""
    exposed = {
        dataset.images: dataset
        for each in evidence.planned
        if any(opening.is_of(each) for opening in evidence.openings)
        for dataset in each.cell.dataset.test_sets.values()
    }
    checks = newest_checks(evidence.findings, evidence.store)
    return (*_altered(evidence), *_of_datasets(evidence, exposed, checks, tolerance))


def _altered(evidence: Evidence) -> Iterator[Finding]:
    """Yield checks that are not as they were logged, or are not in the journal though their run's plan is."""
    logged: dict[str, set[str]] = {}
    for entry in evidence.entries:
        run = evidence.run_of(entry.run_id)
        if run is None or entry.kind not in {"plan", "check"}:
            continue
        logged.setdefault(run.run_id, set()).update(entry.files)
        if entry.kind == "check":
            yield from (Finding(run.name, text, run.run_id) for text in altered_files(evidence, run, entry))
    for run_id, names in logged.items():
        folder = evidence.store.artifact(run_id, CHECKS)
        for path in sorted(folder.iterdir()) if folder is not None else ():
            if f"{CHECKS}/{path.name}" not in names:
                yield Finding(f"{CHECKS}/{path.name}", "this check is not in the journal, its run's plan is", run_id)


def _of_datasets(
    evidence: Evidence, exposed: dict[str, Dataset], checks: Mapping[str, Leakage], tolerance: float
) -> tuple[Finding, ...]:
    return tuple(
        finding
        for images, dataset in exposed.items()
        for finding in _of_dataset(evidence, dataset, checks.get(images), tolerance)
    )


def _of_dataset(evidence: Evidence, dataset: Dataset, check: Leakage | None, tolerance: float) -> Iterator[Finding]:
    where = dataset_name(dataset)
    if check is None:
        yield _not_checked(evidence, where)
        return
    if not check.checked:
        yield remark(where, f"train and test were not compared: {check.reason}")
        return
    yield from _exact(where, check, check.test_images or _test_images(evidence, dataset), tolerance)
    yield from _near(where, check, check.test_images or _test_images(evidence, dataset), max(tolerance, TOLERATED_NEAR))
    if check.groups is not None and check.groups.words:
        yield Finding(where, check.groups.words, is_fault=check.groups.groups > 0)
    if check.reason:
        yield remark(where, check.reason)


def _not_checked(evidence: Evidence, where: str) -> Finding:
    reasons = [run.tags["harness.leakage"] for run in evidence.findings.matrices if "harness.leakage" in run.tags]
    if reasons:
        return remark(where, f"train and test were not compared: {reasons[-1]}")
    return Finding(where, "not checked: its test set was opened, but train and test were never compared")


def _exact(where: str, check: Leakage, test_images: int, tolerance: float) -> Iterator[Finding]:
    found = check.exact_across
    if not found.images:
        return
    share = found.images / test_images if test_images else 1.0
    of = f" of {test_images:,} ({share:.2%})" if test_images else ""
    what = f"test images that are in the training split as they are: {found.images:,}{of}"
    what += f", {found.disagreeing:,} of them with another label" if found.disagreeing else ""
    yield Finding(where, f"{what}; tolerated are {tolerance:.2%}", is_fault=share > tolerance)


def _near(where: str, check: Leakage, test_images: int, tolerance: float) -> Iterator[Finding]:
    found = check.near_across
    if not found.images:
        return
    share = found.images / test_images if test_images else 0.0
    of = f" of {test_images:,} ({share:.2%})" if test_images else ""
    what = f"test images that are nearly in the training split: {found.images:,}{of}; tolerated are {tolerance:.2%}"
    yield Finding(where, what, is_fault=share > tolerance)


def _test_images(evidence: Evidence, dataset: Dataset) -> int:
    """Return how many test images were predicted, for checks that did not write down how many they compared."""
    for planned in evidence.planned:
        runs = evidence.by_key.get(planned.key, ()) if planned.cell.dataset.images == dataset.images else ()
        for run in reversed(runs):
            folder = evidence.folder(run.run_id)
            path = folder and folder / "predictions" / "test.parquet"
            if path and path.is_file():
                return int(pq.read_metadata(path).num_rows)
    return 0
