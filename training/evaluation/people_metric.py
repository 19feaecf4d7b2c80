"""Whether everybody is there, and in their pose: the pose metrics of RePoseDM's Table 3, which are HumanSD's.

A pose estimator looks for people in the results; HumanSD's is HigherHRNet.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from model_patches.networks.higherhrnet import sized_for
from preprocessors.joint_grouping import find_people
from preprocessors.keypoints import to_coco_17

from ..data.records import Record, everybody
from ..seen_poses import load_estimator
from .average_precision import MEDIUM, Matched, average_precision, match
from .columns import Column, LeftOut
from .pose_metric import RIGHT, pose_error
from .pose_similarity import areas, cosine_similarity, keypoint_similarity

NAN = float("nan")
WITHOUT = LeftOut(
    "pose AP, AP(m), CAP and PCE",
    "Give a pose estimator with --estimator: a published one (python dev.py training convert higherhrnet FILE OUT), or "
    "one of the recipe demo_estimator.yaml.",
)
#: COCO's people ``[P, 17, 3]`` in a picture uint8 ``[H, W, 3]``: x, y in pixels, score.
Find = Callable[[np.ndarray], np.ndarray]


class Seen(NamedTuple):
    """What is kept of a pair.

    Attributes:
        figures: of the pair, by column.
        matched: who was found, by column of the set.
    """

    figures: Mapping[str, float]
    matched: Mapping[str, Matched]


class PeopleMetric:
    """OKS, right joints and people count error of single pictures; AP, AP of medium people and AP by cosine of the set.

    A person's area is that of the rectangle around the joints, as in HumanSD's code. Whom the data know is wanted; of a
    picture of which they know nothing, whom the estimator finds in the target.
    """

    columns = (
        Column("pose_oks", "OKS of the wanted people", "higher", 3),
        Column("joints_right", f"joints of the wanted people within {RIGHT:g} %, share", "higher", 3),
        Column("people_error", "people count error (PCE)", "lower", 3),
    )
    set_columns = (
        Column("pose_ap", "pose AP, %", "higher", 2),
        Column("pose_ap_medium", "pose AP(m), %", "higher", 2),
        Column("pose_cap", "pose CAP, %", "higher", 2),
    )
    needs = "nobody is wanted in these pictures, or of that size"

    def __init__(self, find: Find) -> None:
        self._find = find
        self._found_in_target: dict[str, np.ndarray] = {}

    def look(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[Seen]:
        return [
            compare(self._wanted(target), self._find(picture)) for (_, target), picture in zip(pairs, made, strict=True)
        ]

    def of_pair(self, seen: Seen) -> Mapping[str, float]:
        return seen.figures

    def of_set(self, seen: Sequence[Seen]) -> dict[str, float]:
        return {
            column.key: 100 * average_precision([each.matched[column.key] for each in seen])
            for column in self.set_columns
        }

    def _wanted(self, target: Record) -> np.ndarray:
        known = everybody(target)
        if known is not None:
            return to_coco_17(torch.tensor(known)).numpy()
        if target.name not in self._found_in_target:
            self._found_in_target[target.name] = self._find(target.image)
        return self._found_in_target[target.name]


def compare(wanted: np.ndarray, found: np.ndarray) -> Seen:
    """People ``[W, 17, 3]`` that are wanted with those that were found, ``[F, 17, 3]``: x, y in pixels, score."""
    shown = found[..., 2] > 0
    scores = found[..., 2].sum(1) / np.maximum(shown.sum(1), 1)
    alike, directed = keypoint_similarity(wanted, found), cosine_similarity(wanted, found)
    everyone = np.ones(len(wanted), bool), np.ones(len(found), bool)
    medium = tuple((area >= MEDIUM[0]) & (area <= MEDIUM[1]) for area in (areas(wanted), areas(found)))
    of_found, of_wanted = linear_sum_assignment(alike, maximize=True)
    # Whoever nobody was found for counts with 0.
    theirs = np.zeros_like(wanted)
    theirs[of_wanted] = found[of_found]
    right = [_right(*both) for both in zip(wanted, theirs, strict=True)]
    right = [share for share in right if not np.isnan(share)]
    return Seen(
        {
            "pose_oks": float(alike[of_found, of_wanted].sum() / len(wanted)) if len(wanted) else NAN,
            "joints_right": float(np.mean(right)) if right else NAN,
            "people_error": float(abs(len(wanted) - len(found))),
        },
        {
            "pose_ap": match(alike, scores, *everyone),
            "pose_ap_medium": match(alike, scores, *medium),
            "pose_cap": match(directed, scores, *everyone),
        },
    )


def _right(wanted: np.ndarray, found: np.ndarray) -> float:
    """Share of a person's seen joints ``[17, 3]`` that are found in their places, whatever their scores."""
    return pose_error(wanted, np.concatenate([found[:, :2], found[:, 2:] > 0], 1))["pose_right"]


def load_people_metric(file: Path, side: int | None = None, device: str = "cpu") -> PeopleMetric:
    """With a pose estimator's file.

    Args:
        side: shorter side of what the estimator sees, in pixels; None shows it pictures at their own size.

    Raises:
        TrainingError: it is none.
    """
    return PeopleMetric(finder(load_estimator(file).to(device), side))


def finder(estimator: torch.nn.Module, side: int | None = None) -> Find:
    """What looks for people with a pose estimator, which stays where it is."""
    device = next(estimator.parameters()).device

    def maps(picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen = estimator(sized_for(picture.to(device), side))
        return seen.coarse, seen.tags, seen.fine

    @torch.no_grad()
    def find(picture: np.ndarray) -> np.ndarray:
        return find_people(torch.tensor(picture).float() / 255, maps).numpy()

    return find
