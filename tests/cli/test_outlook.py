from __future__ import annotations

from harness.cli.cost import Bill, Crew
from harness.cli.outlook import Outlook, with_estimates
from harness.cli.rates import Rates
from harness.contracts import StudyPlan
from tests.cli.conftest import planned


def test_cells_to_run_carry_what_was_foreseen_and_done_or_unknown_ones_do_not() -> None:
    done, todo, unknown = planned("mlp"), planned("mlp", seed=1, epochs=10), planned("small_cnn")
    rates = Rates()
    rates.add(done.cell, 8.0)
    plan = StudyPlan(study="a", matrix="a.yaml", cells=(done, todo, unknown))
    outlook = Outlook((), (todo, unknown), Crew(1, ("cpu",)), rates, Bill(2, 1, 20.0))
    tags = [dict(each.tags) for each in with_estimates(plan, outlook).cells]
    expected = rates.guess(todo.cell)
    assert expected is not None
    assert tags == [{}, {"harness.estimated_seconds": f"{expected:.3f}"}, {}]
