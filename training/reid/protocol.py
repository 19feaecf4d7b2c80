"""Market-1501's single-query protocol (Zheng et al., "Scalable Person Re-identification: A Benchmark", 2015).

Every query ranks the gallery. Pictures of the query's identity by the query's own camera are left out, since finding
them is no feat; so is junk. Rank-k is the share of queries with a right picture among the first k; average precision is
the mean of the precision at every right picture, and mAP its mean over queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import TrainingError

#: Boxes that are neither right nor wrong: they are left out of every ranking. Distractors ("0000") stay and are wrong.
JUNK = "-1"


@dataclass(frozen=True)
class Scores:
    """Attributes:
    rank1, rank5, mean_ap: shares in 0–1.
    queries: how many have a right picture in the gallery; the others do not count.
    """

    rank1: float
    rank5: float
    mean_ap: float
    queries: int


def single_query(
    distances: np.ndarray,
    query_people: Sequence[str],
    query_cameras: Sequence[int],
    gallery_people: Sequence[str],
    gallery_cameras: Sequence[int],
) -> Scores:
    """How well distances find people.

    Args:
        distances: ``[queries, gallery]``, smaller is more alike; equal ones rank in the gallery's order.
        query_people, gallery_people: who is in each picture.
        query_cameras, gallery_cameras: which camera took it.

    Raises:
        TrainingError: no query has a right picture in the gallery.
    """
    whose, seen_by = np.asarray(gallery_people), np.asarray(gallery_cameras)
    firsts, precisions = [], []
    for row, person, camera in zip(distances, query_people, query_cameras, strict=True):
        order = np.argsort(row, kind="stable")
        right = whose[order] == person
        counts = (whose[order] != JUNK) & ~(right & (seen_by[order] == camera))
        right = right[counts]
        places = np.flatnonzero(right)
        if not len(places):
            continue
        firsts.append(places[0])
        precisions.append(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
    if not firsts:
        raise TrainingError(
            "No query has a picture of the same person by another camera in the gallery. Give a query and a gallery "
            "of the same people, seen by two cameras at least."
        )
    firsts = np.array(firsts)
    return Scores(float(np.mean(firsts < 1)), float(np.mean(firsts < 5)), float(np.mean(precisions)), len(firsts))
