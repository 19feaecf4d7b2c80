"""Every step by its name."""

from collections.abc import Sequence

from ..errors import TrainingError
from .embedding_steps import (
    Clip,
    CoarseLatent,
    Dino,
    JointLatent,
    LargeLatent,
    Latent,
    PoseLatent,
    Regions,
    TextureClip,
    TextureLatent,
    ViewsLatent,
)
from .person_steps import Face, FaceBox, Iuv, Keypoints, Parse, People, Texture
from .step import Step

#: In an order in which each finds what it needs.
STEPS: dict[str, type[Step]] = {
    "people": People,
    "keypoints": Keypoints,
    "parsing": Parse,
    "iuv": Iuv,
    "face_box": FaceBox,
    "face": Face,
    "texture": Texture,
    "latent": Latent,
    "texture_latent": TextureLatent,
    "joint_latent": JointLatent,
    "pose_latent": PoseLatent,
    "views_latent": ViewsLatent,
    "large_latent": LargeLatent,
    "coarse_latent": CoarseLatent,
    "dino": Dino,
    "clip": Clip,
    "texture_clip": TextureClip,
    "regions": Regions,
}


def in_order(names: Sequence[str]) -> list[str]:
    """Steps by name, each once, in the order of :data:`STEPS`.

    Raises:
        TrainingError: there is no such step.
    """
    for name in names:
        if name not in STEPS:
            raise TrainingError(f"'{name}' is no step. The steps are {', '.join(STEPS)}.")
    return [name for name in STEPS if name in names]
