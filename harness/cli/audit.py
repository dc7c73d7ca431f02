"""`harness audit`: the test openings, and whether the report can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.padding import Padding
from rich.text import Text

from harness.api.read import plan_of_file, report_folder
from harness.audit import Evidence, Finding, Verdict, gather_evidence, not_checked, verdicts
from harness.cli.console import print_json, results, table
from harness.cli.options import Audit
from harness.contracts import Opening
from harness.phases import phase
from harness.track import store_to_read
from harness.track.journal import last_of
from harness.words import amount, iso_moment

MOST_SHOWN = 10
"""Findings of one check that are printed; --json has all."""


def perform(asked: Audit) -> int:
    """Print the openings and the verdict of each check; return 1 if one failed.

    Raises:
        InputError: the matrix file has problems, or its study was never run.
        StoreError: the store cannot be read.
    """
    store = store_to_read(asked.home)
    plan = plan_of_file(store, asked.matrix, asked.plugins)
    folder = report_folder(store, plan)
    with phase(f"reading the runs of {folder.name}"):
        evidence = gather_evidence(store, plan, asked.report or folder)
    if asked.json:
        found = tuple(verdicts(evidence, asked.tolerance))
        print_json(_as_json(evidence, found))
    else:
        _print_openings(evidence)
        found = tuple(_printed(verdict) for verdict in verdicts(evidence, asked.tolerance))
        _print_end(evidence, found)
    return 0 if all(verdict.is_passed for verdict in found) else 1


def _print_openings(evidence: Evidence) -> None:
    out = results()
    listed = table("opened at (UTC)", "cell", "model", "run", "host")
    for each in evidence.openings:
        name = Text(evidence.name_of(each))
        listed.add_row(iso_moment(each.time), name, each.model_digest[:8], each.run_id[:8], Text(each.host))
    if not evidence.openings:
        out.print("no opening of the test set\n")
        return
    out.print(listed)
    cells = len({evidence.name_of(each) for each in evidence.openings})
    out.print(f"\n{amount(len(evidence.openings), 'opening')} of the test set, by {amount(cells, 'cell')}\n")


def _printed(verdict: Verdict) -> Verdict:
    """Print a verdict as soon as it is known; the next check may take a while."""
    out = results()
    word, style = _word(verdict)
    line = Text(f"{word:6}  ", style=style).append(f"{verdict.name:9}  {verdict.claim}", style="none")
    out.print(line)
    ordered = sorted(verdict.findings, key=lambda finding: not finding.is_fault)
    for finding in ordered[:MOST_SHOWN]:
        out.print(Padding.indent(_told(finding), 8))
    if len(ordered) > MOST_SHOWN:
        out.print(Padding.indent(Text(f"and {len(ordered) - MOST_SHOWN:,} more; --json lists all", style="dim"), 8))
    return verdict


def _word(verdict: Verdict) -> tuple[str, str]:
    """Return a verdict in a word, and its style."""
    if not verdict.is_passed:
        return "FAILED", "bold red"
    return ("noted", "yellow") if verdict.findings else ("ok", "green")


def _told(finding: Finding) -> Text:
    text = Text("" if finding.is_fault else "note: ", style="yellow")
    text.append(f"{finding.where}: {finding.what}", style="none")
    return text.append(f" (run {finding.run_id[:8]})" if finding.run_id else "", style="dim")


def _print_end(evidence: Evidence, found: Sequence[Verdict]) -> None:
    """Print what was not checked, the journal's last digest, and the verdict."""
    out, journal = results(), evidence.findings.journal
    out.print()
    for each in not_checked(evidence):
        out.print(Padding.indent(Text(f"not checked: {each}", style="dim"), 8))
    if journal:
        last = max(journal, key=lambda entry: (entry.number, entry.time))
        out.print(f"\nentry {last.number:,} of the journal is its last; note its digest to know it again:")
        out.print(last.digest)
    failed = [verdict.name for verdict in found if not verdict.is_passed]
    notes = sum(not finding.is_fault for verdict in found for finding in verdict.findings)
    words = f"FAILED: {', '.join(failed)}" if failed else "every check passed, of what can be checked here"
    more = f", {amount(notes, 'note')} to read" if notes else ""
    out.print(Text(f"\nstudy {evidence.plan.study}: {words}{more}", style="bold red" if failed else "bold"))


def _as_json(evidence: Evidence, found: Sequence[Verdict]) -> object:
    return {
        "study": evidence.plan.study,
        "passed": all(verdict.is_passed for verdict in found),
        "openings": [_opening(evidence, each) for each in evidence.openings],
        "not_checked": not_checked(evidence),
        "journal": [{"number": each.number, "digest": each.digest} for each in last_of(evidence.findings.journal)],
        "checks": [asdict(verdict) | {"passed": verdict.is_passed} for verdict in found],
    }


def _opening(evidence: Evidence, opening: Opening) -> object:
    return {"cell": evidence.name_of(opening), **asdict(opening)}
