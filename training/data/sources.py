"""A data set by its name on the command line, or in a YAML file.

``KIND:FOLDER,option=value,…``, as in ``deepfashion:/data/fashion,split=test,size=512x352`` or
``synthetic:identities=100,seed=1``; in YAML the same as ``kind:``, ``root:`` and the options.
"""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import TrainingError
from .records import People

#: Module and class of every kind, and whether it has a folder.
KINDS = {
    "synthetic": (".synthetic", "SyntheticPeople", False),
    "watched": (".synthetic.watched", "WatchedPeople", False),
    "deepfashion": (".deepfashion", "DeepFashion", True),
    "market1501": (".market1501", "Market1501", True),
    "folder": (".folder", "FolderOfPeople", True),
    "captioned": (".captioned", "CaptionedPictures", True),
    "stored": (".store", "StoredPeople", True),
    "mirrored": (".mirrored", "MirroredPeople", True),
    "beside": (".beside", "PeopleBeside", True),
    "fitted": (".fitted", "FittedPeople", True),
}
YAML = (".yaml", ".yml")


def parse_source(text: str) -> dict[str, Any]:
    """What a source's text says: ``kind``, ``root`` where it has one, and its options.

    Raises:
        TrainingError: there is no such kind, or the text is none.
    """
    source = _read(Path(text)) if text.endswith(YAML) else _split(text)
    kind = source["kind"]
    if kind not in KINDS:
        raise TrainingError(f"'{kind}' is no kind of data set. Give {', '.join(KINDS)} and a colon, or a YAML file.")
    if KINDS[kind][2] and not source.get("root"):
        raise TrainingError(f"'{text}' names no folder; write '{kind}:FOLDER'.")
    return source


def open_people(source: str | Mapping[str, Any]) -> People:
    """The data set that a text or :func:`parse_source`'s answer names.

    Raises:
        TrainingError: there is none, it is broken, or has no such option.
    """
    options = dict(parse_source(source) if isinstance(source, str) else source)
    kind = options.pop("kind")
    module, name, _ = KINDS[kind]
    opener = getattr(importlib.import_module(module, __package__), name)
    try:
        inspect.signature(opener).bind(**options)
    except TypeError as error:
        known = ", ".join(name for name in inspect.signature(opener).parameters if name != "root" and name[0] != "_")
        raise TrainingError(f"{kind}: {error}. Its options are {known}.") from error
    return opener(**options)


def _split(text: str) -> dict[str, Any]:
    kind, colon, rest = text.partition(":")
    source: dict[str, Any] = {"kind": kind}
    options = rest.split(",") if rest else []
    if not colon:
        raise TrainingError(f"'{text}' is no source; write one of {', '.join(KINDS)}, a colon, and its folder.")
    if options and kind in KINDS and KINDS[kind][2]:
        source["root"] = options.pop(0)
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise TrainingError(f"'{option}' in '{text}' is no option; options are name=value, with commas between.")
        try:
            source[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise TrainingError(f"'{option}' in '{text}' cannot be read.") from error
    return source


def _read(file: Path) -> dict[str, Any]:
    try:
        source = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"'{file}' cannot be read as YAML ({error}).") from error
    if not isinstance(source, dict) or "kind" not in source:
        raise TrainingError(f"'{file}' names no data set; 'kind: deepfashion' and 'root: /data/fashion' are expected.")
    return source
