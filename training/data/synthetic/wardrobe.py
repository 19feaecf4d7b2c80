"""What someone looks like and what they wear, drawn from seeds: everything about an outfit but its geometry."""

from dataclasses import dataclass

import numpy as np

from .bodies import FACE_CHANGES, FACE_STRENGTH, RANGES
from .fabrics import decal, draw_kind, fabric

#: Seeds of cloth that a split may use: garments of the test set are never seen in training.
SPLITS = {"train": 0, "test": 1}
SKIN = ((255, 224, 200), (241, 194, 160), (224, 172, 132), (198, 134, 92), (141, 91, 60), (96, 61, 42), (72, 46, 34))
HAIR = (
    (28, 22, 20),
    (58, 38, 26),
    (96, 60, 34),
    (140, 92, 50),
    (190, 148, 88),
    (222, 190, 130),
    (150, 60, 30),
    (150, 148, 146),
)
IRIS = ((70, 44, 26), (96, 66, 36), (80, 108, 84), (82, 112, 150), (112, 124, 130))
LIPS = ((190, 96, 92), (170, 76, 76), (200, 60, 70), (150, 70, 66))


@dataclass(frozen=True, eq=False)
class Identity:
    """A person: body, skin, face and hair.

    Attributes:
        phenotypes, changes: of anny.
        hair_length: metres below the chin line that hair reaches at the back; None is short.
        fringe: how far down hair comes over the forehead, metres.
        volume: how far it stands off, metres.
    """

    phenotypes: dict[str, float]
    changes: dict[str, float]
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    brow: float
    hair_length: float | None
    fringe: float
    volume: float


@dataclass(frozen=True, eq=False)
class Cloth:
    """A garment's material: a tile of 40 cm, and a print on the chest."""

    tile: np.ndarray
    print: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Outfit:
    """Heights are 0 at the hips and 1 at the neck, lengths along a limb 1 at wrist or ankle; None is not worn.

    Attributes:
        hem: height of the top's lower edge.
        neck: radius and depth in front of its neckline, metres.
        sleeve: along the arm.
        top_loose: how far it stands off, metres.
        waist: height of trousers' or skirt's upper edge.
        leg: trousers' length along the leg; None with a skirt.
        leg_loose: how far trousers stand off at their end, metres.
        skirt: the skirt's length along the leg; None with trousers.
        flare: how much wider the skirt is at its hem.
        coat: sleeve, hem and half opening (metres) of a coat.
        boots: how far shoes go up the leg, metres.
        dress: whether top and skirt are one garment.
    """

    hem: float
    neck: tuple[float, float]
    sleeve: float
    top_loose: float
    waist: float
    leg: float | None
    leg_loose: float
    skirt: float | None
    flare: float
    coat: tuple[float, float, float] | None
    boots: float
    dress: bool
    top_cloth: Cloth
    bottom_cloth: Cloth
    coat_cloth: Cloth | None
    shoe: np.ndarray


def draw_identity(draw: np.random.Generator) -> Identity:
    """A person."""
    phenotypes = {name: float(draw.uniform(*ends)) for name, ends in RANGES.items()}
    phenotypes["gender"] = float(draw.beta(0.4, 0.4))
    changes = {name: float(draw.uniform(-1, 1) * FACE_STRENGTH) for name in FACE_CHANGES}
    woman = phenotypes["gender"] > 0.5
    long = draw.random() < (0.75 if woman else 0.08)
    return Identity(
        phenotypes,
        changes,
        _between(draw, SKIN),
        _near(draw, HAIR, 10),
        _near(draw, IRIS, 8),
        _near(draw, LIPS, 8) if woman else np.array([150.0, 92, 84]),
        float(draw.uniform(0.6, 1.2)) * (0.8 if woman else 1.15),
        float(draw.uniform(0.02, 0.26)) if long else None,
        float(draw.choice([0.0, draw.uniform(0.01, 0.045)])),
        float(draw.uniform(0.01, 0.028)),
    )


def draw_outfit(draw: np.random.Generator, woman: float, split: str) -> Outfit:
    """Clothes; ``woman`` in 0–1 makes skirts and dresses likelier."""
    lower = str(draw.choice(["trousers", "skirt", "dress"], p=[1 - 0.55 * woman, 0.25 * woman, 0.3 * woman]))
    sleeves = (-0.05, draw.uniform(0.14, 0.34), draw.uniform(0.5, 0.7), draw.uniform(0.9, 1.0))
    coat = (float(draw.uniform(0.9, 1.0)), float(draw.uniform(-0.12, 0.1)), float(draw.uniform(0.05, 0.09)))
    worn = draw.random() < 0.2
    waist = float(draw.uniform(0.22, 0.34))
    tucked = lower != "trousers" or draw.random() < 0.4
    legs = (draw.uniform(0.22, 0.5), draw.uniform(0.72, 0.85), draw.uniform(0.93, 1.0))
    leg, skirt = float(draw.choice(legs, p=[0.22, 0.1, 0.68])), float(draw.uniform(0.2, 0.8))
    return Outfit(
        hem=waist - 0.07 if tucked else float(draw.uniform(-0.08, 0.14)),
        neck=(float(draw.uniform(0.075, 0.11)), float(draw.uniform(0.03, 0.13))),
        sleeve=float(draw.choice(sleeves, p=[0.14, 0.4, 0.12, 0.34])),
        top_loose=float(draw.uniform(0.006, 0.02)),
        waist=waist,
        leg=leg if lower == "trousers" else None,
        leg_loose=float(draw.choice([draw.uniform(0.003, 0.01), draw.uniform(0.015, 0.04)])),
        skirt=skirt if lower != "trousers" else None,
        flare=float(draw.uniform(1.05, 1.7)),
        coat=coat if worn else None,
        boots=float(draw.choice([0.03, draw.uniform(0.08, 0.28)], p=[0.75, 0.25])),
        dress=lower == "dress",
        top_cloth=_cloth(draw, split, printed=True),
        bottom_cloth=_cloth(draw, split, printed=False),
        coat_cloth=_cloth(draw, split, printed=False) if worn else None,
        shoe=_near(draw, ((35, 32, 32), (240, 238, 232), (110, 70, 44), (170, 40, 44), (60, 70, 100)), 12),
    )


def _cloth(draw: np.random.Generator, split: str, printed: bool) -> Cloth:
    # Even seeds dress the one split, odd ones the other.
    seed = int(draw.integers(2**30)) * 2 + SPLITS[split]
    kind = draw_kind(seed)
    if not printed and kind in ("logo", "words"):
        kind = "plain"
    tile = fabric(seed, kind)
    if kind not in ("logo", "words"):
        return Cloth(tile)
    return Cloth(tile, decal(seed, kind, tile.reshape(-1, 3).mean(0).astype(np.uint8), split))


def _near(draw: np.random.Generator, colours: tuple, spread: float) -> np.ndarray:
    return np.clip(np.array(colours[draw.integers(len(colours))], float) + draw.normal(0, spread, 3), 0, 255)


def _between(draw: np.random.Generator, colours: tuple) -> np.ndarray:
    place = draw.uniform(0, len(colours) - 1.001)
    low = int(place)
    return np.array(colours[low], float) * (1 - place + low) + np.array(colours[low + 1], float) * (place - low)
