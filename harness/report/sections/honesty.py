"""How the study was run, and what a doubter would ask: what somebody needs to trust it or do it again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from harness.contracts import Dataset
from harness.contracts.metrics import TRAIN_SECONDS
from harness.report.blocks import Block, Column, Fact, Facts, Fold, Group, Run, Section, Table, Text, Tone, Value, named
from harness.report.context import Context
from harness.report.sections.headline import train_seconds, warning
from harness.report.sections.openings import (
    Duplicates,
    Ledger,
    duplicates_in,
    early_openings,
    ledger_in,
    looked,
    looks_table,
    timed,
)
from harness.report.store import Entry, Findings, ReportStore
from harness.report.variants import QUESTION, TEST, VALIDATION, Variant, dataset_name, device_of, micro_batches_answer
from harness.words import NOTHING, amount, duration, few, moment, percent

DIRTY: Final = "+dirty"
PACKAGES: Final = ("harness", "torch", "torchvision", "numpy", "scikit-learn", "scikit-image", "mlflow")
QUESTIONS: Final = (Column("question", numeric=False), Column("answer", numeric=False))
CELLS: Final = (
    Column("cell", numeric=False),
    Column("state", numeric=False),
    Column("seed"),
    Column("test top-1 %"),
    Column("val. top-1 %"),
    Column("train time"),
    Column("device", numeric=False),
    Column("begun", numeric=False),
    Column("MLflow run", numeric=False),
)


def section(context: Context) -> Section:
    """Return the doubter's questions with their answers, how the study was run, and every cell with its run."""
    findings, ledger = context.findings, context.once(ledger_in)
    asked = answers(findings, context.variants, ledger, context.once(duplicates_in), context.once(looked))
    failed = tuple(Fact(each.planned.name, each.reason) for each in findings.entries if each.state == "failed")
    blocks: list[Block] = [
        asked,
        Group("How to check it yourself", (_see(findings),)),
        Group("How it was run", (Facts(facts(findings, context.store)),)),
    ]
    if failed:
        blocks.append(Group("Failed cells", (Facts(failed),)))
    tables = (table for table in (cells_table(findings), ledger.openings, looks_table(findings)) if table.rows)
    blocks += [Fold(f"{table.caption} ({len(table.rows):,})", (table,)) for table in tables]
    return Section("honesty", "Provenance", tuple(blocks))


def answers(
    findings: Findings,
    variants: Sequence[Variant],
    ledger: Ledger,
    duplicates: Sequence[Duplicates],
    others: Text | None = None,
) -> Table:
    """Return what a doubter would ask, and what the store answers."""
    cut = warning(findings)
    parted = micro_batches_answer(findings.entries)
    rows = [
        _answer("Was each test set opened once a cell, after fitting?", *_openings(findings, ledger)),
        _answer("Did anything else look at its test images?", *_others(others)),
        *(
            _answer(f"Are test images of {each.dataset} in its training data?", each.text, _bad(each.is_fault))
            for each in duplicates
        ),
        _answer(
            "Was anything limited or cut short?", cut or "No: whole data sets, whole matrix file.", _bad(bool(cut))
        ),
        _answer("Are cells missing or failed?", *_missing(findings)),
        _answer("Has every experiment all its seeds?", *_seeds(variants)),
        _answer("Was validation carved the same way everywhere?", *_splits(findings)),
        _answer("Was it one state of the code?", *_code(findings)),
        _answer("Was it one kind of device?", *_devices(findings)),
        *([_answer(QUESTION, parted, "bad")] if parted else []),
    ]
    return Table("Questions to a report", QUESTIONS, tuple(rows), sortable=False)


def _answer(question: str, answer: str, tone: Tone = "") -> tuple[Value, ...]:
    return (named(question), named(answer, tone))


def _bad(is_bad: bool) -> Tone:
    return "bad" if is_bad else ""


def _openings(findings: Findings, ledger: Ledger) -> tuple[str, Tone]:
    early, known = early_openings(findings), timed(findings)
    if ledger.faults or early:
        told = [*ledger.faults, *(f"run {opening.run_id} opened it before its fit had ended" for opening in early)]
        return f"No. {ledger.text} {few(told)}.", "bad"
    if not findings.openings:
        return ledger.text, ""
    after = (
        ""
        if any(each.key not in known for each in findings.openings)
        else " Each opening came after the end of its fit."
    )
    return f"Yes. {ledger.text}{after}", ""


def _others(others: Text | None) -> tuple[str, Tone]:
    return ("Nothing else in this store.", "") if others is None else (f"Yes. {others.words}", others.tone)


def _missing(findings: Findings) -> tuple[str, Tone]:
    lacking = [entry for entry in findings.entries if entry.state != "done"]
    if not lacking:
        return f"No: all {amount(len(findings.entries), 'cell')} are finished.", ""
    counts = Counter(entry.state for entry in lacking)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"Yes, {states}: {few([entry.planned.name for entry in lacking])}.", "bad"


def _seeds(variants: Sequence[Variant]) -> tuple[str, Tone]:
    lacking = [variant.name for variant in variants if len(variant.finished) < len(variant.entries)]
    if lacking:
        return f"No: {few(lacking)}.", "bad"
    counts = sorted({len(variant.entries) for variant in variants})
    if counts == [1]:
        return "Yes, but it is a single one: nothing here says how much seeds differ.", ""
    return f"Yes: {' or '.join(map(str, counts))} each.", ""


def _splits(findings: Findings) -> tuple[str, Tone]:
    digests: dict[str, dict[str, None]] = {}
    for entry in findings.finished:
        digest = entry.tag("split_digest")
        if digest:
            digests.setdefault(dataset_name(entry.planned.cell.dataset), {})[digest] = None
    if not digests:
        return "No digests of splits were recorded.", "muted"
    told = "; ".join(f"{name}: {', '.join(found)}" for name, found in digests.items())
    same = all(len(found) == 1 for found in digests.values())
    return (f"Yes, by the digest of its images ({told})." if same else f"No, the file asks for several ({told})."), ""


def _code(findings: Findings) -> tuple[str, Tone]:
    states = list(dict.fromkeys(entry.tag("git") for entry in findings.finished if entry.tag("git")))
    if not states or states == ["none"]:
        return "Not known: it was run outside of a repository.", "muted"
    told = ", ".join(f"{state.removesuffix(DIRTY)[:12]}{_changed(state)}" for state in states)
    if states == [states[0].removesuffix(DIRTY)]:
        return f"Yes, commit {told}.", ""
    return f"{'No' if len(states) > 1 else 'Not quite'}: {told}.", "bad"


def _changed(state: str) -> str:
    return " with uncommitted changes (uncommitted.diff of the matrix run)" if state.endswith(DIRTY) else ""


def _devices(findings: Findings) -> tuple[str, Tone]:
    counts = Counter(device_of(entry) for entry in findings.finished)
    if not counts:
        return "Nothing has run yet.", "muted"
    told = ", ".join(f"{name} ({amount(count, 'cell')})" for name, count in counts.items())
    return (f"Yes: {told}." if len(counts) == 1 else f"No, so times are not averaged over them: {told}."), ""


def _see(findings: Findings) -> Facts:
    matrix = findings.plan.matrix
    commands = {
        f"harness audit {matrix}": "computes every figure again from the logged predictions and compares",
        f"harness report {matrix}": "writes the same files from the same store, byte for byte",
        f"harness plan {matrix}": "shows each cell with its state, and whether its source has changed since",
        "harness ui": "shows every run: settings, epochs, predictions, pictures, the model itself",
    }
    return Facts(tuple(Fact(command, what, code=True) for command, what in commands.items()))


def facts(findings: Findings, store: ReportStore) -> tuple[Fact, ...]:
    """Return how the study was run; facts that nothing is known of are left out."""
    cells = findings.entries
    known = {
        "matrix file": findings.plan.matrix,
        "data": "; ".join(_unique(_dataset(entry.planned.cell.dataset) for entry in cells)),
        "data fingerprint": _tags(cells, "data_fingerprint"),
        "validation split digest": _tags(cells, "split_digest"),
        "seeds": ", ".join(_unique(str(seed) for seed in sorted(entry.seed for entry in cells))),
        "device": "; ".join(_unique(device_of(entry) for entry in findings.finished)),
        "host": _tags(cells, "host"),
        "commit": _tags(cells, "git"),
        "run": _times(findings),
        "journal": _journal(findings),
        "versions": "; ".join(_unique(_versions(entry, store) for entry in findings.finished)),
    }
    return tuple(Fact(name, text) for name, text in known.items() if text)


def cells_table(findings: Findings) -> Table:
    """Return one row for each planned cell, with its run."""
    return Table("Every cell and its run", CELLS, tuple(_cell(entry) for entry in findings.entries))


def _cell(entry: Entry) -> tuple[Value, ...]:
    run, seconds = entry.run, entry.metric(TRAIN_SECONDS)
    return (
        named(entry.planned.name),
        named(entry.state, "" if entry.state == "done" else "bad"),
        Value(str(entry.seed), entry.seed),
        _share(entry.metric(TEST)),
        _share(entry.metric(VALIDATION)),
        Value(NOTHING if seconds is None else duration(seconds), seconds),
        named(device_of(entry) if run else NOTHING),
        Value(moment(run.start), run.start) if run else Value(NOTHING),
        Value(run.run_id, run.run_id, code=True, runs=(Run("", run.run_id),)) if run else Value(NOTHING),
    )


def _share(share: float | None) -> Value:
    return Value(NOTHING if share is None else percent(share), share)


def _dataset(dataset: Dataset) -> str:
    validation = dataset.validation
    held_out = [
        f"{validation.size:,} images" if validation.size else "",
        f"{validation.fraction:g} of train" if validation.fraction else "",
        f"groups of {dataset.grouped_by}" if dataset.grouped_by and not validation.split else "",
        f"the split {validation.split} that the data set has" if validation.split else "",
    ]
    return f"{dataset_name(dataset)}, validation {' in '.join(filter(None, held_out))} (seed {validation.seed})"


def _journal(findings: Findings) -> str:
    """Return the last entry of the journal that is about this study: who notes its digest sees if it is rewritten."""
    own = [entry for entry in findings.journal if entry.study == findings.plan.study]
    if not own:
        return ""
    last = max(own, key=lambda entry: (entry.number, entry.time))
    return f"entry {last.number:,} is the study's last, with digest {last.digest[:16]}; note it to know it again"


def _times(findings: Findings) -> str:
    runs = [entry.run for entry in findings.finished if entry.run is not None]
    if not runs:
        return ""
    last = max(run.end or run.start for run in runs)
    fitting = duration(train_seconds(findings))
    return f"{moment(min(run.start for run in runs))} to {moment(last)}; {fitting} of fitting in all"


def _versions(entry: Entry, store: ReportStore) -> str:
    """Return the versions that environment.txt names, Python's first."""
    path = store.artifact(entry.run.run_id, "environment.txt") if entry.run is not None else None
    text = path.read_text() if path is not None else ""
    python = re.search(r"^python: (.+)$", text, re.MULTILINE)
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    versions = [f"{name} {pinned[name]}" for name in PACKAGES if name in pinned]
    return ", ".join([python.group(1) if python else "", *versions]).strip(", ")


def _tags(entries: Sequence[Entry], name: str) -> str:
    return ", ".join(_unique(entry.tag(name) for entry in entries if entry.is_finished))


def _unique(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
