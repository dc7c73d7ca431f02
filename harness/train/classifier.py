"""A network with a recipe, as a classifier like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from harness.contracts import (
    Augmentation,
    FitReport,
    LabeledImages,
    Listener,
    NetworkModel,
    Optimizer,
    Recipe,
    Schedule,
    Task,
)
from harness.contracts.metrics import EPOCH_SECONDS
from harness.errors import InputError, TrainingError, nearest
from harness.plugins import Catalog
from harness.train.batches import Normalize, as_float, as_tensor, batch_sizes, make_pool
from harness.train.checkpoint import CheckpointFile, identity_of
from harness.train.device import (
    Streams,
    global_stream,
    indexed,
    number_format,
    peak_bytes,
    repeatable,
    reset_peak,
    told_plainly,
)
from harness.train.evaluation import VIEWS, Evaluator, Views, plain
from harness.train.fit import Plan, Training, best_epoch, fit
from harness.train.step import Follower, Rates, Step, build_optimizer
from harness.train.trace import parameter_count
from harness.train.weights import Average, Freezing, SlowWeights

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class NetworkClassifier:
    """Trains `model`'s network by `recipe`; scores are logits.

    The same seed on the same device gives the same bits, on the CPU with the same number of threads: they add up what
    each has added up. Torch's global generators and cuDNN's
    settings are as before after every call.

    Attributes:
        network: The network, on the device: initial weights, after `fit` those that were kept.
        probabilistic: True; softmax of the logits is a probability.
    """

    probabilistic = True

    def __init__(  # noqa: PLR0917
        self,
        model: NetworkModel,
        recipe: Recipe,
        task: Task,
        seed: int,
        device: torch.device,
        catalog: Catalog,
        checkpoint: Path | None = None,
        max_batches: int | None = None,
        parts: int = 1,
    ) -> None:
        """Build the network and the recipe's components.

        Args:
            model: Gives the network; its weights are drawn on the CPU, so they are the same on every device.
            recipe: How to train.
            task: Classes, image shape, channel statistics.
            seed: All randomness comes from it.
            device: Where to train and predict.
            catalog: Where the recipe's components are found.
            checkpoint: File to save to and, when it exists, to resume from; None for no checkpoints.
            max_batches: Cut epochs (and their validation) off after so many batches, for smoke runs.
            parts: Micro-batches that each batch is taken in, so that less memory is needed; gradients add up
                to those of the whole batch, batch normalization sees one micro-batch at a time.

        Raises:
            InputError: a component of the recipe does not exist or does not take its options, or the recipe weighs a
                class that the data set does not have.
            TrainingError: the device cannot compute in the precision asked for.
        """
        _refuse_unknown_classes(recipe, task)
        self._model, self._recipe, self._task, self._seed = model, recipe, task, seed
        self._device, self._checkpoint, self._max_batches = indexed(device), checkpoint, max_batches
        self._parts = parts
        self._optimizer: Optimizer = catalog.realize("optimizer", recipe.optimizer.name, recipe.optimizer.options)
        self._schedule: Schedule = catalog.realize("schedule", recipe.schedule.name, recipe.schedule.options)
        self._augmentations = _augmentations(recipe, catalog)
        self._format = number_format(recipe.precision, self._device)
        with self._told_plainly():
            self.network = self._initial_network()
        self._evaluator = Evaluator(task, self._device, recipe.channels_last)

    def fit(self, train: LabeledImages, validation: LabeledImages | None, listen: Listener) -> FitReport:
        """Train by the recipe, from the start or from the checkpoint; then `listen` hears its last two epochs again.

        The metrics of an epoch: `train/loss` and `train/accuracy` are means over the epoch's
        training images as augmented, at the weights of their step (a mixed image counts as its
        larger target); `val/loss` and `val/accuracy` are of the weights at the epoch's end, or of
        their average with `ema`; `lr` is that of the epoch's first step; `images_per_second` is of
        training alone; `epoch_seconds` includes validation, and `train_seconds` is their sum.
        `keep: best` without validation keeps the last epoch.

        Raises:
            TrainingError: there are no training images, or a loss is not finite (names epoch and step).
            OutOfMemoryError: names model, batch size and device.
        """
        if not len(train):
            raise TrainingError("there are no training images")
        reset_peak(self._device)
        with self.begun(train, validation) as (training, plan):
            saved = plan.checkpoint and plan.checkpoint.load(self._device)
            if saved:
                training.restore(saved)
                _tell_again(training, listen)
            fit(training, plan, listen)
        seconds = sum(metrics[EPOCH_SECONDS] for metrics in training.history)
        return FitReport(tuple(training.history), best_epoch(training.history), seconds, peak_bytes(self._device))

    @contextmanager
    def begun(self, train: LabeledImages, validation: LabeledImages | None) -> Iterator[tuple[Training, Plan]]:
        """Lend a fit before its first step, with torch set up as it is to be while steps are taken.

        Raises:
            OutOfMemoryError: names model, batch size and device.
        """
        with self._told_plainly(), repeatable(), global_stream(self._seed, "dropout", self._device):
            plan = self._plan(train, validation)
            self._model.prepare(self.network, self._normalized(train))
            yield self._training(plan), plan

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits [N, K] for images [N, H, W, C]."""
        return self._predict(images, plain)

    def predict_tta(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits [N, K] averaged over the views that `recipe.tta` names."""
        return self._predict(images, VIEWS[self._recipe.tta])

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return parameters and buffers, of any shape, by their names in the network, as copies."""
        return {name: np.array(value.cpu().numpy(), order="C") for name, value in self.network.state_dict().items()}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Become the fitted classifier whose `state` this is.

        Raises:
            TrainingError: names or shapes are not those of this network.
        """
        try:
            self.network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
        except RuntimeError as error:
            raise TrainingError(f"these weights are not of {type(self._model).__name__}: {error}") from error

    def parameter_count(self) -> int:
        """Return the number of parameters that the recipe trains."""
        return parameter_count(self.network) - Freezing(self.network, self._recipe.freeze).never_trained

    def total_parameter_count(self) -> int:
        """Return the number of all parameters, trained or not."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def _initial_network(self) -> nn.Module:
        layout = torch.channels_last if self._recipe.channels_last else torch.contiguous_format
        with global_stream(self._seed, "weights", self._device):
            network = self._model.network(self._task)
        network = network.to(self._device)
        return network.to(memory_format=layout)

    def _plan(self, train: LabeledImages, validation: LabeledImages | None) -> Plan:
        recipe, classes = self._recipe, len(self._task.classes)
        sizes = batch_sizes(len(train), recipe.batch_size, self._max_batches)
        checkpoint = None
        if self._checkpoint is not None:
            course = (self._task, self._seed, self._device.type, sizes)
            identity = identity_of(self._model, recipe, course, (train, validation))
            checkpoint = CheckpointFile(self._checkpoint, identity, recipe.checkpoint)
        return Plan(
            recipe=recipe,
            train=make_pool(train, classes, self._device, self._seed),
            validation=make_pool(validation, classes, self._device) if validation is not None else None,
            sizes=sizes,
            rates=Rates(self._schedule, len(sizes), recipe.epochs),
            evaluator=self._evaluator,
            freezing=Freezing(self.network, recipe.freeze),
            checkpoint=checkpoint,
            max_batches=self._max_batches,
        )

    def _training(self, plan: Plan) -> Training:
        recipe = self._recipe
        optimizer = build_optimizer(self._optimizer, self.network, self._device, self._shares())
        streams = Streams(self._seed, self._device)
        step = Step(
            network=self.network,
            follower=self._follower(plan),
            optimizer=optimizer,
            base_rates=tuple(float(group["lr"]) for group in optimizer.param_groups),
            augmentations=self._augmentations,
            normalize=Normalize(self._task, self._device),
            random=streams.augment,
            format=self._format,
            scaler=torch.amp.GradScaler(self._device.type) if self._format == torch.float16 else None,
            channels_last=recipe.channels_last,
            gradient_clip=recipe.gradient_clip,
            parts=self._parts,
            class_weights=self._class_weights(plan.train.labels),
        )
        return Training(step, streams, history=[])

    def _class_weights(self, labels: torch.Tensor) -> torch.Tensor | None:
        """Return what the recipe weighs each class with, float32 [K], for the labels [N] of the training images.

        A class without an image has 1, which changes nothing.
        """
        asked, classes = self._recipe.class_weights, self._task.classes
        if asked is None:
            return None
        if asked == "balanced":
            counts = torch.bincount(labels, minlength=len(classes)).double()
            weights = torch.where(counts > 0, len(labels) / ((counts > 0).sum() * counts), 1.0)
            return weights.float().to(self._device)
        return torch.tensor([float(asked.get(name, 1.0)) for name in classes], device=self._device)

    def _shares(self) -> dict[str, float]:
        """Return the share of the learning rate that each parameter has, by its name."""
        if self._recipe.layer_decay == 1:
            return {}
        depths = self._model.depths(self.network)
        last = max(depths.values())
        return {name: self._recipe.layer_decay ** (last - depth) for name, depth in depths.items()}

    def _follower(self, plan: Plan) -> Follower | None:
        if self._recipe.ema:
            return Average(self.network, self._recipe.ema.decay)
        if self._recipe.lookahead:
            return SlowWeights(self.network, self._recipe.lookahead, len(plan.sizes) * self._recipe.epochs)
        return None

    def _normalized(self, train: LabeledImages) -> Iterator[torch.Tensor]:
        """Yield the images in batches as the network gets them, on the CPU."""
        normalize = Normalize(self._task, torch.device("cpu"))
        for pixels in torch.split(as_tensor(train.images), self._evaluator.batch_size):
            yield normalize(as_float(pixels))

    def _predict(self, images: NDArray[np.uint8], views: Views) -> NDArray[np.float32]:
        if not len(images):
            return np.empty((0, len(self._task.classes)), dtype=np.float32)
        with self._told_plainly(), repeatable():
            logits: NDArray[np.float32] = self._evaluator.logits(self.network, as_tensor(images), views).cpu().numpy()
        return logits

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        name = type(self._model).__name__
        with told_plainly(name, self._recipe.batch_size, self._device), told_of_single_images(name):
            yield


@contextmanager
def told_of_single_images(model: str) -> Iterator[None]:
    """Turn what torch says of a batch of one image, where there is one value a channel to normalize by, into ours.

    Raises:
        TrainingError: names the model and what to do.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            f"{model}: batch normalization cannot learn from one image at a time; "
            "batches, and micro-batches, must have at least 2 (recipe.batch_size)"
        ) from error


def _refuse_unknown_classes(recipe: Recipe, task: Task) -> None:
    if isinstance(recipe.class_weights, Mapping):
        for name in recipe.class_weights:
            if name not in task.classes:
                told = nearest(name, task.classes)
                raise InputError(f'recipe.class_weights: there is no class "{name}"{told}')


def _augmentations(recipe: Recipe, catalog: Catalog) -> tuple[Augmentation, ...]:
    """Return the recipe's augmentations in order; its label smoothing comes last."""
    chosen = [(choice.name, choice.options) for choice in recipe.augment]
    if recipe.label_smoothing:
        chosen.append(("label_smoothing", {"share": recipe.label_smoothing}))
    return tuple(catalog.realize("augmentation", name, options) for name, options in chosen)


def _tell_again(training: Training, listen: Listener) -> None:
    """Tell the last two saved epochs, which the listener may have missed: one is told late, one is saved before it."""
    for epoch, metrics in list(enumerate(training.history, start=1))[-2:]:
        listen.epoch(epoch, metrics)
