"""What goes wrong: images that no model gets right, a confused pair, and each variant's most confident errors."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from harness.escape import file_stem
from harness.measure.scores import confusion_matrix
from harness.pictures.gallery import AMBER, BLUE, TEXT, Row, Tile, as_rgb, compose
from harness.pictures.thumbnails import Sheet, read_thumbnails
from harness.pictures.thumbnails import Tile as Listed
from harness.report.blocks import Block, Fold, Group, Images, Picture, Section, Text
from harness.report.context import Context
from harness.report.predictions import Member, Panel, panels
from harness.report.store import ReportStore
from harness.words import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS: Final = {"test": "test", "val": "validation"}
SHOWN: Final = 12
SHOWN_OF_ALL: Final = 24
WHY: Final = "A report reads no data set, so pictures of errors need a new run."
CAPTIONS: Final = (
    "Below each image: what it was taken for and how sure the model was, its true class, and its file, or its place in "
    "the split where the files have no names."
)
EXACT_UP_TO: Final = 40
"""Pixels a side up to which a tile is embedded as it is; larger ones are photographs, for which JPEG is far smaller."""
JPEG_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Error:
    """A misclassified image: its pixels uint8 [H, W, C], classes, how sure, and what the image is called."""

    pixels: NDArray[np.uint8]
    true: str
    predicted: str
    sure: str
    """How sure the model was, or how many models said so."""
    image: str
    """Its file, or `#` and its place in the split."""

    @property
    def words(self) -> str:
        """The picture for those who do not see it."""
        return f"{self.image}: {self.true} taken for {self.predicted}, {self.sure}"

    @property
    def lines(self) -> tuple[str, str, str]:
        """What stands below it."""
        return f"{self.predicted}, {self.sure}", f"is {self.true}", self.image


@dataclass(frozen=True, slots=True)
class Gallery:
    """Errors with a heading and a line that says which of how many they are."""

    title: str
    text: str
    errors: tuple[Error, ...]


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


def section(context: Context) -> Section | None:
    """Return the errors on each set of images that variants were measured on; None without predictions."""
    found = [errors_on(panel, context.store) for panel in context.once(all_panels)]
    if not found:
        return None
    drawn = context.drawn
    parts = [tuple(_blocks(each, f"-{place + 1}" if place else "", drawn)) for place, each in enumerate(found)]
    if len(parts) == 1:
        return Section("errors", "Errors", parts[0])
    return Section("errors", "Errors", tuple(Group(of.title, part) for of, part in zip(found, parts, strict=True)))


def all_panels(context: Context) -> tuple[Panel, ...]:
    """Return the pictured variants side by side on the images that they classified, the largest group first."""
    return panels(context.pictured, context.files)


def errors_on(panel: Panel, store: ReportStore) -> ErrorsOn:
    """Return the errors of a panel; pictures come from the sheets that its cells left."""
    sheets = {member.variant.name: _sheets_of(member, panel.split, store) for member in panel.members}
    all_sheets = [sheet for each in sheets.values() for sheet in each]
    lead = next((member for member in panel.members if sheets[member.variant.name]), None)
    return ErrorsOn(
        title=panel_title(panel),
        left_out=f"Left out: {', '.join(panel.constant)}, one class for every image." if panel.constant else "",
        confident=tuple(_confident(member, each) for member in panel.members if (each := sheets[member.variant.name])),
        lead=lead.variant.name if lead else "",
        pair=_pair(lead, sheets[lead.variant.name], panel) if lead else (),
        by_all=wrong_by_all(panel, all_sheets),
        lacking=_lacking([name for name, each in sheets.items() if not each], len(sheets)),
    )


def panel_title(panel: Panel) -> str:
    """Return which images a panel is of."""
    return f"{panel.dataset}, {SPLITS[panel.split]} images"


def wrong_by_all(panel: Panel, sheets: Sequence[Sheet]) -> Gallery | None:
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
    known = _by_index(sheets)
    shown = [row for row in order if index[row] in known]
    errors = tuple(
        Error(
            pixels=known[index[row]][1],
            true=panel.classes[panel.labels[places[row]]],
            predicted=panel.classes[votes[row].argmax()],
            sure=f"{votes[row].max()} of {len(said)}",
            image=_image(known[index[row]][0]),
        )
        for row in shown[:SHOWN_OF_ALL]
    )
    text = _by_all_text(panel, len(places), len(shown), len(errors))
    return Gallery("Images that all models get wrong", text, errors)


def picture_of(error: Error, name: str) -> Picture:
    """Return an error as a picture of the page, with what stands below it."""
    flat = Image.fromarray(error.pixels[..., 0] if error.pixels.shape[2] == 1 else error.pixels)
    is_exact = max(flat.size) <= EXACT_UP_TO
    file = io.BytesIO()
    flat.save(file, "PNG", optimize=True) if is_exact else flat.save(file, "JPEG", quality=JPEG_QUALITY)
    return Picture(f"{name}.{'png' if is_exact else 'jpg'}", file.getvalue(), error.words, "\n".join(error.lines))


def sheet_of(errors: Sequence[Error], name: str, title: str) -> Picture:
    """Return errors with their captions as one picture, for Markdown."""
    tiles = [Tile(as_rgb(each.pixels), tuple(zip(each.lines, (AMBER, BLUE, TEXT), strict=True))) for each in errors]
    words = f"{title}: {'; '.join(each.words for each in errors[:SHOWN])}"
    return Picture(f"{name}.png", compose(title, [Row(tiles)]), words)


def _blocks(found: ErrorsOn, suffix: str, drawn: frozenset[str]) -> Iterator[Block]:
    yield Text(" ".join(filter(None, (found.left_out, found.lacking, CAPTIONS))), lead=f"{found.title}.")
    if found.by_all:
        yield Group(found.by_all.title, tuple(_gallery(found.by_all, f"errors-by-all{suffix}")))
    if found.pair:
        title = f"The two classes that {found.lead} confuses most"
        stems = [f"errors-pair{suffix}-{number}" for number in (1, 2)]
        pair = [
            block
            for stem, each in zip(stems, found.pair, strict=False)
            for block in _gallery(each, stem, f"{each.title}:")
        ]
        yield Group(title, tuple(pair))
    if found.confident:
        folds = (
            Fold(each.title, tuple(_gallery(each, file_stem("errors", each.title), "", drawn)), is_open=place == 0)
            for place, each in enumerate(found.confident)
        )
        yield Group("Most confident errors", tuple(folds))


def _gallery(gallery: Gallery, stem: str, lead: str = "", drawn: frozenset[str] | None = None) -> Iterator[Block]:
    """Yield a gallery; of a variant that is not among `drawn` for the page alone."""
    yield Text(gallery.text, "muted", lead)
    if gallery.errors:
        pictures = tuple(picture_of(each, f"{stem}-{place}") for place, each in enumerate(gallery.errors, 1))
        if drawn is not None and gallery.title not in drawn:
            yield Images(pictures, small=True, page_only=True)
        else:
            yield Images(pictures, small=True, sheet=sheet_of(gallery.errors, stem, gallery.title))


def _lacking(without: Sequence[str], members: int) -> str:
    if not without:
        return ""
    whose = "any model" if len(without) == members else ", ".join(without)
    return f"There are no thumbnails of {whose}: these runs were made before the harness kept any. {WHY}"


def _confident(member: Member, sheets: Sequence[Sheet]) -> Gallery:
    wrong = {tile.index for sheet in sheets for tile in sheet.tiles}
    errors = _surest(sheets, SHOWN)
    mean = np.mean([sheet.errors for sheet in sheets])
    is_all = len(errors) == len(wrong) and all(sheet.errors == len(sheet.tiles) for sheet in sheets)
    which = "all of them" if is_all else f"the {len(errors)} surest"
    seeds = f" (mean of {len(sheets)} seeds)" if len(sheets) > 1 else ""
    text = f"{mean:,.4g} of {sheets[0].images:,} images misclassified{seeds}; {which}, each image once"
    return Gallery(member.variant.name, text if errors else "no image misclassified", errors)


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
    errors = _surest(sheets, SHOWN, pair)
    true, said = (panel.classes[place] for place in pair)
    seeds = f" by {amount(len(member.said), 'seed')}" if len(member.said) > 1 else ""
    text = f"{amount(count, 'time')}{seeds}; {amount(len(errors), 'image')} shown, the surest first"
    return Gallery(f"{true} taken for {said}", text, errors)


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


def _sheets_of(member: Member, split: str, store: ReportStore) -> tuple[Sheet, ...]:
    """Return the sheets that a variant's cells left of a split; none of runs made before there were any."""
    found = (_sheet(said.run_id, store) for said in member.said)
    return tuple(sheet for sheet in found if sheet is not None and sheet.split == split)


def _sheet(run_id: str, store: ReportStore) -> Sheet | None:
    folder = store.artifact(run_id, "errors")
    if folder is None or not (folder / "thumbnails.json").exists():
        return None
    try:
        return read_thumbnails(folder)
    except ValueError:  # written by another version
        return None


def _by_index(sheets: Iterable[Sheet]) -> dict[int, tuple[Listed, NDArray[np.uint8]]]:
    """Return the tiles of all images on the sheets with their pixels, by their index in the split."""
    found: dict[int, tuple[Listed, NDArray[np.uint8]]] = {}
    for sheet in sheets:
        for place, tile in enumerate(sheet.tiles):
            if tile.index not in found:
                found[tile.index] = tile, sheet.picture(place)
    return found


def _surest(sheets: Sequence[Sheet], most: int, pair: tuple[int, int] | None = None) -> tuple[Error, ...]:
    """Return the most confident errors over all seeds, each image once; of a pair (true, predicted) alone if given."""
    ranked = sorted(
        ((tile, sheet, place) for sheet in sheets for place, tile in enumerate(sheet.tiles)),
        key=lambda each: (-each[0].confidence, each[0].index),
    )
    chosen: dict[int, Error] = {}
    for tile, sheet, place in ranked:
        if len(chosen) < most and tile.index not in chosen and pair in {None, (tile.label, tile.predicted)}:
            chosen[tile.index] = _error(tile, sheet, place)
    return tuple(chosen.values())


def _error(tile: Listed, sheet: Sheet, place: int) -> Error:
    sure = f"{_percent(tile.confidence)} %" if sheet.probabilistic else f"margin {tile.confidence:.2f}"
    true, said = sheet.classes[tile.label], sheet.classes[tile.predicted]
    return Error(sheet.picture(place), true, said, sure, _image(tile))


def _percent(share: float) -> str:
    """Return a share as whole percent, never as certain."""
    return ">99" if share > 0.99 else f"{share * 100:.0f}"


def _image(tile: Listed) -> str:
    return tile.file or f"#{tile.index}"
