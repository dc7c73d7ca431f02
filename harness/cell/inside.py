"""What a fitted classifier looks at: where it sees a class, what its convolutions make of an image, as artifacts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from harness.cell.evaluate import Evaluation
from harness.contracts import Answers, Classifier, Examples, Illustrated, Task
from harness.pictures import gallery
from harness.pictures.inside import Seen, evidence
from harness.pictures.thumbnails import answers_of
from harness.train import NetworkClassifier
from harness.train.batches import Normalize, as_float, as_tensor
from harness.train.linear import LinearClassifier
from harness.train.trace import evaluating

if TYPE_CHECKING:
    from numpy.typing import NDArray


LEAST_SIDE: Final = 4
"""Maps of fewer places a side say nothing of where; a small image leaves them at the last convolutions."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a class was seen: `values` float32 [N, h, w], 0 or more; `source` says what they come from."""

    source: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Maps:
    """What comes out of a convolution, with the normalization and activation that follow it.

    `values` [N, channels, h, w]; `name` is the convolution's in the network.
    """

    name: str
    values: torch.Tensor


def feature_maps(network: nn.Module, task: Task, images: NDArray[np.uint8]) -> tuple[tuple[str, NDArray[Any]], ...]:
    """Return each convolution's name and maps float32 [N, channels, h, w], in the order of the forward pass.

    A normalization or activation directly after a convolution belongs to it. Empty for a network
    without convolutions. `images` uint8 [N, H, W, C] should be few: all maps are kept.
    """
    with torch.no_grad():
        maps, _ = _forward(network, task, images)
    return tuple((each.name, each.values.float().cpu().numpy()) for each in maps)


def class_evidence(network: nn.Module, task: Task, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> Evidence:
    """Return where the network sees a class in each image, by Grad-CAM (Selvaraju et al. 2017, section 3).

    At the last convolution with at least 4 x 4 places: each map's weight is the mean over its
    places of the gradient of the class's logit (equation 1); the evidence is the positive part of
    the weighted sum of the maps (equation 2). A network without such a convolution is asked for
    its saliency instead.

    Args:
        network: From normalized [N, C, H, W] to logits [N, K]; its parameters and modes are left as they are.
        task: Gives the channel statistics.
        images: uint8 [N, H, W, C].
        classes: The class of each image whose evidence is asked for, [N].
    """
    if not len(images):
        return Evidence("", np.empty((0, 1, 1), dtype=np.float32))
    with torch.enable_grad():
        every, logits = _forward(network, task, images)
        wide = [maps for maps in every if min(maps.values.shape[2:]) >= LEAST_SIDE]
        if not wide:
            return _saliency(network, task, images, classes)
        (gradients,) = torch.autograd.grad(_asked(logits, classes), wide[-1].values)
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    values = functional.relu((weights * wide[-1].values).sum(dim=1))
    height, width = values.shape[1:]
    last = "the last convolution" if len(wide) == len(every) else f"convolution {len(wide)} of {len(every)}"
    return Evidence(f"Grad-CAM at {last}, {height} x {width} places", values.detach().float().cpu().numpy())


def _saliency(network: nn.Module, task: Task, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> Evidence:
    """Return how much each pixel could change the class's logit (Simonyan et al. 2014, section 3).

    It is the largest magnitude over channels of the logit's gradient.
    """
    inputs = _inputs(network, task, images).requires_grad_()
    with evaluating(network):
        (gradients,) = torch.autograd.grad(_asked(network(inputs), classes), inputs)
    return Evidence("saliency of each pixel", gradients.abs().amax(dim=1).float().cpu().numpy())


def _asked(logits: torch.Tensor, classes: NDArray[np.int64]) -> torch.Tensor:
    """Return the sum of each image's logit of its class: an image's gradient is that of its own logit."""
    return logits.gather(1, torch.tensor(classes, device=logits.device)[:, None]).sum()


def _forward(network: nn.Module, task: Task, images: NDArray[np.uint8]) -> tuple[list[Maps], torch.Tensor]:
    maps: list[Maps] = []
    inputs = _inputs(network, task, images)
    if torch.is_grad_enabled():
        inputs.requires_grad_()  # so that gradients reach the maps even of frozen parameters
    with evaluating(network), _heard(network, maps):
        logits = network(inputs)
    return maps, logits


def _inputs(network: nn.Module, task: Task, images: NDArray[np.uint8]) -> torch.Tensor:
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return Normalize(task, device)(as_float(as_tensor(images).to(device)))


@contextmanager
def _heard(network: nn.Module, maps: list[Maps]) -> Iterator[None]:
    """Gather the maps of all convolutions while the network runs."""
    hooks = [
        module.register_forward_hook(_listener(name, maps))
        for name, module in network.named_modules()
        if not any(module.children())
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _listener(name: str, maps: list[Maps]) -> Callable[[nn.Module, Any, Any], torch.Tensor | None]:
    def hear(module: nn.Module, _inputs: Any, output: Any) -> torch.Tensor | None:
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            return None
        if isinstance(module, nn.Conv2d):
            maps.append(Maps(name, output))
        elif maps and maps[-1].values.shape == output.shape:
            maps[-1] = Maps(maps[-1].name, output)
        else:
            return None
        return output.clone()  # what follows may write into its input, as in-place activations do

    return hear


_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """A fitted classifier, and some images that it was right and wrong about."""

    classifier: Classifier
    task: Task
    answers: Answers


def write_inside(folder: Path, task: Task, classifier: Classifier, evaluation: Evaluation) -> None:
    """Write `filters.png`, `evidence.png`, `feature_maps.png` into `folder`, and those that the classifier has itself.

    Those that apply; the images are of the given evaluation. A picture that cannot be drawn is left out with a
    warning: a user's own network may be made of anything, and no picture is worth a finished fit.
    """
    images = evaluation.images
    subject = Subject(
        classifier, task, answers_of(images.images, images.labels, evaluation.scores, classifier.probabilistic)
    )
    for name, draw in PICTURES.items():
        with _left_out(name):
            picture = draw(subject)
            if picture is not None:
                (folder / name).write_bytes(picture)
    if isinstance(classifier, Illustrated):
        with _left_out(f"{type(classifier).__name__}.pictures"):
            for name, picture in classifier.pictures(subject.answers, task.classes).items():
                (folder / name).write_bytes(picture)


@contextmanager
def _left_out(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # see write_inside
        _LOG.warning("%s was left out: %s", name, error)


def first_filters(classifier: Classifier, task: Task) -> NDArray[np.float32] | None:
    """Return the weights [out, C, h, w] of a first layer that looks at pixels: a convolution's, or one a pixel."""
    height, width, channels = task.shape
    if isinstance(classifier, LinearClassifier):
        weights = classifier.state()["coef"]
        pixels = weights.reshape(-1, *task.shape) if classifier.sees_pixels else None
        return None if pixels is None else pixels.transpose(0, 3, 1, 2).astype(np.float32)
    if not isinstance(classifier, NetworkClassifier):
        return None
    weight = next((each for each in classifier.network.parameters() if each.ndim in {2, 4}), None)
    if weight is None:
        return None
    first: NDArray[np.float32] = weight.detach().float().cpu().numpy()
    if first.ndim == 4:
        return first if first.shape[1] == channels else None
    looks = first.shape[1] == height * width * channels
    return first.reshape(-1, channels, height, width) if looks else None


def _filters(subject: Subject) -> bytes | None:
    found = first_filters(subject.classifier, subject.task)
    return None if found is None else gallery.filters(found)


def _evidence(subject: Subject) -> bytes | None:
    classifier, answers = subject.classifier, subject.answers
    right, wrong = answers.right, answers.wrong
    asked = ((right, right.predicted), (wrong, wrong.predicted), (wrong, wrong.true))
    if isinstance(classifier, NetworkClassifier):
        found = [class_evidence(classifier.network, subject.task, each.images, classes) for each, classes in asked]
        seen = Seen(found[0].source or found[1].source, *(each.values for each in found))
    elif isinstance(classifier, LinearClassifier) and classifier.sees_pixels:
        maps = [_pixels_for(classifier, each, classes) for each, classes in asked]
        seen = Seen("weight times pixel, where it speaks for the class", *maps)
    else:
        return None
    return evidence(answers, seen, subject.task.classes)


def _feature_maps(subject: Subject) -> bytes | None:
    examples = subject.answers.right if len(subject.answers.right) else subject.answers.wrong
    if not isinstance(subject.classifier, NetworkClassifier) or not len(examples):
        return None
    maps = feature_maps(subject.classifier.network, subject.task, examples.images[:1])
    names = subject.task.classes
    said = f"{names[examples.true[0]]}, taken for {names[examples.predicted[0]]}"
    return gallery.feature_maps(examples.images[0], [(name, each[0]) for name, each in maps], said) if maps else None


PICTURES: Final[dict[str, Callable[[Subject], bytes | None]]] = {
    "filters.png": _filters,
    "evidence.png": _evidence,
    "feature_maps.png": _feature_maps,
}
"""Artifact -> how it is drawn, None where it does not apply."""


def _pixels_for(classifier: LinearClassifier, examples: Examples, classes: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return the positive part of what each pixel adds to the score of a class, [M, H, W]."""
    added = classifier.contributions(examples.images, classes).reshape(examples.images.shape)
    summed: NDArray[np.float64] = added.sum(axis=3)
    return np.maximum(summed, 0.0)
