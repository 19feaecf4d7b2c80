"""``python -m training.train RECIPE.yaml``: train a method; run it again and it goes on where it was stopped.

Several processes: ``accelerate launch --num_processes N -m training.train RECIPE.yaml``.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from .errors import TrainingError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is not right, 130 when stopped."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what to train, on what, for how long")
    parser.add_argument(
        "changes", nargs="*", metavar="NAME=VALUE", help="values in the recipe's place: options.caa=false steps=100"
    )
    options = parser.parse_args(arguments)
    # diffusers and transformers take seconds to import: after the command line has been read.
    from .loop import Run
    from .recipe import read_recipe

    logging.basicConfig(level=logging.WARNING)
    try:
        recipe = read_recipe(options.recipe, dict(_change(text) for text in options.changes))
        from .data.store import StoredPeople

        held_out = StoredPeople(recipe.data.held_out) if recipe.data.held_out else None
        weights = Run(recipe, StoredPeople(recipe.data.people), held_out).train()
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. The same command goes on from here.\n")
        return 130
    sys.stdout.write(f"{weights}\n")
    return 0


def _change(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign:
        raise TrainingError(f"'{text}' changes nothing. Write NAME=VALUE, such as options.caa=false.")
    return name, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
