"""Person re-identification with synthesised pictures: ``python -m training.reid DATA --predictor P … --out DIR``.

Trains BoT on shares of the real training pictures alone, and on these and what each predictor makes of them, and says
how well each finds other people again (PCDMs Table 2, IMAGPose Table 4, RePoseDM Table 4). DATA is market1501:FOLDER,
watched:identities=100 (synthetic people, seen by several cameras), or a folder with the stores train, query and
gallery. A predictor is what training.evaluate takes; what it reads of pictures is computed with the networks given
here, or is in the folder's train. NAME=VALUE are BoT's options: network=small:16 epochs=30 size=[128,64] neck=false,
augmentation.erase=0. The same command goes on where it was stopped; more --seeds or --shares add to what is there.

DIR gets ``table.md``, ``table.csv`` (a line a training), ``data``, ``synthesised`` and ``trainings``.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from ..data.records import People
from ..errors import TrainingError, concluded
from ..evaluation.predictors import Predictor
from .synthesis import Poses


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    options = _options(arguments)
    logging.basicConfig(level=logging.ERROR)
    return concluded(lambda: reidentify(options), "Stopped. The same command goes on from here.")


def reidentify(options: argparse.Namespace) -> str:
    """Do what the command line asks for and write the tables; as Markdown.

    Raises:
        TrainingError: something is missing, or is not what it should be.
    """
    import torch

    from .data import open_reid
    from .experiment import Experiment
    from .shares import SHARES, kept
    from .table import markdown, summary_csv

    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    options.vae = options.autoencoder
    bot = bot_options(options.changes)
    shares = options.shares or list(SHARES)
    for share in shares:
        kept({"": ""}, share, 0)
    synthesisers = _synthesisers(options)
    data = open_reid(options.data, options.out / "data", options)
    experiment = Experiment(
        data,
        options.data,
        bot,
        options.out,
        options.synthesised,
        options.poses,
        options.batch,
        options.device,
        options.quiet,
    )
    outcomes = []
    for outcome in experiment.outcomes(shares, range(options.seeds), synthesisers):
        outcomes.append(outcome)
        text = markdown(outcomes)
        (options.out / "table.md").write_text(text, encoding="utf-8")
        (options.out / "table.csv").write_text(summary_csv(outcomes), encoding="utf-8")
    return text


def bot_options(changes: Sequence[str]):
    """BoT's options with values in their place; warm-up and decays stay the same parts of all epochs.

    Raises:
        TrainingError: there is no such option, or it cannot have this value.
    """
    from ..recipe import set_value
    from ..train import change
    from .bot import BotOptions

    given: dict[str, Any] = {}
    for name, value in (change(text) for text in changes):
        set_value(given, name.split("."), value)
    try:
        made = TypeAdapter(BotOptions).validate_python(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:3])
        raise TrainingError(
            f"BoT's options are not right ({wrong}). They are {', '.join(field.name for field in fields(BotOptions))}."
        ) from error
    if "epochs" in given:
        shorter = BotOptions().shortened(made.epochs)
        given = {"warmup": shorter.warmup, "decays": shorter.decays} | given
        made = TypeAdapter(BotOptions).validate_python(given)
    return made


def _synthesisers(options: argparse.Namespace) -> list:
    from ..evaluation.chosen import IMAGPOSE, check_names, open_predictor, weights_of
    from ..evaluation.kept_pictures import folder_name
    from ..evaluation.protocols import PROTOCOLS
    from .experiment import KeptPeople, Synthesiser
    from .table import ALONE

    protocol = PROTOCOLS["cfld"]

    check_names(options)
    made: list[Synthesiser] = []
    for number, text in enumerate(options.predictor):

        def of_kept(people: People, text: str = text) -> Predictor:
            # Of a person IMAGPose may be shown other pictures, and none that the share leaves out.
            return open_predictor(text, argparse.Namespace(**vars(options), people=people), protocol, options.steps)

        predictor = of_kept(KeptPeople(None, {}))
        name = options.name[number] if options.name else predictor.name
        if folder_name(name) in {folder_name(other) for other in (ALONE, *(each.name for each in made))}:
            raise TrainingError(f"Two trainings are called '{name}'. Tell them apart with a --name for each predictor.")
        told = {"predictor": text, "autoencoder": str(options.autoencoder), "steps": options.steps}
        told |= {f"bytes of {file}": file.stat().st_size for file in weights_of(text)}
        opened = of_kept if text.startswith(IMAGPOSE) else lambda _, predictor=predictor: predictor
        made.append(Synthesiser(name, opened, told | {"guidance": options.guidance}))
    return made


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.reid", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA", help="a source without its split, or a folder of three stores")
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="BoT's options: epochs=30 network=small:16")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where everything goes")
    parser.add_argument(
        "--predictor", action="append", default=[], metavar="P", help="who synthesises; repeatable; nobody without"
    )
    parser.add_argument("--name", action="append", metavar="N", help="what the table calls each predictor, in order")
    parser.add_argument(
        "--shares", type=_numbers, metavar="N,…", help="of the real pictures, per cent (20,40,60,80,100)"
    )
    parser.add_argument("--seeds", type=_count, default=3, metavar="N", help="times that all is done (3)")
    parser.add_argument("--synthesised", type=_count, default=16, metavar="N", help="pictures of every identity (16)")
    parser.add_argument(
        "--poses",
        choices=get_args(Poses),
        default="identity",
        help="other ones of the identity's kept pictures, as PCDMs and IMAGPose; or anyone's, as RePoseDM (identity)",
    )
    parser.add_argument(
        "--batch", type=_count, default=16, metavar="N", help="pictures that predictors make at once (16)"
    )
    parser.add_argument("--device", help="of BoT and the networks; cuda where there is one")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    models = parser.add_argument_group("trained models")
    models.add_argument("--autoencoder", type=Path, metavar="F", help="the one they were trained with")
    models.add_argument("--steps", type=_count, metavar="N", help="of the sampler; the method's number without")
    models.add_argument("--guidance", type=float, help="its scale; the method's number without")
    networks = parser.add_argument_group("what is computed of a source's training pictures, see training.preprocess")
    networks.add_argument(
        "--prepare", metavar="STEPS", help="with commas between; all that the networks can do without"
    )
    networks.add_argument("--workers", type=int, default=0, metavar="N", help="processes, through Ray (0: this one)")
    for name in ("parser", "densepose", "faces", "clip-vision", "dino"):
        networks.add_argument(f"--{name}", type=Path, metavar="F", help="a network's file or folder")
    networks.add_argument(
        "--texture-size", type=_count, default=512, metavar="N", help="of texture maps' latents, in pixels (512)"
    )
    options = parser.parse_intermixed_args(arguments)
    # Of predictors; the noise of a pair depends on its names alone.
    options.seed, options.pattern, options.store = 0, None, options.data
    return options


def _numbers(text: str) -> list[int]:
    """Different whole numbers, smallest first."""
    return sorted({int(part) for part in text.split(",")})


def _count(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())
