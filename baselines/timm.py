"""Any classifier of timm, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import timm
import torch
from pydantic import Field, field_validator
from timm.models import PretrainedCfg, get_pretrained_cfg, group_parameters
from torch import nn

from harness.architectures import known
from harness.contracts import NetworkModel, Task
from harness.errors import InputError

from ._named import Named, fetched, fill, read_weights, renamed, statistics_of

SAFE_WEIGHTS = "model.safetensors"
"""What timm's repositories call the file that needs no pickle."""


class Timm(NetworkModel):
    """Any classifier of timm, by the name it has there: `{name: timm, arch: convnext_nano}`.

    Untrained, from the weights that timm publishes, or from a file. `harness models --timm 'resnet*'` lists them.

    Attributes:
        arch: timm's name, with the tag of its weights where there are several: `resnet50.a1_in1k`.
        weights: "none" (random), "pretrained" (timm's, fetched where they are not on this machine yet), or a file of
            safetensors or of torch. Their content is part of a cell's key.
        tune: "full" trains every weight, "head" the last layer alone; the rest stays as it was.
        input_size: Height and width that images are resized to; null for as they are, or for the one size that such
            a network takes.
        normalize: Whether images are normalized by the training images' statistics ("dataset") or by those that the
            published weights were trained with ("model").
        dropout: Rate before the last layer.
        drop_path: Rate of stochastic depth; 0 for networks that know none.
    """

    arch: str
    weights: str = "none"
    tune: Literal["full", "head"] = "full"
    input_size: Annotated[int, Field(gt=0)] | None = None
    normalize: Literal["dataset", "model"] = "dataset"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @field_validator("arch")
    @classmethod
    def _known(cls, arch: str) -> str:
        return known("timm", arch)

    def network(self, task: Task) -> nn.Module:
        """Return the network with random weights.

        Raises:
            InputError: images of this size are not for it, it has no such tag, or it knows no stochastic depth.
        """
        published = self._published()
        body = self._created(task.shape, num_classes=len(task.classes), in_chans=task.shape[2])
        head = published.classifier
        names = (head,) if isinstance(head, str) else tuple(head or ())
        wanted = statistics_of(task, (published.mean, published.std), self.normalize, task.shape[2])
        return Named(body, names, self.tune, self._size(), wanted)

    def files(self) -> Mapping[str, Path]:
        """Return the file of the weights.

        Raises:
            InputError: it is not there and cannot be had.
        """
        if self.weights == "none":
            return {}
        if self.weights != "pretrained":
            return {"weights": Path(self.weights)}
        published = self._published()
        repository, _, revision = (published.hf_hub_id or "").partition("@")
        if not repository:
            raise InputError(f"model.weights: timm publishes no weights of {self.arch}; give none or a file")
        name = published.hf_hub_filename or SAFE_WEIGHTS
        what = f"the file {name} of {repository} on the Hugging Face hub"
        return {"weights": fetched(what, lambda: _get(repository, name, revision or None))}

    def prepare(self, network: nn.Module, images: Iterator[torch.Tensor]) -> None:
        """Set all weights but those of a head of other classes, adapted to image size and channels as timm does it.

        Raises:
            InputError: the file is of another network.
        """
        assert isinstance(network, Named)
        for path in self.files().values():
            with torch.random.fork_rng():
                weights = renamed(read_weights(path), timm.create_model(self.arch).state_dict(), path)
                head = weights.get(f"{self._published().classifier}.weight")
                classes = self._published().num_classes if head is None else len(head)
                overlay = {"state_dict": weights, "num_classes": classes}
                channels = next(images).shape[1]
                donor = self._created(
                    path, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, in_chans=channels
                )
            fill(network, donor.state_dict(), path)

    def depths(self, network: nn.Module) -> Mapping[str, int]:
        """Return how deep each parameter lies as timm counts layers, by name."""
        assert isinstance(network, Named)
        body: Any = network.body
        by_name = group_parameters(body, body.group_matcher(), reverse=True)
        return {f"body.{name}": depth for name, depth in by_name.items()}

    def _created(self, source: object, **options: Any) -> nn.Module:
        """Return timm's network; raises InputError naming `source` where it cannot be built so."""
        size = self._size()
        sized = {"img_size": size} if self._published().fixed_input_size else {}
        rates = {"drop_rate": self.dropout, "drop_path_rate": self.drop_path}
        asked = {name: rate for name, rate in rates.items() if rate}
        try:
            network: nn.Module = timm.create_model(self.arch, **options, **sized, **asked)
        except (RuntimeError, TypeError, AssertionError) as error:
            raise InputError(f"timm {self.arch}: {source}: {error}") from error
        return network

    def _size(self) -> int | None:
        published = self._published()
        return self.input_size or (int(published.input_size[-1]) if published.fixed_input_size else None)

    def _published(self) -> Any:
        """Return what timm knows of the published weights (`PretrainedCfg`)."""
        return get_pretrained_cfg(self.arch) or PretrainedCfg()


def _get(repository: str, name: str, revision: str | None) -> str:
    """Return where a file of a repository lies, after fetching it if it is not there."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache  # noqa: PLC0415  (half a second)

    kept = try_to_load_from_cache(repository, name, revision=revision)
    return kept if isinstance(kept, str) else hf_hub_download(repository, name, revision=revision)
