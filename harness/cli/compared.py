"""Two runs of the store, held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.measure.predictions import Changes, Predictions, changes, read_predictions, unlike
from harness.track import Record, Store

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
