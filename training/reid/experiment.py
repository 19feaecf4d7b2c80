"""All trainings of a table, each done once."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from tqdm import tqdm

from .. import checkpoints
from ..data.grouping import all_pairs
from ..data.records import People, Record
from ..data.store import StoredPeople
from ..errors import TrainingError
from ..evaluation.kept_pictures import folder_name
from ..evaluation.predictors import Predictor
from .bot import BotOptions
from .data import ReidData
from .pictures import Pictures, read_pictures
from .protocol import Scores, single_query
from .run import BotRun, features
from .shares import kept
from .synthesis import Poses, draw_pairs, posed, synthesise
from .table import ALONE, Outcome

RESULT = "result.json"


class KeptPeople:
    """Implements :class:`training.data.records.People`: what a share keeps of a data set.

    Args:
        people: with all pictures.
        whose: who is in each kept picture.
    """

    def __init__(self, people: People | None, whose: Mapping[str, str]) -> None:
        self._people, self.whose = people, whose
        self.names, self.pairs = list(whose), all_pairs(whose)

    def record(self, name: str) -> Record:
        """As the data set has it."""
        return self._people.record(name)


@dataclass(frozen=True, eq=False)
class Synthesiser:
    """Attributes:
    name: what the table calls it.
    opened: of the kept pictures, who makes others of them.
    made_by: everything they depend on, of JSON's types.
    """

    name: str
    opened: Callable[[People], Predictor]
    made_by: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Experiment:
    """Attributes:
    data: of whom.
    told: the data's name, for the results.
    options: BoT's.
    out: folder of trainings and synthesised pictures.
    each: pictures synthesised of an identity.
    poses: whose poses these take.
    batch: pictures that networks see at once.
    device: of BoT.
    quiet: show no progress.
    """

    data: ReidData
    told: str
    options: BotOptions
    out: Path
    each: int
    poses: Poses
    batch: int
    device: str
    quiet: bool = False

    def outcomes(
        self, shares: Sequence[int], seeds: Sequence[int], synthesisers: Sequence[Synthesiser]
    ) -> Iterator[Outcome]:
        """The end of every training, as soon as it is known; those that are done are not done again.

        Raises:
            TrainingError: a share is none, or a training was done with other settings.
            KeyboardInterrupt: when stopped; the next time goes on from there.
        """
        train, query, gallery = (self._read(name) for name in ("train", "query", "gallery"))
        whose = dict(zip(train.names, train.people, strict=True))
        poses = set(posed(self.data.train, train.names)) if synthesisers else set()
        total, numbers = len(shares) * len(seeds) * (1 + len(synthesisers)), count(1)
        for seed in seeds:
            for share in shares:
                names = kept(whose, share, seed)
                real = train.of(names)
                people = KeptPeople(self.data.train, {name: whose[name] for name in names})
                yield self._outcome(f"{next(numbers)} of {total}", share, seed, None, real, None, query, gallery)
                for each in synthesisers:
                    pairs = draw_pairs(
                        people.whose,
                        [name for name in names if name in poses],
                        self.each,
                        seed,
                        self.poses,
                    )
                    place = self.out / "synthesised" / folder_name(each.name) / f"{share}-{seed}"
                    made = synthesise(people, pairs, each.opened(people), place, each.made_by, self.batch, self.quiet)
                    yield self._outcome(f"{next(numbers)} of {total}", share, seed, each, real, made, query, gallery)

    def _read(self, split: str) -> Pictures:
        store: StoredPeople = getattr(self.data, split)
        with self._bar(f"{split} pictures", len(store.names), " pictures") as bar:
            return read_pictures(store, self.options.size, bar.update)

    def _outcome(
        self,
        of: str,
        share: int,
        seed: int,
        method: Synthesiser | None,
        real: Pictures,
        made: StoredPeople | None,
        query: Pictures,
        gallery: Pictures,
    ) -> Outcome:
        name = method.name if method else ALONE
        folder = self.out / "trainings" / f"{share}-{seed}-{folder_name(name)}"
        made_by = self._made_by(method)
        if (folder / RESULT).is_file():
            return _known(folder / RESULT, made_by)
        pictures = real.with_(read_pictures(made, self.options.size)) if made else real
        run = BotRun(pictures, self.options, seed, folder, self.device)
        begun = time.monotonic()
        with self._bar(f"{of}: {share} %, seed {seed}, {name}", self.options.epochs, " epochs", run.epoch) as bar:

            def done(loss: float) -> None:
                bar.update()
                bar.set_postfix_str(f"loss {loss:.3f}")

            run.train(done)
        found = self._scores(run, query, gallery)
        scores = {"rank1": found.rank1, "rank5": found.rank5, "mean_ap": found.mean_ap}
        counts = len(real), len(pictures) - len(real)
        outcome = Outcome(share, seed, name, *counts, run.steps, time.monotonic() - begun, scores)
        text = json.dumps({"made_by": made_by, "outcome": asdict(outcome)}, indent=1)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.replace_file(folder / RESULT, lambda path: path.write_text(text, encoding="utf-8"))
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        return outcome

    def _scores(self, run: BotRun, query: Pictures, gallery: Pictures) -> Scores:
        """By the cosine of features after BNNeck."""
        of_query, of_gallery = (features(run, pictures.images) for pictures in (query, gallery))
        distances = 1 - of_query @ of_gallery.T
        return single_query(distances, query.people, query.cameras, gallery.people, gallery.cameras)

    def _made_by(self, method: Synthesiser | None) -> dict[str, Any]:
        told = {"data": self.told, "options": TypeAdapter(BotOptions).dump_python(self.options, mode="json")}
        if method is not None:
            told |= {"synthesised": self.each, "poses": self.poses, **method.made_by}
        # As it will be read back.
        return json.loads(json.dumps(told))

    def _bar(self, what: str, total: int, unit: str, initial: int = 0) -> tqdm:
        return tqdm(total=total, initial=initial, desc=what, unit=unit, disable=self.quiet, dynamic_ncols=True)


def _known(file: Path, made_by: Mapping[str, Any]) -> Outcome:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        before, outcome = said["made_by"], Outcome(**said["outcome"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"'{file}' cannot be read ({error}). Delete it, and its training is done again.") from error
    different = sorted(key for key in {*before, *made_by} if before.get(key) != made_by.get(key))
    if different:
        raise TrainingError(
            f"'{file.parent}' was trained otherwise: {', '.join(different)} differ. Choose another --out, another "
            "--name, or delete that folder."
        )
    return outcome
