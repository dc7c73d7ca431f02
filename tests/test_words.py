from __future__ import annotations

import doctest

from harness import words


def test_the_examples_of_the_docstrings_hold() -> None:
    outcome = doctest.testmod(words)
    assert outcome.attempted > 20
    assert outcome.failed == 0
