"""A GPU in numbers: cells that run side by side there share what it does in a second, and its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.execute.packing import Concurrency, Device, Kind, Packing

GIB = 2**30
SMALL: Kind = (("model.name", "small"),)
LARGE: Kind = (("model.name", "large"),)


@dataclass
class FakeCell:
    """A cell of so many epochs; each is `work` seconds of a GPU that it has for itself."""

    key: str
    kind: Kind = SMALL
    epochs: int = 10
    work: float = 1.0
    size_bytes: int = GIB
    done: int = 0
    left: float = 0.0
    begun: float = 0.0


@dataclass
class FakeGpus:
    """`speed(n)` is the work that n cells side by side get done per second."""

    speed: Callable[[Sequence[FakeCell]], float]
    capacity: int = 80 * GIB
    names: Sequence[str] = ("cuda:0",)
    most: int = 8
    workers: int = 64
    now: float = 0.0
    running: dict[str, tuple[str, FakeCell]] = field(default_factory=dict)
    """Device and cell by key."""
    story: list[tuple[int, ...]] = field(default_factory=list)
    """How many cells ran on each GPU after each event."""

    def free(self, device: str) -> int:
        return self.capacity - sum(cell.size_bytes for name, cell in self.running.values() if name == device)

    def packing(self) -> Packing:
        return Packing([Device(name, Concurrency(self.most)) for name in self.names], True, self.free)

    def run(self, cells: Sequence[FakeCell], packing: Packing | None = None) -> Packing:
        """Run cells in their order, as an executor does, each as soon as it has room."""
        packing, waiting = packing or self.packing(), list(cells)
        while waiting or self.running:
            while waiting and len(self.running) < self.workers:
                device = packing.place(waiting[0].key, waiting[0].kind)
                if device is None:
                    break
                self._begin(waiting.pop(0), device)
            self.story.append(tuple(len(self._on(name)) for name in self.names))
            self._go_on(packing)
        return packing

    def most_beside(self, after: int = 0) -> int:
        """Return the most cells that ran on one GPU, from some event on."""
        return max(max(numbers) for numbers in self.story[after:])

    def _on(self, device: str) -> list[FakeCell]:
        return [cell for name, cell in self.running.values() if name == device]

    def _begin(self, cell: FakeCell, device: str) -> None:
        cell.left, cell.begun = cell.work, self.now
        self.running[cell.key] = (device, cell)

    def _rates(self) -> Mapping[str, float]:
        return {
            cell.key: self.speed(self._on(name)) / len(self._on(name)) for name in self.names for cell in self._on(name)
        }

    def _go_on(self, packing: Packing) -> None:
        """Let time pass until the next epoch is over, and tell it."""
        rates = self._rates()
        step = min(cell.left / rates[key] for key, (_, cell) in self.running.items())
        self.now += step
        for key, (_, cell) in self.running.items():
            cell.left -= step * rates[key]
        _, over = min(self.running.values(), key=lambda each: each[1].left)
        over.done += 1
        packing.hear(over.key, self.now - over.begun)
        over.left, over.begun = over.work, self.now
        if over.done == over.epochs:
            del self.running[over.key]
            packing.leave(over.key, 0.9 * over.size_bytes)


def cells(
    number: int, kind: Kind = SMALL, *, epochs: int = 10, work: float = 1.0, size_bytes: int = GIB
) -> list[FakeCell]:
    name = str(kind[0][1])
    return [FakeCell(f"{name}-{index}", kind, epochs, work, size_bytes) for index in range(number)]


def saturating_at(most: float) -> Callable[[Sequence[FakeCell]], float]:
    return lambda beside: min(len(beside), most)
