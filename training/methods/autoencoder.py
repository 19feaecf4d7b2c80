"""The tiny autoencoder of the demo weights: its file is one that ComfyUI's Load VAE reads.

Not a paper's method. Errors of pixels and of edges on crops of people, latents kept near unit variance, and noise on
the latents, so that what a diffusion model gets slightly wrong decodes to something slightly wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..autoencoders import SD_SCALE, TinyAutoencoder, load_autoencoder
from ..data.records import Record
from ..draws import Draws
from ..errors import TrainingError
from .base import Batch, Method, field, pixels, tensor


@dataclass(frozen=True)
class AutoencoderOptions:
    """Attributes:
    channels: of a latent.
    begin: an autoencoder's file to go on with; None begins from nothing. Channels beyond its own are details to it: the
        decoder knows nothing of them yet.
    details: standard deviation of those, of the others' 1: what matters less in a picture counts less in a diffusion
        model's error, and is decided later.
    decoder_only: of ``begin``: its latents, and what was trained on them, stay what they are.
    crop: height and width of the training crops, pixels; multiples of 8. Each has a pixel of the person in its middle,
        as near as the picture's edges let it.
    background: weight of the pixels that do not show the person.
    latent_noise: standard deviation of the noise on the latents.
    moments: weight of (mean² + (std − 1)²) of every latent channel; of details, their own deviation in 1's place.
    squares: weight of the root of the mean squared error, which asks for large errors first.
    gradients: weight of the L1 error of the picture's differences between neighbours: edges, words.
    """

    channels: int = 4
    begin: Path | None = None
    details: float = 1.0
    decoder_only: bool = False
    crop: tuple[int, int] = (64, 64)
    background: float = 1.0
    latent_noise: float = 0.1
    moments: float = 0.1
    squares: float = 0.0
    gradients: float = 1.0

    def __post_init__(self) -> None:
        if self.decoder_only and self.begin is None:
            raise ValueError("A decoder alone can only be gone on with: decoder_only needs begin.")


class Autoencoder(Method):
    """TAESD's architecture from scratch."""

    name = "autoencoder"
    Options = AutoencoderOptions

    def __init__(self, options: AutoencoderOptions, seed: int) -> None:
        super().__init__()
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = TinyAutoencoder(options.channels)
        begin_as_blur(self.network)
        #: Standard deviation that each channel shall have.
        self.spread = torch.ones(options.channels)
        if options.begin:
            self._go_on_with(options.begin)

    @torch.no_grad()
    def _go_on_with(self, file: Path) -> None:
        """Take a file's weights; of channels it has not, the encoder's are new and the decoder's zero."""
        begun = load_autoencoder(file)
        if not isinstance(begun, TinyAutoencoder):
            raise TrainingError(
                f"'{file}' is no tiny autoencoder. Give the weights.safetensors of a run of this recipe."
            )
        channels, options = len(begun.taesd_encoder[-1].weight), self.options
        if channels > options.channels or (options.decoder_only and channels != options.channels):
            raise TrainingError(
                f"'{file}' has {channels} channels, and cannot be gone on with in {options.channels}. Set "
                f"options.channels to {channels}{'' if options.decoder_only else ' or more'}."
            )
        own = self.network.state_dict()
        for key, value in begun.state_dict().items():
            if own[key].shape == value.shape:
                own[key].copy_(value)
        out, entrance = self.network.taesd_encoder[-1], self.network.taesd_decoder[1]
        out.weight[:channels], out.bias[:channels] = begun.taesd_encoder[-1].weight, begun.taesd_encoder[-1].bias
        entrance.weight[:, :channels], entrance.weight[:, channels:] = begun.taesd_decoder[1].weight, 0
        self.spread[channels:] = options.details
        if options.decoder_only:
            self.network.taesd_encoder.requires_grad_(False)
        else:
            # Found anew when training is over.
            self.network.vae_scale.fill_(SD_SCALE)
            self.network.vae_shift.zero_()

    def read_source(self, record: Record) -> dict[str, Tensor]:
        return {}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return {"image": tensor(record.image), "person": tensor(field(record, "parsing") > 0)}

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        images, person = self._crops(batch["image"], batch["person"], draws)
        weight = torch.where(person, 1.0, self.options.background)[:, None]
        # The encoder's own output: scale and shift are only found when training is over.
        latents = self.network.taesd_encoder(images)
        noisy = latents + self.options.latent_noise * draws.normal(*latents.shape[1:])
        error = self.network.taesd_decoder(noisy).float() - images
        mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        return {
            "l1": (weight * error.abs()).mean(),
            "squares": self.options.squares * (weight * error.square()).mean().sqrt(),
            "gradients": self.options.gradients * edge_error(error, weight),
            "moments": self.options.moments * (mean.square() + (std - self.spread.to(std)).square()).mean(),
        }

    def _crops(self, image: Tensor, person: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Crops ``[B, 3, h, w]`` in 0–1 and which of their pixels show the person."""
        shown = []
        for picture, inside, share in zip(image, person, draws.uniform().tolist(), strict=True):
            places = inside.nonzero()
            # Who shows nobody is cropped in the middle.
            middle = places[int(share * len(places))].tolist() if len(places) else [n // 2 for n in inside.shape]
            starts = (
                min(max(at - side // 2, 0), max(length - side, 0))
                for at, side, length in zip(middle, self.options.crop, inside.shape, strict=True)
            )
            rows, columns = (slice(start, start + side) for start, side in zip(starts, self.options.crop, strict=True))
            shown.append((picture[rows, columns], inside[rows, columns]))
        pictures, inside = (torch.stack(parts) for parts in zip(*shown, strict=True))
        return (pixels(pictures) + 1) / 2, inside

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch]) -> None:
        """Find the latents' mean and deviation, so that the UNet sees 0 and 1."""
        if self.options.decoder_only:
            return
        latents = torch.cat([self.network.encode(pixels(batch["image"])) for batch in batches])
        self.network.normalise(latents.mean(), latents.std())

    def show(self, batch: Batch, draws: Draws, autoencoder: object) -> list[Tensor]:
        truth = pixels(batch["image"])
        return [truth, self.network.decode(self.network.encode(truth))]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        return dict(self.network.state_dict()), {}

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(tensors)


def edge_error(error: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference between an error's neighbours, across and down, each with its pixel's weight."""
    across = (weight[..., 1:] * error.diff(dim=-1).abs()).mean()
    down = (weight[..., 1:, :] * error.diff(dim=-2).abs()).mean()
    return (across + down) / 2


@torch.no_grad()
def begin_as_blur(network: TinyAutoencoder, contrast: float = 4.0) -> None:
    """Start from an autoencoder that already knows colours: latents are the picture at 1/8, times ``contrast``.

    Three of 64 channels carry red, green and blue through; blocks add nothing at first (Zhang et al., "Fixup", 2019).
    From random weights the same network is grey for thousands of steps.
    """
    for part in (network.taesd_encoder, network.taesd_decoder):
        for module in part:
            if isinstance(module, nn.Conv2d):
                _carry(module)
            elif hasattr(module, "conv"):
                nn.init.zeros_(module.conv[-1].weight)
                nn.init.zeros_(module.conv[-1].bias)
    first, last = network.taesd_encoder[-1], network.taesd_decoder[1]
    colours = slice(0, 3)
    first.weight[colours] *= contrast
    first.bias[colours] = -contrast / 2
    last.weight[colours] /= contrast
    last.bias[colours] = 0.5


def _carry(layer: nn.Conv2d) -> None:
    """Let a convolution's first three channels pass on what they are given, the mean of four where it halves."""
    kernel = torch.zeros(3, 3)
    if layer.stride[0] == 2:
        kernel[1:, 1:] = 1 / 4
    else:
        kernel[1, 1] = 1
    for channel in range(3):
        layer.weight[channel] = 0
        layer.weight[channel, channel] = kernel
        if layer.bias is not None:
            layer.bias[channel] = 0
