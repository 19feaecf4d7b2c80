"""What IMAGPose has beside its UNet: cross-view attention, the tokenizer of a source's latent, the pose encoder.

Parameter names are the file format: ``cva.<site>.proj_in.weight``, ``flc.proj.weight``, ``pose_guider.conv_in.weight``,
…, the published ones behind their prefix, with sites named as in :mod:`..sites`. Every part is optional: an ablation is
a file with fewer keys, and so is a motion module alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..attention.cva import CVA, CVAShape
from ..sites import Site, parse_key
from .flc import FLC, FLCShape
from .pose_guider import PoseGuider, pose_widths

METHOD = "imagpose"


@dataclass(frozen=True)
class IMAGPoseShape:
    """Sizes of the modules.

    Attributes:
        cva: of the module at every site that has one.
        flc: of the tokenizer; None without.
        pose_widths: levels of the pose encoder; empty without one.
        pose_channels: width of the UNet's first feature map; 0 without a pose encoder.
    """

    cva: Mapping[Site, CVAShape] = field(default_factory=dict)
    flc: FLCShape | None = None
    pose_widths: tuple[int, ...] = ()
    pose_channels: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "IMAGPoseShape":
        """The shape of the weights in ``state``.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        modules: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            if key.startswith("cva."):
                _, site, inner = key.split(".", 2)
                modules.setdefault(site, {})[inner] = tensor
        pose = state.get("pose_guider.conv_out.weight")
        return cls(
            {parse_key(site): CVAShape.of(module) for site, module in modules.items()},
            FLCShape.of(state, "flc.") if any(key.startswith("flc.") for key in state) else None,
            () if pose is None else pose_widths(state, "pose_guider."),
            0 if pose is None else pose.shape[0],
        )


class IMAGPose(nn.Module):
    """Everything IMAGPose trains beside its UNet."""

    def __init__(self, shape: IMAGPoseShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype, "operations": operations}
        self.shape = shape
        self.cva = nn.ModuleDict({site.key: CVA(sizes, **options) for site, sizes in shape.cva.items()})
        self.flc = FLC(shape.flc, **options) if shape.flc else None
        self.pose_guider = (
            PoseGuider(shape.pose_channels, shape.pose_widths, **options) if shape.pose_channels else None
        )
