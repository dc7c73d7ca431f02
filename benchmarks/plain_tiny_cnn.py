"""T3's tiny CNN as its tutorial would train it, to hold the harness against: no code of ours but the split.

A DataLoader with torchvision's transforms, AdamW at a constant rate, batch 128; prints loss and validation accuracy
by epoch. The harness's `tiny-cnn` in experiments/cifar10-jpeg.yaml has the same split and recipe, other random numbers.

    python benchmarks/plain_tiny_cnn.py FOLDER_WITH_TRAIN_PARQUET [--epochs 15] [--cache DIR]
"""

import argparse
import time
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from harness.contracts import Dataset, LabeledImages, Validation
from harness.data import load_splits
from harness.plugins import Catalog

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
Item = tuple[torch.Tensor, int]


class Pictures(torch.utils.data.Dataset[Item]):
    """Images one by one, as tutorials have them."""

    def __init__(self, images: LabeledImages, *augment: nn.Module) -> None:
        tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        self.images, self.transform = images, v2.Compose([*augment, *tensor])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Item:
        """Return one image [3, 32, 32], transformed, and its label."""
        return self.transform(Image.fromarray(self.images.images[index])), int(self.images.labels[index])


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """Return two convolutions with ReLU and a max pooling."""
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return [first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2)]


def main() -> None:
    """Train and print a line an epoch."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--cache", type=Path, default=Path(".harness/cache"))
    asked = parser.parse_args()
    dataset = Dataset.model_validate(
        {"name": "parquet", "path": str(asked.folder.absolute()), "validation": Validation(size=5000, seed=0)}
    )
    splits = load_splits(dataset, Catalog(), asked.cache)
    torch.manual_seed(1)
    augment = v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()
    train = DataLoader(Pictures(splits.train, *augment), 128, shuffle=True)
    validation = DataLoader(Pictures(splits.validation), 500)
    head = nn.Flatten(), nn.Linear(4096, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10)
    network = nn.Sequential(*block(3, 32), *block(32, 64), *head)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    for epoch in range(1, asked.epochs + 1):
        begun, loss = time.perf_counter(), train_epoch(network, optimizer, train)
        right = accuracy(network, validation)
        seconds = time.perf_counter() - begun
        print(f"epoch {epoch:2}  train loss {loss:.3f}  validation {right:.4f}  {seconds:.0f} s", flush=True)


def train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, batches: DataLoader[Item]) -> float:
    """Return the epoch's mean loss."""
    network.train()
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad()
        loss = cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        total += float(loss.detach()) * len(labels)
    return total / 45000


@torch.no_grad()
def accuracy(network: nn.Module, batches: DataLoader[Item]) -> float:
    """Return the share of right answers."""
    network.eval()
    hits = sum(int((network(images).argmax(1) == labels).sum()) for images, labels in batches)
    return hits / 5000


if __name__ == "__main__":
    main()
