"""Small models and conditions that tests share, and the host's sampler over them."""

import copy
from types import SimpleNamespace

import comfy.model_patcher
import comfy.sample
import comfy.utils
import torch
from mannequin.model_patches.attention.cva import AFTER_LAYERS, CVAShape
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import context_width, transformer_blocks
from mannequin.model_patches.comfy_cva import _widths
from mannequin.model_patches.comfy_dino import load_dino
from mannequin.model_patches.comfy_networks import host_operations, host_patcher
from mannequin.model_patches.comfy_small_sd import SmallSD, build_model, seed_weights
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.conditions import (
    CAACondition,
    Condition,
    HPFACondition,
    MFCACondition,
    ReferenceCondition,
)
from mannequin.model_patches.dino import BY_SCALE, HEADS_KEY, DinoShape
from mannequin.model_patches.networks.imagpose import IMAGPose, IMAGPoseShape
from mannequin.model_patches.networks.mcld import MCLD, MCLDShape
from mannequin.model_patches.networks.resampler import ResamplerShape
from mannequin.model_patches.scope import Scope
from mannequin.model_patches.source import width_of

from devtools import untrained

SIZES = {"sd15": SmallSD(width=32, context_dim=32, heads=2), "sdxl": SmallSD(width=32, context_dim=32, xl=True)}
#: A latent with odd sides: levels of the UNet round up.
HEIGHT, WIDTH = 11, 7
DEFAULT = Scope()
#: Widgets of the apply nodes, at full strength everywhere, and of Apply HPFA besides.
APPLY = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
HPFA = {"fusion": "paper", "hidden_space": "auto", "delta": 0.6, "sigma": 0.3, "mask_axis": "key", "sites": "all"}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def model(layout: str = "sd15", seed: int = 0, dtype: torch.dtype = torch.float32):
    return build_model(SIZES[layout], seed, dtype)


def body_mask(batch: int = 1, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """A boolean mask over the source image, with something in it and something outside."""
    mask = torch.zeros(batch, 8 * height, 8 * width, dtype=torch.bool)
    mask[:, 8:-16, 16:-8] = True
    return mask


def source(patcher, batch: int = 1, height: int = HEIGHT, width: int = WIDTH, seed: int = 1):
    return SourceNet(patcher, random(batch, 4, height, width, seed=seed))


def conditions(batch: int = 1, region_dim: int = 32) -> dict[str, Condition]:
    """One of each kind, training-free."""
    mask = body_mask(batch)
    labels = mask.to(torch.uint8)
    labels[:, 40:] *= 2
    return {
        "hpfa": HPFACondition(mask, hidden_space="block"),
        "hpfa, paper": HPFACondition(mask),
        "hpfa, residual": HPFACondition(mask, fusion="residual"),
        "caa": CAACondition(labels, random(batch, 4, region_dim, seed=7)),
        "reference": ReferenceCondition(),
    }


def mcld_modules(patcher, seed: int = 9):
    """MCLD's modules with seeded weights that fit a MODEL, in the host's care."""
    widths = {site: width_of(block) for site, block in transformer_blocks(patcher).items()}
    context, first = context_width(patcher), patcher.get_model_object("diffusion_model").model_channels
    shape = MCLDShape(widths, context, ResamplerShape(512, 32, 32, 4, 1, 16, 64, context), (8, 8, 16, 16), first)
    network = MCLD(shape, dtype=torch.float32, operations=host_operations())
    return host_patcher(seed_weights(network, seed).eval().requires_grad_(False))


def cva_modules(patcher, seed: int = 21, wider: int = 0):
    """IMAGPose's modules with seeded weights, in the host's care; they fit a MODEL where they are no ``wider``."""
    widths = {site: CVAShape(width + wider) for site, width in _widths(patcher, AFTER_LAYERS).items()}
    network = seed_weights(IMAGPose(IMAGPoseShape(widths), dtype=torch.float32, operations=host_operations()), seed)
    for module in network.modules():
        if hasattr(module, "pe"):
            # Sines and cosines; seeds are for parameters alone.
            assert float(module.pe.abs().max()) <= 1
    return host_patcher(network.eval().requires_grad_(False))


def mfca(patcher, scope: Scope = DEFAULT, sites: str = "all", batch: int = 1, modules=None, **options):
    """A model with MFCA on it, which needs no SourceNet."""
    modules = modules or mcld_modules(patcher)
    image, texture, face = (random(batch, tokens, 32, seed=seed) for tokens, seed in ((1, 11), (1, 12), (16, 13)))
    condition = MFCACondition(image, texture, face, modules.model, **options)
    return apply_condition(patcher, condition, None, sites, scope, modules)


def patched(patcher, *names: str, scope: Scope = DEFAULT, sites: str = "all", net=None, batch: int = 1):
    """A model with the named conditions on it, all fed by one SourceNet."""
    net = net or source(patcher, batch)
    for name in names:
        if name == "mfca":
            patcher = mfca(patcher, scope, sites, batch)
            continue
        patcher = apply_condition(patcher, conditions(batch)[name], net, sites, scope)
    return patcher


def conditioning(tokens: int = 77, seed: int = 3, **extra) -> list:
    return [[random(1, tokens, 32, seed=seed), {"pooled_output": random(1, 1280, seed=seed), **extra}]]


def sample(
    patcher,
    positive=None,
    negative=None,
    batch: int = 1,
    cfg: float = 3.5,
    steps: int = 2,
    height: int = HEIGHT,
    width: int = WIDTH,
    callback=None,
    scheduler: str = "normal",
) -> torch.Tensor:
    """A few steps of the host's KSampler."""
    latent = torch.zeros(batch, 4, height, width)
    noise = comfy.sample.prepare_noise(latent, 5)
    positive, negative = positive or conditioning(), negative or conditioning(seed=4)
    arguments = (noise, steps, cfg, "euler", scheduler, positive, negative, latent)
    return comfy.sample.sample(patcher, *arguments, seed=5, callback=callback, disable_pbar=True)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).abs().max())


def share_patches(monkeypatch, shared: bool = True) -> None:
    """Let the host's ``clone()`` do what newer versions do: copy dictionaries and lists, share patch objects.

    Or what older versions do, where not ``shared``: copy it all.
    """
    if hasattr(comfy.utils, "deepcopy_list_dict"):
        if not shared:
            monkeypatch.setattr(comfy.utils, "deepcopy_list_dict", copy.deepcopy)
        return

    def containers(value, memo=None):
        if isinstance(value, dict):
            return {key: containers(entry) for key, entry in value.items()}
        return [containers(entry) for entry in value] if isinstance(value, list) else value

    if shared:
        monkeypatch.setattr(comfy.model_patcher, "copy", SimpleNamespace(deepcopy=containers, copy=copy.copy))


def dino(width: int):
    """A small DINOv2, as Load DINOv2 gives it."""
    shape = DinoShape(width, 2, 1, gated=False)
    return load_dino(untrained.dino_state(shape), "dino", {HEADS_KEY: "1"}, BY_SCALE)


def dino_output(width: int):
    """What CLIP Vision Encode gives of a DINOv2 whose tokens are so wide."""
    return dino(width).encode_image(random(1, 8, 8, 3).clamp(0, 1), crop=False)
