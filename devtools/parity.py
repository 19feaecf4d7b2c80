"""``python dev.py parity FILE...``: recompute golden files with our modules and say how far off they are.

A golden file holds weights, inputs and outputs of a reference implementation as safetensors. Its name begins with its
kind; one JSON line is printed for each file, and the exit status is 1 when any is off.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .golden import Golden
from .parity_imagpose import cva, imagpose_pipeline, imagpose_step
from .parity_mcld import mcld_pose_guider, mcld_resampler, mcld_sample, mcld_step
from .parity_metrics import image_metrics
from .parity_pcdms import (
    pcdms_pipeline_simplified,
    pcdms_pipeline_stage2,
    pcdms_pipeline_stage3,
    pcdms_stage2,
    pcdms_stage3,
    unipc_steps,
)
from .parity_poses import pose_drawing
from .parity_prior import dino_tokens, pcdms_stage1
from .parity_reposedm import higherhrnet, pif, reposedm_align
from .parity_texture import mcld_texture
from .parity_truepose import truepose_attention


@dataclass(frozen=True)
class Verdict:
    """One line of the report; what is measured otherwise than by its largest difference comes last."""

    file: str
    kind: str
    max_abs_diff: float
    tolerance: float
    ok: bool
    measured: float = 0.0
    measured_tolerance: float = 0.0


#: How each kind is recomputed, and how far off it may be: a grey level, of textures.
KINDS: dict[str, tuple[Callable[[Golden], dict[str, Tensor]], float]] = {
    "truepose_attention": (truepose_attention, 1e-5),
    "metrics": (image_metrics, 1e-5),
    "mcld_texture": (mcld_texture, 1.0),
    "mcld_resampler": (mcld_resampler, 1e-5),
    "mcld_pose_guider": (mcld_pose_guider, 1e-5),
    "mcld_step": (mcld_step, 1e-4),
    "mcld_sample": (mcld_sample, 1e-3),
    "pcdms_stage1": (pcdms_stage1, 1e-4),
    "dino_tokens": (dino_tokens, 1e-4),
    "pcdms_stage2": (pcdms_stage2, 1e-4),
    "pcdms_stage3": (pcdms_stage3, 1e-4),
    "pcdms_pipeline_stage2": (pcdms_pipeline_stage2, 1e-3),
    "pcdms_pipeline_stage3": (pcdms_pipeline_stage3, 1e-3),
    "pcdms_pipeline_simplified": (pcdms_pipeline_simplified, 1e-3),
    "unipc": (unipc_steps, 0.0),
    "cva": (cva, 1e-5),
    "imagpose_step": (imagpose_step, 1e-4),
    "imagpose_pipeline": (imagpose_pipeline, 1.0),
    "pose_drawing": (pose_drawing, 0.0),
    "higherhrnet": (higherhrnet, 3e-4),
    "pif": (pif, 0.0),
    "reposedm_align": (reposedm_align, 1e-9),
}


def _difference(ours: Tensor, expected: Tensor) -> float:
    """Largest absolute difference; infinite between different shapes."""
    if ours.shape != expected.shape:
        return float("inf")
    return float((ours.double() - expected.double()).abs().max())


def _relative_rms(ours: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, as a share of that of what is expected; infinite between different shapes."""
    if ours.shape != expected.shape:
        return float("inf")
    return float((ours.double() - expected.double()).norm() / expected.double().norm())


def _mean_difference(ours: Tensor, expected: Tensor) -> float:
    """Mean absolute difference; infinite between different shapes."""
    if ours.shape != expected.shape:
        return float("inf")
    return float((ours.double() - expected.double()).abs().mean())


@dataclass(frozen=True)
class Measure:
    """How outputs with a word in their names are compared where the largest difference says little, and how far off
    they may be."""

    word: str
    of: Callable[[Tensor, Tensor], float]
    tolerance: float


LATENTS = Measure("latent", _relative_rms, 2e-5)
MEASURES: dict[str, Measure] = {
    "pcdms_pipeline_stage2": LATENTS,
    "pcdms_pipeline_stage3": LATENTS,
    "pcdms_pipeline_simplified": LATENTS,
    "imagpose_pipeline": Measure("latent", _relative_rms, 3e-4),
    "unipc": Measure("", _relative_rms, 1e-6),
    "pose_drawing": Measure("", _mean_difference, 0.1),
    "pif": Measure("", _relative_rms, 1e-6),
}


def kind_of(path: Path) -> str | None:
    """The kind a file's name begins with, the longest that fits; None where none does."""
    return max((kind for kind in KINDS if path.stem.startswith(kind)), key=len, default=None)


@torch.inference_mode()
def check(path: Path) -> Verdict:
    """Recompute one golden file, of a known kind."""
    kind = kind_of(path)
    recompute, tolerance = KINDS[kind]
    golden = Golden.read(path)
    ours = recompute(golden)
    missing = golden.outputs.keys() - ours.keys()
    if missing:
        raise KeyError(f"{path.name} also holds {', '.join(sorted(missing))}, which nothing here recomputes")
    measure = MEASURES.get(kind)
    measured, worst = 0.0, 0.0
    for name, expected in golden.outputs.items():
        if measure is not None and measure.word in name:
            measured = max(measured, measure.of(ours[name], expected))
        else:
            worst = max(worst, _difference(ours[name], expected))
    limit = measure.tolerance if measure else 0.0
    return Verdict(str(path), kind, worst, tolerance, worst <= tolerance and measured <= limit, measured, limit)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dev.py parity", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    files = parser.parse_args(arguments).files
    for path in files:
        if not path.is_file():
            parser.error(f"there is no file {path}")
        if kind_of(path) is None:
            parser.error(f"{path.name} is of no known kind; the kinds are {', '.join(sorted(KINDS))}")
    verdicts = [check(path) for path in files]
    for verdict in verdicts:
        sys.stdout.write(json.dumps(asdict(verdict)) + "\n")
    return 0 if all(verdict.ok for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
