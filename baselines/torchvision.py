"""Any classifier of torchvision, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import Field, field_validator
from torch import hub, nn
from torchvision.models import get_model, get_model_weights

from harness.architectures import known
from harness.contracts import NetworkModel, Task
from harness.errors import InputError

from ._named import Named, fetched, fill, read_weights, renamed, statistics_of


class Torchvision(NetworkModel):
    """Any classifier of torchvision, by the name it has there: `{name: torchvision, arch: resnet50}`.

    Untrained, from the weights that torchvision publishes, or from a file. `harness models --torchvision 'resnet*'`
    lists them. Gray images reach it in three equal channels.

    Attributes:
        arch: torchvision's name.
        weights: "none" (random), "pretrained" (the best that torchvision publishes, fetched where they are not on this
            machine yet), or a file of safetensors or of torch. Their content is part of a cell's key.
        tune: "full" trains every weight, "head" the last layer alone; the rest stays as it was.
        input_size: Height and width that images are resized to; null for as they are.
        normalize: Whether images are normalized by the training images' statistics ("dataset") or by those that the
            published weights were trained with ("model").
        drop_path: Rate of stochastic depth, for networks that know it; null for the network's own.
    """

    arch: str
    weights: str = "none"
    tune: Literal["full", "head"] = "full"
    input_size: Annotated[int, Field(gt=0)] | None = None
    normalize: Literal["dataset", "model"] = "dataset"
    drop_path: Annotated[float, Field(ge=0, lt=1)] | None = None

    @field_validator("arch")
    @classmethod
    def _known(cls, arch: str) -> str:
        return known("torchvision", arch)

    def network(self, task: Task) -> nn.Module:
        """Return the network with random weights.

        Raises:
            InputError: it does not take images of this size, or knows no stochastic depth.
        """
        body = self._created(len(task.classes))
        head = [name for name, each in body.named_modules() if _outputs(each) == len(task.classes)][-1]
        published = get_model_weights(self.arch).DEFAULT.transforms()
        wanted = statistics_of(task, (published.mean, published.std), self.normalize, 3)
        return _Colored(body, (head,), self.tune, self._size(), wanted)

    def files(self) -> Mapping[str, Path]:
        """Return the file of the weights.

        Raises:
            InputError: it is not there and cannot be had.
        """
        if self.weights == "none":
            return {}
        if self.weights != "pretrained":
            return {"weights": Path(self.weights)}
        url = get_model_weights(self.arch).DEFAULT.url
        path = Path(hub.get_dir(), "checkpoints", url.rpartition("/")[2])
        return {"weights": fetched(f"the file {path.name} from {url}, kept in {path.parent}", lambda: _get(url, path))}

    def prepare(self, network: nn.Module, images: Iterator[torch.Tensor]) -> None:
        """Set all weights but those of a head of other classes.

        Raises:
            InputError: the file is of another network.
        """
        assert isinstance(network, Named)
        for path in self.files().values():
            fill(network, renamed(read_weights(path), network.body.state_dict(), path), path)

    def _created(self, classes: int) -> nn.Module:
        """Return torchvision's network; raises InputError where it cannot be built so."""
        options: dict[str, Any] = {"num_classes": classes}
        if self.arch in _WITH_SIDE_OUTPUTS:
            options |= {"aux_logits": False, "init_weights": True}
        if self.drop_path is not None:
            options["stochastic_depth_prob"] = self.drop_path
        if self._size() is not None:
            options |= {
                name: make(self._size()) for prefix, (name, make) in _SIZED.items() if self.arch.startswith(prefix)
            }
        try:
            network: nn.Module = get_model(self.arch, weights=None, **options)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"torchvision {self.arch}: {error}") from error
        return network

    def _size(self) -> int | None:
        is_sized = self.arch.startswith(tuple(_SIZED))
        return self.input_size or (_USUAL_SIZE if is_sized else None)


class _Colored(Named):
    """A network that wants three channels, for images that may have one."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits [N, K] of normalized images [N, 1 or 3, H, W]."""
        return super().forward(images.expand(-1, 3, -1, -1))


_WITH_SIDE_OUTPUTS: Final = ("googlenet", "inception_v3")
_SIZED: Final[Mapping[str, tuple[str, Callable[[int | None], object]]]] = {
    "vit": ("image_size", lambda size: size),
    "maxvit": ("input_size", lambda size: (size, size)),
}
"""Networks for images of one size: how their names begin, and the option that sets it."""
_USUAL_SIZE: Final = 224


def _outputs(module: nn.Module) -> int | None:
    weight = getattr(module, "weight", None)
    return len(weight) if isinstance(module, nn.Linear | nn.Conv2d) and weight is not None else None


def _get(url: str, path: Path) -> str:
    """Return where torch keeps a file of its hub, after fetching it if it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=False)
    return str(path)
