"""Weight files without knowledge, of any size: for tests, benchmarks, and graphs that wait for real weights."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from model_patches.attention.cva import CVA, CVAShape
from model_patches.dino import DinoShape
from model_patches.networks.flc import FLCShape
from model_patches.networks.higherhrnet import HigherHRNet, HigherHRNetShape
from model_patches.networks.imagpose import IMAGPose, IMAGPoseShape
from model_patches.networks.map_former import GLOBAL, AlignmentShape
from model_patches.networks.mcld import MCLD, MCLDShape
from model_patches.networks.pcdms import PCDMs, PCDMsShape
from model_patches.networks.prior import Prior, PriorShape
from model_patches.networks.reposedm import RePoseDM, RePoseDMShape
from model_patches.networks.resampler import ResamplerShape
from model_patches.published_mcld import site_of
from model_patches.unet_family import Heads
from model_patches.unet_layout import HEAD, UNetLayout
from model_patches.weight_kinds.higherhrnet import estimator_metadata
from model_patches.weight_kinds.imagpose import FAMILY, imagpose_metadata
from model_patches.weight_kinds.kind import DENOISING, REFERENCE
from model_patches.weight_kinds.mcld import FACE_HEADS_KEY, mcld_metadata
from model_patches.weight_kinds.pcdms_prior import PREFIX, prior_metadata
from model_patches.weight_kinds.pcdms_unets import FAMILIES, stage_metadata
from model_patches.weight_kinds.reposedm import FAMILY as REPOSEDM_FAMILY
from model_patches.weight_kinds.reposedm import reposedm_metadata

#: Stable Diffusion 1.5's UNet, and one with the same 16 sites that fits a test.
SD15 = UNetLayout((320, 640, 1280, 1280), (True, True, True, False), 2, 768, linear=False, in_channels=4)
SMALL = UNetLayout((32, 64, 64, 64), (True, True, True, False), 2, 64, linear=False, in_channels=4)
#: The published face projector, and a small one.
FACE = ResamplerShape(512, 1280, 1280, 20, 4, 16, 5120, 768)
SMALL_FACE = ResamplerShape(512, 64, 64, 4, 2, 16, 128, 64)
#: Levels of a small pose encoder.
SMALL_POSE = (16, 16, 24, 32)
#: The published prior, and a small one of embeddings that the pack's untrained image encoder gives.
PRIOR = PriorShape(1024, 2048, 32, 20)
SMALL_PRIOR = PriorShape(64, 32, 4, 2, pose_hidden=24, pose_features=40)
#: A recurrent pose alignment that fits a test.
SMALL_ALIGNMENT = AlignmentShape(width=16, hidden=16, radius=2, regions=(GLOBAL, 5, 3))
#: A pose estimator with the published one's joints that fits a test.
SMALL_ESTIMATOR = HigherHRNetShape((4, 4, 8, 8), 4, stem=8, first=1, modules=(1, 1, 1), blocks=1, last=1)


def mcld_state(
    layout: UNetLayout = SMALL, face: ResamplerShape = SMALL_FACE, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of an MCLD weight file with seeded random weights."""
    generator = torch.Generator().manual_seed(seed)
    unet = layout.shapes()
    sites = {
        site_of(key.split(".transformer_blocks")[0]): shape[0]
        for key, shape in unet.items()
        if key.endswith("attn1.to_q.weight")
    }
    shape = MCLDShape(sites, layout.context_dim, face, SMALL_POSE, layout.widths[0])
    with torch.device("meta"):
        modules = {key: tuple(tensor.shape) for key, tensor in MCLD(shape).state_dict().items()}
    shapes = {
        **{DENOISING + key: size for key, size in unet.items()},
        **{REFERENCE + key: size for key, size in unet.items() if key not in HEAD},
        **modules,
    }
    return random_state(shapes, generator, dtype), mcld_metadata() | {FACE_HEADS_KEY: str(face.heads)}


def pcdms_state(
    stage: str, seed: int = 0, layout: UNetLayout | None = None, pose_widths: tuple[int, ...] = SMALL_POSE
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a weight file of PCDMs' second or third stage, or simplified, with seeded random weights.

    Args:
        layout: of a UNet of the second generation; by default a small one, whose context is as wide as what the pack's
            untrained image encoder gives.
        pose_widths: levels of the pose encoder, where the stage has one.
    """
    family = FAMILIES[stage]
    if layout is None:
        layout = replace(
            SMALL,
            linear=True,
            in_channels=family.beside.channels(SMALL.out_channels),
            class_dim=SMALL.context_dim if family.class_embedding else 0,
        )
    poses = (pose_widths, layout.widths[0]) if family.beside.maps else ()
    shape = PCDMsShape(layout.context_dim, 48, layout.context_dim, *poses)
    with torch.device("meta"):
        modules = {key: tuple(tensor.shape) for key, tensor in PCDMs(shape).state_dict().items()}
    shapes = {DENOISING + key: size for key, size in layout.shapes().items()} | modules
    # Narrow levels cannot be cut into heads as wide as Stable Diffusion's.
    heads = Heads(width=min(64, layout.widths[0] // 2)).metadata()
    return random_state(shapes, torch.Generator().manual_seed(seed)), stage_metadata(stage) | heads


def prior_state(seed: int = 0, shape: PriorShape = SMALL_PRIOR) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a weight file of PCDMs' prior with seeded random weights."""
    with torch.device("meta"):
        shapes = {PREFIX + key: tuple(tensor.shape) for key, tensor in Prior(shape).state_dict().items()}
    return random_state(shapes, torch.Generator().manual_seed(seed)), prior_metadata(shape.heads)


def imagpose_state(layout: UNetLayout = SMALL, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of an IMAGPose weight file with seeded random weights; all 21 modules of Stable Diffusion."""
    unet = replace(layout, in_channels=FAMILY.beside.channels(layout.out_channels)).shapes()
    widths = {
        # Every resnet but the middle's last, with its transformer where it has one.
        site_of(key.replace("resnets", "attentions").removesuffix(".conv2.weight")): CVAShape(shape[0])
        for key, shape in unet.items()
        if key.endswith(".conv2.weight") and key != "mid_block.resnets.1.conv2.weight"
    }
    flc = FLCShape(layout.out_channels, layout.context_dim)
    shape = IMAGPoseShape(widths, flc, (16, 16, 24, 32), layout.widths[0])
    with torch.device("meta"):
        modules = {key: tuple(tensor.shape) for key, tensor in IMAGPose(shape).state_dict().items()}
    shapes = {DENOISING + key: size for key, size in unet.items()} | modules
    positions = {
        f"cva.{site.key}.{key}": tensor
        for site, sizes in widths.items()
        for key, tensor in CVA(sizes).state_dict().items()
        if key.endswith(".pe")
    }
    return random_state(shapes, torch.Generator().manual_seed(seed)) | positions, imagpose_metadata()


def reposedm_state(
    layout: UNetLayout = SMALL, seed: int = 0, aligned: bool = True, octaves: int = 0
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a RePoseDM weight file with seeded random weights; not ``aligned`` is the ablation B1."""
    unet = replace(layout, in_channels=REPOSEDM_FAMILY.beside.channels(layout.out_channels)).shapes()
    shape = RePoseDMShape(layout.context_dim, SMALL_ALIGNMENT, aligned, octaves)
    with torch.device("meta"):
        modules = {key: tuple(tensor.shape) for key, tensor in RePoseDM(shape).state_dict().items()}
    shapes = {DENOISING + key: size for key, size in unet.items()} | modules
    state = random_state(shapes, torch.Generator().manual_seed(seed))
    if aligned:
        # Flows of some pixels: beyond the picture is nothing to see.
        state["alignment.aggregator2.weight"] *= 0.1
    return state, reposedm_metadata(SMALL_ALIGNMENT.regions if aligned else ())


def estimator_state(
    seed: int = 0, shape: HigherHRNetShape = SMALL_ESTIMATOR
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a pose estimator's weight file with seeded random weights."""
    with torch.device("meta"):
        shapes = {key: tuple(tensor.shape) for key, tensor in HigherHRNet(shape).state_dict().items()}
    state = random_state(shapes, torch.Generator().manual_seed(seed))
    counts = {key: torch.tensor(1) for key in shapes if key.endswith("num_batches_tracked")}
    means = {key: torch.zeros_like(state[key]) for key in shapes if key.endswith("running_mean")}
    return state | counts | means, estimator_metadata()


def dino_state(shape: DinoShape, seed: int = 0, patches: int = 37) -> dict[str, Tensor]:
    """Tensors of a DINOv2 with seeded random weights, in transformers' older spelling, for so many patches a side."""
    positions = {"embeddings.position_embeddings": (1, patches**2 + 1, shape.width)}
    return random_state(shape.shapes() | positions, torch.Generator().manual_seed(seed))


def random_state(
    shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Matrices by fan-in, norms 1, biases 0: signals neither grow nor vanish on their way through."""
    return {key: _random(key, shape, generator).to(dtype) for key, shape in shapes.items()}


def _random(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if len(shape) == 1:
        return torch.zeros(shape) if key.endswith("bias") else torch.ones(shape)
    return torch.randn(shape, generator=generator) * torch.Size(shape[1:]).numel() ** -0.5
