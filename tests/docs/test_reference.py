"""docs/reference.md says what the code does: it is what the generator writes, and each of its examples loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import make_reference
from docs.make_reference import BASE, EXAMPLES, PAGE, component_examples, reference
from harness.matrix import json_schema, load_study
from harness.plugins import Catalog


@pytest.fixture(scope="module")
def page() -> str:
    return reference()


def test_the_page_is_what_make_docs_writes(page: str) -> None:
    assert PAGE.read_text() == page, "run make docs"


def test_every_link_within_the_page_leads_to_a_heading(page: str) -> None:
    headings = {make_reference._anchor(title) for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert len(links) > 20
    assert links <= headings


def test_files_that_the_page_links_to_are_there(page: str) -> None:
    assert all((PAGE.parent / name).is_file() for name in re.findall(r"\]\((\w+\.md)\)", page))


@pytest.mark.parametrize("example", [*EXAMPLES.values(), *component_examples(Catalog())])
def test_an_example_is_a_valid_matrix_file(example: str, tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text(BASE)
    path = tmp_path / "matrix.yaml"
    path.write_text(example if "extends:" in example else f"extends: common.yaml\n{example}")
    assert load_study(path, Catalog()).cells


def test_every_key_component_and_metric_is_on_the_page(page: str) -> None:
    catalog = Catalog()
    sections = json_schema(catalog)["properties"]
    experiment = sections["experiments"]["additionalProperties"]["anyOf"][1]["properties"]
    for key in [*sections, *experiment, *json_schema(catalog)["$defs"]["recipe"]["properties"]]:
        assert f"| `{key}` |" in page
    for kind in make_reference.KINDS:
        for name in catalog.names(kind):
            assert f"#### {name}\n" in page


def test_a_key_without_an_example_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXAMPLES, "budget", "budget: {hours: 1}\n")
    with pytest.raises(ValueError, match="the example of budget does not show disk_gb"):
        reference()
