"""Conditions on self-attention, in the host's UNet: one patch a block, for all of them.

It is installed when a run opens. By then every other node has said what it wants, so that what another pack put at a
block is found whatever the order in the graph, and nobody finds an object of ours where it expects its own.
"""

import functools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .attention.joint import Look, combination, mixed
from .attention.key_values import KeyValues
from .comfy_evaluation import Rows
from .comfy_host import WATCH, Extra, grid_of, host_attention, site_of
from .comfy_regrouped import Alternatives, Regrouped
from .comfy_run import Binding, Run, check_region, check_rows
from .conditions import Shared
from .errors import said_by
from .sites import Site

#: What another pack has put at a block, by the host's key: ``(part, number)`` or ``(part, number, index)``.
Replacements = Mapping[tuple, Callable]


def install_looking(run: Run, options: dict) -> None:
    """Put the run's conditions on self-attention into its own options."""
    bindings = [binding for binding in run.bindings if binding.condition.attention_name == "attn1"]
    places = {(site.block, site.number) for binding in bindings for site in binding.sites}
    if not places:
        return
    patches = options["patches"]
    there, back = (patches.get(name, []) for name in ("attn1_patch", "attn1_output_patch"))
    regrouped = Regrouped(run.blocks, run.device, way_back=bool(there and back))
    if regrouped.way_back and any(binding.scope.mask is not None for binding in bindings):
        patches["attn1_output_patch"] = [regrouped.pack, *back, regrouped.mix]
    replaced = options["patches_replace"]
    theirs: Replacements = replaced.get("attn1", {})
    ours = {}
    for place in places:
        patch = SelfAttentionPatch(run, {key: entry for key, entry in theirs.items() if key[:2] == place}, regrouped)
        # The host looks for the longer key first. Ours stands at the shorter one, where a guidance that perturbs a
        # block while sampling puts its own, and at the longer ones that are taken.
        ours |= dict.fromkeys([place, *(key for key in patch.theirs if len(key) > 2)], patch)
    replaced["attn1"] = {**theirs, **ours}


class SelfAttentionPatch(Shared):
    """An ``attn1_replace`` of one block, for all its transformers."""

    def __init__(self, run: Run, theirs: Replacements, regrouped: Regrouped):
        self.run = run
        self.theirs = theirs
        self.regrouped = regrouped

    def to(self, device_or_dtype) -> "SelfAttentionPatch":
        """The host moves patches; a run's memory follows the queries."""
        return self

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra: Extra) -> Tensor:
        site, attention, heads = site_of(extra), host_attention(extra), extra["n_heads"]
        theirs = self.theirs.get(tuple(site), self.theirs.get((site.block, site.number)))

        @functools.cache
        def unpatched() -> Tensor:
            return theirs(q, k, v, extra) if theirs else attention(q, k, v, heads)

        bindings = self.run.acting(self.run.at(site, "attn1"), extra)
        chunks = self.run.rows(extra, q.shape[0]) if bindings else []
        if all(chunk.part.null for chunk in chunks):
            return unpatched()
        # Another pack may have cut the queries into tiles and left the keys whole; the host's attention then reads the
        # keys in as many pieces.
        own = [t if t.shape[0] == q.shape[0] else t.reshape(q.shape[0], -1, t.shape[-1]) for t in (k, v)]

        def alternatives(chunk: Rows) -> Alternatives:
            asked, key, value = (t[chunk.rows] for t in (q, *own))

            @functools.cache
            def plain() -> Tensor:
                # Another pack's replacement is told of the whole batch, and has to see it.
                return unpatched()[chunk.rows] if theirs else attention(asked, key, value, heads)

            if chunk.part.null:
                return Alternatives([plain()], [1.0])
            looks = [self._look(binding, site, chunk, q) for binding in bindings]
            if watch := extra.get(WATCH):
                watch.note_looks(site, bindings, chunk, asked, KeyValues(key, value), looks, heads, extra)
            shares = self.run.shares(bindings, chunk.part.place, extra, q.device)
            terms = [
                combination(
                    asked,
                    KeyValues(key, value),
                    heads,
                    [looks[number] for number in members],
                    plain,
                    attention,
                    foreign=theirs is not None,
                )
                for members, _ in shares
            ]
            return Alternatives(terms, [share for _, share in shares])

        answers = [alternatives(chunk) for chunk in chunks]
        regions = any(isinstance(share, Tensor) for answer in answers for share in answer.shares)
        if regions and (self.regrouped.way_back or not _in_place(q, extra)):
            with said_by(bindings[0].node):
                return self.regrouped.keep(site, chunks, answers)
        return torch.cat([mixed(*answer) for answer in answers]) if len(answers) > 1 else mixed(*answers[0])

    def _look(self, binding: Binding, site: Site, chunk: Rows, q: Tensor) -> Look:
        parts = self.run.keys_values(binding, site, chunk.part, q)
        with said_by(binding.node):
            check_rows(max(part.rows for part in parts), chunk.images)
            check_region(binding.scope, chunk.images)
        return Look(binding.condition.acts, parts)


def _in_place(q: Tensor, extra: Extra) -> bool:
    """Whether the queries are the tokens of the feature map, in their order."""
    height, width = grid_of(extra)
    return tuple(q.shape[:2]) == (extra["activations_shape"][0], height * width)
