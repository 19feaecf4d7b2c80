"""HRNet's blocks (Sun et al., CVPR 2019): residual blocks, branches of several resolutions, and their exchange."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Follows the input's type, as the host's other layers do, which has none of this kind.

    Outside training it is a fixed scale and shift.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        stored = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(x, *(tensor.to(x) for tensor in stored), eps=self.eps)


@dataclass(frozen=True)
class Layers:
    """Where layers come from, and in which type they are made."""

    operations: Any
    device: Any
    dtype: torch.dtype | None

    def convolution(self, inner: int, outer: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Module:
        """Sides are kept, or halved by stride 2."""
        options = {"stride": stride, "padding": kernel // 2, "bias": bias, "device": self.device, "dtype": self.dtype}
        return self.operations.Conv2d(inner, outer, kernel, **options)

    def upscaling(self, inner: int, outer: int) -> nn.Module:
        """Sides are doubled."""
        options = {"stride": 2, "padding": 1, "bias": False, "device": self.device, "dtype": self.dtype}
        return self.operations.ConvTranspose2d(inner, outer, 4, **options)

    def norm(self, width: int) -> nn.Module:
        """A batch normalisation."""
        return BatchNorm(width, device=self.device, dtype=self.dtype)

    def normalised(self, inner: int, outer: int, kernel: int, stride: int = 1, activated: bool = True) -> nn.Sequential:
        """A convolution and its normalisation, and a ReLU where activated."""
        relu = [nn.ReLU(inplace=True)] if activated else []
        return nn.Sequential(self.convolution(inner, outer, kernel, stride), self.norm(outer), *relu)


def normalised(convolution: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Convolution, normalisation, ReLU."""
    return F.relu(norm(convolution(x)), inplace=True)


class BasicBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, layers: Layers, width: int):
        super().__init__()
        self.conv1, self.bn1 = layers.convolution(width, width, 3), layers.norm(width)
        self.conv2, self.bn2 = layers.convolution(width, width, 3), layers.norm(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(normalised(self.conv1, self.bn1, x))) + x, inplace=True)


class Bottleneck(nn.Module):
    """A narrow convolution between two of one pixel, beside the identity or, where it grows, a projection."""

    GROWTH = 4

    def __init__(self, layers: Layers, inner: int, width: int):
        super().__init__()
        outer = self.GROWTH * width
        self.conv1, self.bn1 = layers.convolution(inner, width, 1), layers.norm(width)
        self.conv2, self.bn2 = layers.convolution(width, width, 3), layers.norm(width)
        self.conv3, self.bn3 = layers.convolution(width, outer, 1), layers.norm(outer)
        self.downsample = None if inner == outer else layers.normalised(inner, outer, 1, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        y = normalised(self.conv2, self.bn2, normalised(self.conv1, self.bn1, x))
        beside = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(y)) + beside, inplace=True)


class Transition(nn.ModuleList):
    """Brings the branches of one stage to those of the next: one branch more, at half the coarsest one's size.

    Every stage has its branches' widths from the former; only the first sets them.
    """

    def __init__(self, layers: Layers, before: Sequence[int], widths: Sequence[int]):
        known = len(before)
        paths = [
            nn.Identity() if inner == outer else layers.normalised(inner, outer, 3)
            for inner, outer in zip(before, widths, strict=False)
        ]
        super().__init__([*paths, nn.Sequential(layers.normalised(before[-1], widths[known], 3, 2))])

    def forward(self, branches: Sequence[Tensor]) -> list[Tensor]:
        """Maps ``[B, width, h, w]``, the finest first; one more comes back."""
        return [*(path(branch) for path, branch in zip(self, branches, strict=False)), self[-1](branches[-1])]


class Exchange(nn.Module):
    """A module of a stage: residual blocks on every branch, then every branch hears of all others.

    Args:
        outputs: how many branches, of the finest, come out.
    """

    def __init__(self, layers: Layers, widths: Sequence[int], blocks: int, outputs: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(layers, width) for _ in range(blocks))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(layers, widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )

    def forward(self, branches: Sequence[Tensor]) -> list[Tensor]:
        branches = [blocks(branch) for blocks, branch in zip(self.branches, branches, strict=True)]
        return [self._heard(branches, target) for target in range(len(self.fuse_layers))]

    def _heard(self, branches: Sequence[Tensor], target: int) -> Tensor:
        size = branches[target].shape[-2:]
        told = (
            F.interpolate(path(branch), size=size, mode="nearest") if source > target else path(branch)
            for source, (path, branch) in enumerate(zip(self.fuse_layers[target], branches, strict=True))
        )
        return F.relu(sum(told))


def _path(layers: Layers, widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch to another: a projection from a coarser one, or convolutions of stride 2 from a finer one."""
    inner, outer = widths[source], widths[target]
    if source == target:
        return nn.Identity()
    if source > target:
        return layers.normalised(inner, outer, 1, activated=False)
    steps = target - source
    return nn.Sequential(
        *(layers.normalised(inner, inner, 3, 2) for _ in range(steps - 1)),
        layers.normalised(inner, outer, 3, 2, activated=False),
    )
