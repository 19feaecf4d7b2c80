"""TruePose's PoseEncoder (section 4.4: "a lightweight network with four convolutional layers")."""

from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (32, 64, 128)


class PoseEncoder(nn.Module):
    """A skeleton image, brought to the UNet's first feature map.

    Three convolutions of stride 2 reach the latent's resolution (1/8), the fourth reaches the UNet's width. The fourth
    starts at zero, so that training begins from the unconditioned UNet. The result is added after ``conv_in``.
    """

    def __init__(self, out_channels: int, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"kernel_size": 3, "padding": 1, "device": device, "dtype": dtype}
        widths = (3, *CHANNELS)
        self.downs = nn.ModuleList(
            operations.Conv2d(narrow, wide, stride=2, **options)
            for narrow, wide in zip(widths[:-1], widths[1:], strict=True)
        )
        self.conv_out = operations.Conv2d(CHANNELS[-1], out_channels, **options)

    def zero_output(self) -> "PoseEncoder":
        """Set the last convolution to zero: the state training starts from."""
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)
        return self

    def forward(self, pose: Tensor) -> Tensor:
        """``[B, 3, 8h, 8w]`` in 0–1 → ``[B, out_channels, h, w]``."""
        for down in self.downs:
            pose = F.silu(down(pose))
        return self.conv_out(pose)
