"""The winner as a matrix file of its own."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from harness.contracts import PlannedCell

HEADER = """\
# The winner of the tuning study {title}, written by the harness.
# `harness run` with this file makes the same cell again: with the same store it is done already.
"""


def best_yaml(title: str, study: str, planned: PlannedCell) -> str:
    """Return a matrix file with the one cell `planned`."""
    cell = planned.cell.model_dump(mode="json", exclude_none=True)
    experiment: dict[str, Any] = {name: cell[name] for name in ("model", "recipe") if name in cell}
    experiment |= {"train_on": cell["train_on"], "test": cell["test"]}
    document = {
        "version": 1,
        "study": f"{study}-best",
        "dataset": cell["dataset"],
        "seeds": [cell["seed"]],
        "experiments": {planned.places[0].experiment.replace(" ", "-"): experiment},
    }
    yaml, text = YAML(), StringIO()
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.dump(document, text)
    return HEADER.format(title=title) + text.getvalue()
