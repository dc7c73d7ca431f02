"""`--set` and a search's space: what is set is not searched."""

from __future__ import annotations

from harness.spec.conditions import when
from harness.spec.experiments import Assignment, Experiment
from harness.spec.nodes import Fields, Problems


def free(experiment: Experiment, space: Fields, problems: Problems) -> Fields | None:
    """Return the dimensions that no `--set` fixes, as an axis that is set collapses to one value.

    None with a problem noted where one cannot be fixed: what others depend on, an option of a
    component that is itself searched (another one would not have it), and the last dimension.
    """
    found, kept = Problems(), dict(space.fields)
    for path in space.fields:
        for each in experiment.overrides:
            if _named(each.path) == _named(path):
                kept.pop(path, None)
                _refuse_needed(each, path, space, found)
            elif each.path.startswith(f"{_named(path)}.") and _has_choices(space, path):
                text = f"not every choice of {path} has this option ({space.key_mark(path)}: {space.path})"
                found.add(each.mark, "", text)
    if not kept:
        last = [each for each in experiment.overrides if _named(each.path) in map(_named, space.fields)][-1]
        found.add(last.mark, "", f"leaves nothing to search ({space.mark}: {space.path})")
    problems.take(found)
    return None if found else space.with_fields(kept)


def _refuse_needed(override: Assignment, path: str, space: Fields, problems: Problems) -> None:
    for name, node in space.fields.items():
        if path in when(node):
            problems.add(override.mark, "", f"{name} is searched when {path} has a value ({space.mark}: {space.path})")


def _has_choices(space: Fields, path: str) -> bool:
    node = space.fields[path]
    return isinstance(node, Fields) and "choices" in node.fields


def _named(path: str) -> str:
    """Return the path of a component for the path of its name."""
    return path.removesuffix(".name")
