"""Tables as text, for Preview as Text and for reading."""

from collections.abc import Sequence

from torch import Tensor


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines of as many cells each, the first at the left of its column and the others at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines)
    return "\n".join("  ".join(row).rstrip() for row in rows)


def percents(shares: Tensor) -> list[str]:
    """Shares in 0–1 as percent, with one decimal."""
    return [f"{share:.1%}" for share in shares.tolist()]
