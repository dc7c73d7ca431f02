"""`harness predict RUN IMAGE...`: what a finished run says of image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rich.text import Text

from harness.cli.console import print_json, results, say, table
from harness.cli.options import Predict
from harness.data.image_files import Picture, Unreadable
from harness.phases import phase
from harness.track import store_to_read
from harness.track.fitted import AT_ONCE, FittedRun, Predicted, chunks, load_fitted

MUCH_LARGER: Final = 4


@dataclass(frozen=True, slots=True)
class Guess:
    """A class with its score; `probability` is None for a model whose scores are margins."""

    label: str
    probability: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The first guesses of an image, and the height and width of its file."""

    path: str
    size: tuple[int, int]
    top: tuple[Guess, ...]


def perform(asked: Predict) -> int:
    """Print each image's likeliest classes; 2 if any file cannot be read.

    Raises:
        InputError: there is no such run, or it is not finished.
        StoreError: its model is missing or was changed.
    """
    fitted = load_fitted(store_to_read(asked.home), asked.run, asked.plugins)
    answers: list[Answer] = []
    faults: list[Unreadable] = []
    with phase("classifying"):
        for chunk in chunks(fitted.read(asked.images), AT_ONCE):
            faults += [each for each in chunk if isinstance(each, Unreadable)]
            answers += _answers(fitted, [each for each in chunk if isinstance(each, Picture)], asked.top)
    if asked.json:
        print_json(_as_json(fitted, answers, faults))
    else:
        _print(fitted, answers)
    for fault in faults:
        say(f"{fault.path}: {fault.reason}")
    _say_resized(fitted, answers)
    return 2 if faults else 0


def _answers(fitted: FittedRun, pictures: Sequence[Picture], top: int) -> list[Answer]:
    if not pictures:
        return []
    found = fitted.predict(np.stack([picture.pixels for picture in pictures]))
    best = np.argsort(-found.scores, axis=1, kind="stable")[:, :top]
    return [
        Answer(str(picture.path), picture.size, tuple(_guess(found, row, k) for k in best[row]))
        for row, picture in enumerate(pictures)
    ]


def _guess(found: Predicted, row: int, k: int) -> Guess:
    probability = None if found.probabilities is None else float(found.probabilities[row, k])
    return Guess(found.classes[k], probability, float(found.scores[row, k]))


def _print(fitted: FittedRun, answers: Sequence[Answer]) -> None:
    record, shape = fitted.record, " x ".join(map(str, fitted.task.shape))
    out = results()
    out.print(Text(record.name, style="bold"), Text(f"run {record.run_id[:8]}, study {record.study}, images {shape}"))
    what = "probability" if fitted.classifier.probabilistic else "margin"
    shown = table("image", "class", what, right=(what,))
    for answer in answers:
        for order, guess in enumerate(answer.top):
            figure = f"{guess.score:+.3f}" if guess.probability is None else f"{100 * guess.probability:.2f} %"
            shown.add_row(Text("" if order else answer.path), Text(guess.label), figure)
        shown.add_section()
    if answers:
        out.print("", shown)


def _say_resized(fitted: FittedRun, answers: Sequence[Answer]) -> None:
    """Say once what was done to pictures of another size than the model's images."""
    height, width, _ = fitted.task.shape
    sizes = [answer.size for answer in answers if answer.size != (height, width)]
    if not sizes:
        return
    largest = max(sizes, key=lambda size: size[0] * size[1])
    detail = "; most of its detail is gone" if max(largest) > MUCH_LARGER * max(height, width) else ""
    say(
        f"{len(sizes)} of {len(answers)} resized to {height} x {width} (bilinear, without regard to their aspect), "
        f"as the data set's images are; the largest was {largest[0]} x {largest[1]}{detail}"
    )


def _as_json(fitted: FittedRun, answers: Sequence[Answer], faults: Sequence[Unreadable]) -> dict[str, Any]:
    record = fitted.record
    return {
        "run": {"run_id": record.run_id, "name": record.name, "study": record.study, "key": record.key},
        "shape": list(fitted.task.shape),
        "probabilistic": fitted.classifier.probabilistic,
        "images": [_image_as_json(answer) for answer in answers],
        "errors": [{"path": str(each.path), "error": each.reason} for each in faults],
    }


def _image_as_json(answer: Answer) -> dict[str, Any]:
    top = [{"class": guess.label, "probability": guess.probability, "score": guess.score} for guess in answer.top]
    return {"path": answer.path, "size": list(answer.size), "top": top}
