"""Our epoch against the loop of a tutorial: DataLoader, PIL transforms, unfused SGD, channels first.

Same network, recipe, images and number of threads; rounds alternate, so that a busy machine slows
both. Prints the median images per second of each and the ratio.

    python benchmarks/train_step.py --images 1280 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from harness.contracts import LabeledImages, Recipe, Task
from harness.plugins import Catalog
from harness.train import NetworkClassifier

TASK = Task(tuple("0123456789"), (32, 32, 3), (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


class Silent:
    """A listener that does nothing."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear an epoch."""

    def opening(self, model_digest: str) -> None:
        """Hear an opening."""


class PilImages(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images as PIL images through a transform, as torchvision's data sets hand them out."""

    def __init__(self, data: LabeledImages, transform: Callable[[Any], torch.Tensor]) -> None:
        self._images = [to_pil_image(image) for image in data.images]
        self._labels, self._transform = data.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[row]), self._labels[row]


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
    return lambda: classifier.fit(data, None, Silent()).history[0]["images_per_second"]


def _plain(given: argparse.Namespace, data: LabeledImages, device: torch.device) -> Callable[[], float]:
    jitter = [transforms.ColorJitter(0.2, 0.2, 0.2)] if given.jitter else []
    drawn = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *jitter]
    transform = transforms.Compose([*drawn, transforms.ToTensor(), transforms.Normalize(TASK.mean, TASK.std)])
    loader = DataLoader(PilImages(data, transform), given.batch_size, shuffle=True, num_workers=given.loader_workers)
    network = Catalog().realize("model", given.model, {}).network(TASK).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    return lambda: _plain_epoch(network, optimizer, loader, device)


def _plain_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[tuple[torch.Tensor, int]],
    device: torch.device,
) -> float:
    """Train an epoch and return images per second."""
    criterion = nn.CrossEntropyLoss()
    network.train()
    begun, images, total = time.perf_counter(), 0, 0.0
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = criterion(network(batch.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        total += loss.item()
        images += len(batch)
    return images / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
