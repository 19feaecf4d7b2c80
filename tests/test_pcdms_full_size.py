"""PCDMs at its published size: ``python dev.py test --slow -k pcdms_full``. Needs 8 GB of memory and 5 GB of disk."""

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
    """Of the published keys and shapes in half precision, with seeded random values; the prior samples two steps."""
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

    import comfy.utils
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.prior_sampling import sample_embedding
    from mannequin.model_patches.weight_kinds import recognise
    from mannequin.model_patches.weight_kinds.pcdms_prior import PRIOR
    from small import random

    state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
    *_, modules = load_weights(recognise(state, metadata), state, file.name, metadata)
    del state
    if stage == PRIOR:
        start, network = time.perf_counter(), modules.model[PRIOR]
        given = random(1, 1024), torch.rand(1, 36), torch.rand(1, 36)
        target = sample_embedding(network, *given, random(2, 1, 1024, seed=1))
        say(f"{stage}: two steps in {time.perf_counter() - start:.0f} s")
        assert target.isfinite().all() and float(target.std()) > 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say(f"{stage}: loaded; peak of the process so far {peak / GIB:.1f} GiB")
