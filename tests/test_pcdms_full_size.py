"""PCDMs at its published size: ``python dev.py test --slow -k pcdms_full``. Needs 8 GB of memory and 5 GB of disk."""

import gc
import json
import time

import pytest
import torch
from measured import GIB, converted

from devtools.say import say
from devtools.untrained import random_state
from model_patches.published_pcdms import STAGES
from training.convert_pcdms import NAMES

pytestmark = pytest.mark.slow

#: What the converter may take, its interpreter, torch and the mapped file included.
MOST_MEMORY = 4 * GIB
KEYS = dict(zip(STAGES, ("stage1", "stage2", "stage3", "simplified"), strict=True))


@pytest.mark.parametrize("stage", STAGES)
def test_full_size_converts_and_loads(golden, tmp_path, stage):
    """Of the published keys and shapes in half precision, with seeded random values; and samples two steps."""
    keys = json.loads(golden(f"checkpoint_keys/pcdms_{KEYS[stage]}.json").read_text())
    shapes = {key: tuple(shape) for key, shape in keys.items()}
    folder, out = tmp_path / "published", tmp_path / "out"
    folder.mkdir()
    state = random_state(shapes, torch.Generator().manual_seed(0), torch.float16)
    torch.save({"module": state}, folder / "mp_rank_00_model_states.pt")
    del state
    seconds, peak = converted("pcdms", folder, out)
    file = out / NAMES[stage]
    say(f"\n{stage}: converted {file.stat().st_size / GIB:.2f} GiB in {seconds:.0f} s, peak {peak / GIB:.2f} GiB")
    assert peak < MOST_MEMORY
    _loads(file, stage)


def _loads(file, stage: str) -> None:
    import resource

    import comfy.model_management
    import comfy.utils
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.prior_sampling import sample_embedding
    from mannequin.model_patches.weight_kinds import recognise
    from mannequin.model_patches.weight_kinds.pcdms_prior import PRIOR
    from small import random

    state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
    *unet, modules = load_weights(recognise(state, metadata), state, file.name, metadata)
    del state
    start = time.perf_counter()
    if stage == PRIOR:
        given = random(1, 1024), torch.rand(1, 36), torch.rand(1, 36)
        made = sample_embedding(modules.model[PRIOR], *given, random(2, 1, 1024, seed=1))
    else:
        made = _sampled(*unet, modules.model, stage)
    say(f"{stage}: two steps in {time.perf_counter() - start:.0f} s")
    assert made.isfinite().all() and float(made.std()) > 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say(f"{stage}: loaded; peak of the process so far {peak / GIB:.1f} GiB")
    # What the next stage's converter is measured with begins as a copy of this process.
    comfy.model_management.unload_all_models()
    del unet, modules
    gc.collect()


def _sampled(model, network, stage: str) -> torch.Tensor:
    """Two steps with guidance of a joint picture of 256×128 pixels, or of the refined one of 128×128."""
    import comfy.sample
    from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
    from small import random

    vector = random(1, 1024, seed=2) if stage == "inpainting" else None
    context = network.context(random(1, 257, 1536, seed=3), vector)
    latent = random(1, 4, 16, 16 if stage == "refining" else 32, seed=4)
    inputs = Inputs(latent)
    if stage != "refining":
        shown = torch.ones(1, 1, 16, 32)
        shown[..., 16:] = 0
        inputs = Inputs(latent, shown, vector, network.pose_features(torch.rand(1, 3, 128, 256)))
    null = network.null_context(context), {INPUTS: inputs.as_null(blank=stage == "refining")}
    conditions = [[context, {INPUTS: inputs}]], [list(null)]
    noise = random(*latent.shape, seed=5)
    arguments = (noise, 2, 2.0, "euler", "normal", *conditions, torch.zeros_like(noise))
    return comfy.sample.sample(model, *arguments, seed=0, disable_pbar=True)
