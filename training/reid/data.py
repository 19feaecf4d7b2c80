"""Train, query and gallery of a re-identification, stored where the experiment is."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..data.sources import open_people, parse_source
from ..data.store import StoredPeople
from ..errors import TrainingError
from ..preprocess import preprocess
from ..preprocessing.pipeline import OPTIONS as NETWORKS
from ..preprocessing.pipeline import possible_steps
from ..preprocessing.step import Setup
from ..preprocessing.steps import in_order
from ..preprocessing.work import Job, complete_fields
from .pictures import camera_of

SPLITS = ("train", "query", "gallery")
#: Names of a store's unit.
UNIT = 64


@dataclass(frozen=True, eq=False)
class ReidData:
    """Attributes:
    train: people to learn from, with what methods read of their pictures.
    query, gallery: other people.
    """

    train: StoredPeople
    query: StoredPeople
    gallery: StoredPeople


def open_reid(text: str, out: Path, options: argparse.Namespace) -> ReidData:
    """The three splits; of a source they are computed first, as far as they are not yet.

    Args:
        text: a folder with a store for each split, or a source without its split, such as ``market1501:FOLDER``.
        out: where a source's splits are stored.
        options: ``prepare``, names of the training split's steps, or None for all that the networks can do;
            ``texture_size``, ``workers``, ``device``, ``quiet``, and the networks, as ``training.preprocess`` has them.

    Raises:
        TrainingError: there is no such data, or a split's names do not tell the cameras.
    """
    folder = Path(text).expanduser()
    if folder.is_dir():
        stores = [StoredPeople(folder / split) for split in SPLITS]
    elif ":" not in text and not text.endswith((".yaml", ".yml")):
        raise TrainingError(
            f"There is no folder '{text}'. Give one with the stores {', '.join(SPLITS)}, or a source: "
            "market1501:FOLDER, or watched:identities=100."
        )
    else:
        stores = [_stored(text, split, out / split, options) for split in SPLITS]
    for store in stores:
        for name in store.names:
            camera_of(name)
    return ReidData(*stores)


def _stored(text: str, split: str, out: Path, options: argparse.Namespace) -> StoredPeople:
    source = parse_source(text)
    if "split" in source:
        raise TrainingError(f"'{text}' names a split. Leave it out: {', '.join(SPLITS)} are all needed.")
    source["split"] = split
    if "root" in source:
        source["root"] = str(Path(source["root"]).expanduser().resolve())
    people = open_people(source)
    networks = {name: getattr(options, name) for name in NETWORKS} if split == "train" else {}
    for file in filter(None, networks.values()):
        if not file.expanduser().exists():
            raise TrainingError(f"There is no '{file}'. Give the path of the network's file or folder.")
    files = {name: file and file.expanduser() for name, file in networks.items()}
    setup = Setup(device=options.device, texture_size=options.texture_size, **files)
    if split != "train":
        steps = []
    elif options.prepare is None:
        steps = possible_steps(setup, {*people.record(people.names[0]).fields, *complete_fields(people)})
    else:
        steps = in_order([name.strip() for name in options.prepare.split(",") if name.strip()])
    job = Job(source, out.resolve(), "shards", UNIT, tuple(steps), setup)
    preprocess(job, people, options.workers, quiet=options.quiet)
    return StoredPeople(out)
