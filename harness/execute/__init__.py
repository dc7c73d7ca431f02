"""Many cells: plan, skip what is done, run the rest in this process or in workers, leave true states.

`planning` makes plans and says where cells stand, `driver` runs them, `executor` is the narrow waist; each is imported
by its own name, because a worker process imports this package too and has no use for MLflow.
"""

from pathlib import Path
from typing import Final

EXECUTORS: Final = tuple(sorted(path.stem for path in (Path(__file__).parent / "executors").glob("[!_]*.py")))
"""The names of all executors, by their files.

It stands here, where nothing slow is imported, because `harness --help` lists it.
"""
