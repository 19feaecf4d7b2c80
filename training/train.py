"""``python -m training.train RECIPE.yaml``: train a method; run it again and it goes on where it was stopped.

``--processes N`` trains in several of this machine, each with a GPU of its own where there are any.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from .errors import INTERRUPTED, TrainingError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is not right, 130 when stopped."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what to train, on what, for how long")
    parser.add_argument(
        "changes", nargs="*", metavar="NAME=VALUE", help="values in the recipe's place: options.caa=false steps=100"
    )
    parser.add_argument(
        "--processes", type=_count, default=1, metavar="N", help="that train together on this machine (default 1)"
    )
    options = parser.parse_intermixed_args(arguments)
    # diffusers and transformers take seconds to import: after the command line has been read.
    from .examples import Shares
    from .loop import Run
    from .processes import is_first, launch
    from .recipe import check_size, read_recipe

    logging.basicConfig(level=logging.WARNING)
    try:
        recipe = read_recipe(options.recipe, dict(change(text) for text in options.changes))
        from .data.store import StoredPeople

        held_out = StoredPeople(recipe.data.held_out) if recipe.data.held_out else None
        people = StoredPeople(recipe.data.people)
        check_size(people, recipe.data)
        if options.processes > 1:
            # What is wrong with them is said here, once.
            Shares(0, recipe.steps, recipe.sources, processes=options.processes, accumulate=recipe.accumulate)
            return launch("training.train", [str(options.recipe), *options.changes], options.processes)
        weights = Run(recipe, people, held_out).train()
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        if is_first():
            sys.stderr.write("Stopped. The same command goes on from here.\n")
        return INTERRUPTED
    if is_first():
        sys.stdout.write(f"{weights}\n")
    return 0


def _count(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more is needed")
    return number


def change(text: str) -> tuple[str, object]:
    """A value in the recipe's place, as the command line writes it.

    Raises:
        TrainingError: it is none.
    """
    name, sign, value = text.partition("=")
    if not sign:
        raise TrainingError(f"'{text}' changes nothing. Write NAME=VALUE, such as options.caa=false.")
    return name, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
