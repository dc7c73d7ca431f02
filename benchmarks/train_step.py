"""Our epoch against the loop of a tutorial (`tutorial.py`): DataLoader, PIL transforms, unfused SGD, channels first.

Same network, recipe, images and number of threads; rounds alternate, so that a busy machine slows
both. Prints the median images per second of each and the ratio.

    python benchmarks/train_step.py --images 1280 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.tutorial import TutorialLoop
from harness.contracts import LabeledImages, Recipe, SealedSet, Task
from harness.contracts.metrics import IMAGES_PER_SECOND
from harness.plugins import Catalog
from harness.train import NetworkClassifier

TASK = Task(tuple("0123456789"), (32, 32, 3), (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


class Silent:
    """A listener that does nothing."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear an epoch."""

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Hear an opening."""


def main() -> None:
    """Measure and print."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    data = _images(given.images)
    ours, plain = _ours(given, data, device), _plain(given, data, device)
    ours(), plain()
    rounds = [(ours(), plain()) for _ in range(given.rounds)]
    fast, slow = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    ratio = statistics.median(ours / plain for ours, plain in rounds)
    print(f"{given.model}, batch {given.batch_size}, {given.threads} threads, {device}, {given.rounds} rounds")
    print(f"harness {fast:8.0f} images/s\nplain   {slow:8.0f} images/s\nratio   {ratio:8.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--loader-workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jitter", action="store_true", help="color jitter as well")
    return parser.parse_args()


def _images(count: int) -> LabeledImages:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return LabeledImages(images, random.integers(0, 10, count), np.arange(count))


def _ours(given: argparse.Namespace, data: LabeledImages, device: torch.device) -> Callable[[], float]:
    augment = [{"name": "crop"}, {"name": "flip"}, *([{"name": "color_jitter"}] if given.jitter else [])]
    settings = {"epochs": 1, "batch_size": given.batch_size, "augment": augment, "schedule": {"name": "constant"}}
    catalog = Catalog()
    model = catalog.realize("model", given.model, {})
    classifier = NetworkClassifier(model, Recipe.model_validate(settings), TASK, 0, device, catalog)
    return lambda: classifier.fit(data, None, Silent()).history[0][IMAGES_PER_SECOND]


def _plain(given: argparse.Namespace, data: LabeledImages, device: torch.device) -> Callable[[], float]:
    jitter = [transforms.ColorJitter(0.2, 0.2, 0.2)] if given.jitter else []
    network = Catalog().realize("model", given.model, {}).network(TASK).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *jitter]
    sizes = {"batch_size": given.batch_size, "workers": given.loader_workers}
    return TutorialLoop(data, TASK, network, optimizer, augment=augment, **sizes).epoch


if __name__ == "__main__":
    main()
