"""A cell: one fully resolved experiment, as a frozen value that round-trips through YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Frozen(BaseModel):
    """Base of all settings: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(BaseModel):
    """A component by name, all its options spelled out beside it: `{name: sgd, lr: 0.1}`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @property
    def options(self) -> Mapping[str, Any]:
        """The component's options, complete and valid once the cell has been resolved."""
        return self.model_extra or {}


class Validation(Frozen):
    """How validation images are carved from the training split: exactly one of the first three."""

    size: Positive | None = None
    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    groups: str | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _one_way(self) -> Validation:
        given = [self.size, self.fraction, self.groups]
        if sum(value is not None for value in given[:2]) > 1:
            raise ValueError("give size or fraction, not both")
        if all(value is None for value in given):
            raise ValueError("give size, fraction or groups")
        return self


class Limit(Frozen):
    """Fewer images, for smoke runs only."""

    train: Positive | None = None
    test: Positive | None = None


class Dataset(Choice):
    """A source by name with its options (`path`, `resize` ...), the split, and the limit."""

    validation: Validation = Validation(fraction=0.1)
    limit: Limit | None = None

    @property
    def images(self) -> str:
        """Which images these are, as JSON: the same whatever is carved from them or left out."""
        return self.model_copy(update={"validation": Validation(fraction=0.1), "limit": None}).model_dump_json()


class EarlyStopping(Frozen):
    """Stop after `patience` epochs without a better value on validation."""

    patience: Positive = 10
    metric: Literal["val/accuracy", "val/loss"] = "val/accuracy"


class Ema(Frozen):
    """Exponential moving average of the weights, updated each step; evaluated in their place."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999


class Lookahead(Frozen):
    """Slow weights that follow the trained ones every so many steps, which then start again from them.

    After step t of T a slow weight keeps the share `decay` * (t / T)**`power` of itself. They are evaluated in place
    of the trained ones.
    """

    every: Positive = 5
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.774
    power: Annotated[float, Field(ge=0)] = 3.0


class Freeze(Frozen):
    """The parameters whose names match the pattern are trained for the first `epochs` epochs only."""

    parameters: str
    """As in a shell, `*` stands for anything: `layers.0.*`."""
    epochs: Annotated[int, Field(ge=0)] = 0


class CheckpointEvery(Frozen):
    """A checkpoint at the end of each `epochs` epochs, or after the step at which `minutes` have passed.

    By the clock alone, unless epochs are named: an epoch on a GPU can take less time than to write it down.
    """

    epochs: Positive | None = None
    minutes: Annotated[float, Field(gt=0)] | None = 1.0


class Recipe(Frozen):
    """How a network is trained. Everything here but `checkpoint` is part of a cell's identity."""

    epochs: Positive = 30
    batch_size: Positive = 128
    optimizer: Choice = Choice(name="sgd")
    schedule: Choice = Choice(name="cosine")
    augment: tuple[Choice, ...] = ()
    label_smoothing: Share = 0.0
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest L2 norm of the whole gradient."""
    ema: Ema | None = None
    lookahead: Lookahead | None = None
    freeze: tuple[Freeze, ...] = ()
    early_stopping: EarlyStopping | None = None
    keep: Literal["last", "best"] = "last"
    """Which epoch's weights are kept: the last, or the best on validation accuracy."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: on CUDA bf16 autocast, or fp16 with scaled losses where there is no bf16; fp32 elsewhere."""
    channels_last: bool = True
    tta: Literal["none", "flip", "flip_shift", "ten_crop"] = "none"
    """Test-time augmentation, reported beside the plain figure as test/accuracy_tta."""
    checkpoint: CheckpointEvery = CheckpointEvery()

    @model_validator(mode="after")
    def _one_average(self) -> Recipe:
        if self.ema and self.lookahead:
            raise ValueError("ema and lookahead both say which weights are evaluated: give one of them")
        return self


class Cell(Frozen):
    """One fully resolved experiment; `recipe` is None for models that take none."""

    dataset: Dataset
    model: Choice
    recipe: Recipe | None
    seed: int
    train_on: Literal["train", "train+val"] = "train"
    test: Literal["once", "never"] = "once"
