"""The predictors that a command line asks for."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from ..errors import TrainingError
from .kept_pictures import KeptPictures, folder_name
from .predictors import CopySource, Folder, GarmentMean, Oracle, Predictor, Target
from .protocols import Protocol

AUTOENCODER, FOLDER, TRAINING_FREE = "autoencoder", "folder:", "training-free:"
#: PCDMs' stages: INPAINTING[,PRIOR]; and REFINING,PREDICTOR, which refines another predictor's pictures.
PCDMS, REFINED = "pcdms:", "refined:"
#: WEIGHTS,ESTIMATOR, of PCDMs INPAINTING,ESTIMATOR,PRIOR, and how the pose interaction field is set.
FIELD = "field:"
#: IMAGPose in a scenario: FILE,SCENARIO.
IMAGPOSE = "imagpose:"
#: Those that are given the target.
BOUNDS = ("target", "oracle", AUTOENCODER)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Attributes:
    name: what tables call it.
    predictor: who makes its pictures.
    bound: whether it is given the target and takes no part in comparisons.
    """

    name: str
    predictor: Predictor
    bound: bool


def check_names(options: argparse.Namespace) -> None:
    """Raise :class:`TrainingError` unless every predictor has a name, or none."""
    if options.name and len(options.name) != len(options.predictor):
        raise TrainingError(
            f"There are {len(options.predictor)} predictors and {len(options.name)} names. Give a --name for each of "
            "them, in their order, or none."
        )


def chosen_predictors(options: argparse.Namespace, protocol: Protocol) -> list[Chosen]:
    """Those that the command line asks for, in its order; a trained model once for every number of steps.

    Args:
        options: of :mod:`training.evaluate`.

    Raises:
        TrainingError: one does not exist, or two have one name.
    """
    check_names(options)
    made: list[Chosen] = []
    for number, text in enumerate(options.predictor):
        given = options.name[number] if options.name else None
        for steps, count in _times(text, options.steps):
            predictor = open_predictor(text, options, protocol, count)
            name = (given or predictor.name) + steps
            if folder_name(name) in {folder_name(other.name) for other in made}:
                raise TrainingError(f"Two predictors are called '{name}'. Tell them apart with a --name for each.")
            if options.save_images:
                predictor = _kept(options, name, text, predictor, count)
            made.append(Chosen(name, predictor, text in BOUNDS))
    names = [each.name for each in made]
    if options.against and options.against not in names:
        raise TrainingError(f"--against '{options.against}' is none of the predictors, which are: {', '.join(names)}.")
    return made


def _times(text: str, counts: list[int]) -> Iterator[tuple[str, int | None]]:
    """For each time that a predictor is measured, what its name says of the steps, and how many they are."""
    if not weights_of(text) or not counts:
        yield "", None
    for count in counts if weights_of(text) else []:
        yield f", {count} step{'s' * (count > 1)}" if len(counts) > 1 else "", count


def weights_of(text: str) -> list[Path]:
    """The files of a predictor that is made of trained weights, as they are given; none of other predictors."""
    if text.startswith(REFINED):
        file, _, coarse = text.removeprefix(REFINED).partition(",")
        return [Path(file).expanduser(), *weights_of(coarse)]
    if text.startswith(PCDMS):
        return [Path(file).expanduser() for file in text.removeprefix(PCDMS).split(",")]
    for start, files in ((TRAINING_FREE, 1), (IMAGPOSE, 1)):
        if text.startswith(start):
            return [Path(file).expanduser() for file in text.removeprefix(start).split(",")[:files]]
    if text.startswith(FIELD):
        return [Path(file).expanduser() for file in _guided(text)[0]]
    file = Path(text).expanduser()
    return [file] if not text.startswith(FOLDER) and file.is_file() else []


def open_predictor(text: str, options: argparse.Namespace, protocol: Protocol, steps: int | None = None) -> Predictor:
    """One predictor by its text on the command line.

    Args:
        options: of :mod:`training.evaluate`; ``people``, where it is there, has other pictures of a person in the place
            of ``store``.
        steps: of a trained model's sampler; None takes the method's number.

    Raises:
        TrainingError: there is none of that name.
    """
    simple: dict[str, Callable[[], Predictor]] = {
        "copy": lambda: CopySource(protocol),
        "garment-mean": GarmentMean,
        "oracle": Oracle,
        "target": Target,
    }
    if text in simple:
        return simple[text]()
    if text.startswith(FOLDER):
        return Folder(Path(text.removeprefix(FOLDER)).expanduser(), protocol, options.pattern)
    files = weights_of(text)
    if text != AUTOENCODER and not files:
        raise TrainingError(
            f"There is no predictor '{text}', and no file of that name. Give copy, garment-mean, oracle, target, "
            "autoencoder, folder:PATH, the weights of a trained model, training-free: and such weights, "
            "pcdms:INPAINTING,PRIOR, refined:REFINING,PREDICTOR, imagpose:FILE,SCENARIO, or field:WEIGHTS,ESTIMATOR."
        )
    absent = next((file for file in files if not file.is_file()), None)
    if absent is not None:
        raise TrainingError(f"There is no file '{absent}' of the predictor '{text}'. Give the weights of a run.")
    if options.autoencoder is None:
        raise TrainingError(f"'{text}' makes latents. Give the autoencoder it was trained with: --autoencoder FILE.")
    return _of_weights(text, files, options, protocol, steps)


def _of_weights(
    text: str, files: list[Path], options: argparse.Namespace, protocol: Protocol, steps: int | None
) -> Predictor:
    """A predictor that makes latents."""
    file, sampling = options.autoencoder.expanduser(), {"batch": options.batch, **_sampling(options, steps)}
    if not text.startswith((TRAINING_FREE, PCDMS, REFINED, FIELD, IMAGPOSE)) and text != AUTOENCODER:
        from ..sampling import load_predictor

        return load_predictor(files[0], file, **sampling)
    from ..autoencoders import load_autoencoder

    autoencoder = load_autoencoder(file)
    if text == AUTOENCODER:
        from .autoencoded import Autoencoded

        return Autoencoded(autoencoder)
    if text.startswith(IMAGPOSE):
        from ..evaluate import open_data
        from ..imagpose import load_scenario

        scenario = text.removeprefix(IMAGPOSE).partition(",")[2]
        people = getattr(options, "people", None) or open_data(options.store)
        return load_scenario(files[0], autoencoder, people, scenario, **sampling)
    from ..sampling import Trained

    if text.startswith(TRAINING_FREE):
        from ..training_free import Use, load_training_free

        said = text.removeprefix(TRAINING_FREE).split(",", 1)[1:]
        method = load_training_free(files[0], _settings(Use, said[0] if said else ""))
        return Trained(said[0] if said else "HPFA, training-free", method, autoencoder, **sampling)
    if text.startswith(FIELD):
        from ..field_guided import FieldUse, load_field_guided
        from ..sampling import run_name

        if len(files) < 2:
            raise TrainingError(
                f"'{text}' has no pose estimator: give field:WEIGHTS,ESTIMATOR, of PCDMs "
                "field:INPAINTING,ESTIMATOR,PRIOR, and behind it settings."
            )
        use = _settings(FieldUse, _guided(text)[1])
        method = load_field_guided(*files[:2], autoencoder, use, *files[2:])
        return Trained(f"{run_name(files[0])}, guided by the field", method, autoencoder, **sampling)
    from ..pcdms import load_prior_and_inpainting, load_refining

    if text.startswith(PCDMS):
        return Trained("PCDMs", load_prior_and_inpainting(*files), autoencoder, **sampling)
    from .refined import Refined

    coarse = open_predictor(text.removeprefix(REFINED).partition(",")[2], options, protocol, steps)
    return Refined(f"{coarse.name}, refined", coarse, load_refining(files[0]), autoencoder, **sampling)


def _guided(text: str) -> tuple[list[str], str]:
    """Files of a predictor under the field, and how the field is set."""
    parts = text.removeprefix(FIELD).split(",")
    files = 3 if len(parts) > 2 and "=" not in parts[2] else 2
    return parts[:files], ",".join(parts[files:])


def _settings(kind: type, text: str):
    """How a node is set, from ``name=value,…``."""
    given = dict(part.split("=", 1) if "=" in part else (part, "") for part in filter(None, text.split(",")))
    unknown = [name for name in given if name not in kind.__dataclass_fields__]
    try:
        if unknown:
            raise ValueError(f"there is no '{unknown[0]}'")
        return TypeAdapter(kind).validate_python({name.strip(): yaml.safe_load(value) for name, value in given.items()})
    except (ValueError, ValidationError, yaml.YAMLError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise TrainingError(
            f"'{text}' does not say how a node is set ({reason}). Write name=value with commas between, of "
            f"{', '.join(kind.__dataclass_fields__)}."
        ) from error


def _kept(options: argparse.Namespace, name: str, text: str, predictor: Predictor, steps: int | None) -> KeptPictures:
    made_by = {"predictor": text, "data": options.store, "protocol": options.protocol, "pattern": options.pattern}
    files = weights_of(text)
    if text == AUTOENCODER or files:
        made_by |= {"autoencoder": str(options.autoencoder)}
    if files:
        made_by |= _sampling(options, steps)
        made_by |= {f"bytes of {file}": file.stat().st_size for file in files}
        made_by |= {f"changed of {file}": file.stat().st_mtime_ns for file in files}
    return KeptPictures(predictor, options.out / "images" / folder_name(name), made_by)


def _sampling(options: argparse.Namespace, steps: int | None) -> dict[str, Any]:
    """What a trained model is told; for what is not given it has values of its own."""
    given = {"steps": steps, "guidance": options.guidance}
    return {"seed": options.seed} | {name: value for name, value in given.items() if value is not None}
