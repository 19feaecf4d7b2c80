"""``python dev.py parity FILE...``: recompute golden files with our modules and say how far off they are.

A golden file holds weights, inputs and outputs of a reference implementation as safetensors. Its stem names its kind;
one JSON line is printed for each file, and the exit status is 1 when any is off.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from model_patches.attention.caa import CAA, alignment_attention, neglected_regions, region_scores, take_regions
from model_patches.attention.hpfa import HPFA, Reweighting, fusion_attention, reweighted_self_attention


@dataclass(frozen=True)
class Golden:
    """One file: tensors without their prefix, and the configuration from its header."""

    weights: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    config: dict

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """Raises ``OSError`` or ``SafetensorError`` for what is no readable safetensors file."""
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            config = json.loads((file.metadata() or {}).get("config", "{}"))
        groups = (
            {k.removeprefix(p): t for k, t in tensors.items() if k.startswith(p)} for p in ("weights.", "in.", "out.")
        )
        return cls(*groups, config)


@dataclass(frozen=True)
class Verdict:
    """One line of the report."""

    file: str
    kind: str
    max_abs_diff: float
    tolerance: float
    ok: bool


def truepose_attention(golden: Golden) -> dict[str, Tensor]:
    """HPFA (Eq. 6–8) and CAA (Eq. 9) on normalised features, before ``to_out``."""
    config = golden.config
    heads = config["heads"]
    weight, source, target = golden.weights, golden.inputs["source_features"], golden.inputs["target_features"]
    q, k, v = (source @ weight[f"source_to_{name}"].T for name in "qkv")
    reweighting = Reweighting(config["delta"], config["sigma"], config["mask_axis"])
    hidden = reweighted_self_attention(q, k, v, heads, golden.inputs["source_mask"], reweighting)
    hpfa = HPFA(source.shape[-1])
    hpfa.load_state_dict({"to_k.weight": weight["fusion_to_k"], "to_v.weight": weight["fusion_to_v"]})
    fused = fusion_attention(target @ weight["to_q"].T, *hpfa.keys_values(hidden), heads)

    # The file embeds the labels from 1 on; ours have a row for the background too.
    embeddings = torch.nn.functional.pad(golden.inputs["region_embeddings"], (0, 0, 1, 0))
    scores = region_scores(q, k, heads, golden.inputs["source_labels"], embeddings.shape[1])
    chosen, _ = neglected_regions(scores, config["k_regions"])
    caa = CAA(embeddings.shape[-1], source.shape[-1])
    caa.load_state_dict({"to_k.weight": weight["caa_to_k"], "to_v.weight": weight["caa_to_v"]})
    tokens = take_regions(embeddings, chosen)
    aligned = alignment_attention(fused @ weight["caa_to_q"].T, *caa.keys_values(tokens), heads)
    return {"source_hidden": hidden, "fused": fused, "chosen_regions": chosen, "aligned": aligned}


#: How each kind is recomputed, and how far off it may be.
KINDS: dict[str, tuple[Callable[[Golden], dict[str, Tensor]], float]] = {
    "truepose_attention": (truepose_attention, 1e-5),
}


@torch.inference_mode()
def check(path: Path) -> Verdict:
    """Recompute one golden file."""
    recompute, tolerance = KINDS[path.stem]
    golden = Golden.read(path)
    ours = recompute(golden)
    missing = golden.outputs.keys() - ours.keys()
    if missing:
        raise KeyError(f"{path.name} also holds {', '.join(sorted(missing))}, which nothing here recomputes")
    worst = max(
        float((ours[name].double() - expected.double()).abs().max()) for name, expected in golden.outputs.items()
    )
    return Verdict(str(path), path.stem, worst, tolerance, worst <= tolerance)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dev.py parity", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    files = parser.parse_args(arguments).files
    for path in files:
        if not path.is_file():
            parser.error(f"there is no file {path}")
        if path.stem not in KINDS:
            parser.error(f"{path.name} is of no known kind; the kinds are {', '.join(sorted(KINDS))}")
    verdicts = [check(path) for path in files]
    for verdict in verdicts:
        sys.stdout.write(json.dumps(asdict(verdict)) + "\n")
    return 0 if all(verdict.ok for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
