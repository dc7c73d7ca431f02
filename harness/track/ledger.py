"""The ledger of test openings: one finished run for each, in an experiment of its own.

It is shared by all studies of a store, because a cell's test set is opened once, not once a study.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from harness.contracts import UNKNOWN_SET, Opening, SealedSet
from harness.errors import SealError
from harness.matrix import is_same_source
from harness.track.runs import THREADS, Record, search
from harness.words import amount

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
        test_files=tags.get("harness.test_files", ""),
        test_fingerprint=tags.get("harness.test_fingerprint", ""),
        source_digest=tags.get("harness.source_digest", ""),
        threads=int(tags.get(THREADS, "0")),
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
        "harness.test_files": opening.test_files,
        "harness.test_fingerprint": opening.test_fingerprint,
        "harness.source_digest": opening.source_digest,
        THREADS: str(opening.threads),
    }


def new_opening(
    key: str,
    model_digest: str,
    run_id: str,
    study: str = "",
    *,
    test_set: SealedSet = UNKNOWN_SET,
    source_digest: str = "",
    threads: int = 0,
) -> Opening:
    """Return an opening that happens now, on this machine."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    test = {"test_files": test_set.files, "test_fingerprint": test_set.fingerprint}
    return Opening(
        key, model_digest, now, platform.node(), run_id, study, **test, source_digest=source_digest, threads=threads
    )


def is_opened(earlier: Iterable[Opening], opening: Opening) -> bool:
    """Whether this very function opened this test set for the cell before; then it may finish, nothing is recorded.

    A function is a fitted model and the source of its components: the same weights answer otherwise where `predict`
    has changed. Lines of earlier versions name neither source nor test set: their model must be this one in any case.

    Raises:
        SealError: another function opened it before.
    """
    possible = [each for each in earlier if each.test_set.is_same(opening.test_set) is not False]
    for first in possible:
        if first.model_digest != opening.model_digest:
            what = f"with model {first.model_digest}{_by(first)}; this one is {opening.model_digest}{_by(opening)}"
        elif first.source_digest and not is_same_source(first.source_digest, opening.source_digest):
            what = "with the same weights, but the source of its components has changed since"
        else:
            continue
        raise SealError(
            f"the test set of cell {opening.key} was opened before, by run {first.run_id} at {first.time} "
            f"on {first.host}, {what}. A test set is opened once a cell. Fitted with as many CPU threads, on the same "
            "kind of processor and by the same version of torch, it is the same model, which may finish; "
            "if a component's results have changed on purpose, raise its revision"
        )
    return any(
        each.run_id == opening.run_id
        or each.test_set == opening.test_set
        or each.test_set.is_same(opening.test_set) is True
        for each in possible
    )


def _by(opening: Opening) -> str:
    return f" (fitted with {amount(opening.threads, 'CPU thread')})" if opening.threads else ""


def look_of(opening: Opening) -> tuple[str, ...]:
    """Return what makes an opening the same one in two stores, and in the journal, whichever run it names there."""
    return opening.key, opening.model_digest, opening.test_files or opening.test_fingerprint, opening.source_digest


def append(client: Any, experiment_id: str, opening: Opening, study: str) -> None:
    """Add a line to the ledger; returns when it is stored."""
    run = client.create_run(experiment_id, tags=tags_of(opening, study), run_name=f"{opening.key} {opening.time}")
    client.set_terminated(run.info.run_id, "FINISHED")


def end_lines(client: Any, experiment_id: str, key: str) -> None:
    """End a cell's lines that still count as running: whoever wrote them was killed in between."""
    for record in search(client, {experiment_id: LEDGER}, f"tags.`harness.key` = '{key}'"):
        if record.status == "RUNNING":
            client.set_terminated(record.run_id, "FINISHED")
