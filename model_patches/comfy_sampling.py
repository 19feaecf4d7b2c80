"""How a patched MODEL is sampled: a run opens around it, and every evaluation is told what its rows are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .comfy_cross_attention import install_added
from .comfy_evaluation import evaluate, prepared
from .comfy_host import KEY, RUN, Extra
from .comfy_latents import check_sampled
from .comfy_memory import with_run
from .comfy_run import Run
from .comfy_self_attention import install_looking
from .errors import PatchError


@contextmanager
def open_run(patcher: Any, options: dict, guider: Any = None) -> Iterator[Run]:
    """A run over a MODEL's ``transformer_options``; its memory is gone when the block ends, however it ends.

    Args:
        patcher: the MODEL that is sampled.
        options: the run's own copy of the options. The run is put into them, and what its patches are.
        guider: whose conds are sampled; None where nobody guides.
    """
    options["patches"] = {name: list(patches) for name, patches in options.get("patches", {}).items()}
    options["patches_replace"] = dict(options.get("patches_replace", {}))
    run = Run(patcher, options, guider)
    options[RUN] = run
    install_looking(run, options)
    install_added(run, options)
    try:
        yield run
    finally:
        options.pop(RUN, None)
        run.clear()


def sample_in_run(executor, noise, latent_image, *args, **kwargs):
    """OUTER_SAMPLE wrapper: nothing is loaded yet, the conds are as the guider was given them."""
    guider = executor.class_obj
    options = guider.model_options["transformer_options"]
    if RUN in options:
        return executor(noise, latent_image, *args, **kwargs)
    check_sampled(guider.model_patcher, latent_image)
    with open_run(guider.model_patcher, options, guider):
        return executor(noise, latent_image, *args, **kwargs)


def only_in_run(h: Tensor, extra: Extra) -> Tensor:
    """``input_block_patch``: a picture is not made without us and without a word."""
    if RUN not in extra:
        raise PatchError(
            "A Mannequin patch was called outside a sampling run. Use a sampler built on ComfyUI's own (KSampler, "
            "SamplerCustom, SamplerCustomAdvanced); the one in this graph calls the model by other means."
        )
    return h


WRAPPERS = {
    WrappersMP.OUTER_SAMPLE: sample_in_run,
    WrappersMP.PREPARE_SAMPLING: with_run,
    WrappersMP.SAMPLER_SAMPLE: prepared,
    WrappersMP.CALC_COND_BATCH: evaluate,
}


def open_runs(patched: Any) -> None:
    """Sampling this MODEL opens a run, however many patches it has."""
    for kind, wrapper in WRAPPERS.items():
        patched.remove_wrappers_with_key(kind, KEY)
        patched.add_wrapper_with_key(kind, KEY, wrapper)
    patches = patched.model_options["transformer_options"].get("patches", {})
    if only_in_run not in patches.get("input_block_patch", ()):
        patched.set_model_input_block_patch(only_in_run)
