"""A pose encoder's features on a MODEL, added after ``conv_in``."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .comfy_blocks import first_width
from .comfy_host import RUN, Extra
from .comfy_run import Run, check_region, check_rows
from .comfy_sampling import open_runs
from .conditions import Shared
from .errors import PatchError, said_by
from .place import Grid, Place, known
from .scope import Scope


@dataclass(frozen=True, eq=False)
class PosePatch(Shared):
    """An ``input_block_patch``: the pose's features, for the condition and for ∅ alike.

    Attributes:
        looked_up: the texture map's latents at the target's places, where the weights ask for them.
    """

    network: Any
    pose: Tensor
    scope: Scope
    node: str = ""
    looked_up: Tensor | None = None

    def to(self, device_or_dtype) -> "PosePatch":
        """The host moves patches; features follow the feature map."""
        return self

    def models(self) -> list:
        """What the host has to load beside the MODEL."""
        return [self.network]

    def __call__(self, h: Tensor, extra: Extra) -> Tensor:
        run: Run = extra[RUN]
        if extra["block"] != ("input", 0) or not run.acts(self.scope, extra):
            return h
        with said_by(self.node):
            pieces = [self._piece(run, chunk.part.place, chunk.images, h) for chunk in run.rows(extra, h.shape[0])]
        return h + torch.cat(pieces)

    def _piece(self, run: Run, place: Place | None, images: int, h: Tensor) -> Tensor:
        place = known(place, "the pose picture")
        check_rows(self.pose.shape[0], images, "The pose")
        check_region(self.scope, images)
        features = run.once((self, place.whole, h.dtype, h.device), lambda: self._features(place.whole, h))
        return place.cut(features).expand(images, -1, -1, -1)

    def _features(self, whole: Grid, h: Tensor) -> Tensor:
        size = tuple(8 * side for side in whole)
        pose = nn.functional.interpolate(self.pose.to(h), size=size, mode="bilinear", antialias=True)
        weight = self.scope.over(Place.all_of(whole), whole, h.device)
        features = self.network.model.pose_encoder(pose)
        if self.looked_up is not None:
            beside = nn.functional.interpolate(self.looked_up.to(h), size=whole, mode="area")
            features = features + self.network.model.texture_lookup(beside)
        return features * (weight.to(h) if isinstance(weight, Tensor) else weight)


def apply_pose(
    model: Any, network: Any, pose: Tensor, scope: Scope, node: str = "", looked_up: Tensor | None = None
) -> Any:
    """A clone of ``model`` that adds a pose encoder's features after ``conv_in``.

    Args:
        network: patcher of a method's weights with a ``pose_encoder`` (TruePose's, or MCLD's pose guider).
        pose: its picture of the pose ``[1 or B, 3, H, W]`` in 0–1, any size.
        node: display name of the node, for errors while sampling.
        looked_up: what MCLD's ``texture_lookup`` reads, ``[1 or B, C, h, w]`` in the UNet's scale; None without one.

    Raises:
        PatchError: the MODEL is no Stable Diffusion, or the weights do not fit it.
    """
    patched, expected = model.clone(), first_width(model)
    if scope.empty:
        return patched
    given = network.model.shape.pose_channels
    if given != expected:
        has = f"a pose encoder {given} wide" if given else "no pose encoder"
        raise PatchError(
            f"The {type(network.model).__name__} weights have {has}, and this model's first feature map is {expected} "
            "wide. Choose weights made for this base model."
        )
    open_runs(patched)
    patched.set_model_input_block_patch(PosePatch(network, pose, scope, node, looked_up))
    return patched
