from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from harness.report.chart_files import Panel, charts_text, write_charts
from harness.report.confusion_chart import confusion_chart
from harness.report.confusions import Confusions
from harness.report.store import gather
from harness.report.variants import experiment_variants
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

SVG = "{http://www.w3.org/2000/svg}"
CHART = Markup('<svg class="x" viewBox="0 0 100 50"><path class="grid" d="M0 0H9"/></svg>')
NASTY = '<b> & "quoted" ü'


def confusions_of(store: KeptStore, classes: int) -> Confusions:
    planned = cell_of("mlp")
    store.keep(plan_of(planned)).finish(planned, 0.5)
    (variant,) = experiment_variants(gather(store, STUDY))
    counts = np.eye(classes, dtype=np.int64) * 9
    counts[0, 1] = 1
    return Confusions(variant, "test", 1, tuple(f"{NASTY} {place}" for place in range(classes)), counts, (counts,))


def test_charts_stand_side_by_side_and_below_each_other_without_overlap() -> None:
    root = ElementTree.fromstring(charts_text(NASTY, [Panel(CHART, "one"), Panel(CHART, "two"), Panel(CHART)], 2))
    boxes = [[float(each.attrib[name]) for name in ("x", "y", "width", "height")] for each in root.findall(f"{SVG}svg")]
    assert [box[2:] for box in boxes] == [[100, 50]] * 3
    assert boxes[1][0] >= boxes[0][0] + 100
    assert boxes[1][1] == boxes[0][1]
    assert boxes[2][1] >= boxes[0][1] + 50
    assert float(root.attrib["width"]) >= 210
    heading = root.find(f"{SVG}text")
    assert heading is not None and heading.text is not None and heading.text.startswith(NASTY)


def test_a_file_names_no_variable_and_nothing_outside_of_it(tmp_path: Path) -> None:
    write_charts("a", [Panel(CHART)], tmp_path / "new" / "a.svg")
    text = (tmp_path / "new" / "a.svg").read_text()
    assert "var(" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(("classes", "squares", "counts"), [(2, 3, 3), (20, 21, 0), (100, 0, 0)])
def test_a_confusion_matrix_is_drawn_whatever_its_size(
    store: KeptStore, classes: int, squares: int, counts: int
) -> None:
    root = ElementTree.fromstring(charts_text("a", [Panel(confusion_chart(confusions_of(store, classes)))]))
    kinds = [each.attrib.get("class", "") for each in root.iter()]
    assert sum(kind.startswith("square") for kind in kinds) == squares
    assert kinds.count("count") == counts
    assert len(list(root.iter(f"{SVG}image"))) == (1 if classes == 100 else 0)
