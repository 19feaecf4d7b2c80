"""The papers' ablations by one command: ``python -m training.ablations RECIPE.yaml STORE --out DIR [NAME=VALUE …]``.

Trains every variant of the recipe's method from scratch, each as long as the recipe (or ``steps=…``) says, into
``DIR/NAME``, and evaluates them side by side on pairs of STORE. A variant that is done is not done again: the same
command goes on where it was stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import INTERRUPTED, TrainingError

#: What each variant changes in the recipe: of TruePose's Table 2, MCLD's Table 3, RePoseDM's Table 2, IMAGPose's
#: Tables 2 and 7, PCDMs' Fig. 8, and of what is ours.
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "truepose": {
        "B1": {"options.fusion": "clip", "options.caa": False},
        "B2": {"options.fusion": "reference", "options.caa": False},
        "B3": {"options.caa": False},
        "B4": {"options.fusion": "reference"},
        "whole": {},
        "unsupervised": {"options.correspondence": 0.0},
    },
    "mcld": {
        "B1": {"options.texture": False, "options.face": False, "options.aggregation": "concatenation"},
        "B2": {"options.face": False, "options.aggregation": "concatenation"},
        "B3": {"options.aggregation": "concatenation"},
        "B4": {"options.image": False},
        "B5": {"options.face": False},
        "whole": {},
        "unsupervised": {"options.correspondence": 0.0},
        "looked up": {"options.lookup": True},
    },
    "reposedm": {
        "B1": {"options.align": False, "options.flow": 0.0, "options.field": 0.0},
        "B2": {"options.field": 0.0},
        "whole": {},
        "unsupervised": {"options.correspondence": 0.0, "options.flow": 0.0},
    },
    "imagpose": {
        "B0": {"options.cva": "none", "options.texture": False, "options.image": False},
        "B1": {"options.texture": False, "options.image": False},
        "B2": {"options.cva": "none", "options.image": False},
        "B3": {"options.texture": False},
        "B4": {"options.cva": "none"},
        "M1": {"options.views": "batch", "options.texture": False, "options.image": False},
        "whole": {},
        "after cross-attention": {"options.cva": "after cross-attention"},
        "unsupervised": {"options.correspondence": 0.0},
    },
    # Fig. 8: which stages there are. B3 is B1's picture refined, the whole B2's.
    "pcdms_inpainting": {
        "B1": {"options.prior": False},
        "B2": {},
        "B3": {"options.prior": False},
        "whole": {},
    },
}
#: Of variants that are another's training, whose.
SAME = {"pcdms_inpainting": {"B3": "B1", "whole": "B2"}}
#: Of variants that are more than one network, what is evaluated: their weights and files that are given.
PREDICTORS = {
    "pcdms_inpainting": {
        "B2": "pcdms:{weights},{prior}",
        "B3": "refined:{refining},{weights}",
        "whole": "refined:{refining},pcdms:{weights},{prior}",
    }
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is not right, 130 when stopped."""
    options = _options(arguments)
    try:
        method, variants = _variants(options)
        predictors = [_predictor(options, method, name, changes) for name, changes in variants.items()]
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. The same command goes on from here.\n")
        return INTERRUPTED
    from .evaluate import main as evaluate

    words = [options.store, "--out", str(options.out), "--autoencoder", str(options.autoencoder), "--save-images"]
    for name, predictor in zip(variants, predictors, strict=True):
        words += ["--predictor", predictor, "--name", name]
    words += ["--pairs", str(options.pairs), "--seed", "0", "--steps", options.steps, "--against", options.against]
    return evaluate([*words, *(["--quiet"] if options.quiet else [])])


def _variants(options: argparse.Namespace) -> tuple[str, dict[str, dict[str, Any]]]:
    """The recipe's method, and those that are asked for, with what they change."""
    from .recipe import read_recipe
    from .train import change

    method = read_recipe(options.recipe).method
    known = ABLATIONS.get(method)
    if known is None:
        raise TrainingError(f"The method '{method}' has no ablations; those that have: {', '.join(ABLATIONS)}.")
    names = options.only.split(",") if options.only else list(known)
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise TrainingError(f"'{unknown}' is no ablation of {method}, which are: {', '.join(known)}.")
    for file in ("prior", "refining"):
        needing = [name for name in names if f"{{{file}}}" in PREDICTORS.get(method, {}).get(name, "")]
        if needing and getattr(options, file) is None:
            raise TrainingError(f"'{needing[0]}' needs the {file} stage: give its weights with --{file} FILE.")
    common = dict(change(text) for text in options.changes)
    return method, {name: common | known[name] for name in names}


def _predictor(options: argparse.Namespace, method: str, name: str, changes: dict[str, Any]) -> str:
    """What is evaluated of a variant, which is trained as far as it is not yet."""
    weights = _trained(options, SAME.get(method, {}).get(name, name), changes)
    what = PREDICTORS.get(method, {}).get(name, "{weights}")
    return what.format(weights=weights, prior=options.prior, refining=options.refining)


def _trained(options: argparse.Namespace, name: str, changes: dict[str, Any]) -> Path:
    """A variant's weights, trained as far as they are not yet."""
    from .data.store import StoredPeople
    from .loop import Run
    from .recipe import read_recipe
    from .sampling import WEIGHTS

    out = options.out / name.replace(" ", "_")
    recipe = read_recipe(options.recipe, changes | {"out": str(out), "grid_every": 0})
    if (out / WEIGHTS).is_file():
        return out / WEIGHTS
    return Run(recipe, StoredPeople(recipe.data.people)).train()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.ablations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="of the whole method")
    parser.add_argument("store", metavar="STORE", help="what they are evaluated on")
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="for all of them: steps=1000")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where runs and tables go")
    parser.add_argument("--autoencoder", type=Path, required=True, metavar="F", help="the one of the recipe's latents")
    parser.add_argument("--only", metavar="B1,…", help="some of them, with commas between")
    parser.add_argument("--prior", type=Path, metavar="F", help="PCDMs' first stage, for B2 and the whole")
    parser.add_argument("--refining", type=Path, metavar="F", help="PCDMs' third stage, for B3 and the whole")
    parser.add_argument("--pairs", type=int, default=200, metavar="N", help="that are evaluated (200)")
    parser.add_argument("--steps", default="1,10", metavar="N[,N]", help="of the sampler (1,10)")
    parser.add_argument("--against", metavar="NAME", help="whose differences are shown (whole, at the last of --steps)")
    parser.add_argument("--quiet", action="store_true", help="show no progress of the evaluation")
    options = parser.parse_intermixed_args(arguments)
    if options.against is None:
        last = options.steps.split(",")[-1]
        options.against = f"whole, {last} steps" if "," in options.steps else "whole"
    return options


if __name__ == "__main__":
    sys.exit(main())
