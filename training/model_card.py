"""The card of a weight file: what a model hub shows of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

#: Of every method, its name and its paper.
PAPERS = {
    "truepose": (
        "TruePose",
        'Xu et al., "TruePose: Human-Parsing-guided Attention Diffusion for Full-ID Preserving Pose Transfer"',
    ),
    "mcld": ("MCLD", 'Liu et al., "Multi-focal Conditioned Latent Diffusion for Person Image Synthesis"'),
    "pcdms": (
        "PCDMs",
        'Shen et al., "Advancing Pose-Guided Image Synthesis with Progressive Conditional Diffusion Models"',
    ),
    "imagpose": (
        "IMAGPose",
        'Shen and Tang, "IMAGPose: A Unified Conditional Framework for Pose-Guided Person Generation"',
    ),
    "reposedm": (
        "RePoseDM",
        'Khandelwal, "RePoseDM: Recurrent Pose Alignment and Gradient Guidance for Pose Guided Image Synthesis"',
    ),
}
#: Methods of one paper under several names.
SAME_PAPER = {"reposesd": "reposedm", "pcdms_prior": "pcdms", "pcdms_inpainting": "pcdms", "pcdms_refining": "pcdms"}


@dataclass(frozen=True)
class CardFile:
    """The file a card is of.

    Attributes:
        name: with its ending.
        size: bytes.
        sha256: in hexadecimal digits.
        node: display name of the node that loads it.
    """

    name: str
    size: int
    sha256: str
    node: str


def card(
    file: CardFile,
    method: str,
    options: Mapping[str, object],
    licence: str,
    base: str | None = None,
    about: str = "",
    recipe: str = "",
    table: str = "",
) -> str:
    """Markdown with the front matter that hubs read.

    Args:
        method: name of the training's method.
        options: its own, as the file's header has them.
        licence: a licence's short name, as hubs have it.
        base: the model that training began from.
        about: what the author says of data and limits.
        recipe: the recipe's text.
        table: an evaluation's, in Markdown.
    """
    title, paper = PAPERS.get(SAME_PAPER.get(method, method), (method, ""))
    front = {"license": licence, "pipeline_tag": "image-to-image", "tags": ["comfyui", "pose-transfer", title.lower()]}
    if base:
        front["base_model"] = base
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False).strip()}\n---",
        f"# {file.name.rsplit('.', 1)[0]}",
        f"Weights of {title} for [Mannequin](https://github.com/mannequin-pose/ComfyUI-Mannequin), a ComfyUI node pack."
        + (f"\n\nThe method: {paper}." if paper else ""),
        about.strip(),
        f"## Use\n\nPut `{file.name}` into `ComfyUI/models/mannequin` and choose it in *{file.node}*.",
        f"## File\n\n| file | bytes | SHA-256 |\n|---|---|---|\n| `{file.name}` | {file.size} | `{file.sha256}` |",
        f"## Evaluation\n\n{table.strip()}" if table else "",
        f"## Training\n\nThe method's options:\n\n```json\n{json.dumps(options, indent=1)}\n```",
        f"The recipe:\n\n```yaml\n{recipe.strip()}\n```" if recipe else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
