"""What HigherHRNet is taught: heat maps at two sizes, and tags that tell people apart (Cheng et al., 2020).

Tags are Newell et al.'s associative embedding (2017): alike for the joints of one person, apart between people.
"""

import torch
from torch import Tensor


def heat_maps(people: Tensor, picture: tuple[int, int], size: tuple[int, int], sigma: float) -> Tensor:
    """A Gaussian of height 1 around every joint: ``[B, joints, h, w]``; where several people's meet, the higher one.

    Args:
        people: ``[B, P, joints, 3]``: x, y in pixels of pictures, and above 0 where known.
        picture: height and width in pixels.
        size: h, w of the maps.
        sigma: in pixels of the maps.
    """
    x, y = (people[..., axis] * side / full for axis, side, full in zip((0, 1), size[::-1], picture[::-1], strict=True))
    columns, lines = (torch.arange(side, device=people.device) + 0.5 for side in size[::-1])
    across, down = (
        torch.exp(-(places - middle[..., None]).square() / (2 * sigma**2))
        for places, middle in ((columns, x), (lines, y))
    )
    known = (people[..., 2] > 0)[..., None, None]
    return (down[..., :, None] * across[..., None, :] * known).amax(1)


def tag_errors(tags: Tensor, people: Tensor, picture: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How far tags of one person are apart, and how near those of two: ``[B]`` each.

    The first is the mean over people of their tags' variance. The second is half the mean over pairs of people of
    exp(−d²), d between their means; 0 of one person.

    Args:
        tags: ``[B, joints, h, w]``.
        people, picture: as in :func:`heat_maps`.
    """
    height, width = tags.shape[-2:]
    column = (people[..., 0] * width / picture[1]).long().clamp(0, width - 1)
    line = (people[..., 1] * height / picture[0]).long().clamp(0, height - 1)
    known = (people[..., 2] > 0).to(tags)
    # [B, joints, P], and then as people are.
    told = tags.flatten(2).gather(2, (line * width + column).transpose(1, 2)).transpose(1, 2)
    joints = known.sum(-1)
    mean = (told * known).sum(-1) / joints.clamp(min=1)
    there = (joints > 0).to(tags)
    count = there.sum(-1)
    variance = ((told - mean[..., None]).square() * known).sum(-1) / joints.clamp(min=1)
    apart = variance.sum(-1) / count.clamp(min=1)
    pairs = there[:, :, None] * there[:, None, :] * ~torch.eye(people.shape[1], dtype=torch.bool, device=tags.device)
    near = (torch.exp(-(mean[:, :, None] - mean[:, None, :]).square()) * pairs).sum((1, 2))
    return apart, near / (2 * (count * (count - 1)).clamp(min=1))
