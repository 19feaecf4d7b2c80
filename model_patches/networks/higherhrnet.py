"""HigherHRNet (Cheng et al., CVPR 2020), the pose estimator behind RePoseDM's pose interaction field.

A picture at four resolutions that keep talking to each other, heat maps and tags of every joint at a quarter of the
size, heat maps once more at half. Parameter names are the published checkpoints'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hrnet_layers import BasicBlock, Bottleneck, Exchange, Layers, Transition, normalised

#: Sides of a picture are multiples of it: the smallest map is at 1/32.
MULTIPLE = 32
#: Mean and deviation of ImageNet's pictures in 0–1, RGB, which the published weights were trained under.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STAGES = (2, 3, 4)


@dataclass(frozen=True)
class HigherHRNetShape:
    """All sizes; W32's are the defaults, W48 has widths and a deconvolution half as wide again.

    Attributes:
        widths: of the four branches, the finest first.
        deconvolution: width of the maps at half the picture's size.
        joints: heat maps; 17 in COCO's order.
        tags: associative embeddings, a map for each joint.
        stem: width of the first two convolutions.
        first: blocks of the first layer.
        modules: of each stage.
        blocks: of every branch of a module.
        last: blocks behind the deconvolution.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    deconvolution: int = 32
    joints: int = 17
    tags: int = 17
    stem: int = 64
    first: int = 4
    modules: tuple[int, ...] = (1, 4, 3)
    blocks: int = 4
    last: int = 4

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "HigherHRNetShape":
        """The shape of the weights in ``state``.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        branch = "stage4.0.branches."
        joints = state["final_layers.1.weight"].shape[0]
        return cls(
            widths=tuple(state[f"{branch}{index}.0.conv1.weight"].shape[0] for index in range(len(_STAGES) + 1)),
            deconvolution=state["deconv_layers.0.0.0.weight"].shape[1],
            joints=joints,
            tags=state["final_layers.0.weight"].shape[0] - joints,
            stem=state["conv1.weight"].shape[0],
            first=_count(state, "layer1."),
            modules=tuple(_count(state, f"stage{stage}.") for stage in _STAGES),
            blocks=_count(state, f"{branch}0."),
            last=_count(state, "deconv_layers.0.") - 1,
        )


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts stand behind a prefix."""
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})


class PoseMaps(NamedTuple):
    """What the network says of a picture ``[B, 3, H, W]``.

    Attributes:
        features: P_φ, the last stage's finest branch, ``[B, width, H/4, W/4]``.
        coarse: heat maps ``[B, joints, H/4, W/4]``.
        tags: ``[B, tags, H/4, W/4]``; alike for the joints of one person.
        fine: heat maps ``[B, joints, H/2, W/2]``.
    """

    features: Tensor
    coarse: Tensor
    tags: Tensor
    fine: Tensor


class HigherHRNet(nn.Module):
    """Pictures in 0–1 to :class:`PoseMaps`.

    Args:
        imagenet: pictures are normalised by ImageNet's statistics, as for the published weights; else taken as they
            are, as HumanSD does.
    """

    def __init__(self, shape: HigherHRNetShape, imagenet: bool = True, device=None, dtype=None, operations: Any = nn):
        super().__init__()
        self.shape, self.imagenet = shape, imagenet
        layers = Layers(operations, device, dtype)
        wide = Bottleneck.GROWTH * shape.stem
        self.conv1, self.bn1 = layers.convolution(3, shape.stem, 3, 2), layers.norm(shape.stem)
        self.conv2, self.bn2 = layers.convolution(shape.stem, shape.stem, 3, 2), layers.norm(shape.stem)
        self.layer1 = nn.Sequential(
            *(Bottleneck(layers, wide if index else shape.stem, shape.stem) for index in range(shape.first))
        )
        before: Sequence[int] = (wide,)
        for stage, modules in zip(_STAGES, shape.modules, strict=True):
            widths = shape.widths[:stage]
            self.add_module(f"transition{stage - 1}", Transition(layers, before, widths))
            # The last stage ends in the finest branch alone.
            ends = [1 if (stage, index) == (_STAGES[-1], modules - 1) else stage for index in range(modules)]
            exchanges = (Exchange(layers, widths, shape.blocks, outputs) for outputs in ends)
            self.add_module(f"stage{stage}", nn.Sequential(*exchanges))
            before = widths
        narrow, fine = shape.widths[0], shape.deconvolution
        maps = shape.joints + shape.tags
        self.final_layers = nn.ModuleList(
            [layers.convolution(narrow, maps, 1, bias=True), layers.convolution(fine, shape.joints, 1, bias=True)]
        )
        deconvolution = nn.Sequential(layers.upscaling(narrow + maps, fine), layers.norm(fine), nn.ReLU(inplace=True))
        blocks = (nn.Sequential(BasicBlock(layers, fine)) for _ in range(shape.last))
        self.deconv_layers = nn.ModuleList([nn.Sequential(deconvolution, *blocks)])

    def features(self, picture: Tensor) -> Tensor:
        """P_φ of pictures ``[B, 3, H, W]`` in 0–1, whose sides are multiples of :data:`MULTIPLE`."""
        if self.imagenet:
            mean, deviation = (picture.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
            picture = (picture - mean) / deviation
        maps = normalised(self.conv1, self.bn1, picture)
        branches = [self.layer1(normalised(self.conv2, self.bn2, maps))]
        for stage in _STAGES:
            branches = getattr(self, f"stage{stage}")(getattr(self, f"transition{stage - 1}")(branches))
        return branches[0]

    def heads(self, features: Tensor) -> PoseMaps:
        """Heat maps and tags of P_φ."""
        maps = self.final_layers[0](features)
        fine = self.final_layers[1](self.deconv_layers[0](torch.cat([features, maps], 1)))
        coarse, tags = maps.split([self.shape.joints, self.shape.tags], 1)
        return PoseMaps(features, coarse, tags, fine)

    def for_field(self, picture: Tensor) -> PoseMaps:
        """As :meth:`forward`, for gradients of P_φ alone: of the way to heat maps and tags nothing is kept."""
        features = self.features(picture)
        return self.heads(features.detach())._replace(features=features)

    def forward(self, picture: Tensor) -> PoseMaps:
        return self.heads(self.features(picture))


def sized_for(picture: Tensor, short: int | None = None) -> Tensor:
    """A picture ``[B, C, H, W]`` at sides the network takes: its own, each rounded to a multiple.

    Args:
        short: what the shorter side is to be first, in pixels; None is as it is.
    """
    sides = picture.shape[-2:]
    scale = 1 if short is None else short / min(sides)
    size = tuple(max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in sides)
    if tuple(sides) == size:
        return picture
    return F.interpolate(picture, size=size, mode="bilinear", align_corners=False, antialias=True)
