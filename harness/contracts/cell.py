"""A cell: one fully resolved experiment, as a frozen value that round-trips through YAML."""

from __future__ import annotations

from collections.abc import Mapping
from re import fullmatch
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


LONGEST_SET_NAME: Final = 20


def is_set_name(name: str) -> bool:
    """Whether a test set may be called that: a short identifier, for it is part of metrics' and files' names.

    >>> is_set_name("field"), is_set_name("Field"), is_set_name("x_tta")
    (True, False, False)
    """
    is_short = fullmatch(f"[a-z][a-z0-9_]{{0,{LONGEST_SET_NAME - 1}}}", name) is not None
    return is_short and not f"_{name}".endswith("_tta")


class Frozen(BaseModel):
    """Base of all settings: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(BaseModel):
    """A component by name, all its options spelled out beside it: `{name: sgd, lr: 0.1}`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str
    """Which one, by the name of its file."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The component's options, complete and valid once the cell has been resolved."""
        return self.model_extra or {}


class Validation(Frozen):
    """How validation images are carved from the training split: by size or by fraction, and whole groups if asked.

    Or none are carved, where the data set has a validation split of its own.
    """

    size: Positive | None = None
    """How many images, of each class in proportion."""
    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training images, of each class in proportion; 0.1 where groups alone are given."""
    groups: str | None = None
    """Hold out whole groups, such as all images of a patient: a text file with lines `image path,group` for
    image_folder, a column for parquet, an array for npz."""
    split: Literal["val"] | None = None
    """Take the data set's own validation split, and carve none: a folder `val` beside `train`, `validation*.parquet`,
    arrays `x_val` or `val_images`, or what the source's option `val` names."""
    seed: int = 0
    """Draws the images; the split is the same for every seed of a cell."""

    @model_validator(mode="after")
    def _one_way(self) -> Validation:
        given = [self.size, self.fraction, self.groups]
        if self.split is not None:
            if any(value is not None for value in given):
                raise ValueError("split takes the data set's own validation images; give no size, fraction or groups")
            return self
        if sum(value is not None for value in given[:2]) > 1:
            raise ValueError("give size or fraction, not both")
        if all(value is None for value in given):
            raise ValueError("give size, fraction, groups or split")
        return self


class Limit(Frozen):
    """Fewer images, for smoke runs only."""

    train: Positive | None = None
    """Most images to fit on, of what validation leaves; of each class in proportion, always the same ones."""
    test: Positive | None = None
    """Most test images, likewise."""


class Dataset(Choice):
    """A source by name with its options (`path`, `resize` ...), the split, and the limit."""

    validation: Validation = Validation(fraction=0.1)
    """What is held out of the training split for validation."""
    limit: Limit | None = None
    """Fewer images, for smoke runs; the report says so on its first line."""
    groups: str | None = None
    """Keep whole groups, such as all images of a patient, on one side of every split that is carved, and tell a given
    test split that shares one with training: a text file with lines `image path,group` for image_folder, a column for
    parquet and hub, an array for npz."""

    @property
    def grouped_by(self) -> str | None:
        """What names the groups: `groups`, or `validation.groups`."""
        return self.groups or self.validation.groups

    @property
    def test_sets(self) -> Mapping[str, Dataset]:
        """For each name of a test set, in order, the data set that has it alone; under "" itself if none is named.

        Whatever touches test data goes through these: a source knows one test path.
        """
        named = self.options.get("test")
        if not isinstance(named, Mapping):
            return {"": self}
        return {name: self.model_copy(update={"test": path}) for name, path in named.items()}

    @property
    def test_splits(self) -> Mapping[str, Dataset]:
        """The same by the split's name in metrics and files: `test` is the first, each other one `test_NAME`."""
        return {f"test_{name}" if place else "test": each for place, (name, each) in enumerate(self.test_sets.items())}

    @property
    def images(self) -> str:
        """Which images and groups these are, as JSON: the same whatever is carved from them or left out."""
        own = self.validation.split
        validation = Validation(fraction=0.1) if own is None else Validation(split=own)
        kept = {"validation": validation, "limit": None, "groups": self.grouped_by}
        return self.model_copy(update=kept).model_dump_json()


class EarlyStopping(Frozen):
    """Stop after `patience` epochs without a better value on validation."""

    patience: Positive = 10
    """Epochs without a better value before training ends."""
    metric: Literal["val/accuracy", "val/loss"] = "val/accuracy"
    """What must get better: accuracy higher, loss lower."""


class Ema(Frozen):
    """Exponential moving average of the weights, updated each step; evaluated in their place."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Share of the average that each step keeps."""


class Lookahead(Frozen):
    """Slow weights that follow the trained ones every so many steps, which then start again from them.

    After step t of T a slow weight keeps the share `decay` * (t / T)**`power` of itself. They are evaluated in place
    of the trained ones.
    """

    every: Positive = 5
    """Steps between two moves of the slow weights."""
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.774
    """Share of itself that a slow weight keeps at the end of training."""
    power: Annotated[float, Field(ge=0)] = 3.0
    """How late that share rises: 0 has it from the first step on."""


class Freeze(Frozen):
    """The parameters whose names match the pattern are trained for the first `epochs` epochs only."""

    parameters: str
    """Names of parameters; as in a shell, `*` stands for anything: `layers.0.*`."""
    epochs: Annotated[int, Field(ge=0)] = 0
    """How many epochs they are trained before they are frozen; 0 freezes them from the start."""


class CheckpointEvery(Frozen):
    """A checkpoint at the end of each `epochs` epochs, or after the step at which `minutes` have passed.

    By the clock alone, unless epochs are named: an epoch on a GPU can take less time than to write it down.
    """

    epochs: Positive | None = None
    """Epochs between two checkpoints; null for none by epochs."""
    minutes: Annotated[float, Field(gt=0)] | None = 1.0
    """Minutes between two checkpoints; null for none by the clock."""


class Recipe(Frozen):
    """How a network is trained. Everything here but `checkpoint` is part of a cell's identity."""

    epochs: Positive = 30
    """How often each training image is seen."""
    batch_size: Positive = 128
    """Training images a step."""
    optimizer: Choice = Choice(name="sgd")
    """Which optimizer takes the steps, with its options."""
    schedule: Choice = Choice(name="cosine")
    """How the learning rate moves over training, as a factor of the optimizer's `lr`."""
    augment: tuple[Choice, ...] = ()
    """Augmentations of training batches, in this order: `[{crop: {pad: 4}}, flip]`."""
    label_smoothing: Share = 0.0
    """Share of each target that is spread evenly over all classes."""
    class_weights: Literal["balanced"] | Mapping[str, Annotated[float, Field(gt=0)]] | None = None
    """What each class's part in the training loss is multiplied with, as torch's CrossEntropyLoss does for soft
    targets: `{cat: 2.0}`, 1 where a class is not named; balanced: images / (classes * images of the class)."""
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """shuffle: each image once an epoch; balanced: as many draws with replacement, each class as likely as another."""
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest L2 norm of the whole gradient; null for no limit."""
    ema: Ema | None = None
    """An exponential moving average of the weights is what is evaluated and kept."""
    lookahead: Lookahead | None = None
    """Slow weights that follow the trained ones are what is evaluated and kept."""
    freeze: tuple[Freeze, ...] = ()
    """Parameters that are trained for the first epochs only, or not at all; normalizations among them do not move."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of each layer as a share of that of the next deeper one; 1 for the same rate everywhere."""
    early_stopping: EarlyStopping | None = None
    """End training when validation no longer gets better; `keep: best` then keeps the best epoch."""
    keep: Literal["last", "best"] = "last"
    """Which epoch's weights are kept: the last, or the best on validation accuracy."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: on CUDA bf16 autocast, or fp16 with scaled losses where there is no bf16; fp32 elsewhere."""
    channels_last: bool = True
    """Whether images and weights lie in memory with channels last, with which convolutions are often faster."""
    tta: Literal["none", "flip", "flip_shift", "ten_crop"] = "none"
    """Test-time augmentation, reported beside the plain figure as test/accuracy_tta."""
    checkpoint: CheckpointEvery = CheckpointEvery()
    """How often the state of training is saved, from which a killed run goes on; no part of a cell's identity."""

    @model_validator(mode="after")
    def _one_average(self) -> Recipe:
        if self.ema and self.lookahead:
            raise ValueError("ema and lookahead both say which weights are evaluated: give one of them")
        return self


class Cell(Frozen):
    """One fully resolved experiment; `recipe` is None for models that take none."""

    dataset: Dataset
    """Where the images come from, and how validation is carved from them."""
    model: Choice
    """What is fitted, with its options; a bare name is short for `{name: ...}`."""
    recipe: Recipe | None
    """How a network is trained; classical models take none."""
    seed: int
    """Everything random of a fit comes from it: weights, order of the images, augmentation."""
    train_on: Literal["train", "train+val"] = "train"
    """`train+val` fits on the validation images too, so there are no validation figures and no best epoch."""
    test: Literal["once", "never"] = "once"
    """Whether the test set is opened, once, when the fit is over; `never` leaves it sealed."""
