"""Names as names of files: on every system, one for each, and never a path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.escape import file_stem, folder_of, from_csv, in_csv, in_markdown
from tests.nasty import NASTY

WINDOWS = ("con", "prn", "aux", "nul", "com1", "lpt9")


@pytest.mark.parametrize("name", [*NASTY, *WINDOWS, "NUL.txt", "", " ", ".", "..", "a.", "\u00df", "x" * 5000])
def test_a_file_can_have_the_name_everywhere(name: str) -> None:
    stem = file_stem(name)
    assert re.fullmatch(r"[a-z0-9=_][a-z0-9._=-]*", stem), stem
    assert len(stem) <= 140 and not stem.endswith(".")
    assert stem.partition(".")[0] not in WINDOWS
    assert file_stem(name) == stem


@pytest.mark.parametrize("name", [*NASTY, *WINDOWS, "NUL.txt", "..", "/etc", "a/b", "C:\\x", "a.", "\u753b\u50cf" * 60])
def test_a_folder_stays_below_its_parent_and_has_a_name_that_every_system_takes(name: str, tmp_path: Path) -> None:
    folder = folder_of(name, tmp_path)
    assert folder.parent == tmp_path and folder.resolve().parent == tmp_path.resolve()
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]|^\.|[. ]$', folder.name)
    assert len(folder.name.encode()) <= 200 and folder.name.lower().partition(".")[0] not in WINDOWS
    folder.mkdir()
    assert folder_of(name, tmp_path) == folder


@pytest.mark.parametrize(
    "name", ["quickstart", "my images, in full (2)", "caf\u00e9-\u753b\u50cf", "a.b_c-d+e=f", "50 %"]
)
def test_what_people_write_is_the_name_of_the_folder(name: str, tmp_path: Path) -> None:
    assert folder_of(name, tmp_path) == tmp_path / name


def test_two_names_never_share_a_folder(tmp_path: Path) -> None:
    names = ["Digits", "digits", "DIGITS", "a:b", "a?b", "con", "CON", "caf\u00e9", "cafe\u0301"]
    folders = []
    for name in names:
        folders.append(folder_of(name, tmp_path))
        folders[-1].mkdir()
    assert folders[0].name == "Digits"
    assert len({each.name.casefold() for each in folders}) == len(names)
    assert [folder_of(name, tmp_path) for name in names] == folders


@pytest.mark.parametrize("text", ["=1", "'=1", "''=1", "-a", "'a", "a", "-1", "- b", "@x"])
def test_what_a_spreadsheet_is_told_is_read_back_as_it_was(text: str) -> None:
    assert from_csv(in_csv(text)) == text


def test_words_and_figures_are_left_as_they_are() -> None:
    for text in ("test_fraction of 0.25", "-1.23 to +0.5 points", "1.5 s, 50 %", "a-b (c), d=e: f; g/h", "#3"):
        assert in_markdown(text, begins_line=True) == text
