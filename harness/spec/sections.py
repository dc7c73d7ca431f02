"""The small sections of a matrix file: version, study, seeds, claims, budget, report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from harness.contracts import Budget, Cell, Claim, ReportSettings
from harness.contracts.metrics import FINAL_METRICS
from harness.errors import nearest
from harness.spec.checking import check
from harness.spec.document import VERSION
from harness.spec.measurable import unmeasured
from harness.spec.nodes import Fields, Items, Node, Problems, Scalar, plain, shown

MOST_SEEDS: Final = 10_000


def study_name(root: Fields, problems: Problems) -> str:
    """Return the study's name; version and name are noted where they are wrong."""
    version = root.fields.get("version")
    if version is None:
        problems.add(root.mark, "version", f"is missing; write version: {VERSION}")
    elif plain(version) != VERSION or isinstance(plain(version), bool):
        problems.at(version, f"{shown(plain(version))} is not a version that can be read; valid: {VERSION}")
    name = root.fields.get("study")
    if name is None:
        problems.add(root.mark, "study", "is missing")
        return ""
    if not isinstance(name, Scalar) or not isinstance(name.value, str) or not name.value.strip():
        quotes = " (put it in quotes)" if isinstance(plain(name), int | float) else ""
        problems.at(name, f"{shown(plain(name))} is not a name{quotes}")
        return ""
    return name.value


def seeds(node: Node, problems: Problems) -> tuple[int, ...]:
    """Return a list of seeds, `3` being short for [0, 1, 2]; empty with a problem noted."""
    value = plain(node)
    if _is_whole(value) and isinstance(value, int) and 0 < value <= MOST_SEEDS:
        return tuple(range(value))
    if not isinstance(node, Items) or not node.items:
        problems.at(node, f"{shown(value) if value != [] else 'an empty list'} is not a list of seeds, nor how many")
        return ()
    found: list[int] = []
    for item in node.items:
        seed = plain(item)
        if not _is_whole(seed) or not isinstance(seed, int) or seed < 0:
            problems.at(item, f"{shown(seed)} is not a seed: a whole number of at least 0")
        elif seed in found:
            problems.at(item, f"seed {seed} is there twice")
        else:
            found.append(seed)
    return tuple(found)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def claims(root: Fields, experiments: Collection[str], problems: Problems) -> tuple[Claim, ...]:
    """Return `claims:`; each is about an experiment and a final metric that exist."""
    node = root.fields.get("claims")
    if node is None:
        return ()
    if not isinstance(node, Items):
        problems.at(node, f"{shown(plain(node))} is not a list of claims")
        return ()
    found = [check(Claim, item, problems) for item in node.items]
    for item in node.items:
        refuse_no_such(item, "experiment", "experiment", experiments, problems)
        refuse_no_such(item, "metric", "metric", FINAL_METRICS, problems)
    return tuple(claim for claim in found if claim is not None)


def refuse_unmeasured(root: Fields, cells: Mapping[str, Sequence[Cell]], problems: Problems) -> None:
    """Note claims on a metric that no cell of the experiment can ever leave."""
    node = root.fields.get("claims")
    for item in node.items if isinstance(node, Items) else ():
        named = {name: plain(value) for name, value in item.fields.items()} if isinstance(item, Fields) else {}
        experiment, metric = named.get("experiment"), named.get("metric")
        if isinstance(item, Fields) and isinstance(metric, str) and isinstance(experiment, str):
            reasons = [unmeasured(metric, cell) for cell in cells.get(experiment, ())]
            if reasons and all(reasons):
                text = f'"{metric}" of {experiment} can never be measured: {reasons[0]}'
                problems.at(item.fields["metric"], text)


def refuse_no_such(node: Node, key: str, what: str, valid: Collection[str], problems: Problems) -> None:
    """Note a name under `key` of a mapping that is none of the valid ones."""
    named = node.fields.get(key) if isinstance(node, Fields) else None
    if isinstance(named, Scalar) and isinstance(named.value, str) and named.value not in valid:
        problems.at(named, f'there is no {what} "{named.value}"{nearest(named.value, valid)}')


def budget(root: Fields, problems: Problems) -> Budget:
    """Return `budget:`."""
    node = root.fields.get("budget")
    return Budget() if node is None else check(Budget, node, problems) or Budget()


def report(root: Fields, experiments: Collection[str], problems: Problems) -> ReportSettings:
    """Return `report:`; its baseline is an experiment that exists."""
    node = root.fields.get("report")
    if node is None:
        return ReportSettings()
    refuse_no_such(node, "baseline", "experiment", experiments, problems)
    return check(ReportSettings, node, problems) or ReportSettings()
