"""What Python code calls, a notebook say, and what the commands of the same names are made of.

`import harness` gives all of it: `load_study` here, `run`, a matrix file from start to end, `results` and `report` of
what was run, and `load_model` (`harness.track.fitted`). Each is imported when it is asked for: MLflow takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import matrix
from harness.matrix import Study
from harness.plugins import Catalog


def load_study(
    path: str | Path,
    *,
    override: Mapping[str, object] | None = None,
    only: str | Sequence[str] | None = None,
    plugins: Sequence[str | Path] = (),
) -> Study:
    """Read and check a matrix file; nothing is run, no data set is read.

    Args:
        path: The file.
        override: Values of the file to be changed, by path, such as `{"recipe.epochs": 5}`.
        only: Only cells whose name matches this pattern, or one of these.
        plugins: Folders of your own components.

    Returns:
        The study; `cells` holds all that would be run, each with its name and its complete settings.

    Raises:
        MatrixError: with everything that is wrong, by line and column.
    """
    return matrix.load_study(Path(path), Catalog(tuple(map(Path, plugins))), assignments(override), only)


def assignments(override: Mapping[str, object] | None) -> tuple[str, ...]:
    """Return changed values as the command line has them: PATH=VALUE."""
    return tuple(f"{path}={json.dumps(value)}" for path, value in (override or {}).items())
