"""The second host: the same conditions that ComfyUI patches into its UNet, inside a diffusers UNet, with gradients.

Sites carry ComfyUI's names, so that weights trained here load there.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model_patches.attention.joint import Look, combination, mixed, shares
from model_patches.attention.key_values import KeyValues
from model_patches.attention.multihead import fused_attention, split_heads
from model_patches.conditions import Condition, SourceCondition, TokenCondition
from model_patches.sites import Site, site_in_diffusers
from model_patches.source import SourceSite

#: Is told at every site where a source condition acts how the target's tokens look at the source's: attention ``[B, N,
#: M]``, averaged over heads, rows adding up to 1 less what other keys take.
Watch = Callable[[Site, SourceCondition, Tensor], None]
#: Keys and values of every condition at every site it acts on.
Memories = Sequence[tuple[Condition, Mapping[Site, Sequence[KeyValues]]]]


def transformer_blocks(unet: UNet2DConditionModel) -> dict[Site, BasicTransformerBlock]:
    """Every transformer block under the name ComfyUI gives its place, in the order of the forward pass."""
    places = [
        *(("down", i, j, attention) for i, j, attention in _attentions(unet.down_blocks)),
        ("mid", 0, 0, unet.mid_block.attentions[0]),
        *(("up", i, j, attention) for i, j, attention in _attentions(unet.up_blocks)),
    ]
    return {
        site_in_diffusers(part, level, layer, index, unet.config.layers_per_block): block
        for part, level, layer, attention in places
        for index, block in enumerate(attention.transformer_blocks)
    }


def _attentions(blocks: nn.ModuleList) -> Iterator[tuple[int, int, nn.Module]]:
    for i, block in enumerate(blocks):
        for j, attention in enumerate(getattr(block, "attentions", None) or ()):
            yield i, j, attention


def remember(
    source: UNet2DConditionModel,
    target: UNet2DConditionModel,
    conditions: Sequence[tuple[SourceCondition, Sequence[Site]]],
    latent: Tensor,
    context: Tensor,
) -> Memories:
    """One pass of SourceNet at t = 0 (TruePose Eq. 3) and every condition's keys and values of it, with gradients.

    Args:
        source, target: SourceNet and TargetNet; one network may be both.
        conditions: each condition with the sites it acts on.
        latent: z_s in the UNet's scale, ``[S, C, h, w]``.
        context: SourceNet's cross-attention context, ``[S, tokens, D]``.
    """
    blocks = transformer_blocks(target)
    memories: list[tuple[SourceCondition, dict[Site, Sequence[KeyValues]]]] = [(c, {}) for c, _ in conditions]

    def visit(site: Site, features: SourceSite) -> None:
        for (condition, sites), (_, memory) in zip(conditions, memories, strict=True):
            if site in sites:
                memory[site] = condition.keys_values(site, blocks[site], condition.read(site, features))

    with _observed(source, visit):
        timesteps = torch.zeros(latent.shape[0], device=latent.device)
        source(latent, timesteps, encoder_hidden_states=context)
    return memories


def project(
    target: UNet2DConditionModel, condition: TokenCondition, sites: Sequence[Site], like: Tensor
) -> tuple[TokenCondition, dict[Site, Sequence[KeyValues]]]:
    """A token condition's entry of :data:`Memories`, with gradients; ``like`` says its dtype and device."""
    blocks = transformer_blocks(target)
    return condition, {site: condition.keys_values(site, blocks[site], like) for site in sites}


@contextmanager
def conditioned(
    target: UNet2DConditionModel,
    memories: Memories,
    keep: Tensor | None = None,
    weight: float = 1.0,
    watch: Watch | None = None,
) -> Iterator[None]:
    """Within the block, TargetNet's attention obeys the conditions.

    Args:
        keep: which rows of the batch carry the condition, boolean ``[B]``; the others are the null condition ∅ of
            classifier-free guidance. None is all.
        weight: 1 is the paper.
        watch: sees every self-attention on a source.
    """
    blocks = transformer_blocks(target)
    # Asked once and not at every site, where a GPU would wait for the answer.
    keep = None if keep is None or keep.all() else keep
    looks: dict[nn.Module, list[Look]] = {}
    seen: dict[nn.Module, list[Callable[[Tensor], None] | None]] = {}
    for condition, memory in memories:
        for site, parts in memory.items():
            attention = getattr(blocks[site], condition.attention_name)
            looks.setdefault(attention, []).append(Look(condition.acts, parts))
            watched = watch is not None and condition.acts != "add" and isinstance(condition, SourceCondition)
            seen.setdefault(attention, []).append(functools.partial(watch, site, condition) if watched else None)
    processors = {
        attention: _LookingProcessor(each, seen[attention], keep, weight) for attention, each in looks.items()
    }
    with _processors(processors):
        yield


@contextmanager
def watched(unet: UNet2DConditionModel, **see: Callable[[Site, Tensor], None]) -> Iterator[None]:
    """Within the block, a forward pass tells how its attention looks, and is itself unchanged.

    Args:
        see: by the attention's name, ``attn1`` or ``attn2``: is given every site's softmax ``[B, N, M]``, averaged over
            heads.
    """
    blocks = transformer_blocks(unet)
    with _processors(
        {
            getattr(block, name): _WatchedProcessor(functools.partial(told, site))
            for name, told in see.items()
            for site, block in blocks.items()
        }
    ):
        yield


@contextmanager
def _processors(processors: Mapping[nn.Module, object]) -> Iterator[None]:
    before = {attention: attention.processor for attention in processors}
    try:
        for attention, processor in processors.items():
            attention.set_processor(processor)
        yield
    finally:
        for attention, processor in before.items():
            attention.set_processor(processor)


def checkpointed(layer: nn.Module, *inputs: Any) -> Any:
    """For ``enable_gradient_checkpointing``: run a layer and keep nothing of it; it runs again in the backward pass.

    By then :func:`conditioned` and :func:`watched` are over, so that what they put into the layer is put there again.
    """
    processors = {module: module.processor for module in layer.modules() if isinstance(module, Attention)}

    def run(*given: Any) -> Any:
        with _processors(processors):
            return layer(*given)

    return checkpoint(run, *inputs, use_reentrant=False)


def _project(attention: nn.Module, hidden: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    context = hidden if context is None else context
    return attention.to_q(hidden), attention.to_k(context), attention.to_v(context)


def _output(attention: nn.Module, hidden: Tensor) -> Tensor:
    for layer in attention.to_out:
        hidden = layer(hidden)
    return hidden


@dataclass(frozen=True, eq=False)
class _WatchedProcessor:
    see: Callable[[Tensor], None]

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, **kwargs) -> Tensor:
        q, k, v = _project(attention, hidden_states, encoder_hidden_states)
        self.see(softmax_of(q, k, attention.heads))
        return _output(attention, fused_attention(q, k, v, attention.heads))


@dataclass(frozen=True, eq=False)
class _LookingProcessor:
    looks: Sequence[Look]
    seen: Sequence[Callable[[Tensor], None] | None]
    keep: Tensor | None
    weight: float

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, **kwargs) -> Tensor:
        q, k, v = _project(attention, hidden_states, encoder_hidden_states)
        return _output(attention, self.attend(q, k, v, attention.heads))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        @functools.cache
        def plain() -> Tensor:
            return fused_attention(q, k, v, heads)

        looks = [Look(acts, [part.to(q) for part in parts]) for acts, parts in self.looks]
        if any(self.seen):
            for see, shown in zip(self.seen, attention_on(q, KeyValues(k, v), heads, looks), strict=True):
                if see is not None:
                    see(shown)
        sharing = shares([self.weight] * len(looks))
        terms = [
            combination(q, KeyValues(k, v), heads, [looks[i] for i in members], plain, fused_attention)
            for members, _ in sharing
        ]
        answer = mixed(terms, [share for _, share in sharing])
        if self.keep is None:
            return answer
        rows = ~self.keep
        return answer.index_put((rows,), fused_attention(q[rows], k[rows], v[rows], heads))


def attention_on(q: Tensor, own: KeyValues, heads: int, looks: Sequence[Look]) -> list[Tensor]:
    """The softmax of :func:`~model_patches.attention.joint.combination` itself, averaged over heads.

    Returns:
        For every look its columns, ``[B, N, M]``; none where it adds instead of taking part.
    """
    replaced = any(look.acts == "replace" for look in looks)
    keys = [] if replaced else [own.key]
    sizes = [key.shape[1] for key in keys]
    for look in looks:
        parts = [] if look.acts == "add" else [part.spread(len(q)).key for part in look.parts]
        keys += parts
        sizes.append(sum(part.shape[1] for part in parts))
    columns = softmax_of(q, torch.cat(keys, 1), heads).split(sizes, -1)
    return list(columns if replaced else columns[1:])


def softmax_of(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """How queries ``[B, N, C]`` look at keys ``[B, M, C]``: ``[B, N, M]``, averaged over heads."""
    queries, keys = split_heads(q, heads), split_heads(k, heads)
    return (queries @ keys.mT * queries.shape[-1] ** -0.5).float().softmax(-1).mean(1)


@contextmanager
def _observed(unet: UNet2DConditionModel, visit: Callable[[Site, SourceSite], None]) -> Iterator[None]:
    """Within the block, a forward pass of ``unet`` calls ``visit`` at every site and is itself unchanged."""
    grid: list[tuple[int, int]] = [(0, 0)]
    streams: dict[Site, Tensor] = {}
    handles = []

    def observe(site: Site, block: BasicTransformerBlock):
        def keep_stream(module, args) -> None:
            streams[site] = args[0]

        def process(attention, hidden_states, encoder_hidden_states=None, **kwargs) -> Tensor:
            q, k, v = _project(attention, hidden_states, encoder_hidden_states)
            visit(site, SourceSite(q, k, v, streams.pop(site), attention.heads, grid[0], block))
            return _output(attention, fused_attention(q, k, v, attention.heads))

        handles.append(block.register_forward_pre_hook(keep_stream))
        return process

    def keep_grid(module, args, kwargs) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        grid[0] = tuple(hidden.shape[-2:])

    parts = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    for attention in [a for part in parts for a in getattr(part, "attentions", None) or ()]:
        handles.append(attention.register_forward_pre_hook(keep_grid, with_kwargs=True))
    blocks = transformer_blocks(unet)
    try:
        with _processors({block.attn1: observe(site, block) for site, block in blocks.items()}):
            yield
    finally:
        for handle in handles:
            handle.remove()
