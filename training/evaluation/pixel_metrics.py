"""Metrics of pictures and parsings alone, without any network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from ..data.records import Record
from .columns import Column
from .garment_colour import GARMENTS, garment_colour_error
from .image_metrics import WINDOW, l1, psnr, psnr_inside, relative_l1, ssim, ssim_256
from .protocols import Protocol

NAN = float("nan")
NO_PARSING = "the data set has no parsing: python dev.py training preprocess SOURCE OUT --steps parsing"


class _EachPair(ABC):
    """A metric that looks at one pair at a time."""

    batch = 0

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        return [self.of(target, picture) for (_, target), picture in zip(pairs, made, strict=True)]

    @abstractmethod
    def of(self, target: Record, made: np.ndarray) -> dict[str, float]:
        """The pair's value for every column."""


class Structure(_EachPair):
    """SSIM in uniform windows of 51 pixels and in the protocol's Gaussian ones."""

    columns = (Column("ssim", "SSIM", "higher", 4), Column("ssim_256", "SSIM-256", "higher", 4))
    needs = f"windows of {WINDOW} pixels do not fit into the pictures, which must be at least so large"

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol

    def of(self, target: Record, made: np.ndarray) -> dict[str, float]:
        fits = min(made.shape[:2]) >= WINDOW
        return {
            "ssim": ssim(target.image, made) if fits else NAN,
            "ssim_256": ssim_256(target.image, made, self.protocol) if self._window_fits(made) else NAN,
        }

    def _window_fits(self, made: np.ndarray) -> bool:
        """The window reaches 3.5 σ, and a flat result has no range to measure by."""
        return min(made.shape[:2]) > 2 * round(3.5 * self.protocol.sigma) and made.min() < made.max()


class Differences(_EachPair):
    """Pixel by pixel, over the whole picture and over the person."""

    columns = (
        Column("psnr", "PSNR, dB", "higher", 2),
        Column("psnr_person", "PSNR of the person, dB", "higher", 2),
        Column("l1", "L1", "lower", 4),
        Column("relative_l1", "relative L1", "lower", 4, shown=False),
    )
    needs = NO_PARSING

    def of(self, target: Record, made: np.ndarray) -> dict[str, float]:
        labels = target.fields.get("parsing")
        with np.errstate(divide="ignore"):
            return {
                "psnr": psnr(target.image, made),
                "psnr_person": NAN if labels is None else psnr_inside(target.image, made, labels > 0),
                "l1": l1(target.image, made),
                "relative_l1": relative_l1(target.image, made) if target.image.any() or made.any() else 0.0,
            }


class GarmentColours(_EachPair):
    """Mean ΔE₀₀ inside every garment of the target, and the mean over its garments."""

    columns = (
        Column("garment_colour", "garment colour, ΔE₀₀", "lower", 2),
        *(Column(f"garment_colour.{name}", f"{name}, ΔE₀₀", "lower", 2, shown=False) for name in GARMENTS),
    )
    needs = f"no target shows a garment, or {NO_PARSING}"

    def of(self, target: Record, made: np.ndarray) -> dict[str, float]:
        labels = target.fields.get("parsing")
        errors = {} if labels is None else garment_colour_error(target.image, made, labels)
        mean = float(np.mean(list(errors.values()))) if errors else NAN
        return {"garment_colour": mean} | {f"garment_colour.{name}": errors.get(name, NAN) for name in GARMENTS}


#: What needs nothing but the protocol.
PIXEL_METRICS: tuple[Callable, ...] = (Structure, lambda _: Differences(), lambda _: GarmentColours())
