"""Every method's recipe at the smallest size, for tests of the trainer."""

from dataclasses import replace
from pathlib import Path

from reposedm_files import field_files
from small_words import words_folder
from training_people import DINO_DIM, FACE_DIM, REGION_DIM, NoisePeople, NoiseViews, SpokenPeople

from devtools import untrained
from model_patches.networks.map_former import GLOBAL
from model_patches.networks.prior import PriorShape
from model_patches.networks.resampler import ResamplerShape
from training.crowds import Crowd
from training.methods.autoencoder import AutoencoderOptions
from training.methods.diffusion import SmallUNet
from training.methods.estimator import EstimatorOptions
from training.methods.imagpose_options import IMAGPoseOptions
from training.methods.mcld import MCLDOptions
from training.methods.pcdms_inpainting import PCDMsInpaintingOptions
from training.methods.pcdms_prior import PCDMsPriorOptions
from training.methods.pcdms_stage import PCDMsStageOptions
from training.methods.reposedm import RePoseDMOptions
from training.methods.reposesd import RePoseSDOptions
from training.methods.truepose import TruePoseOptions
from training.recipe import Data, Optimiser, Recipe

UNET = SmallUNet((32, 32), (True, False), 1, REGION_DIM)
#: SDXL's layout: no attention at the finest level, several transformers behind one another, heads of one width.
XL = SmallUNet((32, 64), (False, True), 1, REGION_DIM, depths=(1, 2), told_size=True, head_width=32)
FACE = ResamplerShape(FACE_DIM, 32, 32, 4, 1, 4, 64, REGION_DIM)
STAGE = {"base": UNET, "dino_dim": DINO_DIM, "hidden": 16, "correspondence": 0.3, "background": 0.5}
ALIGNED = {
    "base": UNET,
    "background": 0.5,
    "correspondence": 0.3,
    "flow": 0.1,
    "field": 0.3,
    "rule": "relative",
    "features": 8,
    "hidden": 8,
    "radius": 1,
    "regions": (GLOBAL, 3),
    "octaves": 1,
}
OPTIONS = {
    "autoencoder": AutoencoderOptions(crop=(32, 16)),
    "estimator": EstimatorOptions(shape=untrained.SMALL_ESTIMATOR, crowd=Crowd((64, 64), 2)),
    "truepose": TruePoseOptions(base=UNET, region_dim=REGION_DIM),
    "mcld": MCLDOptions(base=UNET, face_projector=FACE, pose_widths=(8, 8, 8, 16)),
    "pcdms_prior": PCDMsPriorOptions(PriorShape(REGION_DIM, 32, 2, 1, 36, 16, 16), 0.0, 1.0),
    "pcdms_inpainting": PCDMsInpaintingOptions(**STAGE, pose_widths=(8, 8, 8, 16)),
    "pcdms_refining": PCDMsStageOptions(**STAGE),
    "reposedm": RePoseDMOptions(**ALIGNED, **field_files()),
    "reposesd": RePoseSDOptions(
        base=UNET, generation=1, text=words_folder(REGION_DIM), field=0.5, rule="Eq. 14", **field_files()
    ),
    "imagpose": IMAGPoseOptions(
        base=UNET,
        dino_dim=DINO_DIM,
        patch=4,
        pose_widths=(8, 8, 8, 16),
        drop_both=0.1,
        background=0.5,
        correspondence=0.3,
    ),
}
#: Four views of a person.
VIEWS = {"data": Data(people=Path("unused"), targets=3, drawn=True), "batch": 6}
#: A run's method, people, and what its recipe changes.
RUNS = {
    **{method: (method, NoisePeople, {}) for method in OPTIONS if method not in ("imagpose", "reposesd")},
    "imagpose": ("imagpose", NoiseViews, VIEWS),
    "reposesd": ("reposesd", SpokenPeople, {}),
    "muon, three targets a source": (
        "truepose",
        NoiseViews,
        {
            "data": Data(people=Path("unused"), targets=3),
            "batch": 6,
            "optimiser": Optimiser(learning_rate=1e-3, muon=True, warmup=2, decay="cosine"),
        },
    ),
}


def recipe(out: Path, method: str = "truepose", **changes) -> Recipe:
    begun = Recipe(
        method=method,
        data=Data(people=Path("unused")),
        out=out,
        steps=4,
        batch=4,
        options=OPTIONS[method],
        optimiser=Optimiser(learning_rate=1e-3, warmup=2, decay="cosine"),
        ema=0.9,
        log_every=1,
        checkpoint_every=2,
    )
    return replace(begun, **changes)
