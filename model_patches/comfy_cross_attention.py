"""Conditions that add to cross-attention, in the host's UNet.

The first of a MODEL's ``attn2_patch`` sees the block's input before other nodes change it, the last of its
``attn2_output_patch`` adds to the result when they are done: whatever other packs do to queries, batch and context in
between, and whatever stands in attention's place, nobody is shadowed and no order matters. (Only what comes with a
prompt's hooks runs before.)
"""

import torch
from torch import Tensor

from .attention.folded import FoldedTokens, fold, folded_attention
from .comfy_evaluation import Rows
from .comfy_host import WATCH, Extra, site_of
from .comfy_run import Binding, Run, check_region, check_rows
from .conditions import Shared
from .errors import PatchError, said_by
from .sites import Site


def install_added(run: Run, options: dict) -> None:
    """Put the run's conditions on cross-attention into its own options."""
    if not any(binding.condition.attention_name == "attn2" for binding in run.bindings):
        return
    added, patches = Added(run), options["patches"]
    patches["attn2_patch"] = [added.before, *patches.get("attn2_patch", [])]
    patches["attn2_output_patch"] = [*patches.get("attn2_output_patch", []), added.after]


class Added(Shared):
    """The two list patches, for all blocks."""

    def __init__(self, run: Run):
        self._run = run
        self._inputs: dict[tuple[Site, torch.device], Tensor] = {}

    def before(self, n: Tensor, context: Tensor, value: Tensor, extra: Extra) -> tuple[Tensor, Tensor, Tensor]:
        """``attn2_patch``: keeps the block's input, and changes nothing."""
        site = site_of(extra)
        if self._run.at(site, "attn2"):
            self._inputs[site, n.device] = n
        return n, context, value

    def after(self, n: Tensor, extra: Extra) -> Tensor:
        """``attn2_output_patch``: adds what the conditions give."""
        site = site_of(extra)
        x = self._inputs.pop((site, n.device), None)
        bindings = self._run.acting(self._run.at(site, "attn2"), extra) if x is not None else []
        if not bindings:
            return n
        chunks = self._run.rows(extra, n.shape[0])
        if all(chunk.part.null for chunk in chunks):
            return n
        if x.shape[0] != n.shape[0]:
            with said_by(bindings[0].node):
                raise PatchError(
                    f"A prompt's hook changes the batch of cross-attention from {n.shape[0]} to {x.shape[0]} rows "
                    "before anybody else sees it. Leave that hook out, or give its node the MODEL."
                )
        return torch.cat([self._with(bindings, site, x, n, chunk, extra) for chunk in chunks])

    def _with(self, bindings: list[Binding], site: Site, x: Tensor, n: Tensor, chunk: Rows, extra: Extra) -> Tensor:
        asked, result = x[chunk.rows], n[chunk.rows]
        if chunk.part.null:
            return result
        for binding in bindings:
            weight = self._run.weight(binding, chunk.part.place, extra, n.device)
            for tokens in self._folded(binding, site, chunk, x):
                if watch := extra.get(WATCH):
                    watch.note_added(site, binding, chunk, asked, tokens, weight, extra)
                attended = folded_attention(asked, tokens)
                if isinstance(weight, Tensor):
                    result = torch.addcmul(result, weight.to(result), attended)
                else:
                    result = torch.add(result, attended, alpha=weight)
        return result

    def _folded(self, binding: Binding, site: Site, chunk: Rows, x: Tensor) -> list[FoldedTokens]:
        run, part, attention = self._run, chunk.part, self._run.blocks[site].attn2

        def folded() -> list[FoldedTokens]:
            parts = run.keys_values(binding, site, part, x.new_empty(0, device=run.device))
            return [fold(each, attention.heads, attention.to_q, attention.to_out, x.shape[-1]) for each in parts]

        tokens = run.weighed(("folded", binding, site), part, x, folded)
        with said_by(binding.node):
            check_rows(max((each.rows for each in tokens), default=1), chunk.images)
            check_region(binding.scope, chunk.images)
        return tokens
