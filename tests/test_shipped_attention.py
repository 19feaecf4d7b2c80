"""The demo weights look at the source, or at its texture map, where it shows what the target shows."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from devtools.host import ROOT
from training import preprocess
from training.attention import attention_shares
from training.data.store import StoredPeople
from training.sampling import load_method
from training.small_clip import SIZES

WEIGHTS = ROOT / "weights"


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> StoredPeople:
    """Some that training never saw, with everything that the methods read."""
    pytest.importorskip("anny")
    folder = tmp_path_factory.mktemp("held_out")
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**SIZES)).float()
    clip.load_state_dict(load_file(WEIGHTS / "models" / "demo_clip_vision.safetensors"))
    clip.save_pretrained(folder / "clip")

    def compute(source: str, out: Path, steps: str, *networks: str) -> None:
        assert preprocess.main([source, str(out), "--workers", "0", "--quiet", "--steps", steps, *networks]) == 0

    source = "synthetic:split=test,identities=4,views=2,size=128x96,backdrop=studio"
    compute(source, folder / "pictures", "texture")
    compute(
        f"stored:{folder / 'pictures'}",
        folder / "encoded",
        "latent,clip,regions,texture_latent,texture_clip",
        *("--vae", str(WEIGHTS / "vae" / "demo_vae.safetensors")),
        *("--clip-vision", str(folder / "clip"), "--texture-size", "128"),
    )
    return StoredPeople(folder / "encoded")


@pytest.mark.parametrize("name", ["truepose", "mcld"])
def test_every_site_looks_at_the_same_place_of_the_body(people, name):
    method = load_method(WEIGHTS / "models" / f"demo_{name}.safetensors", correspondence=1.0)
    shares = attention_shares(method, people, pairs=8, timestep=900)
    assert set(shares) == set(method.sites)
    low = {str(site): (share, uniform) for site, (share, uniform) in shares.items() if share < 2.0 * uniform}
    assert not low, f"As good as uniform: {low}"
