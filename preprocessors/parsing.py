"""A coarse parsing that needs no download: BlazePose's mask, cut along the limbs.

Every pixel of the person takes the label of the nearest body part, in units of that part's thickness. Whether a limb is
bare is read off its colour: it is compared with the face's. Skirts, dresses, coats and hats cannot be told this way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .blazepose import Person
from .images import bounded, pixel_centres
from .labels import Parsing, label_number
from .people import OnNoPerson, OnSeveral, people_of

#: The parsing is computed with the longer side at most this, and enlarged.
WORKING_SIDE = 640
MASK_THRESHOLD = 0.5
#: A limb is bare if its median chromaticity is this near to the face's …
SKIN_DISTANCE = 0.025
#: … and at least this share of it looks like the face: within this distance, and this brightness relative to it. Found
#: on photos with bare limbs and with beige and brown cloth.
SKIN_SHARE, SKIN_PIXEL_DISTANCE, SKIN_BRIGHTNESS = 0.4, 0.04, (0.55, 1.6)
#: What is less visible than this is cut off or hidden: its colour says nothing, and hands and shoes are not painted.
MIN_VISIBILITY = 0.5
#: Where tops end, as a share of the way from hips to shoulders; and trousers' seat, of the way from hips to knees.
WAIST, SEAT = 0.1, 0.35


@dataclass(frozen=True)
class Part:
    """A body part on both sides, as a stick between landmarks with a thickness in units of the shoulders' width.

    Attributes:
        label: without its side: "arm" is Left-arm and Right-arm.
        left, right: landmark numbers of the stick's ends.
        clothed: what the part is where both sides together do not have the colour of skin; None is always bare.
    """

    label: str
    left: tuple[int, int]
    right: tuple[int, int]
    thickness: float
    clothed: str | None = None


#: BlazePose landmarks: 0 nose; 2, 5 eyes; 7, 8 ears; 9, 10 mouth; 11, 12 shoulders; 13, 14 elbows; 15, 16 wrists; 19,
#: 20 index fingers; 23, 24 hips; 25, 26 knees; 27, 28 ankles; 29, 30 heels; 31, 32 toes.
PARTS = (
    Part("arm", (11, 13), (12, 14), 0.20, clothed="Upper-clothes"),
    Part("arm", (13, 15), (14, 16), 0.16, clothed="Upper-clothes"),
    Part("arm", (15, 19), (16, 20), 0.16),
    Part("leg", (23, 25), (24, 26), 0.26, clothed="Pants"),
    Part("leg", (25, 27), (26, 28), 0.20, clothed="Pants"),
    Part("shoe", (29, 31), (30, 32), 0.16),
)


def parse(
    image: Tensor,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "largest",
    progress: Callable[[], None] = lambda: None,
    person: int = 1,
) -> Parsing:
    """The coarse parsing of an IMAGE ``[B, H, W, C]`` in 0–1.

    Args:
        on_no_person: raise, or give a picture of background only.
        on_several: keep the largest person, all of them, or raise.
        progress: called after every picture.
        person: who counts with "index": 1 is the leftmost.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    pictures = people_of(image, on_no_person, on_several, progress, person)
    return Parsing(torch.stack([_parse_picture(picture, people) for picture, people in pictures]))


def _parse_picture(picture: Tensor, people: list[Person]) -> Tensor:
    height, width = picture.shape[:2]
    small = bounded(picture, WORKING_SIDE)
    size = tuple(small.shape[:2])
    stretch = torch.tensor([size[1] / width, size[0] / height])
    labels = torch.zeros(size, dtype=torch.uint8)
    # The largest person comes first and is drawn last, over the others.
    for person in reversed(people):
        mask = bounded(person.mask[..., None], WORKING_SIDE)[..., 0] > MASK_THRESHOLD
        landmarks = torch.cat([person.landmarks[:, :2] * stretch, person.landmarks[:, 2:]], 1)
        labels = torch.where(mask, _label_person(small, mask, landmarks), labels)
    return F.interpolate(labels[None, None].float(), size=(height, width), mode="nearest-exact")[0, 0].to(torch.uint8)


def _label_person(picture: Tensor, mask: Tensor, landmarks: Tensor) -> Tensor:
    points = landmarks[:, :2]
    pixels = pixel_centres(mask.shape)
    unit = _body_unit(points)
    skin = _skin(picture, pixels, points, mask)
    distances, numbers = [], []
    visible = landmarks[:, 2] >= MIN_VISIBILITY
    for label, distance in _parts(picture, pixels, points, visible, mask, unit, skin):
        distances.append(distance)
        numbers.append(label_number(label))
    nearest = torch.stack(distances).argmin(0)
    return torch.tensor(numbers, dtype=torch.uint8)[nearest]


def _body_unit(points: Tensor) -> float:
    """The width of the shoulders, or what it would be of someone seen from the side: half the torso's length."""
    shoulders = (points[11] - points[12]).norm()
    torso = (points[[11, 12]].mean(0) - points[[23, 24]].mean(0)).norm()
    return max(float(torch.maximum(shoulders, 0.55 * torso)), 1.0)


def _parts(
    picture: Tensor, pixels: Tensor, points: Tensor, visible: Tensor, mask: Tensor, unit: float, skin: Tensor | None
) -> Iterator[tuple[str, Tensor]]:
    """Label and distance, in units of the part's thickness, of every part."""
    face, hair = _head(pixels, points, unit)
    yield "Face", face
    yield "Hair", hair
    shoulders, hips, knees = points[[11, 12]], points[[24, 23]], points[[26, 25]]
    waist = hips + WAIST * (shoulders.flip(0) - hips)
    seat = hips + SEAT * (knees - hips)
    yield "Upper-clothes", _polygon_distance(pixels, torch.cat([shoulders, waist])) / (0.2 * unit)
    # Bare legs or not, the hips are dressed.
    yield "Pants", _polygon_distance(pixels, torch.cat([waist.flip(0), seat])) / (0.2 * unit)
    for part in PARTS:
        sticks = (("Left", list(part.left)), ("Right", list(part.right)))
        sides = [(side, stick_distance(pixels, *points[stick]), bool(visible[stick].all())) for side, stick in sticks]
        core = torch.zeros_like(mask)
        for _, distance, shown in sides:
            core |= mask & (distance < 0.5 * part.thickness * unit) & shown
        bare = part.clothed is None or _is_skin(picture, core, skin)
        for side, distance, shown in sides:
            label = f"{side}-{part.label}" if bare and shown else part.clothed
            if label:
                yield label, distance / (part.thickness * unit)


def _head(pixels: Tensor, points: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """Distances to the face, an ellipse about the nose along the head's own axis, and to the hair around it."""
    ears, mouth = points[[7, 8]], points[[9, 10]].mean(0)
    eyes = points[[2, 5]].mean(0)
    up = eyes - mouth
    up = up / up.norm().clamp(min=1e-3)
    size = max(float((ears[0] - ears[1]).norm()), float((eyes - mouth).norm()) * 1.6, 0.22 * unit)
    centre = (eyes + mouth) / 2
    relative = pixels - centre
    along = relative @ up
    across = relative @ torch.stack([up[1], -up[0]])
    face = ((along / (0.68 * size)) ** 2 + (across / (0.48 * size)) ** 2).sqrt()
    crown = centre + up * 0.35 * size
    hair = (pixels - crown).norm(dim=-1) / (0.75 * size)
    # Inside the face's ellipse the face always wins; around it the hair does, until the shoulders.
    return torch.where(face < 1, face * 0.01, face * 2), hair


def stick_distance(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Distance of every pixel to the segment from ``start`` to ``end``."""
    direction = end - start
    along = ((pixels - start) @ direction / direction.square().sum().clamp(min=1e-6)).clamp(0, 1)
    return (pixels - start - along[..., None] * direction).norm(dim=-1)


def _polygon_distance(pixels: Tensor, corners: Tensor) -> Tensor:
    """Distance to a polygon's edge; 0 inside it (even–odd rule)."""
    inside = torch.zeros(pixels.shape[:2], dtype=torch.bool)
    distance = torch.full(pixels.shape[:2], torch.inf)
    for start, end in zip(corners, corners.roll(-1, 0), strict=True):
        distance = torch.minimum(distance, stick_distance(pixels, start, end))
        crosses = (pixels[..., 1] < start[1]) != (pixels[..., 1] < end[1])
        slope = (end[0] - start[0]) / torch.where(end[1] == start[1], torch.ones(()), end[1] - start[1])
        inside ^= crosses & (pixels[..., 0] < start[0] + (pixels[..., 1] - start[1]) * slope)
    return torch.where(inside, 0.0, distance)


def _chromaticity(colours: Tensor) -> Tensor:
    return colours[..., :2] / colours.sum(-1, keepdim=True).clamp(min=1e-3)


def _skin(picture: Tensor, pixels: Tensor, points: Tensor, mask: Tensor) -> Tensor | None:
    """Colour of the face between eyes and mouth, ``[3]``; None where no face is to be seen."""
    radius = (points[[2, 5]].mean(0) - points[[9, 10]].mean(0)).norm() * 0.6
    face = mask & ((pixels - points[0]).norm(dim=-1) < radius)
    return picture[face].median(0).values if int(face.sum()) >= 4 else None


def _is_skin(picture: Tensor, core: Tensor, skin: Tensor | None) -> bool:
    """Whether a limb's core has the face's hue, and enough of its pixels look like the face."""
    if skin is None or not bool(core.any()):
        return False
    limb, face = picture[core], _chromaticity(skin)
    brightness = limb.sum(-1) / skin.sum().clamp(min=1e-3)
    near = (_chromaticity(limb) - face).norm(dim=-1) < SKIN_PIXEL_DISTANCE
    share = (near & (brightness > SKIN_BRIGHTNESS[0]) & (brightness < SKIN_BRIGHTNESS[1])).float().mean()
    hue = (_chromaticity(limb.median(0).values) - face).norm()
    return bool(hue < SKIN_DISTANCE) and bool(share >= SKIN_SHARE)
