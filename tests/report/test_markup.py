"""Texts from anywhere come out of each writer as what they are: no markup of theirs lives, no terminal is steered."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt

from harness.charts.style import Chart, page_markup
from harness.charts.training import Mark, range_test
from harness.contracts import Ablation, Choice, Claim, Place
from harness.errors import printable
from harness.escape import file_stem, in_csv, in_json
from harness.report import write_report
from harness.report.blocks import (
    Block,
    Charts,
    Code,
    Column,
    Document,
    Fact,
    Facts,
    Fold,
    Group,
    Items,
    Section,
    Table,
    Text,
    Value,
)
from harness.report.html import page_text
from harness.report.latex import latex_text
from harness.report.latex import safe as in_latex
from harness.report.markdown import markdown_text
from harness.report.variants import LOCAL, Links
from tests.cli.browser import dumped_dom
from tests.nasty import NASTY
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of
from tests.report.test_files import Page

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def flat(text: str) -> str:
    """Return a text as it is to be read: on one line, what cannot be seen as escapes."""
    return printable(" ".join(text.split()))


def chart_of(text: str) -> Chart:
    rates, losses = np.geomspace(0.01, 1, 5), np.linspace(2, 1, 5)
    return range_test(text, rates, losses, losses, [Mark(0.1, text)])


def blocks_of(text: str) -> tuple[Block, ...]:
    """Return every kind of block, with a text in each of its places."""
    value, column = Value(text, text, code=True, detail=text), Column(text, hint=text)
    plain = replace(value, code=False)
    chart = chart_of(text)
    return (
        Text(text),
        Text(text, "bad"),
        Text(text, lead=text),
        Items((text,), lead=text),
        Facts((Fact(text, text), Fact(text, text, code=True))),
        Table(text, (column, column), ((plain, value), (value, plain)), notes=(text,), label="results"),
        Charts((chart,)),
        Code(f"{file_stem(text)}.yaml", text),
        Fold(text, (Group(text, (Text(text),)),)),
    )


def assert_dead(svg: str) -> None:
    """See that an SVG holds no script, no link and no picture from elsewhere."""
    elements = list(ElementTree.fromstring(svg).iter())
    assert not {each.tag.rpartition("}")[2] for each in elements} & {"script", "a", "image", "foreignObject", "style"}
    assert not any(re.match(r"on|.*href$", name) for each in elements for name in each.attrib)


def document_of(text: str) -> Document:
    return Document(text, text, (Section("first", text, blocks_of(text)),))


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_page_shows_it_as_text(text: str) -> None:
    made = page_text(document_of(text), Links(LOCAL, "1", {}))
    page, calm = Page(made), Page(page_text(document_of("calm"), Links(LOCAL, "1", {})))
    assert [name for name, _ in page.tags] == [name for name, _ in calm.tags]
    assert [sorted(each) for _, each in page.tags] == [sorted(each) for _, each in calm.tags]
    hrefs = {each["href"] or "" for each in page.named("a")}
    assert hrefs == {"#main", "#top", "#first", f"{file_stem(text)}.yaml"}
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", made
    )
    shown = " ".join(printable(text, "\n\t").split())
    assert shown in {" ".join(each.split()) for each in page.cells}


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_markdown_shows_it_as_text(text: str) -> None:
    made = markdown_text(document_of(text))
    page, calm = (Page(GITHUB.render(each)) for each in (made, markdown_text(document_of("calm"))))
    assert [name for name, _ in page.tags] == [name for name, _ in calm.tags]
    assert {each["href"] for each in page.named("a")} == {f"{file_stem(text)}.yaml"}
    assert {each["src"] for each in page.named("img")} == {f"figures/{file_stem('lr-range', text)}.svg"}
    assert not re.search(r"(https?|ftp)://|www\.|\w@\w", re.sub(r"`[^\n]*`|\(<[^>]*>\)", "", made))
    body = unescape(
        re.sub("<[^>]*>", "", GITHUB.render(markdown_text(Document("t", "", (Section("s", "s", (Text(text),)),)))))
    )
    assert flat(text) in flat(body)
    assert printable(made, "\n") == made


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_latex_shows_it_as_text(text: str) -> None:
    made = in_latex(text)
    left = re.sub(r"\\text[a-z]+\{\}|\\[{}$&%#_]|\{[*\[\]]\}|\\dots\{\}|\$\\?[a-z-]*\$", "", made)
    assert not re.search(r"[\\{}$&%#_~^<>|\"\[\]*]", left), left
    assert printable(made) == made
    assert "\\input" not in latex_text(document_of(text))


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_spreadsheet_takes_it_for_text(text: str) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow([in_csv(text)])
    ((cell,),) = csv.reader(io.StringIO(file.getvalue()))
    assert not re.match(r"\s*[=+\-@\uff1d]", cell) or cell == "---"[:1]
    assert printable(cell, "\n") == cell


def test_numbers_of_a_spreadsheet_stay_numbers() -> None:
    numbers = (-0.5, 3, True, None, "-0.5", "+3", "-1e-3", "-.5", "-inf", "-")
    assert tuple(map(in_csv, numbers)) == numbers


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_chart_shows_it_as_text(text: str) -> None:
    chart = chart_of(text)
    assert_dead(chart.svg())
    figure = str(page_markup(chart))
    assert [name for name, _ in Page(figure).tags] == ["figure", "figcaption", "div", "noscript", "script"]
    assert printable(figure, "\n") == figure
    assert re.fullmatch(r"[a-z0-9._=-]{1,140}", chart.name)
    json.loads(chart.live())


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_json_says_the_same_and_steers_no_terminal(text: str) -> None:
    made = in_json(json.dumps({text: text}, ensure_ascii=False, indent=2))
    assert json.loads(made) == {text: text}
    assert printable(made, "\n") == made


@pytest.fixture
def study(store: KeptStore) -> KeptStore:
    """A study in which everything that has a name or a text has a nasty one."""
    names = [text for text in NASTY if printable(text) == text and len(text) < 100]
    mlp, rows = Choice(name="mlp"), (names[0], names[4])
    base = (Place(experiment="parts", label=rows[0]),)
    cells = [cell_of(name, more=() if number else base, model=mlp) for number, name in enumerate(names)]
    parts = cell_of("parts", 0, rows[1])
    cells = [each.model_copy(update={"key": f"key{number}"}) for number, each in enumerate((*cells, parts))]
    claims = tuple(Claim(experiment=name, metric="test/accuracy", value=0.9, source=name) for name in names)
    ablation = Ablation(name="parts", base=names[0], order="leave_one_out", rows=rows)
    store.keep(plan_of(*cells, claims=claims, ablations=(ablation,))).keep_leakage(2, 1)
    for number, planned in enumerate(cells[2:]):
        tags = {"harness.git": "f" * 40, "harness.split_digest": names[0], "harness.dataset": names[0]}
        store.finish(planned, 0.9 - 0.01 * number, 0.8, device=names[number % len(names)], tags=tags)
    for planned in cells[:2]:
        store.fail(planned, "\n".join(NASTY[:10]))
    return store


def test_a_study_of_such_names_has_no_link_but_its_own(study: KeptStore, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_report(study, STUDY, folder)
    page = Page((folder / "index.html").read_text())
    assert all(
        re.match(r"#|http://127\.0\.0\.1:5000/#/|[a-z.-]+\.yaml$", each["href"] or "") for each in page.named("a")
    )
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    shown = Page(GITHUB.render((folder / "results.md").read_text()))
    assert {each["src"].partition("/")[0] for each in shown.named("img") if each["src"]} <= {"figures"}
    assert not shown.named("a") and not shown.named("script")
    for path in folder.rglob("*"):
        assert re.fullmatch(r"[a-z0-9._=-]+", path.name)
        if path.suffix == ".csv":
            rows = list(csv.reader(path.read_text().splitlines()))
            assert not any(re.match(r"[=+@]|-[^\d]", cell) for row in rows for cell in row if cell != "-")
        if path.suffix == ".svg":
            assert_dead(path.read_text())


def test_in_a_browser_no_script_of_theirs_runs_and_no_link_of_theirs_is_alive(study: KeptStore, tmp_path: Path) -> None:
    write_report(study, STUDY, tmp_path / "report")
    page = tmp_path / "report" / "index.html"
    probe = "<script>window.alert = () => document.documentElement.setAttribute('data-ran', 'yes')</script>"
    text = re.sub(r"<meta http-equiv=[^>]*>", probe, page.read_text())  # even where nothing else stands in its way
    (tmp_path / "open.html").write_text(text)
    dumps = (dumped_dom((tmp_path / "open.html").as_uri(), seconds) for seconds in (5, 20, 60, 60))
    drawn = next((each for each in dumps if 'class="chart drawn"' in each), "")
    assert drawn, "the page's own scripts ran"
    assert "data-ran" not in drawn.partition("<body")[0].replace(probe, "")
    links = [each["href"] or "" for each in Page(drawn).named("a")]
    assert links and not any(each.lower().lstrip().startswith(("javascript:", "data:")) for each in links)
    assert not any(name.startswith("on") for _, attributes in Page(drawn).tags for name in attributes)
