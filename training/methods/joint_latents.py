"""Latents of joint pictures: encoded in every step, as published; or put together of what the data hold."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_patches.attention.cva import PUBLISHED_TILES, split_tiles
from preprocessors.images import squashed

from ..autoencoders import Autoencoder, load_autoencoder
from ..data.records import Record
from .base import Batch, field, pixels, tensor
from .joint_pictures import Arrangement, views_of


class JointLatents(ABC):
    """What is read of records for them, and how they come of it."""

    @abstractmethod
    def read(self, record: Record) -> dict[str, Tensor]:
        """Of a view; a batch has it with the view's role before its name."""

    def read_reference(self, record: Record) -> dict[str, Tensor]:
        """Of a reference, besides."""
        return {}

    @abstractmethod
    def of(self, batch: Batch, side: str) -> Tensor:
        """Of pictures by themselves, ``[B, C, h, w]``; ``side`` is ``source`` or ``target``."""

    @abstractmethod
    def clean(self, batch: Batch, joint: Arrangement) -> Tensor:
        """Of every tile as it is, ``[S, C, 2h, 2w]``."""

    @abstractmethod
    def given(self, batch: Batch, joint: Arrangement) -> Tensor:
        """Of joint pictures that are black where a tile is generated, ``[S, C, 2h, 2w]``."""

    @abstractmethod
    def large(self, batch: Batch) -> Tensor:
        """Of the references at the joint picture's size: of the published code's two ways the sampler's."""


@dataclass(frozen=True)
class StoredLatents(JointLatents):
    """Tiles' own latents side by side; a reference that is given alone, in the first tile, is encoded with its black.

    Attributes:
        image, texture: whether latents of what is given, and of large references, are asked for.
    """

    image: bool
    texture: bool

    def read(self, record: Record) -> dict[str, Tensor]:
        return {"latent": tensor(field(record, "latent"), torch.float32)}

    def read_reference(self, record: Record) -> dict[str, Tensor]:
        wanted = ["views_latent"] * self.image + ["large_latent"] * self.texture
        return {name: tensor(field(record, name), torch.float32) for name in wanted}

    def of(self, batch: Batch, side: str) -> Tensor:
        return batch[f"{side}_latent"]

    def clean(self, batch: Batch, joint: Arrangement) -> Tensor:
        return joint.joint(views_of(batch, "latent"))

    def given(self, batch: Batch, joint: Arrangement) -> Tensor:
        whole = batch["views_latent"]
        black = split_tiles(whole, PUBLISHED_TILES)[:, -1:]
        together = joint.joint(views_of(batch, "latent"), joint.visible, black)
        return torch.where(joint.alone[:, None, None, None], whole, together)

    def large(self, batch: Batch) -> Tensor:
        return batch["large_latent"]


@dataclass(frozen=True)
class EncodedLatents(JointLatents):
    """Every joint picture encoded as one.

    Attributes:
        encode: pictures ``[B, 3, H, W]`` in −1…1 → latents.
    """

    encode: Callable[[Tensor], Tensor]

    @classmethod
    def by(cls, path: Path) -> "EncodedLatents":
        """With the autoencoder of a file, which is loaded when it is asked for."""
        return cls(functools.partial(_encode_by, path))

    @torch.no_grad()
    def _encoded(self, pictures: Tensor) -> Tensor:
        return self.encode(pictures)

    def read(self, record: Record) -> dict[str, Tensor]:
        return {"image": tensor(record.image, torch.uint8)}

    def of(self, batch: Batch, side: str) -> Tensor:
        return self._encoded(pixels(batch[f"{side}_image"]))

    def clean(self, batch: Batch, joint: Arrangement) -> Tensor:
        return self._encoded(joint.joint(_views(batch)))

    def given(self, batch: Batch, joint: Arrangement) -> Tensor:
        views = _views(batch)
        return self._encoded(joint.joint(views, joint.visible, views.new_tensor(-1.0)))

    def large(self, batch: Batch) -> Tensor:
        images = batch["source_image"].float() / 255
        height, width = images.shape[1:3]
        return self._encoded(squashed(images, 2 * width, 2 * height, "lanczos").movedim(-1, 1) * 2 - 1)


def _views(batch: Batch) -> Tensor:
    """Pictures ``[S, V, 3, H, W]`` in −1…1."""
    images = views_of(batch, "image")
    return pixels(images.flatten(0, 1)).unflatten(0, images.shape[:2])


def _encode_by(path: Path, pictures: Tensor) -> Tensor:
    return _autoencoder(path, str(pictures.device)).encode(pictures)


@functools.lru_cache(maxsize=1)
def _autoencoder(path: Path, device: str) -> Autoencoder:
    """No part of the method, whose checkpoints would hold it."""
    return load_autoencoder(path).to(device)
