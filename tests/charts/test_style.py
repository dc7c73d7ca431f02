"""How a chart leaves the house: alive, as SVG, as PNG, several in one file."""

import base64
import gzip
import io
from xml.etree import ElementTree

import altair as alt
import pytest
from PIL import Image

from harness.charts import style
from harness.charts.style import (
    BLUE,
    LIGHT,
    Chart,
    finished,
    looks,
    page_loader,
    page_markup,
    page_script,
    page_style,
    sheet,
    sheet_png,
    theme,
    undrawn,
)
from harness.charts.vega import bundled, vega_script


def bars(label: str = "</script><b>", title: str = "A title") -> Chart:
    data = alt.InlineData(values=[{"name": label, "value": 3}, {"name": "var(--blue)", "value": 2}])
    drawn = alt.Chart(data, name="bars").mark_bar(color=BLUE).encode(x="value:Q", y="name:N")
    return finished(drawn, "bars", title, "two bars", width=200, height=60)


def test_a_live_chart_cannot_end_its_script_element() -> None:
    assert "</script" not in bars().live()
    assert page_markup(bars()).count("</script") == 1


def test_a_figure_of_the_page_has_title_and_words_escaped() -> None:
    figure = page_markup(bars(title="<i>tall</i>"))
    assert "&lt;i&gt;tall" in figure and 'aria-label="two bars"' in figure


def test_files_have_fixed_colors_and_the_reader_s_own_texts() -> None:
    svg = bars().svg()
    assert LIGHT["--blue"] in svg
    assert "var(--blue)" in "".join(ElementTree.fromstring(svg).itertext())


def test_a_file_says_its_title_and_a_page_does_so_itself() -> None:
    chart = bars(title="A very long title that goes on and on until it needs another line")
    assert "A very long title" in chart.svg() and "title" not in chart.spec


def test_png_is_as_large_as_asked_for() -> None:
    one, two = (Image.open(io.BytesIO(bars().png(scale))) for scale in (1.0, 2.0))
    assert two.width == pytest.approx(2 * one.width, abs=2)
    assert bars().png() == bars().png()


def test_a_sheet_holds_all_its_charts_side_by_side() -> None:
    found = ElementTree.fromstring(sheet([bars(), bars(), bars()], columns=2))
    inner = found.findall("{http://www.w3.org/2000/svg}svg")
    assert len(inner) == 3
    assert float(inner[1].attrib["x"]) > float(inner[0].attrib["width"])
    assert float(inner[2].attrib["y"]) > float(inner[0].attrib["height"])
    ids = [each.attrib["id"] for each in found.iter() if "id" in each.attrib]
    assert len(ids) == len(set(ids))
    assert Image.open(io.BytesIO(sheet_png([bars(), bars()]))).width > 400


def test_24_series_look_different() -> None:
    colors, dashes = looks(24)
    assert len({(color, tuple(dash)) for color, dash in zip(colors, dashes, strict=True)}) == 24


def test_all_colors_have_a_light_value() -> None:
    assert {name[4:-1] for name in looks(6)[0]} <= set(LIGHT)
    assert all(f"{name}:" in page_style() for name in LIGHT if name.startswith("--hue"))


def test_nothing_is_written_smaller_than_10_pixels() -> None:
    sizes = [
        value for part in theme("x").values() if isinstance(part, dict) for key, value in part.items() if "Size" in key
    ]
    assert min(size for size in sizes if size > 4) >= 10


def test_the_script_is_whole_and_the_same_each_time() -> None:
    script = page_script()
    assert "__THEME__" not in script and "IntersectionObserver" in script and "</script" not in script
    assert len(script) < 1_000_000


def test_the_libraries_that_are_kept_are_those_of_the_installed_converter() -> None:
    assert vega_script() == bundled(), "run python -m harness.charts.vega"


def test_a_page_holds_the_script_in_less_than_half_of_its_size() -> None:
    packed = page_loader().partition('atob("')[2].partition('"')[0]
    assert gzip.decompress(base64.b64decode(packed)).decode() == page_script()
    assert len(page_loader()) < len(page_script()) / 2


def test_letters_that_no_font_of_the_machine_has_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert undrawn(["café", "Жук", "Ωmega", "lr=0.1 ± 2"]) == ""
    without = {"猫", "犬", style.NO_LETTER}
    monkeypatch.setattr(style, "_letter", lambda letter: b"a box" if letter in without else letter.encode())
    assert undrawn(["a 犬", "猫猫 한"]) == "犬猫"
