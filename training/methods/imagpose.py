"""IMAGPose: views of a person as tiles of one picture, some of which are given (sections 3.2–3.4, Eq. 4).

As published in three stages: without cross-view attention; cross-view attention alone, begun from a motion module; and
everything. Ablations of its Tables 2 and 7 are options: see :class:`IMAGPoseOptions`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from model_patches.attention.cva import PUBLISHED_TILES, CVAShape, join_tiles, split_tiles
from model_patches.networks.flc import FLCShape
from model_patches.networks.imagpose import IMAGPose as Modules
from model_patches.networks.imagpose import IMAGPoseShape
from model_patches.unet_family import Beside
from model_patches.weight_kinds.imagpose import FAMILY, imagpose_metadata
from preprocessors.joint_views import Fill, JointLayout, arranged

from ..autoencoders import Autoencoder
from ..correspondence import Surface
from ..data.pictures import STRIDE
from ..data.records import Record
from ..diffusers_binding import watched
from ..draws import Draws
from ..errors import TrainingError
from ..preprocessing.dino import GRID, load_dino
from ..view_binding import meet, view_layers
from .base import Batch, field, of_targets, skeleton, tensor
from .diffusion import Diffusion
from .imagpose_options import IMAGPoseOptions
from .joint_latents import EncodedLatents, JointLatents, StoredLatents
from .joint_looking import JointLooking, joint_surfaces
from .joint_pictures import OTHERS, TILES, Arrangement, drawn, laid_out, views_of
from .one_unet import take_tensors, tensors_of

#: Keys of what a file without tokens of the latent leaves out.
TEXTURE = "flc.proj."


class Told(NamedTuple):
    """What the network is given beside noise.

    Attributes:
        beside: flags and pictures, ``[B, …, h, w]``; None where views are along the batch.
        context: ``[B, tokens, D]``.
        pose: features of the poses, ``[B, width, h, w]``.
    """

    beside: Tensor | None
    context: Tensor
    pose: Tensor


class IMAGPose(Diffusion):
    """Four views of a person at once."""

    name = "imagpose"
    Options = IMAGPoseOptions

    def __init__(self, options: IMAGPoseOptions, seed: int) -> None:
        tiled = options.views == "tiles"
        beside = Beside(latents=int(options.image), maps=1) if tiled else None
        super().__init__(options, seed, replace(FAMILY, beside=beside))
        self.tiled = tiled
        stored = StoredLatents(options.image, options.texture)
        self.latents: JointLatents = EncodedLatents.by(options.autoencoder) if options.autoencoder else stored
        layers = {} if options.cva == "none" else view_layers(self.denoising, options.cva)
        config = self.denoising.config
        projected = options.dino_dim if options.dino_dim != self.context_dim else 0
        shape = IMAGPoseShape(
            {site: CVAShape(layer.out_channels) for site, layer in layers.items()},
            FLCShape(config.out_channels, self.context_dim, options.patch, projected),
            options.pose_widths,
            config.block_out_channels[0],
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.modules_ = Modules(shape)
        for module in (*self.modules_.cva.values(), self.modules_.pose_guider):
            module.zero_output()
        meet(layers, self.modules_.cva, *(_TILED if self.tiled else _ALONG_THE_BATCH))
        if not options.texture:
            self.modules_.flc.proj.requires_grad_(False)
        if options.train == "cva":
            self.requires_grad_(False)
            self.modules_.cva.requires_grad_(True)
        blank = load_dino(options.dino).blank() if options.dino else None
        self.register_buffer("blank_tokens", blank, persistent=False)

    # What the network is given

    def read_source(self, record: Record) -> dict[str, Tensor]:
        read = {f"source_{name}": value for name, value in self._read(record).items()}
        return read | self.latents.read_reference(record) | {"dino": tensor(field(record, "dino"))}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return {f"target_{name}": value for name, value in self._read(record).items()}

    def _read(self, record: Record) -> dict[str, Tensor]:
        """What is read of every view."""
        read = {"skeleton": skeleton(record, "IMAGPose")} | self.latents.read(record)
        if self.options.background != 1 or self.options.correspondence:
            read["parsing"] = tensor(field(record, "parsing"), torch.uint8)
        if self.options.correspondence:
            read["iuv"] = tensor(field(record, "iuv"), torch.uint8)
        return read

    def shown(self, batch: Batch) -> list[Tensor]:
        return [self.latents.of(batch, side) for side in ("source", "target")]

    def context(self, tokens: Tensor, large: Tensor | None, drops: Tensor | None = None) -> Tensor:
        """F_C of Eq. 3, or of its first half.

        Args:
            tokens: DINOv2's of the references, ``[S, 257, D]``.
            large: the references' latents; None without tokens of them.
            drops: which rows lose which of both, boolean ``[S, 2]``.
        """
        flc, published = self.modules_.flc, self.blank_tokens is not None
        parts = [flc.semantic(tokens)] + ([] if large is None else [flc.texture(large)])
        if drops is not None and drops.any():
            blanks = [torch.zeros_like(part) for part in parts]
            if published:
                blanks = [flc.semantic(self.blank_tokens[None])]
                blanks += [] if large is None else [flc.texture(torch.zeros_like(large))]
            parts = [
                torch.where(drop[:, None, None], blank, part)
                for part, blank, drop in zip(parts, blanks, drops.unbind(1), strict=False)
            ]
        return torch.cat(parts, 1)

    def references(self, batch: Batch, drops: Tensor | None = None) -> Tensor:
        """The context of the batch's references."""
        return self.context(batch["dino"].float(), self.latents.large(batch) if self.options.texture else None, drops)

    def told_tiles(self, joint: Arrangement, skeletons: Tensor, given: Tensor | None, context: Tensor) -> Told:
        """What the network is given of joint pictures.

        Args:
            skeletons: of the views, uint8 ``[S, V, H, W, 3]``.
            given: their latents, black where a tile is generated; None gives no picture.
        """
        poses = self.modules_.pose_guider(joint.joint(skeletons.movedim(-1, 2)).float() / 255)
        flags = joint.flags(*poses.shape[-2:])
        return Told(flags if given is None else torch.cat([flags, given], 1), context, poses)

    def told_batch(self, skeletons: Tensor, context: Tensor) -> Told:
        """What the network is given of views along the batch, ``[S · V, …]``."""
        poses = self.modules_.pose_guider(skeletons.flatten(0, 1).movedim(-1, 1).float() / 255)
        return Told(None, of_targets(context, len(poses)), poses)

    def predict(self, latents: Tensor, timesteps: Tensor, told: Told) -> Tensor:
        """The network's prediction, like the latents ``[B, C, h, w]``."""
        return self.told(latents, timesteps, told.beside, told.context, pose=told.pose)

    def _given(self, batch: Batch, joint: Arrangement) -> Tensor | None:
        return self.latents.given(batch, joint) if self.options.image else None

    # Training

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        rows, targets = len(batch["dino"]), len(batch["target_skeleton"])
        if targets != rows * OTHERS:
            raise TrainingError(
                f"IMAGPose takes {TILES} views of a person and not {1 + targets // rows}: set data.targets to {OTHERS}."
            )
        self.layout(batch)
        # A group is one sample.
        draws = draws.of_every(OTHERS)
        joint = drawn(draws, self.options.hidden)
        context = self.references(batch, self._drops(draws))
        if self.tiled:
            told = self.told_tiles(joint, views_of(batch, "skeleton"), self._given(batch, joint), context)
            noisy, truth, timesteps = self.noisy(self.latents.clean(batch, joint), draws)
        else:
            skeletons = batch["target_skeleton"].unflatten(0, (rows, OTHERS))
            told = self.told_batch(skeletons, context)
            noisy, truth, timesteps = self._noisy_batch(self.latents.of(batch, "target"), draws)
        prediction, terms = self._taught(
            batch, joint, tuple(noisy.shape[-2:]), lambda: self.predict(noisy, timesteps, told)
        )
        placed = {**batch, "visible": joint.flags(*noisy.shape[-2:])} if self.tiled else batch
        if self.tiled and self.options.background != 1:
            placed["parsing"] = joint.joint(views_of(batch, "parsing")[:, :, None])[:, 0]
        return self.losses(placed, prediction, truth, self.row_weights(timesteps)) | terms

    def _drops(self, draws: Draws) -> Tensor:
        """Which rows lose DINOv2's tokens, and which the latent's: ``[S, 2]``."""
        options, draw = self.options, draws.uniform()
        dino, texture = options.drop_dino, options.drop_dino + options.drop_texture
        both = (draw >= texture) & (draw < texture + options.drop_both)
        return torch.stack([(draw < dino) | both, ((draw >= dino) & (draw < texture)) | both], 1)

    def _noisy_batch(self, clean: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Views along the batch have noise of their own, and their group's timestep."""
        groups = clean.unflatten(0, (-1, OTHERS)).flatten(1, 2)
        noisy, truth, timesteps = self.noisy(groups, draws)
        apart = (each.unflatten(1, (OTHERS, -1)).flatten(0, 1) for each in (noisy, truth))
        return *apart, timesteps.repeat_interleave(OTHERS)

    def place_weights(self, batch: Batch, grid: tuple[int, int]) -> Tensor | None:
        options = self.options
        if not self.tiled:
            return super().place_weights(batch, grid)
        if options.background == options.given == 1:
            return None
        place = torch.lerp(batch["visible"].new_ones(()), batch["visible"].new_tensor(options.given), batch["visible"])
        return place if options.background == 1 else place * self.person_weights(batch["parsing"], grid)

    def _taught(
        self, batch: Batch, joint: Arrangement, latent: tuple[int, int], predict: Callable[[], Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What ``predict`` gives, and the error of where the network looked meanwhile, if that is taught."""
        if not self.options.correspondence:
            return predict(), {}
        reference = Surface(batch["source_iuv"], batch["source_parsing"])
        views, among = Surface(batch["target_iuv"], batch["target_parsing"]), None
        if self.tiled:
            views, seen = joint_surfaces(batch, joint)
            among = seen if self.options.image else None
        looking = JointLooking(views, reference, latent, self._token_grids(batch), among)
        with watched(self.denoising, **looking.watch()):
            prediction = predict()
        return prediction, {"correspondence": self.options.correspondence * looking.error()}

    def _token_grids(self, batch: Batch) -> list[tuple[int, int]]:
        height, width = (2 * side // STRIDE // self.options.patch for side in batch["target_skeleton"].shape[1:3])
        return [GRID] + ([(height, width)] if self.options.texture else [])

    # Sampling

    def noise_shape(self, batch: Batch) -> tuple[int, ...]:
        channels = self.denoising.config.out_channels
        height, width = (side // STRIDE for side in batch["target_skeleton"].shape[1:3])
        return (channels, 2 * height, 2 * width) if self.tiled else (OTHERS * channels, height, width)

    def layout(self, batch: Batch, sources: int = 1, targets: int = 1, fill: Fill = "automatic") -> JointLayout:
        """Of tiles as large as the batch's pictures, which have no margins.

        Raises:
            TrainingError: the UNet's levels cannot halve a tile, or the reference's latent is smaller than a patch.
        """
        height, width = batch["target_skeleton"].shape[1:3]
        step = STRIDE * 2 ** (len(self.denoising.config.block_out_channels) - 1)
        layout = arranged(sources, targets, width, height, fill=fill, step=step)
        if self.tiled and layout.tile_size != (width, height):
            raise TrainingError(
                f"Pictures of {width}×{height} make no tiles that this UNet's levels can halve: their sides must be "
                f"multiples of {step}. Give the data set such a size, as deepfashion:FOLDER,size=512x384."
            )
        if self.options.texture and not min(self._token_grids(batch)[-1]):
            raise TrainingError(
                f"Latents of {2 * width // STRIDE}×{2 * height // STRIDE}, of the reference at the joint picture's "
                f"size, are smaller than one patch of {self.options.patch}: set options.patch to less."
            )
        return layout

    def shows_target(self, made: Tensor) -> Tensor:
        """Of T1, all tiles but the first."""
        return split_tiles(made, PUBLISHED_TILES)[:, 1:].flatten(0, 1) if self.tiled else made

    @torch.no_grad()
    def sampled(self, told: Told, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        """Latents as the network has them; the null condition's tokens are zero, and nothing else is."""
        null = told._replace(context=torch.zeros_like(told.context))
        return self.guided_ddim(
            noise,
            lambda x, timesteps: self.predict(x, timesteps, told),
            lambda x, timesteps: self.predict(x, timesteps, null),
            steps,
            guidance,
        )

    @torch.no_grad()
    def scenario(
        self, batch: Batch, layout: JointLayout, noise: Tensor, steps: int | None = None, guidance: float | None = None
    ) -> Tensor:
        """Latents as the network has them: of joint pictures, or of views along the batch.

        Args:
            batch: the references first, behind them the layout's other sources, and its targets.
            layout: the same for all rows.

        Raises:
            TrainingError: views along the batch have one source.
        """
        joint, skeletons = laid_out(layout, len(noise), noise.device), views_of(batch, "skeleton")
        context = self.references(batch)
        if self.tiled:
            told = self.told_tiles(joint, skeletons, self._given(batch, joint), context)
            return self.sampled(told, noise, steps, guidance)
        if int(joint.visible[0].sum()) > 1:
            raise TrainingError("This network was trained without pictures of sources and sees one: T1, or several.")
        views = noise.unflatten(1, (OTHERS, -1)).flatten(0, 1)
        told = self.told_batch(joint.tiles(skeletons)[:, TILES - OTHERS :], context)
        return self.sampled(told, views, steps, guidance)

    def targets_of(self, made: Tensor, layout: JointLayout) -> list[Tensor]:
        """Of what :meth:`scenario` gives, decoded or not, every target's first view ``[S, …]``, in their order."""
        if self.tiled:
            views, tiles = split_tiles(made, PUBLISHED_TILES), layout.tiles
        else:
            views, tiles = made.unflatten(0, (-1, OTHERS)), layout.tiles[TILES - OTHERS :]
        firsts: dict[int, Tensor] = {}
        for place, tile in enumerate(tiles):
            if tile.target:
                firsts.setdefault(tile.number, views[:, place])
        return list(firsts.values())

    def first_of(self, made: Tensor, layout: JointLayout) -> Tensor:
        """The first target's of these."""
        return self.targets_of(made, layout)[0]

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        """T1: of three views that all have the target's pose the first (section 4.1)."""
        layout = self.layout(batch)
        return self.first_of(self.scenario(batch, layout, noise, steps, guidance), layout)

    @torch.no_grad()
    def pictures(
        self,
        batch: Batch,
        noise: Tensor,
        autoencoder: Autoencoder,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """T1. As the nodes do it, joint pictures are decoded as one."""
        layout = self.layout(batch)
        return self.first_of(autoencoder.decode(self.scenario(batch, layout, noise, steps, guidance)), layout)

    # Files

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        left_out = () if self.options.texture else (TEXTURE,)
        tensors = {
            key: value
            for key, value in tensors_of(self.denoising, self.modules_).items()
            if not key.startswith(left_out)
        }
        return tensors, imagpose_metadata(self.options.schedule.prediction) | self.heads.metadata(FAMILY)

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        own = {} if self.options.texture else self.modules_.state_dict()
        kept = {key: value for key, value in own.items() if key.startswith(TEXTURE)}
        take_tensors({**tensors, **kept}, self.denoising, self.modules_)


def _apart(features: Tensor) -> Tensor:
    return features.unflatten(0, (-1, OTHERS))


def _together(views: Tensor) -> Tensor:
    return views.flatten(0, 1)


#: What makes views of feature maps, and feature maps of views.
_TILED = tuple(functools.partial(each, tiles=PUBLISHED_TILES) for each in (split_tiles, join_tiles))
_ALONG_THE_BATCH = (_apart, _together)
