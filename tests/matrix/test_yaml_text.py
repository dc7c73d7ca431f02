from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import MatrixError
from harness.matrix.nodes import Fields, Mark, Problems, plain
from harness.matrix.yaml_text import parse, read_file

START = Mark(0, 1, 1, "m.yaml")


def read(text: str) -> object:
    problems = Problems()
    value = plain(parse(text, START, problems))
    assert list(problems) == []
    return value


def complaints(text: str) -> list[str]:
    problems = Problems()
    parse(text, START, problems)
    return list(problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5.0e-4", 0.0005),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("-7", -7),
        (".5", 0.5),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("null", None),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ('"1"', "1"),
        ("'true'", "true"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = read(f"a: {text}")
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_every_value_and_key_knows_its_position() -> None:
    node = parse("a: 1\nb:\n  - x\n  - {c: 2}\n", START, Problems())
    assert isinstance(node, Fields)
    assert str(node.key_mark("b")) == "m.yaml:2:1"
    assert str(node.fields["a"].mark) == "m.yaml:1:4"
    assert node.fields["b"].path == "b"


def test_a_duplicate_key_is_a_problem_that_names_the_first() -> None:
    assert complaints("a: 1\nb: 2\na: 3\n") == ["m.yaml:3:1: a: duplicate key; the first is at m.yaml:1:1"]


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!int", "!custom", "!!binary"])
def test_tags_are_refused(tag: str) -> None:
    (problem,) = complaints(f"a: {tag} 1\n")
    assert problem.startswith("m.yaml:1:4: a: tag ")
    assert "only plain YAML" in problem


def test_anchors_aliases_and_merge_keys_are_plain_yaml() -> None:
    text = "base: &base {lr: 1, momentum: 2}\nmine: {<<: *base, lr: 3}\nsame: *base\n"
    assert read(text) == {
        "base": {"lr": 1, "momentum": 2},
        "mine": {"lr": 3, "momentum": 2},
        "same": {"lr": 1, "momentum": 2},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "m.yaml:1:1: is empty"),
        ("# only a comment\n", "m.yaml:1:1: is empty"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2:1: a second document"),
        ("a: *nowhere\n", "m.yaml:1:4: *nowhere is not defined above"),
        ("a: &a [*a]\n", "m.yaml:1:8: *a is not defined above"),
        ("a: [1, 2\nb: 3\n", "m.yaml:2:"),
        ("a:\n\t- 1\n", "m.yaml:2:1: is not YAML"),
        ("a: b: c\n", "m.yaml:1:5: is not YAML"),
        ("a: " + "[" * 200 + "]" * 200, "too large or too deeply nested"),
    ],
)
def test_text_that_cannot_be_read_names_file_line_and_column(text: str, said: str) -> None:
    with pytest.raises(MatrixError, match=r"m\.yaml") as error:
        parse(text, START, Problems())
    assert said in str(error.value)


def test_aliases_cannot_blow_a_file_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(MatrixError, match="too large"):
        parse("\n".join(lines), START, Problems())


def test_files_that_are_no_text_files_are_matrix_errors(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("study: é".encode("latin-1"))
    for path, said in [(tmp_path, "cannot be read"), (tmp_path / "none.yaml", "cannot be read"), (latin, "not UTF-8")]:
        with pytest.raises(MatrixError, match=said):
            read_file(path, 0, Problems())


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert plain(read_file(path, 0, Problems())) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nbc: x\x00y\n", r"m.yaml:2:6: has '\x00', which is no printable character"),
        ("a: x\x1b[31m\n", r"m.yaml:1:5: has '\x1b', which is no printable character"),
        ("\ufffea: 1\n", r"m.yaml:1:1: has '\ufffe', which is no printable character"),
    ],
)
def test_a_character_that_yaml_does_not_allow_is_told_where_it_stands(text: str, problem: str) -> None:
    with pytest.raises(MatrixError) as error:
        parse(text, START, Problems())
    assert error.value.problems == (problem,)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('a: "C:\\Users"\n', "; in single quotes a backslash stands for itself"),
        ('a: "\\d+"\n', "; in single quotes a backslash stands for itself"),
        ("a:\n\tb: 1\n", "; YAML is indented by spaces"),
    ],
)
def test_slips_that_yaml_does_not_explain_are_explained(text: str, hint: str) -> None:
    with pytest.raises(MatrixError) as error:
        parse(text, START, Problems())
    assert str(error.value).endswith(hint)
