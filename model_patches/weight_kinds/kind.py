"""What a weight kind is: one sort of weight file, told by its keys, and how its weights become networks."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..unet_family import SD1_ZERO_SNR, UNetFamily

FORMAT = "1"
#: Keys of the metadata of our files.
METHOD_KEY, FORMAT_KEY = "mannequin.method", "mannequin.format"
#: What a file's denoising UNet predicts: Stable Diffusion's noise where the header has nothing, or v, under MCLD's
#: schedule that ends in pure noise.
PREDICTION_KEY, V_PREDICTION = "mannequin.prediction", "v_prediction"
#: Where a file of two UNets has them, in diffusers' names.
DENOISING, REFERENCE = "denoising_unet.", "reference_unet."

#: Tensors by key; on the meta device where only a file's header was read.
State = Mapping[str, Tensor]
Metadata = Mapping[str, str]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class UNetPart:
    """A UNet in a file.

    Attributes:
        prefix: of its keys, which are diffusers' behind it.
        title: what it is called in errors.
        family: what its weights do not tell.
        headless: without its last convolution, as a network that is only looked at is published.
    """

    prefix: str
    title: str
    family: UNetFamily
    headless: bool = False


def no_unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    """Of a file that has none."""
    return ()


@dataclass(frozen=True)
class WeightKind:
    """One sort of weight file.

    Attributes:
        name: for sentences: "not a complete MCLD weight file".
        what: what such a file is, behind "is".
        node: display name of the node that loads it.
        recognise: whether a file with these keys and this metadata is one; cheap, and true of one kind of ours at most.
        beside: what the node needs besides, behind its name.
        advice: what a file of this kind looks like or how it is made: said where another kind came.
        mend: what to do where one of the UNets is not in the file.
        unets: the UNets in it, in the order of the node's outputs; the header may say of which family they are.
        shapes: every key and its shape that a complete file has besides its UNets, of the sizes of the given weights;
            None for a kind that other nodes load. Raises KeyError for a key that is missing and tells the sizes.
        network: the module of those weights, without memory; None where there are none, or the host has a class for it.
    """

    name: str
    what: str
    node: str
    recognise: Callable[[Collection[str], Metadata], bool]
    beside: str = ""
    advice: str = ""
    mend: str = ""
    unets: Callable[[Metadata], tuple[UNetPart, ...]] = no_unets
    shapes: Callable[[State, Metadata], Shapes] | None = None
    network: Callable[[State, Metadata, Any], nn.Module] | None = None

    @property
    def foreign(self) -> bool:
        """Whether nodes of the host load it."""
        return self.shapes is None


def by_training(words: str) -> str:
    """The command that makes a file, in a sentence: what the Manager installs has neither ``dev.py`` nor training."""
    return f"'python dev.py training {words}' in a clone of the pack's repository"


def header(method: str) -> dict[str, str]:
    """The metadata that every file of a method begins with."""
    return {METHOD_KEY: method, FORMAT_KEY: FORMAT}


def stated(family: UNetFamily, metadata: Metadata) -> UNetFamily:
    """A denoising UNet's family as a file's header states it: its heads, and v-prediction in the place of ε's.

    Raises:
        PatchError: what it states is no number of heads.
    """
    if metadata.get(PREDICTION_KEY) == V_PREDICTION:
        family = replace(family, prediction=SD1_ZERO_SNR.prediction, schedule=SD1_ZERO_SNR.schedule)
    return family.stated_in(metadata)


def shapes_of(network: Callable[[State, Metadata, Any], nn.Module]) -> Callable[[State, Metadata], Shapes]:
    """The keys and shapes of a kind's network, as it would be built."""

    def shapes(state: State, metadata: Metadata) -> Shapes:
        with torch.device("meta"):
            built = network(state, metadata, nn)
        return {key: tuple(tensor.shape) for key, tensor in built.state_dict().items()}

    return shapes


def dtype_of(state: State) -> torch.dtype:
    """In which a file's modules are stored."""
    return next(iter(state.values())).dtype
