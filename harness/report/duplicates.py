"""Whether test images are in the training split too, as the check after a run found it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.contracts import Dataset, StudyPlan
from harness.data.leakage import Leakage
from harness.report.store import Findings, ReportStore, RunRecord
from harness.report.variants import dataset_name
from harness.words import amount


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What is known of one data set; `is_fault` where test images are in the training split as they are."""

    dataset: str
    text: str
    is_fault: bool = False


def duplicates_of(findings: Findings, store: ReportStore) -> tuple[Duplicates, ...]:
    """Return one finding for each of the plan's data sets; the newest check of each counts."""
    checks = newest_checks(findings, store)
    return tuple(_finding(dataset, checks.get(dataset.images), findings) for dataset in findings.plan.datasets)


def _finding(dataset: Dataset, check: Leakage | None, findings: Findings) -> Duplicates:
    name = dataset_name(dataset)
    if check is None or not check.checked:
        why = _why_not(findings) if check is None else check.reason
        return Duplicates(name, f"Train and test were not compared for duplicates{f': {why}' if why else ''}.")
    exact, near = check.exact_across, check.near_across
    if exact.images:
        text = f"{amount(exact.images, 'test image')} {'is' if exact.images == 1 else 'are'} in the training split too"
        text += f" ({exact.disagreeing} with another label)" if exact.disagreeing else ""
        text += f", and {near.images:,} more nearly so" if near.images else ""
        return Duplicates(name, f"{text}. Test figures are too good by what they remember.", is_fault=True)
    text = "No test image is in the training split"
    text += f"; {amount(near.images, 'test image')} nearly {'is' if near.images == 1 else 'are'}" if near.images else ""
    return Duplicates(name, f"{text}.{f' ({check.reason}.)' if check.reason else ''}")


def _why_not(findings: Findings) -> str:
    reasons = [run.tags["harness.leakage"] for run in findings.matrices if "harness.leakage" in run.tags]
    if reasons:
        return reasons[-1]
    return "" if findings.openings else "the test set is sealed"


def newest_checks(findings: Findings, store: ReportStore) -> dict[str, Leakage]:
    """Return the newest check by data set; each run numbers the data sets of its own plan."""
    found: dict[str, Leakage] = {}
    for run in findings.matrices:
        found |= dict(_checks_of_run(run, store))
    return found


def _checks_of_run(run: RunRecord, store: ReportStore) -> Iterator[tuple[str, Leakage]]:
    folder, plan = store.artifact(run.run_id, "leakage"), store.artifact(run.run_id, "plan.json")
    if folder is None or plan is None:
        return
    datasets = StudyPlan.model_validate_json(plan.read_text()).datasets
    for number, dataset in enumerate(datasets):
        check = _read(folder / f"{number}.json")
        if check is not None:
            yield dataset.images, check


def _read(path: Path) -> Leakage | None:
    """Return a check, None where there is none or another version wrote it."""
    if not path.is_file():
        return None
    try:
        return Leakage.model_validate_json(path.read_text())
    except ValidationError:
        return None
