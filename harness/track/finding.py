"""One run by what a person calls it: its id or the start of it, its cell's key, its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from harness.errors import InputError, nearest
from harness.track.runs import FITTED, Record, search, standing
from harness.track.store import Store

FEWEST_DIGITS: Final = 6
CANDIDATES_SHOWN: Final = 10
_HEXADECIMAL: Final = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},32}}")


def find_run(store: Store, asked: str) -> Record:
    """Return the run of a cell or trial that is meant.

    Args:
        store: Where to look, in all studies.
        asked: An MLflow run id or six and more of its first digits, a cell's key or its start, or a
            run's name such as `small-cnn s0`. Of several runs of one cell the newest finished one is meant.

    Raises:
        InputError: there is no such run (names the nearest ones), or several cells could be meant (lists them).
    """
    studies = store.studies()
    found = _named(store, studies, asked) or _numbered(store, studies, asked.lower())
    if not found:
        raise InputError(_no_such(asked, _fitted(search(store.client, studies))))
    cells = _by_cell(found)
    if len(cells) > 1:
        raise InputError(f'"{asked}" could be several runs; give one by its run id:\n{_listed(map(_best, cells))}')
    return _best(cells[0])


def require_finished(record: Record) -> Record:
    """Return the run if it is finished; raises InputError saying how it ended if it is not."""
    if record.status == "FINISHED":
        return record
    reason = record.tags.get("harness.error", "")
    said = f": {reason.splitlines()[0]}" if reason else ""
    raise InputError(
        f"run {record.name} ({record.run_id[:8]}) is {record.status}{said}; only finished runs can be used"
    )


def _named(store: Store, studies: Mapping[str, str], name: str) -> tuple[Record, ...]:
    if "'" in name:  # MLflow's filters know no escape for it
        return tuple(record for record in _fitted(search(store.client, studies)) if record.name == name)
    return _fitted(search(store.client, studies, f"attributes.run_name = '{name}'"))


def _numbered(store: Store, studies: Mapping[str, str], digits: str) -> tuple[Record, ...]:
    if not _HEXADECIMAL.fullmatch(digits):
        return ()
    by_id = search(store.client, studies, f"attributes.run_id LIKE '{digits}%'")
    by_key = search(store.client, studies, f"tags.`harness.key` LIKE '{digits}%'")
    return _fitted({record.run_id: record for record in (*by_id, *by_key)}.values())


def _fitted(records: Iterable[Record]) -> tuple[Record, ...]:
    return tuple(record for record in records if record.kind in FITTED)


def _by_cell(records: Sequence[Record]) -> list[list[Record]]:
    cells: dict[str, list[Record]] = {}
    for record in records:
        cells.setdefault(record.key, []).append(record)
    return list(cells.values())


def _best(records: Sequence[Record]) -> Record:
    """Return the newest finished run, or the newest of all."""
    best = standing(sorted(records, key=lambda record: record.start)).run
    assert best is not None  # a cell is known by its runs
    return best


def _no_such(asked: str, records: Sequence[Record]) -> str:
    if not records:
        return f'there is no run "{asked}"; the store has no run of a cell yet'
    guess = nearest(asked, {record.name for record in records})
    if not guess.startswith("; valid"):
        return f'there is no run "{asked}"{guess}'
    newest = _listed(map(_best, _by_cell(records)[::-1]))
    return f'there is no run "{asked}"; a run is a name, a cell key or (six digits of) a run id, such as:\n{newest}'


def _listed(records: Iterable[Record]) -> str:
    each = list(records)
    lines = [
        f"  {record.run_id[:8]}  {record.name}  (study {record.study}, cell {record.key}, {record.status})"
        for record in each[:CANDIDATES_SHOWN]
    ]
    left = len(each) - len(lines)
    return "\n".join([*lines, f"  and {left} more"] if left else lines)
