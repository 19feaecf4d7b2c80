"""YAML files that become dataclasses: recipes, studies."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from .errors import TrainingError

Kind = TypeVar("Kind")
#: Of a dataclass: names that nothing reads are mistakes.
STRICT = {"extra": "forbid"}


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """A file's names and values; ``what`` it is called in sentences.

    Raises:
        TrainingError: no such file, no YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrainingError(f"The {what} '{path}' cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise TrainingError(f"The {what} '{path}' is no list of names and values.")
    return content


def valid(kind: type[Kind], content: Any, path: Path, what: str) -> Kind:
    """Values as the dataclass has them.

    Raises:
        TrainingError: one is missing, of another type, or means nothing.
    """
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:3])
        raise TrainingError(f"The {what} '{path}' is not right ({wrong}).") from error
