"""What a recipe chooses of IMAGPose: the published stages, the paper's ablations, and what is ours."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from model_patches.attention.cva import AFTER_LAYERS
from model_patches.networks.pose_guider import WIDTHS

from ..objectives import Schedule
from .diffusion import DiffusionOptions
from .joint_pictures import OTHERS, TILES

#: Of the published training, and of its sampler.
TRAINED = Schedule("scaled_linear", "v_prediction", zero_snr=True, spacing="trailing")
SAMPLED = replace(TRAINED, betas="linear")


@dataclass(frozen=True)
class IMAGPoseOptions(DiffusionOptions):
    """Attributes:
    views: how a person's pictures are put together: as tiles of one, or along the batch (Table 7: M1, which is given no
        picture, and generates every view beside the others).
    image: whether the network is given pictures in their tiles; without, a flag alone (Table 2: B0, B1, B2).
    texture: whether the context has tokens of the reference's latent (without: B0, B1, B3).
    cva: after which layers there is cross-view attention (without: B0, B2, B4).
    train: everything, or cross-view attention alone (the published second stage).
    hidden: the least and the most tiles that are generated; 4 of them hide the reference's own picture too.
    drop_dino, drop_texture, drop_both: shares of rows that lose the reference's tokens; a row loses them once.
    dino_dim: width of DINOv2's tokens, projected where the context has another (ours).
    patch: cells of the latent a token of it is made of, on each side.
    pose_widths: of the pose encoder's levels.
    given: weight of the error in tiles that are given; 1 as published, ours where time is short.
    dino: a DINOv2, whose tokens of zero pixels a dropped reference has, beside those of a latent of zeros, as
        published; None takes the zeros that are sampled with.
    autoencoder: by which joint pictures are encoded as one in every step, as published. None takes the data's latents:
        tiles' own, side by side, but where the reference alone is given in the first.
    """

    schedule: Schedule = TRAINED
    sampling: Schedule | None = SAMPLED
    noise_offset: float = 0.05
    min_snr: float = 5.0
    steps: int = 30
    guidance: float = 2.0
    views: Literal["tiles", "batch"] = "tiles"
    image: bool = True
    texture: bool = True
    cva: Literal["after each layer", "after cross-attention", "none"] = AFTER_LAYERS
    train: Literal["everything", "cva"] = "everything"
    hidden: tuple[int, int] = (1, OTHERS)
    drop_dino: float = 0.0
    drop_texture: float = 0.0
    drop_both: float = 0.0
    dino_dim: int = 768
    patch: int = 16
    pose_widths: tuple[int, ...] = WIDTHS
    given: float = 1.0
    dino: Path | None = None
    autoencoder: Path | None = None

    def __post_init__(self) -> None:
        if self.views == "batch" and self.image:
            raise ValueError("Views along the batch are given no picture: set image to false.")
        if self.train == "cva" and self.cva == "none":
            raise ValueError(
                "There is no cross-view attention to train: choose where it is (cva), or train everything."
            )
        if not 1 <= self.hidden[0] <= self.hidden[1] <= TILES:
            raise ValueError(f"Of {TILES} tiles 1 to {TILES} can be hidden, the least first: hidden is {self.hidden}.")
        told = self.sampling or self.schedule
        if told.prediction != self.schedule.prediction:
            raise ValueError(
                f"The network learns {self.schedule.prediction} and is sampled for {told.prediction}: give schedule "
                "and sampling one prediction."
            )
        if told.betas != "linear" or told.zero_snr != (told.prediction == "v_prediction"):
            raise ValueError(
                "Load IMAGPose samples v under linear betas that end in pure noise, or epsilon under linear ones that "
                "do not: set sampling to one of these."
            )
