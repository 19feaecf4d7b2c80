"""What MCLD adds to its two UNets: W_k, W_v of the face tokens (Eq. 3), the face projector and the pose guider.

Parameter names are the file format: ``mfca.<site>.to_k.weight``, ``face_projector.latents``,
``pose_guider.conv_in.weight``, …, with sites named as in :mod:`..sites`. Every part is optional, so that an ablation is
a file with fewer keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..attention.mfca import MFCA
from ..sites import Site, parse_key
from .pose_guider import PoseGuider, pose_widths
from .resampler import Resampler, ResamplerShape

METHOD = "mcld"
#: Width of a head of the published face projector, which has twenty.
RESAMPLER_HEAD = 64


@dataclass(frozen=True)
class MCLDShape:
    """All sizes of MCLD's modules.

    Attributes:
        mfca: feature width of every site that has face projections.
        context_dim: width of the UNet's cross-attention context.
        resampler: of the face projector; None without one.
        pose_widths: levels of the pose guider; empty without one.
        pose_channels: width of the UNet's first feature map; 0 without a pose guider.
        lookup_channels: of the texture map's latents, where these are looked up at the target's places (ours, not the
            paper's); 0 without.
    """

    mfca: Mapping[Site, int] = field(default_factory=dict)
    context_dim: int = 0
    resampler: ResamplerShape | None = None
    pose_widths: tuple[int, ...] = ()
    pose_channels: int = 0
    lookup_channels: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Tensor], resampler_heads: int | None = None) -> "MCLDShape":
        """The shape of the weights in ``state``, which do not tell the face projector's heads: 64 wide by default."""
        keys = {key.split(".")[1]: tensor for key, tensor in state.items() if key.startswith("mfca.")}
        projector = {k.removeprefix("face_projector."): t for k, t in state.items() if k.startswith("face_projector.")}
        pose, lookup = (state.get(f"{name}.weight") for name in ("pose_guider.conv_out", "texture_lookup"))
        return cls(
            {parse_key(site): tensor.shape[0] for site, tensor in keys.items()},
            context_dim=next((tensor.shape[1] for tensor in keys.values()), 0),
            resampler=_resampler(projector, resampler_heads) if projector else None,
            pose_widths=() if pose is None else pose_widths(state, "pose_guider."),
            pose_channels=0 if pose is None else pose.shape[0],
            lookup_channels=0 if lookup is None else lookup.shape[1],
        )


def _resampler(projector: Mapping[str, Tensor], heads: int | None) -> ResamplerShape:
    return ResamplerShape.of(projector, heads or max(1, projector["layers.0.0.to_q.weight"].shape[0] // RESAMPLER_HEAD))


class MCLD(nn.Module):
    """Everything MCLD trains besides its two UNets.

    Attributes:
        face_model: whose face embeddings the projector was trained on.
    """

    face_model: str = "antelopev2"

    def __init__(self, shape: MCLDShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype, "operations": operations}
        self.shape = shape
        self.mfca = nn.ModuleDict(
            {site.key: MFCA(shape.context_dim, dim, **options) for site, dim in shape.mfca.items()}
        )
        self.face_projector = Resampler(shape.resampler, **options) if shape.resampler else None
        self.pose_guider = (
            PoseGuider(shape.pose_channels, shape.pose_widths, **options) if shape.pose_channels else None
        )
        self.texture_lookup = (
            operations.Conv2d(shape.lookup_channels, shape.pose_channels, 3, padding=1, device=device, dtype=dtype)
            if shape.lookup_channels
            else None
        )

    @property
    def pose_encoder(self) -> PoseGuider | None:
        """The name under which hosts ask any method's weights for the network that encodes the pose."""
        return self.pose_guider
