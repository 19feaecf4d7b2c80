"""MCLD's pose guider: DensePose, brought to the UNet's first feature map (the encoder of AnimateAnyone and ControlNet).

Parameter names are the published checkpoint's.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

#: Widths of the levels in the published weights.
WIDTHS = (16, 32, 96, 256)


def pose_widths(state: Mapping[str, Tensor], prefix: str) -> tuple[int, ...]:
    """Widths of the levels of the pose guider whose keys begin so.

    Raises:
        KeyError: a key that tells a width is missing.
    """
    blocks = sum(key.startswith(f"{prefix}blocks.") and key.endswith(".weight") for key in state)
    strided = (state[f"{prefix}blocks.{number}.weight"].shape[0] for number in range(1, blocks, 2))
    return state[f"{prefix}conv_in.weight"].shape[0], *strided


class PoseGuider(nn.Module):
    """Between levels a convolution and one of stride 2, until 1/8; the result is added after the UNet's ``conv_in``."""

    def __init__(self, out_channels: int, widths: Sequence[int] = WIDTHS, device=None, dtype=None, operations=nn):
        super().__init__()

        def convolution(narrow: int, wide: int, stride: int = 1) -> nn.Module:
            return operations.Conv2d(narrow, wide, 3, padding=1, stride=stride, device=device, dtype=dtype)

        self.conv_in = convolution(3, widths[0])
        self.blocks = nn.ModuleList(
            layer
            for narrow, wide in zip(widths[:-1], widths[1:], strict=True)
            for layer in (convolution(narrow, narrow), convolution(narrow, wide, stride=2))
        )
        self.conv_out = convolution(widths[-1], out_channels)

    def zero_output(self) -> "PoseGuider":
        """Set the last convolution to zero: the state training starts from."""
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)
        return self

    def forward(self, pose: Tensor) -> Tensor:
        """DensePose ``[B, 3, 8h, 8w]``, (V, U, I) / 255 → ``[B, out_channels, h, w]``."""
        pose = F.silu(self.conv_in(pose))
        for block in self.blocks:
            pose = F.silu(block(pose))
        return self.conv_out(pose)
