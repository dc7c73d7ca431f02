"""The ledger of test openings: one finished run for each, in an experiment of its own.

It is shared by all studies of a store, because a cell's test set is opened once, not once a study.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any, Final

from harness.contracts import Opening
from harness.errors import SealError
from harness.track.runs import Record

LEDGER: Final = "harness-ledger"


def opening_of(record: Record) -> Opening:
    """Return a ledger run as an opening."""
    tags = record.tags
    return Opening(
        key=record.key,
        model_digest=tags["harness.model_digest"],
        time=tags["harness.time"],
        host=tags["harness.host"],
        run_id=tags["harness.run"],
        study=tags.get("harness.study", ""),
    )


def tags_of(opening: Opening, study: str) -> dict[str, str]:
    """Return the tags that an opening is recorded by."""
    return {
        "harness.kind": "opening",
        "harness.key": opening.key,
        "harness.model_digest": opening.model_digest,
        "harness.time": opening.time,
        "harness.host": opening.host,
        "harness.run": opening.run_id,
        "harness.study": study,
    }


def new_opening(key: str, model_digest: str, run_id: str) -> Opening:
    """Return an opening that happens now, on this machine."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Opening(key, model_digest, now, platform.node(), run_id)


def is_opened(earlier: tuple[Opening, ...], key: str, model_digest: str) -> bool:
    """Whether this very model opened the test set before; then it may finish and nothing is recorded.

    Raises:
        SealError: another model opened it before.
    """
    others = [opening for opening in earlier if opening.model_digest != model_digest]
    if others:
        first = others[0]
        raise SealError(
            f"the test set of cell {key} was opened before, by run {first.run_id} at {first.time} on {first.host}, "
            f"with model {first.model_digest}; this one is {model_digest}. A test set is opened once a cell: "
            "if a component's results have changed on purpose, raise its revision"
        )
    return bool(earlier)


def append(client: Any, experiment_id: str, opening: Opening, study: str) -> None:
    """Add a line to the ledger; returns when it is stored."""
    run = client.create_run(experiment_id, tags=tags_of(opening, study), run_name=f"{opening.key} {opening.time}")
    client.set_terminated(run.info.run_id, "FINISHED")
