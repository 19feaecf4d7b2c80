"""How alike poses are: COCO's object keypoint similarity, and the cosine similarity of HumanSD (Ju et al., 2023)."""

import numpy as np

#: σ of COCO's 17 joints, as shares of a person's size: how far annotators are from one another.
SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000


def areas(people: np.ndarray) -> np.ndarray:
    """Of the rectangles around the joints that people ``[P, 17, 3]`` show, in square pixels, ``[P]``."""
    shown = (person[person[:, 2] > 0, :2] for person in people)
    return np.array([np.ptp(points, 0).prod() if len(points) else 0.0 for points in shown])


def keypoint_similarity(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """OKS ``[F, W]``: the mean over the wanted joints of exp(−d² / (2 s² (2σ)²)), s² the wanted person's area.

    A joint that is not found adds nothing. Where a wanted person has no area, distances alone decide.

    Args:
        wanted, found: people ``[W, 17, 3]`` and ``[F, 17, 3]`` in COCO's order: x, y in pixels, above 0 where shown.
    """
    shown = wanted[None, :, :, 2] > 0
    squares = np.square(found[:, None, :, :2] - wanted[None, :, :, :2]).sum(-1)
    scale = 2 * (areas(wanted)[:, None] + np.spacing(1)) * np.square(2 * SIGMAS)
    alike = np.exp(-squares / scale) * (found[:, None, :, 2] > 0)
    return (alike * shown).sum(-1) / np.maximum(shown.sum(-1), 1)


def cosine_similarity(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """HumanSD's similarity ``[F, W]``, which place and size of a person do not change.

    Coordinates of the wanted joints, each over its σ, are brought to 0–1; the cosines of x and of y are averaged. The
    published detector finds every joint; here one that is not found is at 0.

    Args:
        wanted, found: as in :func:`keypoint_similarity`.
    """
    similarity = np.zeros((len(found), len(wanted)))
    for column, person in enumerate(wanted):
        asked = person[:, 2] > 0
        truth = _directions(person, asked, asked)
        for row, other in enumerate(found):
            similarity[row, column] = (truth * _directions(other, asked, asked & (other[:, 2] > 0))).sum() / 2
    return similarity


def _directions(person: np.ndarray, asked: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """x and y of the joints ``asked``, each of length 1, ``[joints, 2]``; of joints that are not shown, and of those
    that lie on a line, zeros."""
    placed = np.zeros((int(asked.sum()), 2))
    points = person[shown, :2] / SIGMAS[shown, None]
    if len(points):
        extent = np.ptp(points, 0)
        placed[shown[asked]] = np.divide(points - points.min(0), extent, out=np.zeros_like(points), where=extent > 0)
    length = np.linalg.norm(placed, axis=0)
    return np.divide(placed, length, out=np.zeros_like(placed), where=length > 0)
