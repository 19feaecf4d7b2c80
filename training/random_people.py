"""People of nothing: pictures, and everything that methods read of them, at random, in its shape and range."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from preprocessors.labels import LIP_20

from .data.pictures import STRIDE
from .data.records import Pair, Record, from_text

#: Views of the one person: as many as IMAGPose's reference and the three beside it.
VIEWS = 4
#: Sides of the texture map.
TEXTURE = 512
#: DINOv2's tokens of a picture.
TOKENS = 257
#: A standing person's OpenPose-18, x and y in shares of the picture.
STANDING = np.array(
    [
        *((0.5, 0.12), (0.5, 0.22), (0.36, 0.22), (0.30, 0.36), (0.28, 0.5), (0.64, 0.22), (0.70, 0.36), (0.72, 0.5)),
        *((0.42, 0.52), (0.41, 0.72), (0.40, 0.93), (0.58, 0.52), (0.59, 0.72), (0.60, 0.93)),
        *((0.47, 0.1), (0.53, 0.1), (0.44, 0.11), (0.56, 0.11)),
    ],
    np.float32,
)


@dataclass(frozen=True)
class RandomPeople:
    """One person in four views.

    Attributes:
        size: height and width of the pictures.
        channels: of the latents.
        widths: of the embeddings, by the field's name: ``clip``, ``face``, ``dino``, ``regions``.
    """

    size: tuple[int, int]
    channels: int
    widths: Mapping[str, int]
    names: list[str] = field(default_factory=lambda: [f"view{number}" for number in range(VIEWS)])

    @property
    def pairs(self) -> list[Pair]:
        return [Pair(one, other) for one in self.names for other in self.names if one != other]

    def record(self, name: str) -> Record:
        height, width = self.size
        draw = np.random.default_rng(self.names.index(name))
        rows = np.arange(height) * len(LIP_20) // height
        keypoints = np.concatenate([STANDING * (width, height), np.ones((len(STANDING), 1))], 1).astype(np.float32)

        def noise(*shape: int) -> np.ndarray:
            return draw.standard_normal(shape).astype(np.float32)

        def picture(*sides: int) -> np.ndarray:
            return draw.integers(0, 256, (*sides, 3)).astype(np.uint8)

        parsing = np.repeat(rows[:, None], width, 1).astype(np.uint8)
        iuv = picture(height, width)
        iuv[..., 0] = np.where(parsing > 0, parsing + 4, 0)
        latent = self.channels, height // STRIDE, width // STRIDE
        wide, four = (latent[0], latent[1], 2 * latent[2]), (latent[0], 2 * latent[1], 2 * latent[2])
        fields = {
            "parsing": parsing,
            "iuv": iuv,
            "keypoints": keypoints,
            "people": keypoints[None],
            "caption": from_text("somebody in a coat"),
            "face": noise(self.widths["face"]),
            "texture": picture(TEXTURE, TEXTURE),
            "texture_latent": noise(self.channels, TEXTURE // STRIDE, TEXTURE // STRIDE),
            "dino": noise(TOKENS, self.widths["dino"]).astype(np.float16),
            "clip": noise(self.widths["clip"]),
            "texture_clip": noise(self.widths["clip"]),
            "regions": noise(len(LIP_20), self.widths["regions"]),
            "joint_latent": noise(*wide),
            "views_latent": noise(*four),
            "large_latent": noise(*four),
        } | {name: noise(*latent) for name in ("latent", "pose_latent", "coarse_latent")}
        return Record(name, "somebody", "somebody", picture(height, width), fields)
