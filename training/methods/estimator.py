"""A pose estimator in HigherHRNet's architecture (Cheng et al., 2020), of any size, on canvases of several people.

Its file is one of Load Pose Estimator. What the pose interaction field looks with needs no download then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_patches.networks.higherhrnet import HigherHRNet, HigherHRNetShape, PoseMaps
from model_patches.networks.hrnet_layers import BatchNorm
from model_patches.weight_kinds.higherhrnet import estimator_metadata
from preprocessors.keypoints import to_coco_17

from ..associative_embedding import heat_maps, tag_errors
from ..crowds import Canvases, Crowd, alike_in_groups, gathered
from ..data.records import Record
from ..drawn_pose import drawn_people
from ..draws import Draws
from .base import Batch, Method, tensor
from .base import field as field_of

#: Spread of the heads' first weights, as published: maps begin near 0.
_SPREAD = 0.001


@dataclass(frozen=True)
class EstimatorOptions:
    """Attributes:
    shape: sizes of the network; W32's by default.
    crowd: what it is shown.
    sigma: of the heat maps' Gaussians, in pixels of a map of either size.
    tag: weight of the tags' errors.
    drawn: share of canvases that show people's drawn skeletons in their places. Ours: the pose interaction field
        compares a picture's features with those of a drawn pose (Eq. 11), in which this network has to see the person.
    """

    shape: HigherHRNetShape = field(default_factory=HigherHRNetShape)
    crowd: Crowd = field(default_factory=Crowd)
    sigma: float = 2.0
    tag: float = 1e-3
    drawn: float = 0.0


class Estimator(Method):
    """HigherHRNet from scratch."""

    name = "estimator"
    Options = EstimatorOptions

    def __init__(self, options: EstimatorOptions, seed: int) -> None:
        super().__init__()
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = HigherHRNet(options.shape)
            for head in self.network.final_layers:
                nn.init.normal_(head.weight, std=_SPREAD)
                nn.init.zeros_(head.bias)

    def read_source(self, record: Record) -> dict[str, Tensor]:
        return {}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        read = {
            "image": tensor(record.image),
            "person": tensor(field_of(record, "parsing") > 0),
            "joints": to_coco_17(tensor(field_of(record, "keypoints"), torch.float32)[None])[0],
        }
        return read | ({"skeleton": tensor(drawn_people(record))} if self.options.drawn else {})

    def canvases(self, batch: Batch, draws: Draws) -> Canvases:
        """What the network is shown, and who is there."""
        options, images = self.options, batch["image"].movedim(-1, 1).float() / 255
        masks, upright = batch["person"][:, None].float(), None
        if options.drawn:
            upright = alike_in_groups(draws.uniform(), options.crowd.people) < options.drawn
            skeletons, chosen = batch["skeleton"].movedim(-1, 1).float() / 255, upright[:, None, None, None]
            images = torch.where(chosen, skeletons, images)
            masks = torch.where(chosen, (skeletons.amax(1, keepdim=True) > 0).float(), masks)
        # A limb's colour says whether it is a left one: in a mirror it would lie.
        return gathered(images, masks, batch["joints"], options.crowd, draws, upright)

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        canvases = self.canvases(batch, draws)
        made = self.network(canvases.pictures)
        apart, near = tag_errors(made.tags.float(), canvases.people, self.options.crowd.size)
        return {
            "coarse": self._heat_error(made.coarse, canvases),
            "fine": self._heat_error(made.fine, canvases),
            "apart": self.options.tag * apart.mean(),
            "near": self.options.tag * near.mean(),
        }

    def _heat_error(self, made: Tensor, canvases: Canvases) -> Tensor:
        return F.mse_loss(made.float(), self._wanted(canvases, tuple(made.shape[-2:])))

    def _wanted(self, canvases: Canvases, size: tuple[int, int]) -> Tensor:
        return heat_maps(canvases.people, self.options.crowd.size, size, self.options.sigma)

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch]) -> None:
        """Find the normalisations' means and deviations for the weights that are saved, which may be averages."""
        norms = [module for module in self.network.modules() if isinstance(module, BatchNorm)]
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            # The mean over all that is seen.
            norm.momentum = None
        self.network.train()
        for batch in batches:
            numbers = batch["number"].tolist()
            self.network(self.canvases(batch, Draws(0, numbers, 0)).pictures)
        self.network.eval()
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum

    def show(self, batch: Batch, draws: Draws, autoencoder: object) -> list[Tensor]:
        """Canvases, the heat that is wanted, and the network's."""
        canvases = self.canvases(batch, draws)
        made: PoseMaps = self.network(canvases.pictures)
        wanted = self._wanted(canvases, tuple(made.fine.shape[-2:]))
        heats = [maps.amax(1, keepdim=True).clamp(0, 1).expand(-1, 3, -1, -1) for maps in (wanted, made.fine)]
        size = canvases.pictures.shape[-2:]
        return [2 * F.interpolate(shown, size=size, mode="nearest") - 1 for shown in (canvases.pictures, *heats)]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        return dict(self.network.state_dict()), estimator_metadata()

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(tensors)
