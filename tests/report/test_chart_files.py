from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from harness.report.chart_files import Panel, charts_text, write_charts

SVG = "{http://www.w3.org/2000/svg}"
CHART = Markup('<svg class="x" viewBox="0 0 100 50"><path class="grid" d="M0 0H9"/></svg>')
NASTY = '<b> & "quoted" ü'


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
