"""Many cells: plan, skip what is done, run the rest in this process or in workers, leave true states.

`planning` makes plans and says where cells stand, `driver` runs them, `executor` is the narrow waist; each is imported
by its own name, because a worker process imports this package too and has no use for MLflow.
"""

from typing import Literal

ExecutorName = Literal["inline", "local"]
"""Each is a file of this folder with a class of its name, `local.py` with `LocalExecutor`, imported when asked for.

It stands here, where nothing slow is imported, because `harness --help` lists it.
"""
