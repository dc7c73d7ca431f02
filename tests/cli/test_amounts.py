from __future__ import annotations

import doctest

from harness.cli import amounts


def test_the_examples_of_the_docstrings_hold() -> None:
    outcome = doctest.testmod(amounts)
    assert outcome.attempted > 5
    assert outcome.failed == 0
