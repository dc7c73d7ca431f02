"""Ablations: each `switch:` of a base turned off by itself, or all of them turned on one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from harness.contracts import Ablation, Frozen
from harness.matrix.checking import check
from harness.matrix.document import refuse_name, refuse_no_such, section
from harness.matrix.experiments import Assignment, Draft, Experiment, assignments_of
from harness.matrix.nodes import Fields, Mark, Node, Problems, child
from harness.plugins import Catalog


class WrittenAblation(Frozen):
    """An `ablations:` entry as written."""

    base: str
    """The experiment whose settings, before its `matrix` varies them, have everything switched on."""
    switch: dict[str, dict[str, JsonValue]]
    """NAME: the paths, with their values, that switch this part off."""
    order: Literal["leave_one_out", "cumulative"] = "leave_one_out"
    """`leave_one_out`: all, and all less each one; `cumulative`: none, then one more in each row."""


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


def read_ablations(
    root: Fields, experiments: Mapping[str, Experiment], catalog: Catalog, problems: Problems
) -> tuple[tuple[Ablation, ...], tuple[Row, ...]]:
    """Return the valid entries of `ablations:`, and the rows of all of them, in file order."""
    entries = section(root, "ablations", problems)
    for name, node in entries.items():
        refuse_name(name, node.mark, node.path, problems)
    read = [_ablation(name, node, experiments, catalog, problems) for name, node in entries.items()]
    found = [each for each in read if each is not None]
    return tuple(each for each, _ in found), tuple(row for _, rows in found for row in rows)


def _ablation(
    name: str, node: Node, experiments: Mapping[str, Experiment], catalog: Catalog, problems: Problems
) -> tuple[Ablation, tuple[Row, ...]] | None:
    """Return an `ablations:` entry and its rows, or None with its problems noted.

    The base is the experiment's own settings, before its `matrix` varies them: the same starting
    point as in `tune`.
    """
    written = check(WrittenAblation, node, problems)
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
    for name in node.fields:
        refuse_name(name, node.key_mark(name), child(node.path, name), problems)
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
