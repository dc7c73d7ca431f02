"""The page as a whole: for every reader, with nothing from outside, whatever the study's size."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.report import write_report
from harness.report.blocks import Document, Fold, Table
from harness.report.context import context_of
from harness.report.html import page_text, script_hashes
from harness.report.sections import sections_of
from harness.report.sections.confusions import all_confusions
from harness.report.sections.honesty import answers
from harness.report.sections.inside import SHOWN, WIDEST
from harness.report.sections.openings import duplicates_of, ledger_of
from harness.report.store import Findings, gather
from harness.report.variants import LOCAL, experiment_variants, links_of
from tests.cli.browser import dumped_dom
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of
from tests.report.test_files import Page

LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping", "manifest", "xlink:href"}


def document_of(store: KeptStore) -> Document:
    return Document(STUDY, "", sections_of(context_of(store, STUDY)))


def page_of(store: KeptStore) -> str:
    return page_text(document_of(store), links_of(store, gather(store, STUDY)))


def answers_of(findings: Findings, store: KeptStore) -> Table:
    return answers(findings, experiment_variants(findings), ledger_of(findings), duplicates_of(findings, store))


def with_pictures(store: KeptStore, run_id: str, *names: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 100, 3), dtype=np.uint8)
    for name in names:
        Image.fromarray(noise).resize((1000, 900), Image.Resampling.NEAREST).save(store.folder / run_id / f"{name}.png")


@pytest.fixture
def small(store: KeptStore) -> KeptStore:
    """Two experiments with two seeds, one cell failed; pictures of the inside of one."""
    cells = [cell_of(name, seed) for name in ("cnn", "mlp") for seed in (0, 1)]
    store.keep(plan_of(*cells)).keep_leakage()
    tags = {"harness.git": "f" * 40, "harness.split_digest": "d1", "harness.fit_ended": "2026-11-21T04:59:00+00:00"}
    for planned in cells[:3]:
        run = store.finish(planned, 0.9 - 0.1 * planned.cell.seed, 0.8, tags=tags)
        if planned.cell.model.name == "cnn":
            with_pictures(store, run.run_id, "evidence", "filters")
    store.fail(cells[3], "out of luck")
    return store


def test_nothing_is_loaded_from_outside(small: KeptStore) -> None:
    text = page_of(small)
    page = Page(text)
    for name, attributes in page.tags:
        loaded = {key: value or "" for key, value in attributes.items() if key in LOADING}
        if name not in {"a"}:
            loaded |= {key: value or "" for key, value in attributes.items() if key == "href"}
        assert all(value.startswith("data:") for value in loaded.values()), (name, loaded)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {name for name, _ in page.tags}
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert "@import" not in style and "url(" not in style
    script = "".join(re.findall(r"<script>(.*?)</script>", text, re.DOTALL))
    assert not re.search(r"fetch|XMLHttpRequest|import\(|https?:", script)


def test_links_lead_to_sections_or_to_runs_alone(small: KeptStore) -> None:
    page = Page(page_of(small))
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for link in (attributes["href"] or "" for attributes in page.named("a")):
        pages = f"{LOCAL}/#/experiments/7/runs/"
        known = link.removeprefix("#") in anchors if link.startswith("#") else link.startswith(pages)
        assert known, link
    runs = {
        link.rpartition("/")[2].partition("?")[0]
        for each in page.named("a")
        if (link := each["href"] or "").startswith(LOCAL)
    }
    assert runs == {"run-cnn_s0", "run-cnn_s1", "run-mlp_s0", "run-mlp_s1"}


def test_a_servers_address_is_linked_to_without_its_password(small: KeptStore) -> None:
    small.uri = "https://user:secret@tracking.example/mlflow/"
    links = links_of(small, gather(small, STUDY))
    page = "https://tracking.example/mlflow/#/experiments/7/runs/abc?workflowType=machine_learning"
    assert links.address("abc") == page
    assert "secret" not in page_of(small)


def test_headings_go_down_by_one_and_sections_are_in_the_table_of_contents(small: KeptStore) -> None:
    page = Page(page_of(small))
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    sections = [attributes["id"] for attributes in page.named("section")]
    listed = [(attributes["href"] or "").removeprefix("#") for attributes in page.named("a")]
    assert listed[: len(sections) + 1] == ["main", *sections]


def test_the_doubters_questions_are_answered(small: KeptStore) -> None:
    rows = answers_of(gather(small, STUDY), small).rows
    answers = {row[0].text: (row[1].text, row[1].tone) for row in rows}
    assert answers["Was each test set opened once a cell, after fitting?"] == (
        "Yes. The test set was opened 3 times for 3 cells; 1 cell may open it yet. "
        "Each opening came after the end of its fit.",
        "",
    )
    assert answers["Are test images of digits in its training data?"][0].startswith(
        "No copy of a training image was found"
    )
    assert answers["Are cells missing or failed?"] == ("Yes, 1 failed: mlp s1.", "bad")
    assert answers["Has every experiment all its seeds?"] == ("No: mlp.", "bad")
    assert answers["Was validation carved the same way everywhere?"][0].startswith("Yes, by the digest")
    assert answers["Was it one state of the code?"] == ("Yes, commit ffffffffffff.", "")


def test_an_opening_before_the_end_of_its_fit_is_told(small: KeptStore) -> None:
    run = small.cells["cnn_s0"][0]
    object.__setattr__(run, "tags", {**run.tags, "harness.fit_ended": "2026-11-21T05:00:01+00:00"})
    found = answers_of(gather(small, STUDY), small)
    text, tone = found.rows[0][1].text, found.rows[0][1].tone
    assert tone == "bad"
    assert "run run-cnn_s0 opened it before its fit had ended" in text


def test_a_fit_made_again_after_the_opening_is_fine_if_it_gave_the_same_model(small: KeptStore) -> None:
    run = small.cells["cnn_s0"][0]
    found = gather(small, STUDY)
    (opening,) = (each for each in found.openings if each.run_id == run.run_id)
    others = tuple(each for each in found.openings if each is not opening)
    late = {"harness.fit_ended": "2026-11-21T05:00:01+00:00"}
    for digest, tone in ((opening.model_digest, ""), ("another", "bad")):
        object.__setattr__(run, "tags", {**run.tags, **late, "harness.model_digest": digest})
        findings = replace(gather(small, STUDY), openings=(replace(opening, run_id="a former run"), *others))
        assert answers_of(findings, small).rows[0][1].tone == tone


def test_uncommitted_changes_and_several_commits_are_told(small: KeptStore) -> None:
    for name, state in (("cnn_s0", f"{'a' * 40}+dirty"), ("cnn_s1", "b" * 40), ("mlp_s0", "b" * 40)):
        run = small.cells[name][0]
        object.__setattr__(run, "tags", {**run.tags, "harness.git": state})
    rows = {row[0].text: row[1] for row in answers_of(gather(small, STUDY), small).rows}
    code = rows["Was it one state of the code?"]
    assert code.tone == "bad"
    assert code.text.startswith("No: aaaaaaaaaaaa with uncommitted changes") and "bbbbbbbbbbbb" in code.text


def test_pictures_of_the_inside_are_embedded_small_and_lie_beside_the_markdown(
    small: KeptStore, tmp_path: Path
) -> None:
    written = write_report(small, STUDY, tmp_path)
    page = Page(written.html.read_text())
    pictures = [each for each in page.named("img") if "image/webp" in (each.get("src") or "")]
    files = [base64.b64decode((each["src"] or "").partition(",")[2]) for each in pictures]
    assert [Image.open(io.BytesIO(file)).width for file in files] == [WIDEST, WIDEST]
    assert all((each["alt"] or "").strip() for each in pictures)
    names = {path.name for path in (tmp_path / "figures").glob("inside-*")}
    assert names == {"inside-cnn-evidence.webp", "inside-cnn-filters.webp"}
    assert all(f"(<figures/{name}>)" in written.markdown.read_text() for name in names)


def test_twenty_cells_with_all_their_pictures_stay_below_five_megabytes(store: KeptStore) -> None:
    cells = [cell_of(f"cnn-{number}") for number in range(20)]
    store.keep(plan_of(*cells))
    for planned in cells:
        run = store.finish(planned, 0.5, 0.5)
        with_pictures(store, run.run_id, "evidence", "filters", "feature_maps")
    (inside,) = (each for each in document_of(store).sections if each.anchor == "inside")
    assert sum(isinstance(block, Fold) for block in inside.blocks) == SHOWN
    assert len(page_of(store).encode()) < 5_000_000


def test_a_large_study_keeps_all_rows_and_few_pictures(store: KeptStore) -> None:
    cells = [cell_of(f"e{number:03}", seed) for number in range(100) for seed in (0, 1)]
    store.keep(plan_of(*cells))
    for place, planned in enumerate(cells):
        store.finish(planned, 0.5 + place / 1000, 0.5, epochs=place < 100)
    context = context_of(store, STUDY)
    (results,) = (each for each in document_of(store).sections if each.anchor == "results")
    (table,) = (block for block in results.blocks if isinstance(block, Table))
    assert len(table.rows) == 100
    assert len(context.once(all_confusions)) == 24
    assert len(page_of(store).encode()) < 1_500_000


SORT = """
const headings = [...document.querySelectorAll("#results thead th")];
const heading = headings.find((each) => each.textContent.startsWith("experiment"));
heading.querySelector("button").click();
if (location.hash === "#twice") heading.querySelector("button").click();
"""


@pytest.mark.parametrize(("hash_", "sort", "first"), [("", "ascending", "e000"), ("#twice", "descending", "e069")])
def test_tables_are_sorted_by_their_headings_buttons(
    store: KeptStore, tmp_path: Path, hash_: str, sort: str, first: str
) -> None:
    cells = [cell_of(f"e{number:03}") for number in range(70)]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, np.random.default_rng(cells.index(planned)).random(), epochs=False)
    page = tmp_path / "page.html"
    text = page_of(store).replace("</body>", f"<script>{SORT}</script></body>")
    page.write_text(text.replace("script-src ", f"script-src {script_hashes(SORT)} "))
    text = dumped_dom(f"file://{page}{hash_}", seconds=2)
    results = text[text.index('<section id="results"') :]
    assert f'aria-sort="{sort}"' in results
    body = results[results.index("<tbody>") :]
    rows = re.findall(r'<tr( hidden="")?>\s*<th scope="row"[^>]*>(\w+)', body[: body.index("</tbody>")])
    assert rows[0] == ("", first)
    assert [bool(hidden) for hidden, _ in rows] == [False] * 40 + [True] * 30
    assert "Show all 70 rows" in results


def test_scripts_run_by_their_hashes_and_no_other_does(small: KeptStore, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(page_of(small).replace("</body>", "<script>document.title = 'stranger'</script></body>"))
    dumps = (dumped_dom(f"file://{page}", seconds=seconds) for seconds in (5, 20, 60, 60))  # its time is not ours
    text = next((text for text in dumps if 'class="chart drawn"' in text), "")
    assert "unsafe" not in text[: text.index("<style>")].replace("style-src 'unsafe-inline'", "")
    assert "<title>stranger" not in text
    assert 'class="chart drawn"' in text and 'class="marks"' in text
