"""Folders with insightface's models, as people unpack them."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from .errors import ConditionError

#: The pack MCLD was trained with.
DEFAULT = "antelopev2"
#: Lines shown of what is in a folder.
MOST_LINES = 24


def find_packs(roots: Iterable[Path]) -> dict[str, Path]:
    """The packs under some folders: the name of each, and where its ``.onnx`` files lie.

    A root may hold ``models/<name>`` as insightface has it, or ``<name>`` itself, and the zip file may have been
    unpacked into a folder of its name: ``<name>/<name>``.
    """
    packs: dict[str, Path] = {}
    for root in roots:
        for parent in (root / "models", root):
            for folder in sorted(path for path in parent.glob("*") if path.is_dir()):
                holding = [place for place in (folder, folder / folder.name) if any(place.glob("*.onnx"))]
                if holding and folder != root / "models":
                    packs.setdefault(folder.name, holding[0])
    return packs


def pack_folder(name: str, roots: Iterable[Path]) -> Path:
    """Where a pack's files lie.

    Raises:
        ConditionError: nowhere; shows what was expected, and what is there.
    """
    roots = list(roots)
    packs = find_packs(roots)
    if name not in packs:
        raise ConditionError(
            f"insightface's models '{name}' are not there, and Mannequin downloads nothing. Get {name}.zip from the "
            "model zoo of insightface (github.com/deepinsight/insightface; for non-commercial research only) and "
            f"unpack it, so that you have\n\n{expected_tree(name, roots[0])}\n\nFound:\n\n{_found(roots)}\n\n"
            "Then refresh the page."
        )
    return packs[name]


def expected_tree(name: str, root: Path) -> str:
    """How the files should lie."""
    return (
        f"{root}\n└── models\n    └── {name}\n"
        "        ├── scrfd_10g_bnkps.onnx   (finds faces)\n"
        "        └── glintr100.onnx         (recognises them)"
    )


def _found(roots: Iterable[Path]) -> str:
    """What the folders hold, file by file."""
    lines = []
    for root in roots:
        entries = [path.relative_to(root).as_posix() for path in islice(sorted(root.rglob("*")), MOST_LINES)]
        state = "" if root.is_dir() else "   (no such folder)"
        lines.append("\n".join([f"{root}{state}", *(f"    {entry}" for entry in entries)]))
    return "\n".join(lines)
