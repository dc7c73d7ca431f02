"""What the test sets were opened for, and whether test images are in the training split too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from harness.contracts import Dataset, Opening, StudyPlan, looks
from harness.contracts.metrics import TEST_ACCURACY
from harness.contracts.study import PLAN_FILE
from harness.data.leakage import TOLERATED, TOLERATED_NEAR, Leakage, Twins
from harness.report.blocks import Block, Column, Items, Run, Section, Table, Text, Value, named
from harness.report.context import Context
from harness.report.store import Entry, Findings, Look, ReportStore, RunRecord
from harness.report.variants import dataset_name
from harness.track.journal import opening_in
from harness.track.ledger import look_of
from harness.words import NOTHING, amount, iso_second, percent

MOST_COPIES: Final = 5
"""Pairs of images that are named; more are in leakage/N.json of the matrix run."""
MOST_LOOKS: Final = 5
"""Openings by other cells that are named on the first screen."""
LOOKS: Final = (
    Column("opened at (UTC)", numeric=False),
    Column("cell", numeric=False),
    Column("study", numeric=False),
    Column("test top-1 %"),
    Column("run", numeric=False),
)
COLUMNS: Final = (
    Column("opened at (UTC)", numeric=False),
    Column("cell", numeric=False),
    Column("model digest", numeric=False),
    Column("run", numeric=False),
    Column("host", numeric=False),
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The openings in words, what is wrong with them, and each of them."""

    text: str
    faults: tuple[str, ...]
    openings: Table


def looked(context: Context) -> Text | None:
    """Return who else opened these test images, with figures: for the first screen; None if nobody did."""
    findings = context.findings
    if not findings.looks:
        return None
    own = sum(look.is_own for look in findings.looks)
    total = len(findings.openings) + len(findings.looks)
    told = [_look_in_words(look) for look in findings.looks[:MOST_LOOKS]]
    rest = len(findings.looks) - len(told)
    text = (
        f"These test images were opened {amount(total, 'time')} in this store, {len(findings.looks)} of them by cells "
    )
    text += f"that are not shown here: {', '.join(told)}{f' and {rest:,} more (see Provenance)' if rest else ''}."
    if own:
        are = "is one of this study's own" if own == 1 else "are this study's own"
        text += f" {own:,} of these {are}, so what is shown was chosen after looking."
    return Text(text, "bad" if own else "muted")


def _look_in_words(look: Look) -> str:
    where = "" if look.is_own else f", study {look.opening.study}" if look.opening.study else ""
    return f"{look.name} ({NOTHING if look.accuracy is None else f'{percent(look.accuracy)} %'}{where})"


def looks_table(findings: Findings) -> Table:
    """Return all openings of these test images by cells that are not shown."""
    rows = tuple(
        (
            named(look.opening.time.replace("+00:00", "")),
            named(look.name),
            named(look.opening.study),
            Value(NOTHING if look.accuracy is None else percent(look.accuracy), look.accuracy),
            Value(look.opening.run_id, look.opening.run_id, code=True, runs=(Run("", look.opening.run_id),)),
        )
        for look in findings.looks
    )
    return Table("Openings of these test images by cells that are not shown", LOOKS, rows)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What is known of one data set; `is_fault` where test images are in the training split, or too many nearly are."""

    dataset: str
    text: str
    is_fault: bool = False
    examples: tuple[str, ...] = ()
    """The first copies, by their files where the store knows them."""

    @property
    def words(self) -> tuple[str, ...]:
        """All of it for the first screen."""
        return (f"{self.dataset}: {self.text}", *self.examples)


def section(context: Context) -> Section:
    """Return the ledger's summary and what the check for duplicates found."""
    ledger = context.once(ledger_in)
    blocks: list[Block] = [Text(ledger.text), *filter(None, (context.once(looked),))]
    if ledger.faults:
        blocks += [Text("The ledger breaks the rule of one opening a cell:", "bad"), Items(ledger.faults, "bad")]
    for each in context.once(duplicates_in):
        blocks.append(Text(each.text, "bad" if each.is_fault else "", lead=f"{each.dataset}:"))
        blocks += [Items(each.examples)] if each.examples else []
    return Section("openings", "Test set", tuple(blocks))


def ledger_in(context: Context) -> Ledger:
    """Return the ledger's summary."""
    return ledger_of(context.findings)


def duplicates_in(context: Context) -> tuple[Duplicates, ...]:
    """Return what is known of duplicates in each of the plan's data sets."""
    return duplicates_of(context.findings, context.store)


def audit_faults(context: Context) -> tuple[str, ...]:
    """Return what `harness audit` fails of, as far as the report sees it: for the first screen."""
    ledger, copies = context.once(ledger_in), context.once(duplicates_in)
    early = (
        f"run {each.run_id} opened the test set before its fit had ended" for each in early_openings(context.findings)
    )
    return (*ledger.faults, *early, *(words for each in copies if each.is_fault for words in each.words))


def early_openings(findings: Findings) -> tuple[Opening, ...]:
    """Return the openings before the end of their fit by the clocks; what the journal has, it has in order."""
    recorded = {look_of(opening_in(entry)) for entry in findings.journal if entry.kind == "opening"}
    openings = (each for each in findings.openings if look_of(each) not in recorded)
    found = ((each, _entry_of(each, findings)) for each in openings)
    return tuple(each for each, entry in found if entry is not None and _is_early(each, entry))


def timed(findings: Findings) -> frozenset[str]:
    """Return the keys of the cells whose runs say when the fit had ended."""
    return frozenset(entry.planned.key for entry in findings.entries if entry.tag("fit_ended"))


def _entry_of(opening: Opening, findings: Findings) -> Entry | None:
    """Return the cell of the study that an opening is of; None of one that looked at another test set."""
    return next((entry for entry in findings.by_key.get(opening.key, ()) if opening.is_of(entry.planned)), None)


def _name_of(opening: Opening, findings: Findings) -> str:
    entry = _entry_of(opening, findings)
    if entry is not None:
        return entry.planned.name
    others = findings.by_key.get(opening.key, ())
    return f"{others[0].planned.name}, on another test set" if others else opening.key


def ledger_of(findings: Findings) -> Ledger:
    """Return the summary of the ledger's lines for the study's cells."""
    rows = tuple(
        (
            named(opening.time.replace("+00:00", "")),
            named(_name_of(opening, findings)),
            Value(opening.model_digest[:16], opening.model_digest, code=True),
            Value(opening.run_id, opening.run_id, code=True, runs=(Run("", opening.run_id),)),
            named(opening.host),
        )
        for opening in findings.openings
    )
    return Ledger(_text(findings), _faults(findings), Table("Openings of test sets", COLUMNS, rows))


def _text(findings: Findings) -> str:
    mine = [opening for opening in findings.openings if _entry_of(opening, findings) is not None]
    opened = {entry.planned.id for each in mine if (entry := _entry_of(each, findings)) is not None}
    others = len(findings.openings) - len(mine)
    never = sum(entry.planned.cell.test == "never" for entry in findings.entries)
    waiting = len(findings.entries) - len(opened) - never
    if not mine:
        parts = ["The test set was not opened for any cell"]
    else:
        parts = [f"The test set was opened {amount(len(mine), 'time')} for {amount(len(opened), 'cell')}"]
    if others:
        told = "of another test set, or of these files before they changed"
        parts += [f"{amount(others, 'opening')} by the same models {'is' if others == 1 else 'are'} {told}"]
    parts += [f"{amount(never, 'cell keeps', 'cells keep')} it sealed for good"] if never else []
    parts += [f"{amount(waiting, 'cell')} may open it yet"] if waiting > 0 else []
    taken = sum(bool(entry.tag("fit_run")) for entry in findings.finished)
    return "; ".join(parts) + f".{_not_fitted(taken) if taken else ''}"


def _not_fitted(taken: int) -> str:
    cells = f"{amount(taken, 'cell')} {'was' if taken == 1 else 'were'}"
    return f" {cells} not fitted anew: the model of one with the same data, settings and source was taken."


def _faults(findings: Findings) -> tuple[str, ...]:
    entries = (_entry_of(opening, findings) for opening in findings.openings)
    counts = Counter(entry.planned.id for entry in entries if entry is not None)
    again = (group for group in looks(findings.openings) if len(group) > 1)
    twice = [f"{_name_of(group[0], findings)}: {amount(len(group), 'opening')}" for group in again]
    silent = [
        f"{entry.planned.name}: has test figures, but no opening is in the ledger"
        for entry in findings.finished
        if entry.metric(TEST_ACCURACY) is not None and not counts[entry.planned.id]
    ]
    unwanted = [
        f"{entry.planned.name}: was to keep its test set sealed, but an opening is in the ledger"
        for entry in findings.entries
        if entry.planned.cell.test == "never" and counts[entry.planned.id]
    ]
    return (*twice, *silent, *unwanted)


def _is_early(opening: Opening, entry: Entry) -> bool:
    """Whether the fit ended after the opening; one that was repeated, to the same model, could not learn from it."""
    is_repeated = entry.run is not None and entry.run.run_id != opening.run_id
    if is_repeated and entry.tag("model_digest") == opening.model_digest:
        return False
    opened, ended = iso_second(opening.time), iso_second(entry.tag("fit_ended"))
    return opened is not None and ended is not None and opened < ended


def duplicates_of(findings: Findings, store: ReportStore) -> tuple[Duplicates, ...]:
    """Return one finding for each of the plan's data sets; the newest check of each counts."""
    checks = newest_checks(findings, store)
    return tuple(_finding(dataset, checks.get(dataset.images), findings) for dataset in findings.plan.datasets)


def _finding(dataset: Dataset, check: Leakage | None, findings: Findings) -> Duplicates:
    found, shared = _copies_found(dataset, check, findings), check.groups if check else None
    if shared is None:
        return found
    words = shared.words or f"No group of {shared.name} is in the test split and in training"
    return replace(found, text=f"{words}. {found.text}", is_fault=found.is_fault or shared.groups > 0)


def _copies_found(dataset: Dataset, check: Leakage | None, findings: Findings) -> Duplicates:
    name = dataset_name(dataset)
    test = dataset.options.get("test")
    name += f", {Path(str(test)).name}" if test and len(findings.plan.datasets) > 1 else ""
    if check is None or not check.checked:
        why = _why_not(findings) if check is None else check.reason
        return Duplicates(name, f"Train and test were not compared for duplicates{f': {why}' if why else ''}.")
    exact, near = check.exact_across, check.near_across
    if exact.images:
        text = f"{amount(exact.images, 'test image')} {'is' if exact.images == 1 else 'are'} in the training split too"
        text += f" ({exact.disagreeing} with another label)" if exact.disagreeing else ""
        text += f", and {near.images:,} more nearly so" if near.images else ""
        text += f". Test figures are too good by what they remember{_audited(check)}."
        return Duplicates(name, text, is_fault=True, examples=_copies(exact))
    aside = f" ({check.reason}.)" if check.reason else ""
    unseen = f"That is no proof that there is none: {check.limits or 'near copies were not looked for'}."
    if not near.images:
        return Duplicates(name, f"No copy of a training image was found among the test images. {unseen}{aside}")
    are = f"{amount(near.images, 'test image')} {'is' if near.images == 1 else 'are'} nearly in the training split"
    share = near.images / check.test_images if check.test_images else 0.0
    if share <= TOLERATED_NEAR:
        return Duplicates(name, f"No test image is in the training split as it is; {are}. {unseen}{aside}")
    text = f"{are}, {percent(share)} % of them. Test figures are too good by what they remember; harness audit fails, "
    text += f"for more than {TOLERATED_NEAR:.0%} are.".replace("%", " %")
    return Duplicates(name, f"{text}{aside}", is_fault=True, examples=_copies(near))


def _audited(check: Leakage) -> str:
    share = check.exact_across.images / check.test_images if check.test_images else 1.0
    return f"; harness audit fails, for more than {TOLERATED:.1%} are".replace("%", " %") if share > TOLERATED else ""


def _copies(found: Twins) -> tuple[str, ...]:
    told = [twin.across for twin in found.examples[:MOST_COPIES]]
    more = found.pairs - len(told)
    return (*told, f"and {more:,} more") if told and more > 0 else tuple(told)


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
    folder, plan = store.artifact(run.run_id, "leakage"), store.artifact(run.run_id, PLAN_FILE)
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
