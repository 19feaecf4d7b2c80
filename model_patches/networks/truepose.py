"""What TruePose adds to Stable Diffusion: W^{K'_h}, W^{V'_h} (Eq. 8), W^{K^clip}, W^{V^clip} (Eq. 9), PoseEncoder.

Parameter names are the file format: ``hpfa.<site>.to_k.weight``, ``caa.<site>.to_v.weight``,
``region_projection.weight``, ``pose_encoder.conv_out.weight``, …, with sites named as in :mod:`..sites`. Every part is
optional, so that an ablation is a file with fewer keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..attention.caa import CAA
from ..attention.hpfa import HPFA
from ..sites import Site, parse_key
from .pose_encoder import PoseEncoder

METHOD = "truepose"


@dataclass(frozen=True)
class TruePoseShape:
    """All sizes of a TruePose weight set; read off a state dict, never guessed.

    Attributes:
        hpfa, caa: feature width of every site that has the module.
        context_dim: width of the UNet's cross-attention context.
        region_dim: width of the CLIP image embedding; 0 without CAA.
        pose_channels: width of the UNet's first feature map; 0 without a pose encoder.
    """

    hpfa: Mapping[Site, int] = field(default_factory=dict)
    caa: Mapping[Site, int] = field(default_factory=dict)
    context_dim: int = 0
    region_dim: int = 0
    pose_channels: int = 0

    @classmethod
    def full(cls, widths: Mapping[Site, int], context_dim: int, region_dim: int, pose_channels: int) -> "TruePoseShape":
        """The paper's model: both modules at every site of ``widths``."""
        return cls(dict(widths), dict(widths), context_dim, region_dim, pose_channels)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "TruePoseShape":
        """The shape of the weights in ``state``."""
        widths: dict[str, dict[Site, int]] = {"hpfa": {}, "caa": {}}
        for key, tensor in state.items():
            module, _, rest = key.partition(".")
            if module in widths and rest.endswith(".to_k.weight"):
                widths[module][parse_key(rest.split(".")[0])] = tensor.shape[0]
        projection = state.get("region_projection.weight")
        pose = state.get("pose_encoder.conv_out.weight")
        return cls(
            widths["hpfa"],
            widths["caa"],
            context_dim=0 if projection is None else projection.shape[0],
            region_dim=0 if projection is None else projection.shape[1],
            pose_channels=0 if pose is None else pose.shape[0],
        )


class TruePose(nn.Module):
    """Everything TruePose trains besides its two UNets."""

    def __init__(self, shape: TruePoseShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype, "operations": operations}
        self.shape = shape
        self.hpfa = nn.ModuleDict({site.key: HPFA(dim, **options) for site, dim in shape.hpfa.items()})
        self.caa = nn.ModuleDict({site.key: CAA(shape.context_dim, dim, **options) for site, dim in shape.caa.items()})
        self.region_projection = (
            operations.Linear(shape.region_dim, shape.context_dim, device=device, dtype=dtype)
            if shape.region_dim
            else None
        )
        self.pose_encoder = PoseEncoder(shape.pose_channels, **options) if shape.pose_channels else None
