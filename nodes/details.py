"""Of which sites a preview tells: by how fine their feature maps are."""

from collections.abc import Iterable

from ..model_patches.place import Grid

#: Sites by how fine their feature map is.
DETAILS = ("finest", "middle", "coarsest")


def grid_of_detail(grids: Iterable[Grid], detail: str) -> Grid:
    """One of the grids, by a word of :data:`DETAILS`."""
    ordered = sorted(set(grids), key=lambda grid: -grid[0] * grid[1])
    return ordered[{"finest": 0, "middle": len(ordered) // 2, "coarsest": -1}[detail]]
