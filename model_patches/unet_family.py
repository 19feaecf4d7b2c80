"""What a Stable Diffusion UNet's weights do not tell, as one value: heads, prediction, schedule, what else is in it.

A :class:`~.unet_layout.UNetLayout` is read off the weights; a family is said by the method that trained them.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from .errors import PatchError

#: Keys of a weight file's header that say how its UNets' heads are cut, where not as their family has it.
HEADS_KEY, HEAD_WIDTH_KEY = "mannequin.heads", "mannequin.head_width"
#: How keys of what only SDXL has begin: it is told pooled text and a picture's size.
SIZE = "add_embedding."
#: GroupNorm's groups in every Stable Diffusion.
GROUPS = 32


@dataclass(frozen=True)
class Heads:
    """How a level's width is shared among its attention heads: by a number of them, or by the width of one."""

    number: int | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        if (self.number is None) == (self.width is None):
            raise ValueError("Heads have a number or a width, not both.")

    def counts(self, widths: Sequence[int]) -> tuple[int, ...]:
        """Heads of every level.

        Raises:
            ValueError: a level cannot be shared so.
        """
        cut = self.number or self.width
        uneven = next((width for width in widths if width < cut or width % cut), None)
        if uneven is not None:
            rule = f"{cut} heads" if self.number else f"heads {cut} wide"
            raise ValueError(f"a level {uneven} wide cannot be cut into {rule}")
        return tuple(cut if self.number else width // cut for width in widths)

    def metadata(self, family: "UNetFamily | None" = None) -> dict[str, str]:
        """What a file's header says of them; nothing for the family's own, Stable Diffusion 1.x where none is given."""
        if self == (family or SD1).heads:
            return {}
        return {HEADS_KEY: str(self.number)} if self.number else {HEAD_WIDTH_KEY: str(self.width)}


@dataclass(frozen=True)
class NoiseSchedule:
    """Variances β of a thousand steps.

    Attributes:
        betas: ``"scaled_linear"`` is linear in √β (Stable Diffusion), ``"linear"`` in β.
        start, end: the first and the last β.
        zero_snr: whether the last step is pure noise (Lin et al., 2024).
    """

    betas: Literal["linear", "scaled_linear"] = "scaled_linear"
    start: float = 0.00085
    end: float = 0.012
    zero_snr: bool = False


@dataclass(frozen=True)
class ExtraLayers:
    """Layers inside a UNet that Stable Diffusion has not, such as IMAGPose's temporal modules.

    Attributes:
        name: of the layers, for errors.
        keys: what their keys look like in whole; whoever builds the layers says whether they are complete.
    """

    name: str
    keys: re.Pattern[str]


@dataclass(frozen=True)
class Beside:
    """What a method concatenates with the noisy latent.

    Attributes:
        latents: pictures that the autoencoder has encoded, of as many channels as the noisy latent each.
        maps: masks and flags, of one channel each.
    """

    latents: int
    maps: int = 0

    def channels(self, latent: int) -> int:
        """Of the UNet's input, where a latent has so many."""
        return latent * (1 + self.latents) + self.maps


@dataclass(frozen=True)
class UNetFamily:
    """Attributes:
    generation: of Stable Diffusion, which brings its latents and the precision of its attention.
    heads: how every level's width is shared.
    prediction: ε, or v = √ᾱ ε − √(1 − ᾱ) x (Salimans and Ho, 2022).
    schedule: the noise it was trained for.
    class_embedding: whether a vector is projected and added to the time embedding; its width is the weights'.
    beside: what is concatenated with the noisy latent; None where the weights alone tell the channels.
    learned_variance: whether the head gives a variance behind the prediction (Nichol and Dhariwal, 2021), which no
        sampler of ours asks for.
    extra: layers that may be in it besides.
    """

    generation: Literal[1, 2, "XL"] = 1
    heads: Heads = field(default_factory=lambda: Heads(number=8))
    prediction: Literal["epsilon", "v_prediction"] = "epsilon"
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    class_embedding: bool = False
    beside: Beside | None = None
    learned_variance: bool = False
    extra: ExtraLayers | None = None

    def __post_init__(self) -> None:
        if self.prediction == "epsilon" and self.schedule.zero_snr:
            raise ValueError("Noise cannot be predicted where there is nothing else: zero_snr needs v_prediction.")

    @property
    def title(self) -> str:
        """For sentences."""
        return "Stable Diffusion XL" if self.generation == "XL" else f"Stable Diffusion {self.generation}.x"

    def seen_in(self, state: Collection[str]) -> "UNetFamily":
        """The family of weights with these keys: SDXL, whatever a method began with, where they embed a size."""
        return replace(self, generation="XL") if any(key.startswith(SIZE) for key in state) else self

    def has_extra(self, key: str) -> bool:
        """Whether a key belongs to the layers that may be in a UNet besides Stable Diffusion's."""
        return self.extra is not None and self.extra.keys.fullmatch(key) is not None

    def stated_in(self, metadata: Mapping[str, str]) -> "UNetFamily":
        """The family with the heads that a file's header states; as it is where the header says nothing.

        Raises:
            PatchError: what it states is no number of heads.
        """
        number, width = (whole_number(metadata, key) for key in (HEADS_KEY, HEAD_WIDTH_KEY))
        if number is None and width is None:
            return self
        return replace(self, heads=Heads(number=number) if number else Heads(width=width))


def whole_number(metadata: Mapping[str, str], key: str) -> int | None:
    """A number above 0 in a file's header; None where it has no such key.

    Raises:
        PatchError: it is something else.
    """
    if key not in metadata:
        return None
    text = metadata[key]
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text)):
        raise PatchError(
            f"Its header says '{text[:20]}' for '{key}', where a whole number above 0 belongs. Write the file again "
            "with the program that made it."
        )
    return int(text)


#: Stable Diffusion 1.x.
SD1 = UNetFamily()
#: Its UNet under v-prediction and a schedule that ends in pure noise, as MCLD and IMAGPose sample.
SD1_ZERO_SNR = replace(SD1, prediction="v_prediction", schedule=NoiseSchedule("linear", zero_snr=True))
#: Stable Diffusion 2.x, base: heads of one width.
SD2 = UNetFamily(generation=2, heads=Heads(width=64))
