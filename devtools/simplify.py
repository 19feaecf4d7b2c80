"""Fewer triangles for the same surface, in all of several poses: Garland and Heckbert's quadrics, by half-edges."""

import heapq

import numpy as np

#: A triangle that turns over by more than this is not made (cosine).
TURNED = 0.2
#: How much more a boundary's edges count than faces do.
BOUNDARY = 10.0


def simplified(
    poses: np.ndarray, faces: np.ndarray, count: int, importance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which vertices stay, and the triangles between them.

    Vertices are never moved, so that whatever else is known of them stays true. Each is drawn into a neighbour, the
    cheapest first: squared distances from the planes that met there, summed over the poses.

    Args:
        poses: the vertices in every pose, ``[P, V, 3]``.
        faces: ``[F, 3]``.
        count: how many vertices are to stay.
        importance: how much an error at a vertex counts, ``[V]``; infinite for those that must stay.

    Returns:
        Numbers of the vertices that stay ``[count]``, and faces ``[F', 3]`` by place in them.
    """
    poses = poses.astype(np.float64)
    triangles = {number: tuple(int(corner) for corner in face) for number, face in enumerate(faces)}
    around: dict[int, set[int]] = {}
    for number, face in triangles.items():
        for corner in face:
            around.setdefault(corner, set()).add(number)
    quadrics = _quadrics(poses, faces)
    version = dict.fromkeys(around, 0)

    def cost(vertex: int, into: int) -> float:
        at = np.concatenate([poses[:, into], np.ones((len(poses), 1))], 1)
        return float(np.einsum("pa,pab,pb->", at, quadrics[vertex], at)) * importance[vertex]

    def neighbours(vertex: int) -> set[int]:
        return {corner for number in around[vertex] for corner in triangles[number]} - {vertex}

    def cheapest(vertex: int) -> None:
        if not np.isfinite(importance[vertex]):
            return
        for price, into in sorted((cost(vertex, into), into) for into in neighbours(vertex))[:4]:
            heapq.heappush(heap, (price, vertex, into, version[vertex]))

    heap: list[tuple[float, int, int, int]] = []
    for vertex in around:
        cheapest(vertex)
    while len(around) > count and heap:
        _, vertex, into, told = heapq.heappop(heap)
        if vertex not in around or into not in around or version[vertex] != told:
            continue
        if not _may(poses, triangles, around, neighbours, vertex, into):
            continue
        touched = neighbours(vertex)
        for number in list(around[vertex]):
            face = triangles[number]
            if into in face:
                del triangles[number]
                for corner in face:
                    around[corner].discard(number)
            else:
                triangles[number] = tuple(into if corner == vertex else corner for corner in face)
                around[into].add(number)
        del around[vertex]
        quadrics[into] += quadrics[vertex]
        for other in touched & around.keys():
            version[other] += 1
            cheapest(other)
    kept = np.array(sorted(vertex for vertex, own in around.items() if own))
    place = {vertex: number for number, vertex in enumerate(kept.tolist())}
    return kept, np.array([[place[corner] for corner in face] for _, face in sorted(triangles.items())])


def _quadrics(poses: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Of every vertex in every pose, ``[V, P, 4, 4]``."""
    result = np.zeros((poses.shape[1], len(poses), 4, 4))
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ordered = np.sort(edges, 1)
    _, first, times = np.unique(ordered, axis=0, return_index=True, return_counts=True)
    single = first[times == 1]
    for pose, places in enumerate(poses):
        a, b, c = (places[faces[:, corner]] for corner in range(3))
        crossed = np.cross(b - a, c - a)
        area = np.linalg.norm(crossed, axis=1, keepdims=True)
        normal = crossed / np.maximum(area, 1e-12)
        plane = np.concatenate([normal, -(normal * a).sum(1, keepdims=True)], 1)
        outer = plane[:, :, None] * plane[:, None, :] * area[..., None]
        for corner in range(3):
            np.add.at(result[:, pose], faces[:, corner], outer)
        # Upright on a face at its open edge: the edge stays where it is.
        start, end = places[edges[single, 0]], places[edges[single, 1]]
        upright = np.cross(end - start, normal[single % len(faces)])
        long = np.linalg.norm(upright, axis=1, keepdims=True)
        upright /= np.maximum(long, 1e-12)
        plane = np.concatenate([upright, -(upright * start).sum(1, keepdims=True)], 1)
        outer = plane[:, :, None] * plane[:, None, :] * (BOUNDARY * long**2)[..., None]
        for corner in range(2):
            np.add.at(result[:, pose], edges[single, corner], outer)
    return result


def _may(poses, triangles, around, neighbours, vertex: int, into: int) -> bool:
    """Whether the surface stays one, and no triangle turns over in any pose."""
    shared = around[vertex] & around[into]
    if len(neighbours(vertex) & neighbours(into)) != len(shared) or not shared:
        return False
    for number in around[vertex] - shared:
        face = triangles[number]
        before = poses[:, face]
        after = poses[:, [into if corner == vertex else corner for corner in face]]
        first, second = (np.cross(one[:, 1] - one[:, 0], one[:, 2] - one[:, 0]) for one in (before, after))
        long = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        if ((first * second).sum(1) < TURNED * long + 1e-14).any():
            return False
    return True
