"""What goes wrong: galleries of errors, a confused pair, and the images that no model gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.scores import confusion_matrix
from harness.measure.thumbnails import Sheet
from harness.report.blocks import Run
from harness.report.predictions import Member, Panel
from harness.report.store import ReportStore
from harness.report.tiles import Picture, by_index, sheets_of, surest
from harness.report.variants import runs_of
from harness.words import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS: Final = {"test": "test", "val": "validation"}
SHOWN: Final = 12
SHOWN_OF_ALL: Final = 24
WHY: Final = "A report reads no data set, so pictures of errors need a new run."


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures with a heading and a line that says which of how many they are."""

    title: str
    text: str
    pictures: tuple[Picture, ...]
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorsOn:
    """The errors on one set of images: most confident ones by variant, a confused pair, and what all get wrong."""

    title: str
    left_out: str
    """Which variants say nothing of an image, empty where all do."""
    confident: tuple[Gallery, ...]
    lead: str
    """The first variant with thumbnails, whose confused pair is shown; empty without one."""
    pair: tuple[Gallery, ...]
    by_all: Gallery | None
    lacking: str
    """Why there are no pictures, empty where there are."""


def errors_on(panel: Panel, store: ReportStore) -> ErrorsOn:
    """Return the errors of a panel; pictures come from the sheets that its cells left."""
    sheets = {member.variant.name: sheets_of(member, panel.split, store) for member in panel.members}
    all_sheets = [sheet for each in sheets.values() for sheet in each]
    lead = next((member for member in panel.members if sheets[member.variant.name]), None)
    return ErrorsOn(
        title=f"{panel.dataset}, {SPLITS[panel.split]} images",
        left_out=f"Left out: {', '.join(panel.constant)}, one class for every image." if panel.constant else "",
        confident=tuple(_confident(member, each) for member in panel.members if (each := sheets[member.variant.name])),
        lead=lead.variant.name if lead else "",
        pair=_pair(lead, sheets[lead.variant.name], panel) if lead else (),
        by_all=wrong_by_all(panel, by_index(all_sheets)),
        lacking=_lacking([name for name, each in sheets.items() if not each], len(sheets)),
    )


def _lacking(without: Sequence[str], members: int) -> str:
    if not without:
        return ""
    whose = "any model" if len(without) == members else ", ".join(without)
    return f"There are no thumbnails of {whose}: these runs were made before the harness kept any. {WHY}"


def _confident(member: Member, sheets: Sequence[Sheet]) -> Gallery:
    wrong = {tile.index for sheet in sheets for tile in sheet.tiles}
    pictures = surest(sheets, SHOWN)
    mean = np.mean([sheet.errors for sheet in sheets])
    is_all = len(pictures) == len(wrong) and all(sheet.errors == len(sheet.tiles) for sheet in sheets)
    which = "all of them" if is_all else f"the {len(pictures)} surest"
    seeds = f" (mean of {len(sheets)} seeds)" if len(sheets) > 1 else ""
    text = f"{mean:,.4g} of {sheets[0].images:,} images misclassified{seeds}; {which}, each image once"
    said = text if pictures else "no image misclassified"
    return Gallery(member.variant.name, said, pictures, runs_of(member.variant))


def _pair(member: Member, sheets: Sequence[Sheet], panel: Panel) -> tuple[Gallery, ...]:
    """Return both directions of the two classes that a variant confuses most."""
    counts = sum(confusion_matrix(panel.labels, said.predicted, len(panel.classes)) for said in member.said)
    wrong = np.asarray(counts) - np.diag(np.diag(np.asarray(counts)))
    both = np.triu(wrong + wrong.T)
    if not both.any():
        return ()
    one, other = (int(place) for place in np.unravel_index(both.argmax(), both.shape))
    directions = sorted([(one, other), (other, one)], key=lambda pair: -wrong[pair])
    return tuple(_direction(pair, int(wrong[pair]), member, sheets, panel) for pair in directions if wrong[pair])


def _direction(pair: tuple[int, int], count: int, member: Member, sheets: Sequence[Sheet], panel: Panel) -> Gallery:
    pictures = surest(sheets, SHOWN, pair)
    true, said = (panel.classes[place] for place in pair)
    seeds = f" by {amount(len(member.said), 'seed')}" if len(member.said) > 1 else ""
    text = f"{amount(count, 'time')}{seeds}; {amount(len(pictures), 'image')} shown, the surest first"
    return Gallery(f"{true} taken for {said}", text, pictures)


def wrong_by_all(panel: Panel, pixels: dict[int, NDArray[np.uint8]]) -> Gallery | None:
    """Return the images that every cell of every variant gets wrong, those first that most take for the same class.

    None with fewer than two variants.
    """
    members = panel.members
    if len(members) < 2:
        return None
    said = np.stack([each.predicted for member in members for each in member.said])
    places = np.flatnonzero((said != panel.labels).all(axis=0))
    votes = [np.bincount(said[:, place], minlength=len(panel.classes)) for place in places]
    index = panel.images.index[places].tolist()
    order = sorted(range(len(places)), key=lambda row: (-int(votes[row].max()), index[row]))
    shown = [row for row in order if index[row] in pixels]
    pictures = tuple(
        Picture(
            pixels=pixels[index[row]],
            true=panel.classes[panel.labels[places[row]]],
            predicted=panel.classes[votes[row].argmax()],
            sure=f"{votes[row].max()} of {len(said)}",
        )
        for row in shown[:SHOWN_OF_ALL]
    )
    return Gallery(
        "Images that all models get wrong",
        _by_all_text(panel, len(places), len(shown), len(pictures)),
        pictures,
    )


def _by_all_text(panel: Panel, wrong: int, known: int, shown: int) -> str:
    text = f"{wrong:,} of {len(panel.labels):,} images are wrong in every cell of {amount(len(panel.members), 'model')}"
    if not wrong:
        return f"{text}."
    if not shown:
        return f"{text}; none of them has a thumbnail on any sheet."
    lacking = f"; {wrong - known:,} have no thumbnail on any sheet" if wrong > known else ""
    return (
        f"{text}; {shown} shown, each with the class that most cells take it for and how many of them do{lacking}. "
        "Such images are hard, or their label is wrong: look."
    )
