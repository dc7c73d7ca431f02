from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.measure.paired import discordant, holm, mcnemar


def test_mcnemar_equals_the_binomial_test_on_the_approval_ratings() -> None:
    # Agresti 2002, Categorical Data Analysis, table 10.1: of 1,600 voters 150 approved in the first survey alone,
    # 86 in the second alone; z^2 = 17.36 with one degree of freedom.
    exact = float(mcnemar(np.array(150), np.array(86)))
    assert exact == pytest.approx(stats.binomtest(86, 236, 0.5).pvalue, rel=1e-12)
    assert exact == pytest.approx(stats.chi2.sf((150 - 86) ** 2 / (150 + 86), 1), rel=0.25)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (0, 5), (5, 6), (3, 3), (40, 12), (900, 1000)])
def test_mcnemar_equals_scipys_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert float(mcnemar(np.array(first), np.array(second))) == pytest.approx(expected, rel=1e-9)


def test_six_against_none_is_the_first_to_be_significant() -> None:
    p = mcnemar(np.array([5, 6]), np.array([0, 0]))
    assert p.tolist() == pytest.approx([2 * 0.5**5, 2 * 0.5**6])


def test_discordant_images_are_counted_for_each_ordered_pair() -> None:
    right = np.array([[1, 1, 0, 0], [1, 0, 1, 1]], dtype=bool)
    assert discordant(right).tolist() == [[0, 1], [2, 0]]


def test_holm_equals_rs_p_adjust() -> None:
    # R: p.adjust of these five numbers with method "holm".
    assert holm(np.array([0.01, 0.02, 0.03, 0.04, 0.05])).tolist() == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_holm_rejects_what_the_textbook_example_rejects() -> None:
    # p-values 0.01, 0.04, 0.03, 0.005 at 5 %: the first and the fourth are rejected, the others are not.
    adjusted = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert (adjusted < 0.05).tolist() == [True, False, False, True]


def test_holm_of_one_test_changes_nothing_and_of_none_is_none() -> None:
    assert holm(np.array([0.2])).tolist() == [0.2]
    assert holm(np.array([])).tolist() == []
