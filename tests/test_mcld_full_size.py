"""MCLD at its published size: ``python dev.py test --slow -k full_size``. Needs 20 GB of memory and 12 GB of disk."""

import json
import time

import pytest
import torch
from measured import GIB, converted

from devtools.say import say
from devtools.untrained import random_state
from model_patches.published_mcld import KINDS

pytestmark = pytest.mark.slow

STEPS, SIDE = 2, 512
#: What the converter may take, beside its interpreter and torch, for files of any size.
MOST_MEMORY = 6 * GIB


@pytest.fixture
def published(tmp_path, golden):
    """The published set's keys and shapes, seven gigabytes, with seeded random values."""
    folder = tmp_path / "published"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for kind in KINDS:
        keys = json.loads(golden(f"checkpoint_keys/mcld_{kind}.json").read_text())
        torch.save(random_state({key: tuple(shape) for key, shape in keys.items()}, generator), folder / f"{kind}.pth")
    return folder


def test_full_size_converts_loads_and_samples(published, tmp_path):
    out = tmp_path / "mcld.safetensors"
    took, peak = converted("mcld", published, out, "--half")
    say(f"\nconverted {out.stat().st_size / GIB:.2f} GiB in {took:.0f} s, peak {peak / GIB:.2f} GiB")
    assert peak < MOST_MEMORY

    latent, seconds, memory = sampled(out)
    say(f"{STEPS} steps at {SIDE}×{SIDE}: {seconds:.0f} s, peak of the process {memory / GIB:.1f} GiB")
    assert latent.isfinite().all() and float(latent.std()) > 0


def sampled(file):
    """Two steps of the whole method on the host's sampler."""
    import resource

    import comfy.sample
    import comfy.utils
    from mannequin.model_patches.comfy_apply import apply_condition
    from mannequin.model_patches.comfy_pose import apply_pose
    from mannequin.model_patches.comfy_source import SourceNet
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.conditions import MFCACondition, ReferenceCondition
    from mannequin.model_patches.scope import Scope
    from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL
    from small import random

    state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
    model, reference, modules = load_weights(MCLD_MODEL, state, file.name, metadata)
    del state
    token, texture, side = random(1, 1, 768), random(1, 1, 768, seed=1), SIDE // 8
    face = modules.model.face_projector(
        random(1, 1, 512, seed=2).to(modules.model.face_projector.latents.dtype)
    ).float()
    net = SourceNet(reference, random(1, 4, side, side, seed=3), token)
    model = apply_condition(model, ReferenceCondition(), net, "all", Scope())
    model = apply_condition(model, MFCACondition(token, texture, face, modules.model), None, "all", Scope(), modules)
    model = apply_pose(model, modules, torch.rand(1, 3, SIDE, SIDE), Scope())
    positive, negative = ([[torch.zeros(1, 1, 768), {}]] for _ in range(2))
    noise = random(1, 4, side, side, seed=4)
    start = time.perf_counter()
    latent = comfy.sample.sample(
        model, noise, STEPS, 3.5, "ddim", "simple", positive, negative, torch.zeros_like(noise), seed=0
    )
    seconds = time.perf_counter() - start
    return latent, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_full_size_image_encoder_in_the_hubs_layout(tmp_path):
    """``image_encoder/pytorch_model.bin`` of sd-image-variations-diffusers, as Load CLIP Vision reads it."""
    import comfy.clip_vision
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=768,
    )
    torch.manual_seed(0)
    theirs = CLIPVisionModelWithProjection(config).eval()
    file = tmp_path / "image_encoder" / "pytorch_model.bin"
    file.parent.mkdir()
    torch.save(theirs.state_dict(), file)
    encoder = comfy.clip_vision.load(str(file))
    image = torch.rand(1, 300, 200, 3, generator=torch.Generator().manual_seed(0))
    token = encoder.encode_image(image, crop=False).image_embeds
    pixels = comfy.clip_vision.clip_preprocess(image, crop=False)
    expected = theirs(pixel_values=pixels).image_embeds
    assert token.shape == (1, 768) and float((token - expected).abs().max()) < 1e-3 * float(expected.abs().max())
