"""Ablations -> rows, one switch applied or all but the first few; each cell once, with all its places."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from harness.contracts import Ablation, Cell, Frozen, Place, Placed
from harness.matrix.checking import check
from harness.matrix.document import refuse_no_such
from harness.matrix.experiments import Assignment, Draft, Experiment, assignments_of
from harness.matrix.identity import canonical
from harness.matrix.nodes import Fields, Mark, Node, Problems
from harness.matrix.paths import PATH_OPTIONS
from harness.matrix.variants import Variant
from harness.plugins import Catalog


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cell for all its seeds, where it was written and where it goes."""

    cell: Cell
    seeds: tuple[int, ...]
    place: Place
    mark: Mark
    where: str
    may_coincide: bool
    """Ablation rows may be cells that are there already; two experiments' cells may not."""

    @property
    def title(self) -> str:
        """The run name without its seed."""
        return " ".join(part for part in (self.place.experiment, self.place.label) if part)


@dataclass(slots=True)
class _Entry:
    name: str
    cell: Cell
    first: Candidate
    places: list[Place] = field(default_factory=list)


def of_variants(experiment: Experiment, variants: Iterable[Variant]) -> Iterator[Candidate]:
    """Yield the valid cells of an experiment; with `--set` some may have become the same."""
    for each in variants:
        if each.draft.cell is not None:
            place = Place(experiment=experiment.name, variant=each.values, label=each.label)
            mark, where = each.mark, each.where
            yield Candidate(each.draft.cell, experiment.seeds, place, mark, where, bool(experiment.overrides))


def of_rows(rows: Iterable[Row]) -> Iterator[Candidate]:
    """Yield the valid cells of an ablation's rows."""
    for row in rows:
        if row.draft.cell is not None:
            values = tuple((each.path, each.written) for each in row.assignments)
            place = Place(experiment=row.ablation, variant=values, label=row.label)
            yield Candidate(row.draft.cell, row.base.seeds, place, row.mark, row.where, True)


def placed(candidates: Sequence[Candidate], catalog: Catalog, problems: Problems) -> tuple[Placed, ...]:
    """Return each cell once; the same cell twice, or a name twice, is noted as a problem."""
    entries: dict[str, _Entry] = {}
    firsts: dict[str, Candidate] = {}
    for each in candidates:
        same = _same_text(each.cell, catalog)
        for seed in each.seeds:
            text = f"{seed} {same}"
            first = firsts.setdefault(text, each)
            if first is not each and not each.may_coincide:
                _refuse_same(first, each, problems)
            name = f"{each.title} s{seed}"
            entry = entries.setdefault(text, _Entry(name, each.cell.model_copy(update={"seed": seed}), each))
            entry.places.append(each.place)
    _refuse_names(entries.values(), problems)
    return tuple(Placed(name=each.name, cell=each.cell, places=tuple(each.places)) for each in entries.values())


def _same_text(cell: Cell, catalog: Catalog) -> str:
    """Return a text that two cells share if they are the same cell of the same files."""
    files = {name: value for name, value in cell.dataset.options.items() if name in PATH_OPTIONS}
    return json.dumps([canonical(cell, catalog), files], sort_keys=True)


def _refuse_same(first: Candidate, second: Candidate, problems: Problems) -> None:
    names = f'"{second.title}" is the same cell as "{first.title}"'
    problems.add(second.mark, second.where, f"{names} ({first.mark}: {first.where})")


def _refuse_names(entries: Iterable[_Entry], problems: Problems) -> None:
    owners: dict[str, Candidate] = {}
    for entry in entries:
        owner = owners.setdefault(entry.name, entry.first)
        if owner is not entry.first:
            text = f'another cell is named "{entry.name}" already ({owner.mark}: {owner.where})'
            problems.add(entry.first.mark, entry.first.where, text)


class _Written(Frozen):
    base: str
    switch: dict[str, dict[str, JsonValue]]
    order: Literal["leave_one_out", "cumulative"] = "leave_one_out"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an ablation: the base with some switches applied."""

    ablation: str
    label: str
    assignments: tuple[Assignment, ...]
    mark: Mark
    where: str
    base: Experiment
    draft: Draft


def ablation(
    name: str, node: Node, experiments: Mapping[str, Experiment], catalog: Catalog, problems: Problems
) -> tuple[Ablation, tuple[Row, ...]] | None:
    """Return an `ablations:` entry and its rows, or None with its problems noted.

    The base is the experiment's own settings, before its `matrix` varies them: the same starting
    point as in `tune`.
    """
    written = check(_Written, node, problems)
    if name in experiments:
        problems.at(node, f'"{name}" is an experiment\'s name already')
    refuse_no_such(node, "base", "experiment", experiments, problems)
    if written is None or not isinstance(node, Fields) or written.base not in experiments:
        return None
    base = experiments[written.base]
    switches = _switches(node.fields["switch"], problems)
    rows = [
        Row(name, label, assigned, node.mark, node.path, base, base.draft(assigned, catalog, overridden=False))
        for label, assigned in _rows(written.order, switches)
    ]
    for row in rows:
        problems.take(row.draft.problems)
    return Ablation(name=name, base=base.name, order=written.order, rows=tuple(row.label for row in rows)), tuple(rows)


def _switches(node: Node, problems: Problems) -> dict[str, tuple[Assignment, ...]]:
    assert isinstance(node, Fields)
    if not node.fields:
        problems.at(node, "names nothing to switch off")
    found = {name: assignments_of(each, problems) for name, each in node.fields.items()}
    for name, assigned in found.items():
        if not assigned:
            problems.at(node.fields[name], "sets no path")
    return found


def _rows(order: str, switches: Mapping[str, Sequence[Assignment]]) -> Iterator[tuple[str, tuple[Assignment, ...]]]:
    """Yield label and paths of each row: all on, less one each; or all off, then on one by one."""
    if order == "leave_one_out":
        yield "base", ()
        yield from ((f"- {name}", tuple(assigned)) for name, assigned in switches.items())
        return
    names = list(switches)
    for count in range(len(names) + 1):
        label = f"+ {names[count - 1]}" if count else "none"
        yield label, tuple(each for name in names[count:] for each in switches[name])
