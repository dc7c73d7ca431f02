"""The fitted model of a run, as it was evaluated, and what it says of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import torch

from harness.cell.saved import CELL, TASK, load_classifier, model_digest
from harness.contracts import Cell, Classifier, Task
from harness.data.image_files import Picture, Reading, Unreadable, files_below, read_picture
from harness.errors import InputError, StoreError
from harness.files import SEAL, fault_of
from harness.matrix import cell_from_yaml
from harness.measure.scores import log_softmax
from harness.plugins import Catalog
from harness.track.finding import find_run, require_finished
from harness.track.runs import Record
from harness.track.store import Store, home_of, store_to_read

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

T = TypeVar("T")
AT_ONCE: Final = 256
"""Images in memory at a time."""
MOST_TOLD: Final = 10


def load_model(run: str, *, home: str | Path | None = None, plugins: Sequence[str | Path] = ()) -> FittedRun:
    """Return a finished run's model, on the CPU, to predict with: `load_model("small-cnn s0").predict(images)`.

    Args:
        run: A run's name, its id or six and more of its first digits, or its cell's key.
        home: Where it was run; `$HARNESS_HOME`, else `.harness`.
        plugins: Folders of your own components.

    Raises:
        InputError: there is no such run, it is not finished, or its components are not to be found.
        StoreError: the model is missing in the store, or is not the one that was evaluated.
    """
    return load_fitted(store_to_read(home_of(home)), run, tuple(map(Path, plugins)))


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of N images."""

    classes: tuple[str, ...]
    """The K classes, in the order of the columns of `scores`."""
    scores: NDArray[np.float32]
    """[N, K]; the largest of a row wins."""
    probabilities: NDArray[np.float64] | None
    """[N, K], in [0, 1]; None of a model whose scores are margins, such as an SVM."""
    paths: tuple[Path, ...] = ()
    """The N files, where images were files."""

    @property
    def labels(self) -> list[str]:
        """The winning class of each image."""
        return [self.classes[k] for k in self.scores.argmax(axis=1)]

    def to_frame(self) -> pd.DataFrame:
        """Return a row an image: the winner, then a column a class of probabilities, or of scores without them."""
        import pandas as pd  # noqa: PLC0415  (the command line has no use for it)

        figures = self.scores if self.probabilities is None else self.probabilities
        frame = pd.DataFrame(figures, columns=list(self.classes), index=list(map(str, self.paths)) or None)
        frame.insert(0, "label", self.labels, allow_duplicates=True)
        return frame


@dataclass(frozen=True, slots=True)
class FittedRun:
    """A finished run with its classifier, on the CPU; `folder` holds the files of the saved model."""

    record: Record
    cell: Cell
    task: Task
    """Classes, shape of the images, channel statistics."""
    classifier: Classifier
    folder: Path
    catalog: Catalog

    def predict(self, images: NDArray[np.uint8] | str | Path | Sequence[str | Path]) -> Predicted:
        """Return what the model says of images.

        Args:
            images: Pixels, uint8 [N, H, W, C] of the model's own shape, or [N, H, W] where C is 1. Or image files, or
                folders of them: they are decoded and resized as the data set's images are.

        Raises:
            InputError: pixels of another type or shape, or files that are no images (names them).
        """
        if isinstance(images, np.ndarray):
            return self._predict(self._checked(images))
        files = [images] if isinstance(images, str | Path) else list(images)
        paths, scores, faults = [], [], []
        for chunk in chunks(self.read(map(Path, files)), AT_ONCE):
            faults += [each for each in chunk if isinstance(each, Unreadable)]
            pictures = [each for each in chunk if isinstance(each, Picture)]
            if pictures and not faults:
                paths += [each.path for each in pictures]
                scores.append(self._predict(np.stack([each.pixels for each in pictures])).scores)
        if faults:
            more = f"\nand {len(faults) - MOST_TOLD:,} more" if len(faults) > MOST_TOLD else ""
            raise InputError("\n".join(f"{each.path}: {each.reason}" for each in faults[:MOST_TOLD]) + more)
        none = np.zeros((0, len(self.task.classes)), dtype=np.float32)
        return self._predicted(np.concatenate([none, *scores]), tuple(paths))

    def read(self, files: Iterable[Path]) -> Iterator[Picture | Unreadable]:
        """Yield image files, and those of folders, as the model takes them; of a file that is none, why not."""
        reading = Reading.of(self.cell.dataset.options)
        for path in files_below(files):
            yield path if isinstance(path, Unreadable) else read_picture(path, self.task.shape, reading)

    def _predict(self, pixels: NDArray[np.uint8]) -> Predicted:
        return self._predicted(self.classifier.predict(pixels))

    def _predicted(self, scores: NDArray[np.float32], paths: tuple[Path, ...] = ()) -> Predicted:
        shares = np.exp(log_softmax(scores)) if self.classifier.probabilistic else None
        return Predicted(self.task.classes, scores, shares, paths)

    def _checked(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        given = pixels[..., None] if pixels.ndim == 3 and self.task.shape[2] == 1 else pixels
        if given.dtype != np.uint8 or given.shape[1:] != self.task.shape:
            wanted = ", ".join(map(str, self.task.shape))
            raise InputError(f"the model takes uint8 [N, {wanted}], not {pixels.dtype} {list(pixels.shape)}")
        return np.ascontiguousarray(given)


def load_fitted(store: Store, asked: str, plugins: Sequence[Path]) -> FittedRun:
    """Return the run that is meant with its model.

    Raises:
        InputError: there is no such run, it is not finished, or its components are not to be found.
        StoreError: the model is missing in the store, or is not the one that was evaluated.
    """
    record = require_finished(find_run(store, asked))
    folder = store.artifact(record.run_id, "model")
    if folder is None:
        raise StoreError(f"run {record.name} ({record.run_id}) has no model in the store")
    _require_evaluated(record, folder)
    catalog = Catalog(plugins)
    try:
        classifier, task = load_classifier(folder, catalog, torch.device("cpu"))
    except InputError as error:
        raise InputError(f"{error}\nif it is a component of your own, name its folder with --plugins") from error
    return FittedRun(record, cell_from_yaml((folder / CELL).read_text()), task, classifier, folder, catalog)


def _require_evaluated(record: Record, folder: Path) -> None:
    """Compare the weights with the digest that was recorded before they met the test images, the rest with its seal."""
    recorded = record.tags.get("harness.model_digest")
    try:
        found = model_digest(folder)
    except OSError as error:
        raise StoreError(f"{folder}: the model cannot be read ({error})") from error
    if recorded not in (None, found):
        raise StoreError(f"{folder}: the weights (digest {found}) are not those that were evaluated ({recorded})")
    if (folder / SEAL).exists() and (fault := fault_of(folder, (CELL, TASK))):  # earlier versions sealed none
        raise StoreError(f"{folder}: this is not the model that was evaluated: {fault}")


def chunks(each: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield what there is in lists of so many, the last one shorter."""
    rest = iter(each)
    while chunk := list(islice(rest, size)):
        yield chunk
