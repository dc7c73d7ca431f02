"""A tuning study in Optuna's storage: found or created, and what is known of it as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import optuna

from harness.contracts import Confirmation, Frozen
from harness.errors import InputError
from harness.tune.ground import Ground
from harness.tune.owners import PROCESS
from harness.tune.storage import Storage, exists, faults_told, open_storage
from harness.tune.trials import Trials
from harness.tune.turns import Turn

IDENTITY: Final = "harness.identity"
SECONDS: Final = "harness.seconds"
CHOICE: Final = "harness.choice"


class Choice(Frozen):
    """The winner, once it is fixed, and what it was chosen by."""

    winner: int
    time: str
    """UTC in ISO 8601."""
    key: str
    """Of the cell that opens the test set."""
    confirm: str
    """The confirmation's settings as JSON."""
    points: int
    """How many points had been searched."""
    confirmed: tuple[Confirmation, ...] = ()


class Book:
    """One study: its trials, the seconds spent on it, its winner."""

    def __init__(self, ground: Ground, storage: Storage, study: optuna.Study) -> None:
        self._study = study
        self.ground = ground
        self.storage = storage
        self.trials = Trials(ground.tune, study, storage)

    @property
    def seconds(self) -> float:
        """Wall-clock time of search and confirmation, of all processes together."""
        return sum(float(value) for name, value in self._study.user_attrs.items() if name.startswith(SECONDS))

    def add_seconds(self, seconds: float) -> None:
        """Count time spent; each process in an entry of its own, so that none overwrites another's."""
        own = f"{SECONDS}.{PROCESS}"
        self._study.set_user_attr(own, self._attribute(own, 0.0) + seconds)

    @property
    def choosing(self) -> Turn:
        """The turn to choose the winner and to open the test set for it."""
        return self.storage.turn(self._study.study_name, "harness.choosing")

    @property
    def beginning(self) -> Turn:
        """The turn to start the run that stands for the study in the tracking store."""
        return self.storage.turn(self._study.study_name, "harness.beginning")

    @property
    def choice(self) -> Choice | None:
        """The winner, None while it is open."""
        found = self._attribute(CHOICE, None)
        return None if found is None else Choice.model_validate(found)

    def choose(self, choice: Choice) -> None:
        """Fix the winner."""
        self._study.set_user_attr(CHOICE, choice.model_dump(mode="json"))

    @property
    def is_searched(self) -> bool:
        """Whether no further trial is to be drawn."""
        tune = self.ground.tune
        is_late = tune.timeout is not None and self.seconds >= tune.timeout
        return (self.trials.points >= self.ground.budget or is_late) and not self.trials.has_waiting

    @property
    def study(self) -> optuna.Study:
        """Optuna's study."""
        return self._study

    def _attribute(self, name: str, default: Any) -> Any:
        attributes = self._study.user_attrs
        return attributes.get(name, default)


def open_book(ground: Ground, home: Path) -> Book:
    """Return the study, created if there is none.

    Raises:
        InputError: there is a study of another space under this name.
        StoreError: the storage cannot be opened.
    """
    storage = open_storage(home)
    with faults_told(storage):
        study = optuna.create_study(
            study_name=ground.title,
            storage=storage.optuna,
            directions=[goal.direction for goal in ground.tune.objective.goals],
            load_if_exists=True,
            pruner=optuna.pruners.NopPruner(),
        )
        if IDENTITY not in study.user_attrs:
            study.set_user_attr(IDENTITY, dict(ground.identity))
            study.set_metric_names([goal.metric for goal in ground.tune.objective.goals])
        refuse_another(ground, study.user_attrs[IDENTITY])
    return Book(ground, storage, study)


def find_book(ground: Ground, home: Path) -> Book | None:
    """Return the study, None if there is none; nothing is created.

    Raises:
        InputError: there is a study of another space under this name.
        StoreError: the storage cannot be opened.
    """
    if not exists(home):
        return None
    storage = open_storage(home)
    with faults_told(storage):
        if ground.title not in optuna.get_all_study_names(storage.optuna):
            return None
        study = optuna.load_study(study_name=ground.title, storage=storage.optuna)
        if IDENTITY in study.user_attrs:
            refuse_another(ground, study.user_attrs[IDENTITY])
    return Book(ground, storage, study)


def refuse_another(ground: Ground, identity: Mapping[str, Any]) -> None:
    """Refuse a study whose trials cannot be compared with those that are there.

    Raises:
        InputError: saying what differs.
    """
    mine = json.loads(json.dumps(ground.identity))
    differing = [name for name in mine if mine[name] != identity.get(name)]
    if not differing:
        return
    texts = "; ".join(_difference(name, identity.get(name), mine[name]) for name in differing)
    raise InputError(
        f"{ground.mark}: there is a tuning study {ground.title} already, and its trials cannot be compared with "
        f"these: {texts}. Give this file's study another name, or set back what was changed"
    )


def _difference(name: str, before: Any, now: Any) -> str:
    """Return what differs, down to the first entries that do."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in (*before, *(key for key in now if key not in before)) if before.get(key) != now.get(key)]
        return ", ".join(_difference(f"{name}.{key}", before.get(key), now.get(key)) for key in keys[:3])
    return f"{name} was {_shown(before)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)
