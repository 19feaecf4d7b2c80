"""What pyproject.toml says, and files' names as texts write them."""

from pathlib import Path

from devtools.host import ROOT

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def relative(path: Path) -> str:
    """From the clone's root, with slashes."""
    return path.relative_to(ROOT).as_posix()
