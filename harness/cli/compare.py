"""`harness compare RUN RUN`: what differs in settings and figures, and which images changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.text import Text

from harness.cli.console import print_json, results, table, tell
from harness.cli.options import Compare
from harness.contracts.metrics import METRICS
from harness.measure.predictions import Changes, Predictions, changes, read_predictions, unlike
from harness.track import Record, Store, store_to_read
from harness.track.finding import find_run
from harness.words import metric_change, metric_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHANCE: Final = 0.05
LONGEST_VALUE: Final = 26
SPLITS: Final = {"test": "test", "val": "validation"}


Split = Literal["val", "test"]
_ABOUT: Final = ("git", "source_digest", "data_fingerprint", "device", "hardware")
"""Tags of what can change a result beside the settings: the code, the data and the machine."""
_COMPONENT: Final = (".name", ".augment")
_DATA: Final = "dataset."
_SAME_IMAGES: Final = ("dataset.resize", "dataset.channels", "dataset.validation.", "dataset.limit")
"""Settings that leave it the same data set: its test images keep their order and labels."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting, or a tag, with its value in A and in B; None where one has none."""

    name: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's last value in A and in B."""

    name: str
    a: float | None
    b: float | None


@dataclass(frozen=True, slots=True)
class Paired:
    """Both runs' predictions of the same images, and what differs between them."""

    a: Predictions
    b: Predictions
    changes: Changes


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is known of two runs side by side; `refused` says why nothing is paired."""

    a: Record
    b: Record
    settings: tuple[Difference, ...]
    about: tuple[Difference, ...]
    figures: tuple[Figure, ...]
    split: Split | None
    paired: Paired | None
    refused: str = ""

    @property
    def is_same_machine(self) -> bool:
        """Whether times and memory can be compared."""
        return self.a.tags.get("harness.hardware") == self.b.tags.get("harness.hardware")


def perform(asked: Compare) -> int:
    """Print the comparison of two runs.

    Raises:
        InputError: there is no such run, or several could be meant.
    """
    store = store_to_read(asked.home)
    found = compare(store, find_run(store, asked.run), find_run(store, asked.other), asked.split)
    if asked.json:
        print_json(_as_json(found))
        return 0
    _print_runs(found)
    _print_settings(found)
    _print_figures(found)
    if found.paired is None:
        tell(results(), f"\nnot paired: {found.refused}", style="yellow")
    else:
        _print_test(found, found.paired)
        _print_changes(found.paired, asked.first)
    return 0


def compare(store: Store, a: Record, b: Record, split: Split | None = None) -> Comparison:
    """Hold two runs against each other; without a split on the test images if both predicted them, else validation."""
    chosen = split or _common_split(store, a, b)
    paired, refused = _paired(store, a, b, chosen)
    settings = _differences(a.params, b.params)
    return Comparison(
        a,
        b,
        settings=settings,
        about=_about(a, b, settings),
        figures=tuple(Figure(name, a.metrics.get(name), b.metrics.get(name)) for name in {**a.metrics, **b.metrics}),
        split=chosen,
        paired=paired,
        refused=refused,
    )


def folded(settings: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return the settings with those of a recipe that only one of the two has as one line."""
    recipe = [each for each in settings if each.name.startswith("recipe.")]
    for side in ("a", "b"):
        if len(recipe) > 1 and all(getattr(each, side) is None for each in recipe):
            words = {"a": f"{len(recipe)} settings", "b": f"{len(recipe)} settings", side: "none"}
            return (*(each for each in settings if each not in recipe), Difference("recipe", words["a"], words["b"]))
    return tuple(settings)


def _about(a: Record, b: Record, settings: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return what differs around the two runs; other components have other sources, which need not be said."""
    tags = [{name: record.tags.get(f"harness.{name}", "") for name in _ABOUT} for record in (a, b)]
    swapped = any(each.name.endswith(_COMPONENT) for each in settings)
    return tuple(each for each in _differences(*tags) if not (swapped and each.name == "source_digest"))


def _differences(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Difference, ...]:
    names = dict.fromkeys((*a, *b))
    return tuple(Difference(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name))


def _common_split(store: Store, a: Record, b: Record) -> Split | None:
    splits: tuple[Split, ...] = ("test", "val")
    return next((each for each in splits if all(_has(store, record, each) for record in (a, b))), None)


def _paired(store: Store, a: Record, b: Record, split: Split | None) -> tuple[Paired | None, str]:
    """Return the pairing, or why there is none."""
    if split is None:
        return None, f"no split that both predicted: {_predicted(store, a, 'A')}, {_predicted(store, b, 'B')}"
    lacking = [name for name, record in (("A", a), ("B", b)) if not _has(store, record, split)]
    if lacking:
        return None, f"{' and '.join(lacking)} predicted no {split} images"
    first, second = _read(store, a, split), _read(store, b, split)
    reason = _other_data(a, b) or unlike(first, second)
    if reason:
        return None, reason
    return Paired(first, second, changes(first, second)), ""


def _other_data(a: Record, b: Record) -> str:
    """Return how the data sets differ, if they are others; equal index and labels could be chance."""
    if a.tags.get("harness.data_fingerprint") == b.tags.get("harness.data_fingerprint"):
        return ""
    sets = [_data_set(record) for record in (a, b)]
    differing = _differences(*sets)
    said = "; ".join(f"{each.name} is {each.a or 'unset'} in A, {each.b or 'unset'} in B" for each in differing)
    return f"other data sets: {said}" if said else ""


def _data_set(record: Record) -> dict[str, str]:
    params = record.params.items()
    return {name: value for name, value in params if name.startswith(_DATA) and not name.startswith(_SAME_IMAGES)}


def _predicted(store: Store, record: Record, name: str) -> str:
    splits: tuple[Split, ...] = ("val", "test")
    return f"{name} has {' and '.join(each for each in splits if _has(store, record, each)) or 'none'}"


def _has(store: Store, record: Record, split: Split) -> bool:
    return store.artifact(record.run_id, f"predictions/{split}.parquet") is not None


def _read(store: Store, record: Record, split: Split) -> Predictions:
    path = store.artifact(record.run_id, f"predictions/{split}.parquet")
    assert path is not None
    return read_predictions(path)


def _print_runs(found: Comparison) -> None:
    shown = table("", "run", "id", "study", "state")
    for letter, record in (("A", found.a), ("B", found.b)):
        shown.add_row(letter, Text(record.name), record.run_id[:8], Text(record.study), record.status.lower())
    results().print(shown)


def _print_settings(found: Comparison) -> None:
    out = results()
    if not found.settings:
        out.print("\nNo setting differs.")
    if not (found.settings or found.about):
        return
    shown = table("what differs", "A", "B")
    for each in folded(found.settings):
        shown.add_row(Text(each.name), *_values(each))
    shown.add_section()
    for each in found.about:
        shown.add_row(Text(each.name.replace("_", " "), style="dim"), *_values(each))
    out.print("", shown)


def _values(each: Difference) -> tuple[Text, Text]:
    a, b = (Text("-" if value is None else _cut(value)) for value in (each.a, each.b))
    return a, b


def _cut(text: str) -> str:
    """Return the text, a long one without its middle: paths differ at their ends, commits at their beginnings."""
    half = LONGEST_VALUE // 2
    return text if len(text) <= LONGEST_VALUE else f"{text[:half]}…{text[1 - half :]}"


def _print_figures(found: Comparison) -> None:
    shown = table("figure", "A", "B", "B - A", right=("A", "B", "B - A"))
    by_name = {each.name: each for each in found.figures}
    for name in (name for name, row in METRICS.items() if name in by_name and row.is_final):
        a, b = by_name[name].a, by_name[name].b
        is_comparable = found.is_same_machine or not METRICS[name].is_of_machine
        shown.add_row(
            name, metric_text(name, a), metric_text(name, b), metric_change(name, a, b) if is_comparable else ""
        )
    results().print("", shown)


def _print_test(found: Comparison, paired: Paired) -> None:
    changed = paired.changes
    low, high = changed.interval()
    split, count = SPLITS[found.split or "test"], f"{changed.count:,}"
    test = "McNemar's exact test" if changed.groups is None else "a paired test over groups of images"
    lines = (
        f"The same {count} {split} images: B - A is {100 * changed.difference:+.2f} points, "
        f"95 % interval {100 * low:+.2f} to {100 * high:+.2f} (paired bootstrap{_of_groups(changed)}).",
        f"{len(changed.gained):,} wrong -> right, {len(changed.lost):,} right -> wrong: "
        f"{test} {_p(changed.p_value)}; {_verdict(changed.p_value, changed.difference)}",
    )
    out = results()
    out.print()
    for line in (*lines, "That is of these two runs: with other seeds either could be better or worse."):
        tell(out, line)


def _of_groups(changed: Changes) -> str:
    return "" if changed.groups is None else f" of {changed.groups.max() + 1} groups of images"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.4f}" if value < 0.1 else f"p = {value:.2f}"


def _verdict(p_value: float, difference: float) -> str:
    if p_value >= CHANCE:
        return "chance alone could do that."
    return f"{'B' if difference > 0 else 'A'} is better by more than chance."


def _print_changes(paired: Paired, first: int) -> None:
    changed = paired.changes
    kinds = (("right -> wrong", changed.lost), ("wrong -> right", changed.gained), ("wrong, other", changed.moved))
    shown = table("changed", "images", "index", "is", "A says", "B says", right=("images", "index"))
    for kind, rows in kinds:
        shown.add_section()
        shown.add_row(kind, f"{len(rows):,}", *_said(paired, rows[:1] if first else rows[:0]))
        for row in range(1, min(first, len(rows))):
            shown.add_row("", "", *_said(paired, rows[row : row + 1]))
    results().print("", shown)


def _said(paired: Paired, row: NDArray[np.int64]) -> tuple[str | Text, ...]:
    """Return index, true class and both answers of a row of the predictions, or nothing."""
    if not len(row):
        return ()
    index, *classes = _answers(paired, int(row[0])).values()
    return (str(index), *(Text(str(name)) for name in classes))


def _answers(paired: Paired, row: int) -> dict[str, int | str]:
    a, b = paired.a, paired.b
    names = a.classes
    said = {"label": a.labels[row], "a": a.predicted[row], "b": b.predicted[row]}
    return {"index": int(a.index[row]), **{key: names[int(each)] for key, each in said.items()}}


def _as_json(found: Comparison) -> dict[str, Any]:
    return {
        "a": _run_as_json(found.a),
        "b": _run_as_json(found.b),
        "settings": [asdict(each) for each in found.settings],
        "about": [asdict(each) for each in found.about],
        "metrics": [asdict(each) for each in found.figures],
        "split": found.split,
        "refused": found.refused or None,
        "paired": found.paired and _paired_as_json(found.paired),
    }


def _run_as_json(record: Record) -> dict[str, str]:
    return {each: getattr(record, each) for each in ("run_id", "name", "study", "key", "status")}


def _paired_as_json(paired: Paired) -> dict[str, Any]:
    changed = paired.changes
    kinds = {"right_to_wrong": changed.lost, "wrong_to_right": changed.gained, "wrong_to_wrong": changed.moved}
    return {
        "images": changed.count,
        "accuracy_a": float(paired.a.right.mean()),
        "accuracy_b": float(paired.b.right.mean()),
        "difference": changed.difference,
        "interval": list(changed.interval()),
        "p_value": changed.p_value,
        "counts": {kind: len(rows) for kind, rows in kinds.items()},
        "changed": {kind: _all_answers(paired, rows.tolist()) for kind, rows in kinds.items()},
    }


def _all_answers(paired: Paired, rows: Sequence[int]) -> list[dict[str, int | str]]:
    return [_answers(paired, row) for row in rows]
