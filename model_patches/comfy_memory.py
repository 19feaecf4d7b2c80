"""What a run will keep on the device, told to the host before it decides which weights stay there."""

import torch

from .comfy_host import RUN
from .comfy_run import Run
from .source import width_of


def with_run(executor, model, noise_shape, conds, *args, **kwargs):
    """PREPARE_SAMPLING wrapper: the host's estimate of memory holds what the run will keep.

    The host reckons by images, so the run counts as so many more of them, fractions included. What must be free grows
    by the run's bytes; what the host would like to be free, with ∅ in the same batch, by twice as many.
    """
    options = kwargs.get("model_options") or (args[0] if args else None) or {}
    run: Run | None = options.get("transformer_options", {}).get(RUN)
    if run is not None:
        network = model.model
        more = bytes_to_come(run, network.manual_cast_dtype or network.get_dtype())
        noise_shape = [noise_shape[0] + more / model.memory_required([1, *noise_shape[1:]]), *noise_shape[1:]]
    return executor(model, noise_shape, conds, *args, **kwargs)


def bytes_to_come(run: Run, dtype: torch.dtype) -> int:
    """By how much the memory of a run that has just opened will grow: keys and values come, what SourceNet saw goes.

    Args:
        dtype: what the MODEL computes in.
    """
    come = gone = 0
    for binding in run.bindings:
        for site in binding.sites:
            seen, block = run.seen(binding, site), run.blocks[site]
            for rows, tokens in binding.condition.counts(site, seen):
                come += 2 * rows * tokens * width_of(block) * dtype.itemsize
                if binding.condition.attention_name == "attn2":
                    come += _folded(rows, tokens, block.attn2.heads, width_of(block), dtype)
            gone += getattr(seen, "nbytes", 0)
    # Under hooks what was seen stays for the next group's weights.
    return run.conds.groups * come - (0 if run.conds.hooked else gone)


def _folded(rows: int, tokens: int, heads: int, width: int, dtype: torch.dtype) -> int:
    """Bytes of :class:`.attention.folded.FoldedTokens`: for every head fp32 keys, and values as wide as the block."""
    if tokens == 1:
        return rows * width * dtype.itemsize
    return rows * heads * tokens * width * (torch.float32.itemsize + dtype.itemsize)
