"""The one place that knows ComfyUI's ModelPatcher: conditions become patches, SourceNet runs once a sampling run.

A patched MODEL carries immutable patches. Everything that changes lives in a :class:`Run`, which a SAMPLER_SAMPLE
wrapper opens in the run's own ``transformer_options`` and closes again on success, error and interrupt.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import comfy.model_management
import torch
from comfy.ldm.modules.attention import BasicTransformerBlock, SpatialTransformer, optimized_attention
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from .comfy_networks import host_operations, host_patcher  # noqa: F401
from .conditions import Condition, Immutable, Memory, Query
from .errors import PatchError
from .scope import Scope
from .sites import Site, select_sites
from .source import SourceSite, context_width_of, width_of

#: Keys in the host's dictionaries.
KEY = "mannequin"
RUN, BINDINGS = f"{KEY}_run", f"{KEY}_bindings"


def transformer_blocks(model: Any) -> dict[Site, nn.Module]:
    """Every site of a MODEL's UNet with its transformer block, in the order of the forward pass.

    Raises:
        PatchError: the MODEL is no Stable Diffusion UNet.
    """
    unet = model.get_model_object("diffusion_model")
    if not hasattr(unet, "input_blocks"):
        raise PatchError(
            f"This MODEL is a {type(unet).__name__}; Mannequin patches the UNet of Stable Diffusion 1.x, 2.x and XL. "
            "Load one of those."
        )
    parts = {
        "input": unet.input_blocks,
        "middle": [unet.middle_block] if unet.middle_block is not None else [],
        "output": unet.output_blocks,
    }
    return {
        Site(part, number, index): block
        for part, blocks in parts.items()
        for number, layers in enumerate(blocks)
        for layer in layers
        if isinstance(layer, SpatialTransformer)
        for index, block in enumerate(layer.transformer_blocks)
        if isinstance(block, BasicTransformerBlock)
    }


def context_width(model: Any) -> int:
    """Width of the cross-attention context that a MODEL takes.

    Raises:
        PatchError: the MODEL is no Stable Diffusion UNet.
    """
    return context_width_of(next(iter(transformer_blocks(model).values())))


@dataclass(frozen=True, eq=False)
class SourceNet(Immutable):
    """The second UNet and what it looks at; it runs once in every sampling run.

    Attributes:
        patcher: a MODEL. The very checkpoint that is being patched may serve (training-free mode).
        latent: z_s = φ(I_s), ``[S, C, h, w]``, as VAE Encode gives it.
        context: cross-attention context ``[1 or S, tokens, context_dim]``; None is one zero token.
        pooled: pooled text embedding for SDXL, ``[1 or S, D]``; None is zeros.
    """

    patcher: Any
    latent: Tensor
    context: Tensor | None = None
    pooled: Tensor | None = None
    key: str = field(default_factory=lambda: f"{KEY}_source_{uuid4().hex}")


@dataclass(frozen=True, eq=False)
class Binding(Immutable):
    """One condition on a MODEL: which SourceNet feeds it, if any, and at which of TargetNet's blocks it acts."""

    condition: Condition
    source: SourceNet | None
    blocks: dict[Site, nn.Module]


class Run:
    """State of one sampling run: every binding's memory, and which rows are the null condition ∅."""

    def __init__(self, bindings: tuple[Binding, ...], null: set, options: dict):
        self._null = null
        self._cache: dict[Hashable, Any] = {}
        fed = [binding for binding in bindings if binding.source is not None]
        for key, source in {binding.source.key: binding.source for binding in fed}.items():
            self._remember(source, [binding for binding in fed if binding.source.key == key], options)

    def _remember(self, source: SourceNet, bindings: list[Binding], options: dict) -> None:
        def visit(site: Site, features: SourceSite) -> None:
            for binding in bindings:
                if site in binding.blocks:
                    memory = binding.condition.remember(site, features, binding.blocks[site])
                    self._cache[binding, site] = memory

        run_source(source, set().union(*(binding.blocks for binding in bindings)), visit, options)

    def memory(self, binding: Binding, site: Site, like: Tensor) -> Memory:
        """What a binding knows at a site. Tokens are projected when first asked for, where ``like`` is."""
        return self.once((binding, site), lambda: binding.condition.project(site, binding.blocks[site], like))

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """``compute()``, the first time this run asks for ``key``."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def chunks(self, extra: dict, batch: int) -> list[tuple[slice, bool]]:
        """The batch's rows as (rows, whether they carry the condition), one entry a conditioning."""
        labels = extra["cond_or_uncond"]
        size = batch // len(labels)
        uuids = extra.get("uuids") or [None] * len(labels)
        return [
            (slice(i * size, (i + 1) * size), uuid not in self._null if uuid is not None else label != 1)
            for i, (label, uuid) in enumerate(zip(labels, uuids, strict=True))
        ]

    def clear(self) -> None:
        self._cache.clear()


@contextmanager
def open_run(guider: Any, transformer_options: dict) -> Iterator[None]:
    """A run over ``transformer_options``; its memory is gone when the block ends, however it ends."""
    bindings = transformer_options.get(BINDINGS, ())
    null = {cond["uuid"] for name, conds in guider.conds.items() if name.endswith("negative") for cond in conds or ()}
    run = Run(bindings, null, transformer_options)
    transformer_options[RUN] = run
    try:
        yield
    finally:
        transformer_options.pop(RUN, None)
        run.clear()


def sampling_run(executor, guider, sigmas, extra_args, *args, **kwargs):
    """SAMPLER_SAMPLE wrapper: all models are loaded, no step has been taken."""
    options = extra_args["model_options"]["transformer_options"]
    if RUN in options:
        return executor(guider, sigmas, extra_args, *args, **kwargs)
    with open_run(guider, options):
        return executor(guider, sigmas, extra_args, *args, **kwargs)


def run_source(source: SourceNet, sites: set[Site], visit: Callable[[Site, SourceSite], None], options: dict) -> None:
    """One pass of SourceNet at t = 0 (Eq. 3), itself unchanged; ``visit`` is called at every wanted site."""
    net = source.patcher.model
    blocks = transformer_blocks(source.patcher)
    device = source.patcher.load_device
    dtype = net.manual_cast_dtype or net.get_dtype()
    rows = source.latent.shape[0]
    latent = net.process_latent_in(source.latent.float()).to(device, dtype)
    context = source.context
    context = latent.new_zeros(1, 1, context_width(source.patcher)) if context is None else context.to(latent)
    seen: dict[str, Tensor] = {}

    def capture(q, k, v, extra):
        comfy.model_management.throw_exception_if_processing_interrupted()
        seen.update(q=q, k=k, v=v)
        return host_attention(extra)(q, k, v, extra["n_heads"])

    def after_attention(n, extra):
        seen["attention"] = n
        return n

    def after_residual(x, extra):
        site = Site(*extra["block"], extra["block_index"])
        if site in sites:
            stream = x - seen.pop("attention")
            grid = tuple(extra["activations_shape"][-2:])
            visit(site, SourceSite(seen["q"], seen["k"], seen["v"], stream, extra["n_heads"], grid, blocks[site]))
        return x

    source_options = {
        "patches_replace": {"attn1": {tuple(site): capture for site in sites & blocks.keys()}},
        "patches": {"attn1_output_patch": [after_attention], "middle_patch": [after_residual]},
        "cond_or_uncond": [0],
        "sigmas": latent.new_zeros(1),
    }
    if "optimized_attention_override" in options:
        source_options["optimized_attention_override"] = options["optimized_attention_override"]
    net.diffusion_model(
        latent,
        timesteps=torch.zeros(rows, device=device),
        context=context.expand(rows, -1, -1),
        y=_vector_condition(source, net, latent),
        transformer_options=source_options,
    )


def _vector_condition(source: SourceNet, net: Any, latent: Tensor) -> Tensor | None:
    """SDXL's pooled text and size embedding; None for models without one."""
    if not net.adm_channels:
        return None
    pooled = latent.new_zeros(1, 1280) if source.pooled is None else source.pooled.to(latent)
    height, width = (8 * side for side in latent.shape[-2:])
    vector = net.encode_adm(pooled_output=pooled, width=width, height=height, device=latent.device)
    return vector.to(latent).expand(latent.shape[0], -1)


def host_attention(extra: dict) -> Callable[..., Tensor]:
    """The host's attention, so that the user's choice of kernel keeps working."""

    def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        precision = extra.get("attn_precision")
        return optimized_attention(q, k, v, heads, attn_precision=precision, transformer_options=extra)

    return attention


class HostPatch(Immutable):
    """What the host asks of every patch object."""

    network: Any

    def to(self, device_or_dtype) -> "HostPatch":
        return self

    def models(self) -> list:
        return [] if self.network is None else [self.network]

    @staticmethod
    def run(extra: dict) -> Run:
        run = extra.get(RUN)
        if run is None:
            raise PatchError(
                "A Mannequin patch was called outside a sampling run. Use a sampler built on ComfyUI's own (KSampler, "
                "SamplerCustom, SamplerCustomAdvanced); the one in this graph calls the model by other means."
            )
        return run


@dataclass(frozen=True, eq=False)
class AttentionPatch(HostPatch):
    """An ``attn1_replace`` / ``attn2_replace`` of one site. ``previous`` is what other packs had put there."""

    site: Site
    binding: Binding
    scope: Scope
    network: Any = None
    previous: Callable | None = None

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        attention = host_attention(extra)
        heads = extra["n_heads"]
        whole = self.previous(q, k, v, extra) if self.previous is not None else None
        if not self.scope.active(extra["sigmas"][0]):
            return attention(q, k, v, heads) if whole is None else whole
        run = self.run(extra)
        memory = run.memory(self.binding, self.site, q)
        grid = tuple(extra["activations_shape"][-2:])
        weight = run.once((self.scope, grid), lambda: self.scope.tokens(grid, q.device))

        def part(rows: slice, conditional: bool) -> Tensor:
            def plain() -> Tensor:
                return attention(q[rows], k[rows], v[rows], heads) if whole is None else whole[rows]

            if not conditional:
                return plain()
            check_rows(memory.rows, rows.stop - rows.start)
            query = Query(q[rows], k[rows], v[rows], heads, weight, plain, attention)
            return self.binding.condition.answer(memory.to(q), query)

        parts = [part(rows, conditional) for rows, conditional in run.chunks(extra, q.shape[0])]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


@dataclass(frozen=True, eq=False)
class PosePatch(HostPatch):
    """An ``input_block_patch``: the pose's features, added after ``conv_in``, for the condition and for ∅ alike."""

    network: Any
    pose: Tensor
    scope: Scope

    def __call__(self, h: Tensor, extra: dict) -> Tensor:
        if extra["block"] != ("input", 0) or not self.scope.active(extra["sigmas"][0]):
            return h
        run = self.run(extra)
        grid = tuple(h.shape[-2:])
        features = run.once((self, grid, h.dtype), lambda: self._features(h))
        check_rows(features.shape[0], h.shape[0] // len(extra["cond_or_uncond"]))
        return h + features.repeat(h.shape[0] // features.shape[0], 1, 1, 1)

    def _features(self, h: Tensor) -> Tensor:
        grid = tuple(h.shape[-2:])
        size = tuple(8 * side for side in grid)
        pose = nn.functional.interpolate(self.pose.to(h), size=size, mode="bilinear", antialias=True)
        weight = self.scope.over(grid, h.device)
        return self.network.model.pose_encoder(pose) * (weight.to(h) if isinstance(weight, Tensor) else weight)


def check_rows(given: int, batch: int) -> None:
    """A condition serves the whole batch with one row, or each image with its own."""
    if given not in (1, batch):
        raise PatchError(
            f"Mannequin's condition holds {given} images and the latent batch {batch}. Give one image for the whole "
            "batch, or as many as the batch has."
        )


def apply_condition(
    model: Any, condition: Condition, source: SourceNet | None, sites: str, scope: Scope, network: Any = None
) -> Any:
    """A clone of ``model`` whose attention obeys ``condition`` at ``sites``; ``network`` is its weights' patcher.

    ``source`` is None for a condition that needs no SourceNet.

    An empty scope gives a plain clone, so that strength 0 is the unpatched model exactly.
    """
    patched = model.clone()
    if scope.empty:
        return patched
    blocks = transformer_blocks(model)
    chosen = {site: blocks[site] for site in select_sites(sites, blocks)}
    if source is not None:
        _check_same_family(source, chosen)
    for site, block in chosen.items():
        condition.check(site, block)
    binding = Binding(condition, source, chosen)
    name = condition.attention_name
    options = patched.model_options["transformer_options"]
    installed = dict(options.get("patches_replace", {}).get(name, {}))
    for site in chosen:
        previous = installed.get(tuple(site), installed.get((site.block, site.number)))
        patch = AttentionPatch(site, binding, scope, network, previous)
        patched.set_model_patch_replace(patch, name, *site)
    patched.model_options["transformer_options"][BINDINGS] = (*options.get(BINDINGS, ()), binding)
    if source is not None and source.patcher.model is not model.model:
        patched.set_additional_models(source.key, [source.patcher])
    _open_runs(patched)
    return patched


def _check_same_family(source: SourceNet, blocks: dict[Site, nn.Module]) -> None:
    theirs = transformer_blocks(source.patcher)
    for site, block in blocks.items():
        if site not in theirs or width_of(theirs[site]) != width_of(block):
            raise PatchError(
                f"SourceNet and this model differ in architecture at site '{site}'. Load both UNets from one family "
                "(SD1.5 with SD1.5, SDXL with SDXL)."
            )


def apply_pose(model: Any, network: Any, pose: Tensor, scope: Scope) -> Any:
    """A clone of ``model`` that adds a pose encoder's features after ``conv_in``.

    Args:
        network: patcher of a method's weights with a ``pose_encoder`` (TruePose's, or MCLD's pose guider).
        pose: its picture of the pose ``[1 or B, 3, H, W]`` in 0–1, any size.
    """
    patched = model.clone()
    if scope.empty:
        return patched
    given = network.model.shape.pose_channels
    expected = model.get_model_object("diffusion_model").input_blocks[0][0].weight.shape[0]
    if given != expected:
        has = f"a pose encoder {given} wide" if given else "no pose encoder"
        raise PatchError(
            f"The {type(network.model).__name__} weights have {has}, and this model's first feature map is {expected} "
            "wide. Choose weights made for this base model."
        )
    patched.set_model_input_block_patch(PosePatch(network, pose, scope))
    _open_runs(patched)
    return patched


def _open_runs(patched: Any) -> None:
    patched.remove_wrappers_with_key(WrappersMP.SAMPLER_SAMPLE, KEY)
    patched.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, KEY, sampling_run)


def sigmas_between(model: Any, start_percent: float, end_percent: float) -> tuple[float, float]:
    """Noise levels of a span of the schedule; 0 and 1 reach beyond its ends."""
    sampling = model.get_model_object("model_sampling")
    return sampling.percent_to_sigma(start_percent), sampling.percent_to_sigma(end_percent)
