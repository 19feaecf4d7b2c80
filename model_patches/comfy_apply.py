"""A condition on a MODEL."""

from typing import Any

from torch import nn

from .comfy_blocks import transformer_blocks
from .comfy_host import KEY
from .comfy_run import Binding
from .comfy_sampling import open_runs
from .comfy_source import SourceNet
from .conditions import Condition
from .errors import PatchError
from .scope import Scope
from .sites import Site, select_sites
from .source import width_of


def apply_condition(
    model: Any,
    condition: Condition,
    source: SourceNet | None,
    sites: str,
    scope: Scope,
    network: Any = None,
    node: str = "",
) -> Any:
    """A clone of ``model`` whose attention obeys ``condition``.

    An empty scope gives a plain clone, so that strength 0 is the unpatched model exactly.

    Args:
        source: whose pass feeds it; None for a condition on tokens.
        sites: where, in the words of :func:`.sites.select_sites`.
        network: patcher of its trained weights, for the host to load.
        node: display name of the node, for errors while sampling.

    Raises:
        PatchError: the MODEL is no Stable Diffusion, or condition, source or sites do not fit it.
    """
    patched, blocks = model.clone(), transformer_blocks(model)
    if scope.empty:
        return patched
    chosen = {site: blocks[site] for site in select_sites(sites, blocks)}
    if source is not None:
        _check_same_family(source, chosen)
    for site, block in chosen.items():
        condition.check(site, block)
    same_network = source is not None and source.patcher.model is model.model
    patched.set_model_patch(Binding(condition, source, frozenset(chosen), scope, network, node, same_network), KEY)
    open_runs(patched)
    return patched


def _check_same_family(source: SourceNet, blocks: dict[Site, nn.Module]) -> None:
    theirs = transformer_blocks(source.patcher)
    for site, block in blocks.items():
        if site not in theirs or width_of(theirs[site]) != width_of(block):
            raise PatchError(
                f"SourceNet and this model differ in architecture at site '{site}'. Load both UNets from one family "
                "(SD1.5 with SD1.5, SDXL with SDXL)."
            )
