"""What goes wrong, who agrees with whom, and whether confidence is right."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from harness.report.blocks import Block, Group, Section
from harness.report.context import context_of
from harness.report.predictions import Panel, PredictionFiles, panels
from harness.report.sections import agreement, calibration
from harness.report.sections.errors import (
    EXACT_UP_TO,
    Error,
    ErrorsOn,
    errors_on,
    picture_of,
    section,
    sheet_of,
)
from harness.report.store import gather
from harness.report.variants import experiment_variants
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

TRUTH = (0, 0, 1, 1, 2, 2)
CAT_FOR_DOG = (1, 1, 1, 1, 2, 2)
MIXED = (1, 0, 1, 0, 2, 2)


def blocks_of(found: Section | None) -> tuple[Block, ...]:
    assert found is not None
    return found.blocks


def panels_of(store: KeptStore) -> tuple[Panel, ...]:
    return panels(experiment_variants(gather(store, STUDY)), PredictionFiles(store))


def errors_of(store: KeptStore) -> ErrorsOn:
    (panel,) = panels_of(store)
    return errors_on(panel, store)


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
    found = errors_of(study)
    gallery = found.confident[0]
    assert (gallery.title, gallery.text) == ("a", "2 of 6 images misclassified; all of them, each image once")
    assert [picture.pixels[0, 0, 0] for picture in gallery.errors] == [1, 0]
    assert gallery.errors[0].words == "#101: cat taken for dog, 96 %"


def test_images_that_all_models_get_wrong_leave_out_one_that_says_the_same_of_all(study: KeptStore) -> None:
    found = errors_of(study)
    by_all = found.by_all
    assert by_all is not None
    assert by_all.text.startswith("1 of 6 images are wrong in every cell of 2 models; 1 shown")
    assert [picture.words for picture in by_all.errors] == ["#100: cat taken for dog, 2 of 2"]
    assert found.left_out == "Left out: floor, one class for every image."


def test_an_image_without_a_thumbnail_is_counted_not_shown(store: KeptStore) -> None:
    old, new = cell_of("old"), cell_of("new")
    store.keep(plan_of(old, new))
    predict(store, old, TRUTH, CAT_FOR_DOG, thumbnails=False)
    run = predict(store, new, TRUTH, CAT_FOR_DOG)
    sheet = store.folder / run.run_id / "errors" / "thumbnails.json"
    sheet.write_text(sheet.read_text().replace('"index": 100', '"index": 999'))
    found = errors_of(store)
    assert found.by_all is not None
    assert "1 have no thumbnail on any sheet" in found.by_all.text
    assert found.lacking.startswith("There are no thumbnails of old: ")


def test_old_runs_without_thumbnails_say_so(store: KeptStore) -> None:
    cells = [cell_of("a"), cell_of("b")]
    store.keep(plan_of(*cells))
    for planned in cells:
        predict(store, planned, TRUTH, CAT_FOR_DOG, thumbnails=False)
    found = errors_of(store)
    assert "no thumbnails of any model" in found.lacking
    assert found.by_all is not None
    assert found.by_all.text.endswith("none of them has a thumbnail on any sheet.")
    assert (found.confident, found.pair) == ((), ())


def test_a_study_without_predictions_has_no_errors_to_show(store: KeptStore) -> None:
    planned = cell_of("a")
    store.keep(plan_of(planned)).finish(planned, 0.9)
    assert section(context_of(store, STUDY)) is None


def test_the_pair_that_is_confused_most_is_shown_in_both_directions(store: KeptStore) -> None:
    planned = cell_of("a")
    store.keep(plan_of(planned))
    predict(store, planned, (0, 0, 0, 1, 1, 2, 2), (1, 1, 0, 0, 1, 2, 0))
    found = errors_of(store)
    shown = [(gallery.title, gallery.text) for gallery in found.pair]
    assert shown == [
        ("cat taken for dog", "2 times; 2 images shown, the surest first"),
        ("dog taken for cat", "1 time; 1 image shown, the surest first"),
    ]


def test_an_image_that_two_seeds_get_wrong_is_shown_once(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned in cells:
        predict(store, planned, TRUTH, CAT_FOR_DOG)
    found = errors_of(store)
    assert len(found.confident[0].errors) == 2
    assert "(mean of 2 seeds)" in found.confident[0].text


def test_variants_are_compared_on_the_same_images_only(store: KeptStore) -> None:
    tested, sealed = cell_of("tested"), cell_of("sealed", test="never")
    store.keep(plan_of(tested, sealed))
    predict(store, tested, TRUTH, MIXED)
    predict(store, sealed, TRUTH, MIXED, split="val")
    assert [(panel.split, len(panel.members)) for panel in panels_of(store)] == [("test", 1), ("val", 1)]
    context = context_of(store, STUDY)
    assert agreement.section(context) is None
    groups = [block.title for block in blocks_of(section(context)) if isinstance(block, Group)]
    assert groups == ["digits, test images", "digits, validation images"]


def test_agreement_is_equal_shares_and_kappa(study: KeptStore) -> None:
    (panel,) = panels_of(study)
    equal, kappa = agreement.agreements(panel)
    # 4 of 6 equal; by chance (0 * 2 + 4 * 2 + 2 * 2) / 36 = 1/3; (2/3 - 1/3) / (1 - 1/3) = 0.5
    assert equal[0, 1] == equal[1, 0] == pytest.approx(2 / 3)
    assert kappa[0, 1] == pytest.approx(0.5)
    assert np.isnan(np.diag(equal)).all()
    assert "a and b 66.7" in agreement.agreement_chart(panel).words


def test_the_calibration_error_is_the_one_of_the_results(store: KeptStore) -> None:
    cells = [cell_of("a", seed) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for planned, ece in zip(cells, (0.02, 0.04), strict=True):
        run = predict(store, planned, TRUTH, MIXED)
        object.__setattr__(run, "metrics", {**run.metrics, "test/ece": ece})
    (chart,) = calibration.diagrams(*panels_of(store))
    assert chart.title == "a: ECE 3.00 %"


def test_scores_that_are_no_probabilities_have_no_calibration(store: KeptStore) -> None:
    planned = cell_of("svm")
    store.keep(plan_of(planned))
    run = predict(store, planned, TRUTH, MIXED)
    metrics = {name: value for name, value in run.metrics.items() if not name.endswith("loss")}
    object.__setattr__(run, "metrics", metrics)
    assert calibration.section(context_of(store, STUDY)) is None


def test_tiles_are_embedded_as_they_are_and_large_ones_as_jpeg() -> None:
    random = np.random.default_rng(0)
    for side, kind in ((EXACT_UP_TO, "png"), (EXACT_UP_TO + 1, "jpg")):
        pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        picture = picture_of(Error(pixels, "a", "b", "", "#1"), "errors-a-1")
        assert picture.name == f"errors-a-1.{kind}"
        shown = np.asarray(Image.open(io.BytesIO(picture.file)))
        assert shown.shape == pixels.shape
        assert bool((shown == pixels).all()) == (kind == "png")


def test_an_image_goes_by_its_file_where_the_sheet_knows_it(study: KeptStore) -> None:
    for run in (study.cells["a_s0"][0], study.cells["b_s0"][0]):
        path = study.folder / run.run_id / "errors" / "thumbnails.json"
        about = json.loads(path.read_text())
        tiles = [tile | {"file": "cat/<101>.png" if tile["index"] == 101 else ""} for tile in about["tiles"]]
        path.write_text(json.dumps(about | {"tiles": tiles}))
    first, second = errors_of(study).confident[0].errors
    assert (first.image, second.image) == ("cat/<101>.png", "#100")
    assert picture_of(first, "a").caption == "dog, 96 %\nis cat\ncat/<101>.png"


def test_a_sheet_for_markdown_holds_every_error_with_its_words(study: KeptStore) -> None:
    gallery = errors_of(study).confident[0]
    sheet = sheet_of(gallery.errors * 4, "errors-a", gallery.title)
    one = sheet_of(gallery.errors, "errors-a", gallery.title)
    assert Image.open(io.BytesIO(sheet.file)).height > 1.5 * Image.open(io.BytesIO(one.file)).height
    assert sheet.words.startswith("a: #101: cat taken for dog, 96 %; #100: cat taken for dog")
