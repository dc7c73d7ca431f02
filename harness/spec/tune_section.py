"""The `tune:` section: what `--set` changes in it, its entries, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.contracts import Tune
from harness.errors import nearest
from harness.plugins import Catalog
from harness.spec.document import section
from harness.spec.experiments import Experiment
from harness.spec.merging import put
from harness.spec.nodes import Fields, Node, Problems, child, plain
from harness.spec.overrides import TuneOverride
from harness.spec.tuning import WrittenTune, tuning

_SETTABLE: Final = tuple(name for name in WrittenTune.model_fields if name != "space")


def with_overrides(root: Fields, overrides: Mapping[str, TuneOverride], problems: Problems) -> Fields:
    """Return the document with `--set tune.NAME.KEY=VALUE` in it; one that reaches nothing is noted."""
    entries = dict(section(root, "tune", Problems()))
    for path, each in overrides.items():
        name, key = _parted(path, entries)
        entry = entries.get(name)
        wrong = _wrong(name, key, entries) or _unreachable(name, key, entry)
        if wrong:
            problems.add(each.mark, "", wrong)
        elif isinstance(entry, Fields):
            entries[name] = put(entry, key, each.value)
    node = root.fields.get("tune")
    if not isinstance(node, Fields):
        return root
    return root.with_fields({**root.fields, "tune": node.with_fields(entries)})


def _parted(path: str, entries: Mapping[str, object]) -> tuple[str, str]:
    """Return the name of an entry, which may have dots of its own, and the key below it."""
    rest = path.removeprefix("tune").removeprefix(".")
    names = [name for name in entries if rest == name or rest.startswith(f"{name}.")]
    name = max(names, key=len) if names else rest.partition(".")[0]
    return name, rest[len(name) + 1 :]


def _wrong(name: str, key: str, entries: Mapping[str, object]) -> str:
    first = key.partition(".")[0]
    if name not in entries:
        return f'there is no tuning study "{name}"{nearest(name, entries)}'
    if not key:
        return "is not of the form tune.NAME.KEY=VALUE"
    if first == "space":
        return "a space cannot be set; change the file"
    return "" if first in _SETTABLE else f'tune.{name} has no "{first}"{nearest(first, _SETTABLE)}'


def _unreachable(name: str, key: str, entry: Node | None) -> str:
    """Return what is wrong with a key below something that is no mapping."""
    above = f"tune.{name}"
    for part in key.split(".")[:-1]:
        entry = entry.fields.get(part) if isinstance(entry, Fields) else None
        above = f"{above}.{part}"
        if entry is not None and not isinstance(entry, Fields) and plain(entry) is not None:
            return f'there is nothing below "{above}"'
    return ""


def read_tune(
    root: Fields, experiments: Mapping[str, Experiment], catalog: Catalog, problems: Problems
) -> dict[str, Tune]:
    """Return the valid entries by experiment, in file order."""
    found: dict[str, Tune] = {}
    for name, node in section(root, "tune", problems).items():
        experiment = experiments.get(name)
        if experiment is not None:
            study = tuning(experiment, node, catalog, problems)
            found |= {} if study is None else {name: study}
        elif name not in section(root, "experiments", Problems()):
            _refuse_unknown(root, name, problems)
    return found


def _refuse_unknown(root: Fields, name: str, problems: Problems) -> None:
    node, known = root.fields["tune"], section(root, "experiments", Problems())
    assert isinstance(node, Fields)
    problems.at_key(node, name, f'there is no experiment "{name}"{nearest(name, known)}')


def places(root: Fields) -> dict[str, str]:
    """Return where each entry stands, as the lines of a MatrixError begin: `matrix.yaml:31:3: tune.mlp`."""
    node = root.fields.get("tune")
    if not isinstance(node, Fields):
        return {}
    return {name: f"{node.key_mark(name)}: {child('tune', name)}" for name in node.fields}
