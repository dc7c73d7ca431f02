"""A classical classifier on the features of a frozen network of timm or torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression

from harness.contracts import Backbone, ClassicalModel, Classifier, FitReport, LabeledImages, Listener, Task
from harness.seeds import seed_for
from harness.train.linear import LinearClassifier, LinearProblem
from harness.train.neighbors import NeighborsClassifier, NeighborsProblem
from harness.train.newton_svc import NewtonSVC

from ._features import FrozenFeatures
from ._named import Named
from .timm import Timm
from .torchvision import Torchvision

BACKBONE: Final = "backbone."
"""What the names of the network's arrays begin with in a fitted model."""


class Probe(ClassicalModel):
    """A linear or nearest-neighbors classifier on what a frozen network sees just before its own classifier.

    Features are computed once for each image, kept in the cache and shared by all cells and searches. Linear heads get
    them standardized by the training images' mean and deviation, neighbors are told by the angle between them. The
    fitted model holds the network too.

    Attributes:
        backbone: The network: `{name: timm, arch: efficientnet_lite0, weights: pretrained}`.
        head: "logistic" (multinomial regression), "linear_svm" (one class against the rest, squared hinge) or "knn".
        C: Weight of the loss against the squared norm of the weights, for the first two.
        neighbors: How many training images vote, for the last.
        max_iter: Most iterations of the solver.
    """

    backbone: Backbone
    head: Literal["logistic", "linear_svm", "knn"] = "logistic"
    C: Annotated[float, Field(gt=0)] = 0.1
    neighbors: Annotated[int, Field(gt=0)] = 20
    max_iter: Annotated[int, Field(gt=0)] = 1000

    def build(self, task: Task, seed: int) -> Classifier:
        """Return the unfitted classifier for the CPU; raises InputError as the network does."""
        return self.build_on(task, seed, "cpu")

    def build_on(self, task: Task, seed: int, device: str) -> Classifier:
        """Return the unfitted classifier for a device; raises InputError as the network does."""
        with torch.random.fork_rng():
            torch.manual_seed(seed_for(seed, "weights"))
            network = self.network().network(task)
        assert isinstance(network, Named)
        about = self.backbone.model_dump_json(exclude={"weights"})
        features = FrozenFeatures(network.without_head(), about, task, device)
        scale = _Angles(features) if self.head == "knn" else _Standardized(features)
        return _ProbeClassifier(self, scale, self._head(task, scale, device), task.shape[2])

    def files(self) -> Mapping[str, Path]:
        """Return the file of the network's weights; raises InputError if it cannot be had."""
        return {f"backbone.{option}": path for option, path in self.network().files().items()}

    def network(self) -> Timm | Torchvision:
        """Return the backbone as the model that it is by itself."""
        kind: Any = {"timm": Timm, "torchvision": Torchvision}[self.backbone.name]
        network: Timm | Torchvision = kind(**self.backbone.model_dump(exclude={"name"}))
        return network

    def _head(self, task: Task, scale: _Angles, device: str) -> LinearClassifier | NeighborsClassifier:
        classes = len(task.classes)
        if self.head == "knn":
            return NeighborsClassifier(NeighborsProblem("probe", classes, self.neighbors, scale))
        problem = LinearProblem("probe", classes, scale.features.dimensions, scale, self.head == "logistic")
        if self.head == "logistic":
            return LinearClassifier(problem, LogisticRegression(C=self.C, max_iter=self.max_iter))
        return LinearClassifier(problem, NewtonSVC(C=self.C, max_iter=self.max_iter, device=device), device)


class _Angles:
    """Features of length 1, so that distances tell angles."""

    def __init__(self, features: FrozenFeatures) -> None:
        self.features = features
        self.state: dict[str, NDArray[np.generic]] = {}

    def fit(self, images: NDArray[np.uint8]) -> None:
        """Learn nothing."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features [N, D] of images [N, H, W, C]."""
        found = self.features(images)
        lengths: NDArray[np.float32] = np.linalg.norm(found, axis=1, keepdims=True).astype(np.float32)
        lengths[lengths == 0] = 1
        return found / lengths


class _Standardized(_Angles):
    """Features with the mean 0 and the deviation 1 on the training images."""

    def __init__(self, features: FrozenFeatures) -> None:
        super().__init__(features)
        self.state = {
            "mean": np.zeros(features.dimensions, np.float32),
            "std": np.ones(features.dimensions, np.float32),
        }

    def fit(self, images: NDArray[np.uint8]) -> None:
        """Learn mean and deviation; a feature that is the same everywhere is only centered."""
        found = self.features(images).astype(np.float64)
        std = found.std(axis=0)
        self.state = {
            "mean": found.mean(axis=0).astype(np.float32),
            "std": np.where(std == 0, 1, std).astype(np.float32),
        }

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features [N, D] of images [N, H, W, C]."""
        mean, std = (np.asarray(self.state[name], np.float32) for name in ("mean", "std"))
        return (self.features(images) - mean) / std


class _ProbeClassifier:
    """The head, and the network that it looks through; implements `contracts.Classifier` and `contracts.Caching`."""

    def __init__(
        self, options: Probe, scale: _Angles, head: LinearClassifier | NeighborsClassifier, channels: int
    ) -> None:
        self.probabilistic = head.probabilistic
        self._options, self._scale, self._head, self._channels = options, scale, head, channels
        self._features = scale.features

    @property
    def cache(self) -> Path | None:
        """Where features are kept."""
        return self._features.folder

    @cache.setter
    def cache(self, folder: Path | None) -> None:
        self._features.folder = folder

    def fit(self, train: LabeledImages, validation: LabeledImages | None, listen: Listener) -> FitReport:
        """Fit the head on the features of `train`, after setting the network's weights.

        Raises:
            DataError: as the head does.
            InputError: the file is not of this network.
        """
        begun = perf_counter()
        self._options.network().prepare(self._features.network, iter([torch.zeros(1, self._channels, 1, 1)]))
        self._scale.fit(train.images)
        report = self._head.fit(train, validation, listen)
        return replace(report, train_seconds=perf_counter() - begun)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return scores [N, K]."""
        return self._head.predict(images)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the head's arrays, and the network's as `backbone.NAME`."""
        tensors = self._features.network.state_dict()
        arrays = {f"{BACKBONE}{name}": each.cpu().numpy() for name, each in tensors.items()}
        return self._head.state() | self._scale.state | arrays

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take the arrays of `state`."""
        self._head.load_state(state)
        self._scale.state = {name: state[name] for name in self._scale.state}
        tensors = {
            name.removeprefix(BACKBONE): torch.from_numpy(np.array(each))
            for name, each in state.items()
            if name.startswith(BACKBONE)
        }
        self._features.network.load_state_dict(tensors)

    def parameter_count(self) -> int:
        """Return how many numbers of the head are fitted."""
        return self._head.parameter_count()

    def total_parameter_count(self) -> int:
        """Return those and the network's."""
        return self.parameter_count() + sum(each.numel() for each in self._features.network.parameters())
