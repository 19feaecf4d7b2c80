"""IMAGPose at its published size: ``python dev.py test --slow -k imagpose_full``. Needs 12 GB of memory, 8 of disk."""

import json
import resource
import time

import pytest
import torch
from measured import GIB, converted

from devtools.say import say
from devtools.untrained import random_state
from model_patches.attention.cva import AFTER_LAYERS, PUBLISHED_TILES

pytestmark = pytest.mark.slow

PARTS = ("denoising_unet", "pose_guider", "patch")
#: Of a joint latent of 2×2 tiles of 128×128 pixels.
SIDE = 32


def test_full_size_converts_loads_and_samples_a_joint_picture(golden, tmp_path):
    """Of the keys and shapes that the published training writes, in half precision, with seeded random values."""
    folder, out = tmp_path / "trained", tmp_path / "imagpose.safetensors"
    folder.mkdir()
    draw = torch.Generator().manual_seed(0)
    for name in PARTS:
        keys = json.loads(golden(f"checkpoint_keys/imagpose_{name}.json").read_text())
        state = random_state({key: tuple(shape) for key, shape in keys.items()}, draw, torch.float16)
        torch.save(state, folder / f"{name}-50000.pth")
        del state
    seconds, peak = converted("imagpose", folder, out)
    size = out.stat().st_size / GIB
    say(f"\nconverted {size:.2f} GiB in {seconds:.0f} s, peak {peak / GIB:.2f} GiB")
    assert peak < 8 * GIB
    made, seconds = _sampled(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say(f"two steps with guidance in {seconds:.0f} s; peak of the process {peak / GIB:.1f} GiB")
    assert made.shape == (1, 4, SIDE, SIDE) and made.isfinite().all() and float(made.std()) > 0


def _sampled(file) -> tuple[torch.Tensor, float]:
    """Two steps of one given tile and three generated ones, with cross-view attention; and seconds."""
    import comfy.sample
    import comfy.utils
    from mannequin.model_patches.comfy_cva import apply_cva
    from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.scope import Scope
    from mannequin.model_patches.weight_kinds import recognise
    from small import random

    state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
    model, modules = load_weights(recognise(state, metadata), state, file.name, metadata)
    del state
    network = modules.model
    worn = apply_cva(model, modules, AFTER_LAYERS, "all", PUBLISHED_TILES, Scope())
    with torch.inference_mode():
        context = network.flc(random(1, 4, 64, 64, seed=1), random(1, 257, 768, seed=2))
        shown = torch.zeros(1, 1, SIDE, SIDE)
        shown[..., : SIDE // 2, : SIDE // 2] = 1
        poses = network.pose_guider(torch.rand(1, 3, 8 * SIDE, 8 * SIDE))
    inputs = Inputs(random(1, 4, SIDE, SIDE, seed=3), shown, features=poses.float())
    conditions = [[context, {INPUTS: inputs}]], [[torch.zeros_like(context), {INPUTS: inputs.as_null()}]]
    noise = random(1, 4, SIDE, SIDE, seed=4)
    start = time.perf_counter()
    made = comfy.sample.sample(
        worn, noise, 2, 2.0, "ddim", "simple", *conditions, torch.zeros_like(noise), seed=0, disable_pbar=True
    )
    return made, time.perf_counter() - start
