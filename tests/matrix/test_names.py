"""Names become folders, rows, runs and lines on a terminal: what could not is refused where it stands."""

from __future__ import annotations

import pytest

from harness.matrix import json_schema
from harness.plugins import Catalog
from harness.track import LEDGER
from tests.matrix.conftest import Complain, Load
from tests.matrix.test_schema import accepts

TAIL = "dataset: {name: dots, validation: {size: 10}}\nexperiments: {a: {model: fit_a}}\n"
FOLDER = r"a study is a folder of that name, so it has neither / nor \ and begins with no dot"
WRONG = [
    ('"../../outside"', f'"../../outside": {FOLDER}'),
    ('"/tmp/outside"', f'"/tmp/outside": {FOLDER}'),
    (r"'C:\outside'", rf'"C:\outside": {FOLDER}'),
    ('".."', f'"..": {FOLDER}'),
    (".hidden", f'".hidden": {FOLDER}'),
    ("a/b", f'"a/b": {FOLDER}'),
    (r'"a\nb"', r"has '\n', which is no printable character"),
    (r'"a\0b"', r"has '\x00', which is no printable character"),
    (r'"\e[31mred"', r"has '\x1b', which is no printable character"),
    (r'"\u202egnp.x"', r"has '\u202e', which is no printable character"),
    (r'"a\ud800"', r"has '\ud800', which is no printable character"),
    ("x" * 5000, "a name of 5,000 characters; at most 100"),
    (LEDGER, f'"{LEDGER}" is a name that the store keeps for itself'),
    ("HARNESS-Ledger", '"HARNESS-Ledger" is a name that the store keeps for itself'),
    ("default", '"default" is a name that the store keeps for itself'),
    ("Default", '"Default" is a name that the store keeps for itself'),
    ('"  "', '"  " is not a name'),
]


@pytest.mark.parametrize(("study", "problem"), WRONG, ids=range(len(WRONG)))
def test_a_study_whose_name_is_no_name_of_a_folder_is_refused(complain: Complain, study: str, problem: str) -> None:
    assert complain(TAIL, head=f"version: 1\nstudy: {study}\n") == [f"matrix.yaml:2:8: study: {problem}"]


@pytest.mark.parametrize(
    "study", ["quickstart", "my images, in full (2)", "café-画像", "a.b_c-d+e=f", "x" * 100, "50 %"]
)
def test_names_that_people_write_are_names(load: Load, study: str) -> None:
    assert load(TAIL, head=f"version: 1\nstudy: {study}\n").name == study


PLACES = {
    "6:15: experiments.NAME": "experiments: {NAME: {model: fit_a}}\n",
    "6:46: experiments.a.add[0].name": "experiments: {a: {model: fit_a, add: [{name: NAME, model.strength: 2.0}]}}\n",
    "7:35: ablations.b.switch.NAME": (
        "experiments: {a: {model: fit_a}}\nablations: {b: {base: a, switch: {NAME: {model.strength: 2.0}}}}\n"
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        (r'"a\nb"', r"a\nb", r"has '\n', which is no printable character"),
        (r'"\e[2J"', r"\x1b[2J", r"has '\x1b', which is no printable character"),
        ('" a"', " a", "a name that begins or ends with a space"),
        ("x" * 150, "x" * 150, "a name of 150 characters; at most 100"),
    ],
)
def test_names_below_the_study_are_printable_and_short(
    complain: Complain, place: str, name: str, shown: str, problem: str
) -> None:
    assert f"matrix.yaml:{place.replace('NAME', shown)}: {problem}" in complain(PLACES[place].replace("NAME", name))


def test_an_empty_name_is_told(complain: Complain) -> None:
    assert complain('experiments: {"": {model: fit_a}}\n') == ["matrix.yaml:6:15: experiments.: an empty name"]


def test_markup_is_a_name_for_those_who_write_pages_to_escape(load: Load) -> None:
    names = ["<img src=x onerror=alert(2)>", "[x](javascript:alert(3))", "=HYPERLINK(1)"]
    text = "experiments:\n" + "".join(
        f'  "{name}": {{model: {{name: fit_a, strength: {n}}}}}\n' for n, name in enumerate(names, 1)
    )
    assert [each.places[0].experiment for each in load(text).cells] == names


@pytest.mark.parametrize("place", ["claims: [{{source: {}}}]", "dataset: {{name: dots, path: {}}}"])
def test_control_characters_are_in_no_text(complain: Complain, place: str) -> None:
    head = "version: 1\n" + place.format(r'"a\0b"') + "\n"
    assert any(r"has '\x00', which is no printable character" in each for each in complain("", head=head))


def test_each_problem_is_one_line_that_a_terminal_may_show(complain: Complain) -> None:
    lines = complain('experiments: {a: {model: "\\e[31m\\nmodel", "k\\ney": 1}}\n', overrides=["recipe.x\x1b[2J=1"])
    assert lines
    assert all(line.isprintable() for line in lines)


def test_what_is_quoted_is_cut(complain: Complain) -> None:
    assert max(map(len, complain(f"experiments: {{a: {{model: {'m' * 100_000}, {'k' * 100_000}: 1}}}}\n"))) < 1000


def test_the_schema_knows_what_a_name_is() -> None:
    schema = json_schema(Catalog())
    for study in ("../x", ".x", "a/b", "x" * 101, " x", "x "):
        assert not accepts(schema, {"study": study}, schema)
    assert accepts(schema, {"study": "my images (2)"}, schema)
    assert not accepts(schema, {"experiments": {"x" * 101: None}}, schema)
