"""Steps that encode what is there: latents and CLIP embeddings, many pictures at once."""

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from preprocessors.errors import reason
from preprocessors.labels import LIP_20, Parsing

from ..autoencoders import Autoencoder, load_autoencoder
from ..data.pictures import STRIDE
from ..data.records import Record
from ..drawn_pose import drawn_people
from ..errors import TrainingError
from .clip import ClipVision, clip_pixels, load_clip_vision
from .dino import Dino as DinoEncoder
from .dino import load_dino
from .step import Fields, Setup, SetupError, Step, tensor

#: Crops that are encoded at once: eight pictures have about seventy.
CROPS = 32


class Latent(Step):
    """The pictures' latents."""

    gives, network = ("latent",), "vae"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._encoder = _autoencoder(setup.vae, setup.device)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        check_sides(records)
        return [{"latent": latent} for latent in by_size([record.image for record in records], self._encode)]

    def _encode(self, pictures: Tensor) -> Tensor:
        pixels = pictures.movedim(-1, 1) * 2 - 1
        return self._encoder.encode(pixels.to(self.device)).float().cpu()


class TextureLatent(Latent):
    """The texture maps' latents."""

    needs, gives = ("texture",), ("texture_latent",)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._size = (setup.texture_size, setup.texture_size)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        textures = [self._resized(record.fields["texture"]) for record in records]
        return [{"texture_latent": latent} for latent in by_size(textures, self._encode)]

    def _resized(self, texture: np.ndarray) -> np.ndarray:
        if texture.shape[:2] == self._size:
            return texture
        return np.asarray(Image.fromarray(texture).resize(self._size, Image.Resampling.BICUBIC))


class JointLatent(Latent):
    """Latents of the pictures with black beside them, as PCDMs' inpainting model sees what it is given (Fig. 4)."""

    gives, by_name = ("joint_latent",), True

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        check_sides(records)
        joint = [np.concatenate([record.image, np.zeros_like(record.image)], 1) for record in records]
        return [{"joint_latent": latent} for latent in by_size(joint, self._encode)]


class PoseLatent(Latent):
    """Latents of the pictures' poses, drawn as the node Draw Pose draws them, as RePoseDM sees them (section 3.1).

    Everybody's in one drawing, where the data know of several.
    """

    needs, gives, by_name = ("keypoints",), ("pose_latent",), True

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        check_sides(records)
        drawn = [drawn_people(record) for record in records]
        return [{"pose_latent": latent} for latent in by_size(drawn, self._encode)]


class ViewsLatent(Latent):
    """Latents of the pictures in the first of four tiles, as IMAGPose sees its only source (Fig. 3a)."""

    gives, by_name = ("views_latent",), True

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        check_sides(records)
        images = [record.image for record in records]
        joint = [np.pad(image, ((0, image.shape[0]), (0, image.shape[1]), (0, 0))) for image in images]
        return [{"views_latent": latent} for latent in by_size(joint, self._encode)]


class LargeLatent(Latent):
    """Latents of the pictures as large as four tiles, which IMAGPose makes tokens of (section 3.2)."""

    gives, by_name = ("large_latent",), True

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        check_sides(records)
        images = [Image.fromarray(record.image) for record in records]
        large = [
            np.asarray(image.resize((2 * image.width, 2 * image.height), Image.Resampling.LANCZOS)) for image in images
        ]
        return [{"large_latent": latent} for latent in by_size(large, self._encode)]


class CoarseLatent(Latent):
    """Latents of what another model made of the pictures' people, see :mod:`training.coarse`."""

    needs, gives = ("coarse",), ("coarse_latent",)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        latents = by_size([record.fields["coarse"] for record in records], self._encode)
        return [{"coarse_latent": latent} for latent in latents]


class Dino(Step):
    """The pictures' DINOv2 tokens, in half precision."""

    gives, network = ("dino",), "dino"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._encoder = _dino(setup.dino, setup.device)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        tokens = by_size([record.image for record in records], self._encoder)
        return [{"dino": values.astype(np.float16)} for values in tokens]


class Clip(Step):
    """The pictures' CLIP embeddings."""

    gives, network = ("clip",), "clip_vision"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._encoder = _clip_vision(setup.clip_vision, setup.device)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        return [{"clip": value} for value in by_size([record.image for record in records], self._encoder)]


class TextureClip(Clip):
    """The texture maps' CLIP embeddings."""

    needs, gives = ("texture",), ("texture_clip",)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        textures = [record.fields["texture"] for record in records]
        return [{"texture_clip": value} for value in by_size(textures, self._encoder)]


class Regions(Clip):
    """CLIP embeddings of the rectangles around every label, as the node Encode Regions computes them."""

    needs, gives = ("parsing",), ("regions",)

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        from preprocessors.regions import region_crops

        places, pixels = [], []
        for row, record in enumerate(records):
            parsing = Parsing(torch.tensor(record.fields["parsing"])[None])
            for _, label, crop in region_crops(tensor(record.image), parsing):
                places.append((row, label))
                pixels.append(clip_pixels(crop, self._encoder.side))
        width = self._encoder.network.config.projection_dim
        regions = torch.zeros(len(records), len(LIP_20), width)
        for start in range(0, len(pixels), CROPS):
            embeddings = self._encoder.embed(torch.cat(pixels[start : start + CROPS]))
            for (row, label), embedding in zip(places[start : start + CROPS], embeddings, strict=True):
                regions[row, label] = embedding
        return [{"regions": values.numpy()} for values in regions]


def check_sides(records: Sequence[Record]) -> None:
    """Whether pictures can become latents.

    Raises:
        TrainingError: a side is no multiple of the latents' stride.
    """
    for record in records:
        height, width = record.image.shape[:2]
        if height % STRIDE or width % STRIDE:
            raise TrainingError(
                f"'{record.name}' is {height}×{width}, and latents need multiples of {STRIDE}. Give the data set a "
                "size, as deepfashion:FOLDER,size=512x352."
            )


def by_size(pictures: Sequence[np.ndarray], encode: Callable[[Tensor], Tensor]) -> list[np.ndarray]:
    """What ``encode`` makes of pictures uint8 ``[H, W, 3]``, those of one size together as ``[B, H, W, 3]`` in 0–1."""
    places = defaultdict(list)
    for place, picture in enumerate(pictures):
        places[picture.shape].append(place)
    values: dict[int, np.ndarray] = {}
    for alike in places.values():
        encoded = encode(torch.cat([tensor(pictures[place]) for place in alike]))
        values |= zip(alike, encoded.numpy(), strict=True)
    return [values[place] for place in range(len(pictures))]


@functools.lru_cache(maxsize=1)
def _autoencoder(path: Path, device: str) -> Autoencoder:
    try:
        return load_autoencoder(path).to(device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise SetupError(
            f"'{path}' has no autoencoder that can be read ({reason(error)}). Give a folder of diffusers' "
            "AutoencoderKL with config.json and weights, or a TAESD .safetensors."
        ) from error


@functools.lru_cache(maxsize=1)
def _clip_vision(folder: Path, device: str) -> ClipVision:
    return load_clip_vision(folder).to(device)


@functools.lru_cache(maxsize=1)
def _dino(file: Path, device: str) -> DinoEncoder:
    return load_dino(file).to(device)
