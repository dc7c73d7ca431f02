from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import Ablation, Claim, Place
from harness.report import write_report
from harness.report.blocks import Column, Table, Value, named
from harness.report.latex import latex_table, safe
from tests.report.predicted import predict
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

NASTY = r"50% of a_b & c #1 {x} $y$ ~ ^ \cmd <a|b> [c] ±"


@pytest.fixture
def tex(store: KeptStore, tmp_path: Path) -> Path:
    """The folder of a report with an experiment, an ablation and a claim."""
    labels = np.random.default_rng(0).integers(3, size=100).tolist()
    base = (Place(experiment="parts", label="base"),)
    cells = [*(cell_of("mlp_net", seed, more=base) for seed in (0, 1)), cell_of("parts", 0, "- crop"), cell_of("gone")]
    store.keep(
        plan_of(
            *cells,
            ablations=(Ablation(name="parts", base="mlp_net", order="leave_one_out", rows=("base", "- crop")),),
            claims=(Claim(experiment="mlp_net", metric="test/accuracy", value=0.9, source=NASTY),),
        )
    )
    for planned, wrong in zip(cells, (10, 13, 30), strict=False):
        said = [(label + 1) % 3 if place < wrong else label for place, label in enumerate(labels)]
        predict(store, planned, labels, said, thumbnails=False)
    store.fail(cells[3], NASTY)
    return write_report(store, STUDY, tmp_path / "report").folder


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of all lines between the rules."""
    return [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]


def test_every_character_that_latex_would_take_for_its_own_is_escaped() -> None:
    assert safe(NASTY) == (
        r"50\% of a\_b \& c \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}cmd "
        r"\textless{}a\textbar{}b\textgreater{} {[}c{]} $\pm$"
    )


def test_characters_that_fonts_lack_become_plain() -> None:
    assert safe("naïve ﬁt ř 猫") == "naïve fit r ?"


def test_a_table_has_one_cell_a_column_between_its_rules() -> None:
    rows = ((named("a_b"), Value("-1.50", -1.5, detail="[-2.00, -1.00]")), (named("- c"), Value("-")))
    text = latex_table(Table("What & why", (Column("name", numeric=False), Column("x %")), rows, ("a note",)), "tab:x")
    assert [re.match(r"\\(\w+)", line)[1] for line in text.splitlines() if "rule" in line] == [  # type: ignore[index]
        "toprule",
        "midrule",
        "bottomrule",
    ]
    assert rows_of(text) == [
        ["name", r"x \%"],
        [r"a\_b", "$-$1.50 {[}$-$2.00, $-$1.00{]}"],
        ["- c", "--"],
    ]
    assert r"\begin{tabular}{lr}" in text
    assert r"\caption{What \& why.}" in text


def test_the_document_is_whole_and_balanced(tex: Path) -> None:
    text = (tex / "results.tex").read_text()
    opened, closed = re.findall(r"\\begin{(\w+)}", text), re.findall(r"\\end{(\w+)}", text)
    assert sorted(opened) == sorted(closed)
    assert opened.count("table") == 4
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.endswith("\\end{document}\n")


def test_every_row_of_a_table_has_as_many_cells_as_columns(tex: Path) -> None:
    for table in (tex / "results.tex").read_text().split(r"\begin{tabular}")[1:]:
        count = len(table[1 : table.index("}")])
        body = table[: table.index(r"\bottomrule")]
        assert {len(row) for row in rows_of(body)} == {count}


def test_figures_are_those_of_the_csv(tex: Path) -> None:
    with (tex / "results.csv").open(newline="") as file:
        wanted = next(row for row in csv.DictReader(file) if row["name"] == "mlp_net")
    row = next(row for row in rows_of((tex / "results.tex").read_text()) if row[0] == r"mlp\_net")
    mean, deviation, low, high = (
        f"{float(wanted[f'test/accuracy {name}']) * 100:.2f}" for name in ("mean", "std", "low", "high")
    )
    assert row[1:3] == [wanted["letters"], rf"{mean} $\pm$ {deviation} {{[}}{low}, {high}{{]}}"]
    with (tex / "ablations.csv").open(newline="") as file:
        effect = next(csv.DictReader(file))
    shown = next(row for row in rows_of((tex / "results.tex").read_text()) if row[0] == "- crop")
    assert f"$-${abs(float(effect['difference'])) * 100:.2f}" in shown[2]
