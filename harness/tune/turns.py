"""Taking turns: of all processes that work on a study, one at a time draws, and one chooses the winner.

A turn is an entry of the study's attributes in Optuna's database that is only changed if it is as it was read, so of
two processes that want it one gets it. It is no lock to be waited for by the dead: the turn of a process that is gone
is free.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, column, insert, select, table, update
from sqlalchemy.exc import IntegrityError

from harness.tune.owners import Owner, is_gone, me

ENTRIES: Final = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))
FREE: Final = "null"
POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn `name` of a study; `is_shared` says whether several machines work on it."""

    database: Any
    study_id: int
    name: str
    is_shared: bool

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """Hold the turn for the length of the block, as soon as it is free."""
        while not self.take():
            time.sleep(random.uniform(POLL_SECONDS, 3 * POLL_SECONDS))
        try:
            yield
        finally:
            self.give_back()

    def take(self) -> bool:
        """Take the turn; False if another process has it. To take it again is to say that one lives."""
        return self._change(me().model_dump_json())

    def give_back(self) -> None:
        """Let the next one have it; nothing happens if it has been taken away."""
        self._change(FREE)

    def _change(self, after: str) -> bool:
        try:
            with self.database.engine.begin() as connection:
                return self._changed(connection, after)
        except IntegrityError:  # another process was the first ever to take it
            return False

    def _changed(self, connection: Connection, after: str) -> bool:
        here = (ENTRIES.c.study_id == self.study_id) & (ENTRIES.c.key == self.name)
        before = connection.execute(select(ENTRIES.c.value_json).where(here)).scalar()
        if before is None:
            entry = {"study_id": self.study_id, "key": self.name, "value_json": after}
            connection.execute(insert(ENTRIES).values(entry))
            return True
        if before != FREE and not self._is_free(Owner.model_validate_json(before)):
            return False
        same = ENTRIES.c.value_json == before
        return connection.execute(update(ENTRIES).where(here & same).values(value_json=after)).rowcount == 1

    def _is_free(self, owner: Owner) -> bool:
        return owner.is_me or is_gone(owner, self.is_shared)
