from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from harness.matrix import meanings, summary, type_words, types


class Base(BaseModel):
    """What others derive from."""

    size: int = 3
    """How large,
    in pixels."""


class Settings(Base):
    """Settings that are documented
    in three ways.

    And in more words.

    Attributes:
        mode: "zeros", or
            something else.
        share: Of the whole.
    """

    mode: Literal["zeros", "reflect", 3] = "zeros"
    share: Annotated[float, Field(ge=0, lt=1)] | None = None
    given: Annotated[bool, Field(description="By its field.")] = True
    silent: tuple[int, ...] = ()


def test_meanings_are_read_from_docstrings_of_the_class_and_its_bases() -> None:
    assert meanings(Settings) == {
        "size": "How large, in pixels.",
        "mode": '"zeros", or something else.',
        "share": "Of the whole.",
        "given": "By its field.",
    }


def test_the_summary_is_the_first_paragraph() -> None:
    assert summary(Settings) == "Settings that are documented in three ways."


def test_types_are_told_in_words() -> None:
    assert types(Settings) == {
        "size": "whole number",
        "mode": '"zeros", "reflect" or 3',
        "share": "number >= 0, < 1 or null",
        "given": "true or false",
        "silent": "list of whole number",
    }


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/known"}, "known"),
        ({"type": "array", "items": {"$ref": "#/known"}}, "list of known"),
        ({"$ref": "#/other"}, "mapping"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "number"}]}, "[whole number, number]"),
        ({"type": "string", "format": "path"}, "path"),
        ({}, "value"),
    ],
)
def test_references_and_lists_are_told_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_words(schema, {"#/known": "known"}) == words
