"""BoT's options: a strong baseline of which every trick can be left out (Luo et al., 2019, Table 3)."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from ..yaml_files import STRICT
from .augmentation import Augmentation

#: The paper's number of epochs, of which warm-up and decays are parts.
EPOCHS = 120


@dataclass(frozen=True)
class BotOptions:
    """Attributes:
    network: a ResNet of torchvision, or "small" or "small:WIDTH".
    weights: a file of torchvision's that training begins from (the paper: ImageNet's); None is random.
    size: height and width of the network's pictures, 256×128 in the paper.
    last_stride: of the last stage (3.4).
    neck: BNNeck (3.5).
    smoothing: ε of the labels (3.3); 0 leaves it out.
    triplet: weight of the triplet loss; 0 leaves it out.
    margin: its margin α.
    centre: weight β of the centre loss (3.6); 0 leaves it out.
    centre_rate: learning rate of the centres' own SGD; it does not depend on β.
    people, each: P people with K pictures each make a batch (2).
    augmentation: flip, crop and random erasing (3.2).
    rate: Adam's learning rate.
    weight_decay: Adam's, as an L2 penalty.
    epochs: all of them.
    warmup: epochs in which the rate rises evenly from a tenth (3.1); 0 leaves it out.
    decays: epochs after which it falls to a tenth.
    epoch_steps: batches of an epoch; None is as many as the pictures give. A number makes runs on fewer pictures as
        long as those on more.
    """

    __pydantic_config__: ClassVar = STRICT
    network: str = "resnet50"
    weights: Path | None = None
    size: tuple[int, int] = (256, 128)
    last_stride: int = 1
    neck: bool = True
    smoothing: float = 0.1
    triplet: float = 1.0
    margin: float = 0.3
    centre: float = 0.0005
    centre_rate: float = 0.5
    people: int = 16
    each: int = 4
    augmentation: Augmentation = field(default_factory=Augmentation)
    rate: float = 3.5e-4
    weight_decay: float = 5e-4
    epochs: int = EPOCHS
    warmup: int = 10
    decays: tuple[int, ...] = (40, 70)
    epoch_steps: int | None = None

    def rate_in(self, epoch: int) -> float:
        """Adam's learning rate in an epoch, the first being 1 (3.1)."""
        if epoch <= self.warmup:
            return self.rate * (0.1 + 0.9 * (epoch - 1) / max(self.warmup - 1, 1))
        return self.rate * 0.1 ** sum(epoch > decay for decay in self.decays)

    def shortened(self, epochs: int) -> "BotOptions":
        """The same in other many epochs: warm-up and decays are the same parts of them."""
        share = epochs / self.epochs
        decays = tuple(round(decay * share) for decay in self.decays)
        return replace(self, epochs=epochs, warmup=round(self.warmup * share), decays=decays)
