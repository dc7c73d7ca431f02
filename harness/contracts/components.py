"""What a component is: one file, one public class, its options are its fields.

Component files are found by their file name (see `harness.plugins`); the base class says what
kind of component a file holds. Nothing here imports torch: declaring options must stay cheap.
"""

from __future__ import annotations

import dis
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from harness.architectures import known
from harness.contracts.data import Answers, LabeledImages, Layout, Task
from harness.contracts.running import FitReport, Listener
from harness.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray


class Component(BaseModel):
    """Options as frozen fields; `revision` is raised by the author when results change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    revision: ClassVar[int] = 1

    def files(self) -> Mapping[str, Path]:
        """Return the files that the result depends on, by the option that asks for one; by default none.

        Their content is part of a cell's key, and not where they lie.

        Raises:
            InputError: one is not there and cannot be had.
        """
        return {}


class Classifier(Protocol):
    """An unfitted or fitted classifier, classical or deep."""

    probabilistic: bool
    """Whether softmax of the scores is a probability; if not, loss and ECE are not reported."""

    def fit(self, train: LabeledImages, validation: LabeledImages | None, listen: Listener) -> FitReport:
        """Fit on `train`; `validation` is for epoch metrics, early stopping and best epoch only."""

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return scores [N, K] (logits or margins; the largest wins) for images [N, H, W, C]."""

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return all that was fitted as named arrays of any shape; what is saved, digested and exported."""

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Become the fitted classifier whose `state` this is: the same arrays by name, in the same shapes."""

    def parameter_count(self) -> int:
        """Return the number of fitted numbers (trainable parameters of a network)."""


@runtime_checkable
class Illustrated(Protocol):
    """A fitted classifier that draws what it looks at by itself: what could not be asked of just any classifier."""

    def pictures(self, answers: Answers, classes: Sequence[str]) -> Mapping[str, bytes]:
        """Return PNG files by the name of their artifact, such as `hog.png`.

        Args:
            answers: Images that it was right and wrong about; either may be empty.
            classes: The K class names.
        """


@runtime_checkable
class Caching(Protocol):
    """A classifier that keeps on disk what is costly to compute; where, is set before it fits or predicts."""

    cache: Path | None


@runtime_checkable
class PartlyFitted(Protocol):
    """A classifier that has more parameters than it fits."""

    def total_parameter_count(self) -> int:
        """Return the number of all parameters, fitted or not."""


class Backbone(Component):
    """A network of timm or torchvision up to its classifier: `{name: timm, arch: efficientnet_lite0}`.

    The same options, with the same meaning, as the models `timm` and `torchvision` have.
    """

    name: Literal["timm", "torchvision"]
    """The library."""
    arch: str
    """The library's name of the network."""
    weights: str = "pretrained"
    """"pretrained", a file, or "none" for random weights."""
    input_size: Annotated[int, Field(gt=0)] | None = None
    """Height and width that images are resized to; null for as they are."""
    normalize: Literal["dataset", "model"] = "model"
    """Whose statistics images are normalized by: the training images', or those of the published weights."""

    @field_validator("arch")
    @classmethod
    def _known(cls, arch: str, info: ValidationInfo) -> str:
        return known(info.data["name"], arch) if "name" in info.data else arch


class ClassicalModel(Component):
    """A model that fits itself; it takes no recipe."""

    deterministic: ClassVar[bool]
    """Whether all seeds give one fit, which is then done once; unless a class says, that of one that reads no seed."""
    margins: ClassVar[bool] = False
    """Whether its scores are no logits whatever its options are, so that no loss and no ECE are reported."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Note whether `build` or `build_on` reads `seed`, from which all randomness comes."""
        if "deterministic" not in vars(cls):
            methods = [vars(cls)[name] for name in ("build", "build_on") if name in vars(cls)]
            cls.deterministic = not any(_reads(method, "seed") for method in methods)

    @abstractmethod
    def build(self, task: Task, seed: int) -> Classifier:
        """Return an unfitted classifier for the task; all its randomness comes from `seed`."""

    def build_on(self, task: Task, seed: int, device: str) -> Classifier:
        """Return what `build` does, to work on a device as torch names it: "cpu", "cuda:0".

        What is called. Override it where a model can use a GPU; its state must suit every device.
        """
        return self.build(task, seed)


def _reads(method: Callable[..., object], name: str) -> bool:
    """Whether a method makes any use of one of its arguments."""
    used = (each for each in dis.get_instructions(method) if each.argval == name or name in _names(each.argval))
    return any(each.opname.startswith(("LOAD_", "COPY_FREE_VARS")) for each in used)


def _names(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) and all(isinstance(each, str) for each in value) else ()


class NetworkModel(Component):
    """A model that is a torch network, trained by the cell's recipe."""

    @abstractmethod
    def network(self, task: Task) -> torch.nn.Module:
        """Return a network from normalized float images [N, C, H, W] to logits [N, K].

        Weights come from torch's global generator, which the caller has seeded.
        """

    def depths(self, network: torch.nn.Module) -> Mapping[str, int]:
        """Return how deep in the network each parameter lies, by name, for `recipe.layer_decay`.

        0 is the first layer, the highest number the last. By default the blocks are counted: what has the first two
        parts of its name in common, in the order in which the network names them.
        """
        names = [name for name, _ in network.named_parameters()]
        blocks = list(dict.fromkeys(".".join(name.split(".")[:-1][:2]) for name in names))
        return {name: blocks.index(".".join(name.split(".")[:-1][:2])) for name in names}

    def prepare(self, network: torch.nn.Module, images: Iterator[torch.Tensor]) -> None:
        """Set weights that depend on the images or come from a file, before a fit's first step; by default none.

        Args:
            network: The unfitted network, on its device.
            images: The training images in their order, not augmented, normalized, in batches float32 [n, C, H, W]
                on the CPU; made as they are asked for.
        """


@dataclass(frozen=True, slots=True)
class Batch:
    """Images float32 [N, C, H, W] in [0, 1] on the device; targets float32 [N, K], rows sum to 1.

    An augmentation may leave out what follows: what is left out stays as it was.
    """

    images: torch.Tensor
    targets: torch.Tensor
    lots: torch.Tensor | None = None
    """float32 [N] in [0, 1): drawn once for each training image, the same in every epoch of a fit."""
    epoch: torch.Tensor | None = None
    """int64 scalar on the device: the number of epochs before this one."""


class Augmentation(Component):
    """A function from batch to batch on the device, for training batches only.

    Runs before normalization. Each image draws for itself. All draws come from `random`, on the
    batch's device; shapes and dtypes are kept.
    """

    @abstractmethod
    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the changed batch; the given tensors are not written to."""


class Optimizer(Component):
    """A torch optimizer by name."""

    lr: Annotated[float, Field(gt=0)]
    """Learning rate, which the schedule's factor multiplies."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """How strongly weights are pulled towards 0."""
    decay_norms_and_biases: bool = True
    """Whether weight decay is for parameters of one dimension too: biases and the scales of normalizations."""

    @abstractmethod
    def build(self, groups: Iterable[dict[str, object]], fused: bool) -> torch.optim.Optimizer:
        """Return the optimizer over parameter groups whose `weight_decay` is already set."""


class Schedule(Component):
    """Learning rate over training as a factor of the optimizer's `lr`."""

    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """Epochs, or a part of one, over which the learning rate first rises evenly from 0."""

    @abstractmethod
    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return the factor for optimizer step `step` (from 0), before warm-up is applied."""


class Source(Component):
    """Where images come from; they are decoded once and then read from the cache.

    A split is "train" or "test", or "val" of a source whose `splits` name it. `root` is the source's own folder for raw
    downloads. Reading one split never needs the other's files, so training works with the test files deleted.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """What `split` may be: with "val" where the data set may have a validation split of its own."""
    downloads: ClassVar[bool] = False
    """Whether `fetch` takes the files from the network; a plan then says so instead of fetching."""

    @abstractmethod
    def fetch(self, split: str, root: Path) -> None:
        """Make a split's raw files present: download and verify them, or check that they are there.

        Raises:
            DataError: naming what is missing, or could not be had, or has a wrong checksum.
        """

    @abstractmethod
    def stamp(self, split: str, root: Path) -> str:
        """Return a cheap text that changes when the split's raw files do (paths, sizes, times)."""

    def contents(self, split: str, root: Path) -> str:
        """Return a text that changes when what the split's raw files hold does, wherever they lie; decodes no pixel.

        By it a test set is known again before it may be opened. The stamp, unless a source says more: then the same
        files at another place count as another test set.

        Raises:
            DataError: the raw files are not there.
        """
        return self.stamp(split, root)

    @abstractmethod
    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the class names in label order, from the training split or metadata alone."""

    @abstractmethod
    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Decode a whole split whose raw files are present; `index` counts from 0.

        Args:
            split: one of `splits`.
            root: the source's folder for raw downloads.
            scratch: an empty folder; images too many for memory are decoded into the memory-mapped
                `scratch/images.npy`, which is then kept and not written again.
            like: for all but the training split, the classes and the shape that the training images have.

        Raises:
            DataError: naming the files at fault.
        """

    def names(self, split: str, root: Path) -> Sequence[str]:
        """Return what people call each image of a split [N], such as its file below `path`, in the order of `read`.

        Empty where images have no names of their own. The raw files may be read, but no pixels.

        Raises:
            DataError: the raw files are not there.
        """
        del split, root
        return ()

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> Mapping[str, int] | None:
        """Return how many images of each of the classes a split has, by names and labels alone; no pixels are read.

        What is wrong with a test split is told by this before anything is fitted. None where it cannot be wrong (a
        published set is what its checksum says), or the source does not know.

        Raises:
            DataError: the raw files are not there, or have labels that are none of the classes.
        """
        del split, root, classes
        return None

    def remarks(self, root: Path) -> Sequence[str]:
        """Return what a user should know of how the raw files are read, such as those that are passed over.

        Raises:
            DataError: the raw files are not there.
        """
        del root
        return ()

    def groups(self, name: str, root: Path, split: str = "train") -> NDArray[np.str_]:
        """Return the group of each image of a split [N], in the order of `read`; no pixels are read.

        Raises:
            DataError: there are no groups of this name.
        """
        del root, split
        raise DataError(f'groups: this source has no groups, so none called "{name}"')
