"""One sampling run: what SourceNet saw, keys and values, spans. All that changes lives here and dies with the run."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from .attention.folded import FoldedTokens
from .attention.joint import Share, shares
from .attention.key_values import KeyValues
from .comfy_blocks import transformer_blocks
from .comfy_evaluation import Conds, Part, Rows, rows_of
from .comfy_host import EVALUATION, KEY, WATCH, Extra, grid_of
from .comfy_source import SourceNet, run_source
from .conditions import Condition, Shared
from .errors import PatchError, said_by
from .kept import Kept
from .place import Place
from .scope import Scope
from .sites import Site
from .source import SourceSite

#: What can be moved to the precision and device of a tensor, as a tensor can.
Movable = TypeVar("Movable", KeyValues, FoldedTokens)


@dataclass(frozen=True, eq=False)
class Binding(Shared):
    """One condition on a MODEL. The host keeps it among its patches, as one of a kind that only we call.

    Attributes:
        source: whose pass feeds it; None for a condition on tokens.
        sites: where it acts. Blocks are found when a run opens, in the model that is sampled.
        network: patcher of its trained weights, for the host to load; None without.
        node: display name of the node that made it, which errors while sampling begin with.
        same_network: whether SourceNet is the very network that was patched.
    """

    condition: Condition
    source: SourceNet | None
    sites: frozenset[Site]
    scope: Scope
    network: Any = None
    node: str = ""
    same_network: bool = False

    def to(self, device_or_dtype) -> "Binding":
        """The host moves patches; this one has nothing but what its network's patcher moves."""
        return self

    def models(self) -> list:
        """What the host has to load beside the MODEL."""
        return [] if self.network is None else [self.network]


class Run(Kept):
    """State of one sampling run.

    Attributes:
        bindings: the conditions of the MODEL, in the order they were applied.
        blocks: transformer blocks of the model that is sampled.
        conds: which conds are ∅.
        device: where the model is loaded; the host may sample copies of it on other devices beside.
    """

    def __init__(self, patcher: Any, options: dict, guider: Any = None):
        super().__init__()
        self.bindings: tuple[Binding, ...] = tuple(options.get("patches", {}).get(KEY, ()))
        self.blocks = transformer_blocks(patcher)
        self.conds = Conds(guider)
        self.device: torch.device = patcher.load_device
        self._schedule = patcher.get_model_object("model_sampling")
        self._seen: dict[tuple[Binding, Site], Any] = {}
        self._weighed: dict[Hashable, tuple[tuple[float, ...], Any]] = {}
        self._read_sources(patcher, options.get("optimized_attention_override"), options.get(WATCH))

    def _read_sources(self, patcher: Any, override: Any, watch: Any) -> None:
        fed = [binding for binding in self.bindings if binding.source is not None]
        for source in dict.fromkeys(binding.source for binding in fed):
            readers = [binding for binding in fed if binding.source is source]

            def visit(site: Site, features: SourceSite, readers: Sequence[Binding] = readers) -> None:
                for binding in readers:
                    if site in binding.sites:
                        with said_by(binding.node):
                            self._seen[binding, site] = binding.condition.read(site, features)
                        if watch:
                            watch.note_source(site, binding, features)

            net = source.net_beside(patcher, readers[0].same_network)
            run_source(source, net, set().union(*(binding.sites for binding in readers)), visit, override)

    def seen(self, binding: Binding, site: Site) -> Any:
        """What a binding has kept of SourceNet's pass at a site; None where it has no source."""
        return self._seen.get((binding, site))

    def at(self, site: Site, attention_name: str) -> list[Binding]:
        """The conditions on an attention."""
        return [b for b in self.bindings if site in b.sites and b.condition.attention_name == attention_name]

    def acting(self, bindings: Sequence[Binding], extra: Extra) -> list[Binding]:
        """Those of them that act at this step."""
        return [binding for binding in bindings if self.acts(binding.scope, extra)]

    def acts(self, scope: Scope, extra: Extra) -> bool:
        """Whether a patch acts at the step's noise level."""
        if scope.endless:
            return True
        # Resolved here and not when the node runs: what patches the schedule may stand behind it in the graph.
        first, last = self.once(scope, lambda: scope.levels(self._schedule))
        evaluation = extra.get(EVALUATION)
        return first >= (evaluation.sigma() if evaluation else float(extra["sigmas"][0])) >= last

    def rows(self, extra: Extra, batch: int) -> list[Rows]:
        """What the rows of a tensor are."""
        return rows_of(extra, batch, self.conds)

    def keys_values(self, binding: Binding, site: Site, part: Part, like: Tensor) -> Sequence[KeyValues]:
        """What a binding lets a site look at, in the dtype and on the device of ``like``.

        Projected where the model is, when first asked for under the weights of the step: once a run and hook group.
        """

        def project() -> Sequence[KeyValues]:
            if binding.source is None:
                seen = like.new_empty(0, device=self.device)
            else:
                # Kept for other weights; a run under the model's own needs it no more.
                take = self._seen.__getitem__ if self.conds.hooked else self._seen.pop
                seen = take((binding, site)).to(like.dtype)
            with said_by(binding.node):
                return binding.condition.keys_values(site, self.blocks[site], seen)

        return self.weighed((binding, site), part, like, project)

    def weighed(
        self, key: Hashable, part: Part, like: Tensor, compute: Callable[[], Sequence[Movable]]
    ) -> Sequence[Movable]:
        """What depends on weights that hooks change, as ``like`` is: ``compute()``, once for a hook group's present
        strengths, and a copy for every precision and device that asks.

        Keyframes change strengths in mid-run; what was made under the former is let go of then.
        """
        made = self._weighed_once(key, part, compute)
        return self._weighed_once((key, like.device, like.dtype), part, lambda: [each.to(like) for each in made])

    def _weighed_once(self, key: Hashable, part: Part, compute: Callable[[], Any]) -> Any:
        strengths, made = self._weighed.get((key, part.hooks), (None, None))
        if strengths != part.strengths:
            with torch.inference_mode(False), torch.no_grad():
                made = compute()
            self._weighed[key, part.hooks] = (part.strengths, made)
        return made

    def weight(self, binding: Binding, place: Place | None, extra: Extra, device: torch.device) -> float | Tensor:
        """How strongly a binding acts on every token of a part of the picture: a number, or ``[1 or B, N, 1]``."""
        scope, grid = binding.scope, grid_of(extra)
        if scope.mask is None:
            return scope.strength
        with said_by(binding.node):
            return self.once((binding, place, grid, device), lambda: scope.tokens(place, grid, device))

    def shares(
        self, bindings: Sequence[Binding], place: Place | None, extra: Extra, device: torch.device
    ) -> list[Share]:
        """Which combinations of bindings make up the result, and how much each."""
        key = ("shares", tuple(bindings), place, grid_of(extra), device)
        return self.once(key, lambda: shares([self.weight(binding, place, extra, device) for binding in bindings]))

    def clear(self) -> None:
        super().clear()
        self._weighed.clear()
        self._seen.clear()


def check_rows(given: int, images: int, what: str = "The condition") -> None:
    """A condition, or a mask, serves the whole batch with one row, or each image with its own."""
    if given not in (1, images):
        raise PatchError(
            f"{what} holds {given} images and the latent batch {images}. Give one image for the whole batch, or as "
            "many as the batch has."
        )


def check_region(scope: Scope, images: int) -> None:
    """A region serves the whole batch, or each image has one."""
    if scope.mask is not None:
        check_rows(scope.mask.shape[0], images, "The region")
