"""What another model makes of the training pairs, stored: ``python -m training.coarse STORE OUT --predictor P``.

PCDMs' third stage learns from the second's own pictures (section 3.4). OUT is STORE with the field ``coarse``: of every
target what the predictor makes of one of its sources, drawn by ``--seed``; OUT's pairs are these. Add latents with
``python -m training.preprocess stored:OUT OUT2 --steps coarse_latent --vae F``. The same command goes on with an OUT
that was stopped.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .data import atomic
from .data.records import Pair, People, Record
from .data.store import StoredPeople, begin, files_of, left_to_do
from .draws import number_of
from .errors import concluded
from .evaluation.chosen import open_predictor
from .evaluation.predictors import Predictor
from .evaluation.protocols import PROTOCOLS
from .preprocessing.alone import alone
from .preprocessing.work import complete_fields

#: Names of a unit, which is what a killed run loses at most.
UNIT = 64


class OnePairEach:
    """People of whom every target has one source.

    Args:
        people: with all pairs.
        seed: of the choice.
    """

    def __init__(self, people: People, seed: int) -> None:
        self._people, self.names = people, people.names
        self.complete_fields = complete_fields(people)
        sources: dict[str, list[str]] = {}
        for source, target in people.pairs:
            sources.setdefault(target, []).append(source)
        #: By target.
        self.source = {
            target: theirs[number_of(f"{seed} {target}") % len(theirs)] for target, theirs in sources.items()
        }
        self.pairs = [Pair(self.source[name], name) for name in self.names if name in self.source]

    def record(self, name: str) -> Record:
        """As the people have it."""
        return self._people.record(name)


def write_coarse(
    people: OnePairEach, predictor: Predictor, out: Path, settings: dict, batch: int, quiet: bool = False
) -> int:
    """Do what is left of a store; how many records were written now.

    Raises:
        TrainingError: the store is of other settings, or another run writes it.
    """
    from tqdm import tqdm

    begin(
        out, people, settings | {"complete_fields": sorted(people.complete_fields - {"coarse_latent"})}, "shards", UNIT
    )
    with alone(out):
        atomic.clear(out)
        units = left_to_do(out, people.names, "shards", UNIT)
        count = sum(len(unit.names) for unit in units)
        with tqdm(total=count, unit=" pictures", disable=quiet, dynamic_ncols=True) as bar:
            for unit in units:
                files_of(out, "shards").write(unit.number, _records(people, predictor, unit.names, batch))
                bar.update(len(unit.names))
        atomic.clear(out, older_than_s=0)
    return count


def _records(people: OnePairEach, predictor: Predictor, names: Sequence[str], batch: int) -> Iterator[Record]:
    for start in range(0, len(names), batch):
        part = [people.record(name) for name in names[start : start + batch]]
        wanted = [record for record in part if record.name in people.source]
        made = predictor.predict([(people.record(people.source[record.name]), record) for record in wanted])
        coarse = {record.name: picture for record, picture in zip(wanted, made, strict=True)}
        for record in part:
            # Of another predictor's pictures, if there were any.
            fields = {name: record.fields[name] for name in record.fields if name not in ("coarse", "coarse_latent")}
            extra = {"coarse": coarse[record.name]} if record.name in coarse else {}
            yield replace(record, fields=fields | extra)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    options = _options(arguments)

    def work() -> str:
        people = OnePairEach(StoredPeople(options.store), options.seed)
        options.pattern = None
        predictor = open_predictor(options.predictor, options, PROTOCOLS["cfld"], options.steps)
        settings = {
            "source": {"kind": "coarse", "root": str(options.store.resolve())},
            "predictor": options.predictor,
            "steps": options.steps,
            "guidance": options.guidance,
            "seed": options.seed,
        }
        count = write_coarse(people, predictor, options.out, settings, options.batch, options.quiet)
        return f"'{options.out}' has {len(people.names):,} records and is whole; {count:,} were made now.\n"

    return concluded(work, f"Stopped. The same command goes on with '{options.out}' where it was stopped.")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.coarse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path, metavar="STORE", help="the training data")
    parser.add_argument("out", type=Path, metavar="OUT", help="where the records go")
    parser.add_argument("--predictor", required=True, metavar="P", help="as training.evaluate takes it")
    parser.add_argument("--autoencoder", type=Path, metavar="F", help="the one it was trained with")
    parser.add_argument("--steps", type=int, metavar="N", help="of the sampler; the method's number without")
    parser.add_argument("--guidance", type=float, help="its scale; the method's number without")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of sources, and of the noise")
    parser.add_argument("--batch", type=int, default=16, help="pairs at once (16)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
