from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from harness.report.agreement import agreement_on
from harness.report.error_section import ErrorSection, error_sections
from harness.report.predictions import PredictionFiles, panels
from harness.report.store import gather
from harness.report.tiles import EXACT_UP_TO, Picture
from harness.report.variants import experiment_variants
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

TRUTH = (0, 0, 1, 1, 2, 2)
CAT_FOR_DOG = (1, 1, 1, 1, 2, 2)
MIXED = (1, 0, 1, 0, 2, 2)


def sections_of(store: KeptStore) -> tuple[ErrorSection, ...]:
    return error_sections(experiment_variants(gather(store, STUDY)), PredictionFiles(store))


@pytest.fixture
def study(store: KeptStore) -> KeptStore:
    """Two models that both take image 100 for a dog, and one that says cat of all."""
    cells = {"a": cell_of("a"), "b": cell_of("b"), "floor": cell_of("floor")}
    store.keep(plan_of(*cells.values()))
    predict(store, cells["a"], TRUTH, CAT_FOR_DOG)
    predict(store, cells["b"], TRUTH, MIXED)
    predict(store, cells["floor"], TRUTH, (0,) * 6)
    return store


def test_errors_are_shown_the_surest_first_with_what_they_were_taken_for(study: KeptStore) -> None:
    (section,) = sections_of(study)
    gallery = section.errors.confident[0]
    assert (gallery.title, gallery.text) == ("a", "2 of 6 images misclassified; all of them, each image once")
    assert [picture.pixels[0, 0, 0] for picture in gallery.pictures] == [1, 0]
    assert gallery.pictures[0].words == "cat taken for dog, 96 %"


def test_images_that_all_models_get_wrong_leave_out_one_that_says_the_same_of_all(study: KeptStore) -> None:
    (section,) = sections_of(study)
    by_all = section.errors.by_all
    assert by_all is not None
    assert by_all.text.startswith("1 of 6 images are wrong in every cell of 2 models; 1 shown")
    assert [picture.words for picture in by_all.pictures] == ["cat taken for dog, 2 of 2"]
    assert section.errors.left_out == "Left out: floor, one class for every image."


def test_an_image_without_a_thumbnail_is_counted_not_shown(store: KeptStore) -> None:
    old, new = cell_of("old"), cell_of("new")
    store.keep(plan_of(old, new))
    predict(store, old, TRUTH, CAT_FOR_DOG, thumbnails=False)
    run = predict(store, new, TRUTH, CAT_FOR_DOG)
    sheet = store.folder / run.run_id / "errors" / "thumbnails.json"
    sheet.write_text(sheet.read_text().replace('"index": 100', '"index": 999'))
    (section,) = sections_of(store)
    assert section.errors.by_all is not None
    assert "1 have no thumbnail on any sheet" in section.errors.by_all.text
    assert section.errors.lacking.startswith("There are no thumbnails of old: ")


def test_old_runs_without_thumbnails_say_so(store: KeptStore) -> None:
    cells = [cell_of("a"), cell_of("b")]
    store.keep(plan_of(*cells))
    for planned in cells:
        predict(store, planned, TRUTH, CAT_FOR_DOG, thumbnails=False)
    (section,) = sections_of(store)
    assert "no thumbnails of any model" in section.errors.lacking
    assert section.errors.by_all is not None
    assert section.errors.by_all.text.endswith("none of them has a thumbnail on any sheet.")
    assert (section.errors.confident, section.errors.pair) == ((), ())


def test_a_study_without_predictions_has_no_errors_to_show(store: KeptStore) -> None:
    planned = cell_of("a")
    store.keep(plan_of(planned)).finish(planned, 0.9)
    assert sections_of(store) == ()


def test_the_pair_that_is_confused_most_is_shown_in_both_directions(store: KeptStore) -> None:
    planned = cell_of("a")
    store.keep(plan_of(planned))
    predict(store, planned, (0, 0, 0, 1, 1, 2, 2), (1, 1, 0, 0, 1, 2, 0))
    (section,) = sections_of(store)
    shown = [(gallery.title, gallery.text) for gallery in section.errors.pair]
    assert shown == [
        ("cat taken for dog", "2 times; 2 images shown, the surest first"),
        ("dog taken for cat", "1 time; 1 image shown, the surest first"),
    ]


def test_an_image_that_two_seeds_get_wrong_is_shown_once(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned in cells:
        predict(store, planned, TRUTH, CAT_FOR_DOG)
    (section,) = sections_of(store)
    assert len(section.errors.confident[0].pictures) == 2
    assert "(mean of 2 seeds)" in section.errors.confident[0].text


def test_variants_are_compared_on_the_same_images_only(store: KeptStore) -> None:
    tested, sealed = cell_of("tested"), cell_of("sealed", test="never")
    store.keep(plan_of(tested, sealed))
    predict(store, tested, TRUTH, MIXED)
    predict(store, sealed, TRUTH, MIXED, split="val")
    found = panels(experiment_variants(gather(store, STUDY)), PredictionFiles(store))
    assert [(panel.split, len(panel.members)) for panel in found] == [("test", 1), ("val", 1)]
    assert agreement_on(found[0], "") is None


def test_agreement_shows_equal_shares_above_and_kappa_below(study: KeptStore) -> None:
    (section,) = sections_of(study)
    assert section.agreement is not None
    assert section.agreement.names == ("a", "b")
    # 4 of 6 equal; by chance (0 * 2 + 4 * 2 + 2 * 2) / 36 = 1/3; (2/3 - 1/3) / (1 - 1/3) = 0.5
    assert [[each.text for each in row] for row in section.agreement.rows] == [["", "66.7"], ["0.50", ""]]


def test_tiles_are_embedded_as_they_are_and_large_ones_as_jpeg() -> None:
    random = np.random.default_rng(0)
    for side, kind in ((EXACT_UP_TO, "png"), (EXACT_UP_TO + 1, "jpeg")):
        pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        head, _, data = Picture(pixels, "a", "b", "").data.partition(",")
        assert head == f"data:image/{kind};base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert shown.shape == pixels.shape
        assert bool((shown == pixels).all()) == (kind == "png")
