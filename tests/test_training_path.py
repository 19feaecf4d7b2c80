"""The whole way: people, conditions, an autoencoder, a method, figures, and the nodes that load what came out."""

import json
import os
import subprocess
from pathlib import Path

import comfy.utils
import pytest
import torch
import yaml
from mannequin.model_patches.comfy_small_sd import load_clip_vision
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL
from mannequin.model_patches.weight_kinds.truepose import TRUEPOSE_MODEL

from devtools.host import ROOT
from training.data.store import StoredPeople
from training.preprocessing.clip import clip_pixels
from training.recipe import read_recipe
from training.release import release

RECIPES = ROOT / "training" / "recipes"
#: The demo's recipes at a size that takes seconds.
TINY = [
    "options.base.widths=[32, 32, 32]",
    "data.people=work/encoded",
    "data.held_out=work/held_out_encoded",
    "steps=20",
    "batch=6",
    "optimiser.warmup=2",
    "log_every=5",
    "checkpoint_every=10",
]


@pytest.fixture(scope="module")
def folder(made_python, tmp_path_factory) -> Path:
    """A folder in which the commands of training/README.md have been run, one after another."""
    pytest.importorskip("anny")
    folder = tmp_path_factory.mktemp("path")

    def run(module: str, *words: str) -> str:
        variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
        command = [made_python, "-m", f"training.{module}", *words]
        return subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True, text=True).stdout

    def preprocess(source: str, out: str, *words: str) -> None:
        run("preprocess", source, out, "--workers", "0", "--quiet", *words)

    for split, out, identities in (("train", "people", 4), ("test", "held_out", 2)):
        preprocess(
            f"synthetic:split={split},identities={identities},views=2,size=64x48", f"work/{out}", "--steps", "texture"
        )
    small = ("data.people=work/people", "steps=3", "batch=2", "options.crop=[32, 16]", "grid_every=0")
    for half in ("autoencoder", "autoencoder_details"):
        run("train", str(RECIPES / f"demo_{half}.yaml"), *small)
    run("small_clip", "work/clip")
    steps = "latent,texture_latent,clip,texture_clip,regions"
    vae = "work/autoencoder_details/weights.safetensors"
    networks = ("--vae", vae, "--clip-vision", "work/clip", "--texture-size", "64")
    preprocess("stored:work/people", "work/encoded", "--steps", steps, *networks)
    preprocess("stored:work/held_out", "work/held_out_encoded", "--steps", steps, *networks)
    for method in ("truepose", "mcld"):
        run("train", str(RECIPES / f"demo_{method}.yaml"), *TINY, "grid_every=20", "grid=2", "options.steps=2")
    evaluated = run(
        "evaluate",
        *("work/held_out_encoded", "--predictor", "copy", "--predictor", "garment-mean"),
        *("--predictor", "work/truepose/weights.safetensors", "--predictor", "work/mcld/weights.safetensors"),
        *("--autoencoder", vae, "--pairs", "3", "--steps", "2"),
        *("--out", "work/evaluation", "--quiet"),
    )
    (folder / "evaluated.txt").write_text(evaluated, encoding="utf-8")
    return folder


def test_the_store_has_everything(folder):
    people = StoredPeople(folder / "work" / "encoded")
    record = people.record(people.names[0])
    assert {"parsing", "iuv", "keypoints", "texture", "latent", "texture_latent", "clip", "regions"} <= set(
        record.fields
    )
    assert record.fields["latent"].shape == (32, 8, 6) and record.fields["texture_latent"].shape == (32, 8, 8)
    assert len(people.pairs) == 8


def test_the_table_has_everyone(folder):
    table = (folder / "evaluated.txt").read_text(encoding="utf-8")
    assert all(name in table for name in ("copy of the source", "garment means", "truepose", "mcld", "cfld"))
    assert (folder / "work" / "evaluation" / "sheet.png").is_file()
    for method in ("truepose", "mcld"):
        assert list((folder / "work" / method / "grids").glob("*.png"))


def test_the_nodes_load_it(folder):
    for method, kind in (("truepose", TRUEPOSE_MODEL), ("mcld", MCLD_MODEL)):
        small = folder / f"{method}.safetensors"
        size = release(folder / "work" / method / "weights.safetensors", small)
        assert size < 0.6 * (folder / "work" / method / "weights.safetensors").stat().st_size
        state, metadata = comfy.utils.load_torch_file(str(small), return_metadata=True)
        model, source, modules = load_weights(kind, state, small.name, metadata)
        # The mean of the weights' movement, rounded to half precision, is what was trained.
        key = "pose_encoder.conv_out.weight" if method == "truepose" else "pose_guider.conv_out.weight"
        assert float(modules.model.state_dict()[key].abs().max()) > 0, "trained away from zero"
        assert json.loads(metadata["mannequin.training_options"])["base"]["widths"] == [32, 32, 32]


def test_both_hosts_embed_alike(folder):
    from transformers import CLIPVisionModelWithProjection

    state, metadata = comfy.utils.load_torch_file(
        str(folder / "work" / "clip" / "clip_vision.safetensors"), return_metadata=True
    )
    host = load_clip_vision(state, "x", metadata)
    image = torch.rand(2, 40, 30, 3)
    ours = host.encode_image(image, crop=False).image_embeds.float()
    network = CLIPVisionModelWithProjection.from_pretrained(folder / "work" / "clip")
    theirs = network(pixel_values=clip_pixels(image, 224)).image_embeds
    # The file for the node is in half precision.
    assert float((ours - theirs).abs().max()) < 5e-3 * float(theirs.abs().max())


def test_recipes_are_read():
    for path in RECIPES.glob("*.yaml"):
        recipe = read_recipe(path)
        assert recipe.steps > 0 and recipe.options is not None, path.name
        said = yaml.safe_load(path.read_text())
        assert said.get("method") == recipe.method or "of" in said
