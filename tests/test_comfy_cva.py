"""Apply CVA in the host: where it acts, both ways of cloning, other patches beside it, what goes wrong."""

import pytest
import torch
from mannequin.model_patches.attention.cva import (
    AFTER_ATTENTION,
    AFTER_LAYERS,
    CVAShape,
    join_tiles,
    split_tiles,
)
from mannequin.model_patches.comfy_blocks import blocks_of, unet_of
from mannequin.model_patches.comfy_cva import JUNCTION, _widths
from mannequin.model_patches.comfy_networks import host_operations, host_patcher
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.networks.imagpose import IMAGPose, IMAGPoseShape
from mannequin.model_patches.sites import Site
from mannequin.nodes.cva import VIEWS, MannequinApplyCVA
from mannequin.nodes.errors import NodeError
from small import APPLY, conditioning, cva_modules, difference, mcld_modules, mfca, model, patched, random, sample

SIDES = {"height": 16, "width": 16}
LORA_KEY = "diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_k.weight"


def applied(patcher, placement=AFTER_LAYERS, views="2×2 tiles", sites="all", weights=None, region=None, **values):
    values = APPLY | values
    weights = weights or cva_modules(patcher)
    return MannequinApplyCVA.execute(patcher, weights, placement, views, sites, **values, region=region)[0]


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        return model()


@pytest.fixture(scope="module")
def weights(base):
    with torch.inference_mode():
        return cva_modules(base)


def test_the_places(base):
    sites = _widths(base, AFTER_LAYERS)
    inputs, outputs = (1, 2, 4, 5, 7, 8, 10, 11), range(12)
    expected = [*(Site("input", n, 0) for n in inputs), Site("middle", 0, 0), *(Site("output", n, 0) for n in outputs)]
    assert list(sites) == expected and len(expected) == 21
    attends = [
        site
        for site in expected
        if site not in {("input", 10, 0), ("input", 11, 0)} | {("output", n, 0) for n in range(3)}
    ]
    assert list(_widths(base, AFTER_ATTENTION)) == attends and len(attends) == 16


@pytest.mark.parametrize("placement, number", [(AFTER_LAYERS, 21), (AFTER_ATTENTION, 16)])
def test_every_place_is_hit_once_a_step(base, weights, placement, number):
    hits = []
    handles = [
        layer.register_forward_hook(lambda *given, name=name: hits.append(name))
        for name, layer in ((name, module.proj_out) for name, module in weights.model.cva.items())
    ]
    try:
        sample(applied(base, placement, weights=weights), steps=1, **SIDES)
    finally:
        for handle in handles:
            handle.remove()
    assert len(hits) == len(set(hits)) == number


class TestContract:
    @pytest.mark.parametrize(
        "values",
        [{"strength": 0.0}, {"start_percent": 0.8, "end_percent": 0.2}, {"region": torch.zeros(1, 8, 8)}],
        ids=["strength", "span", "region"],
    )
    def test_off_is_the_plain_model(self, base, weights, values):
        plain = sample(base, **SIDES)
        assert torch.equal(sample(applied(base, weights=weights, **values), **SIDES), plain)

    def test_it_leaves_no_trace(self, base, weights, cloning):
        plain = sample(base, **SIDES)
        worn = applied(base, weights=weights)
        first = sample(worn, **SIDES)
        assert difference(first, plain) > 1e-2
        assert torch.equal(sample(base, **SIDES), plain), "the plain model stays plain"
        assert torch.equal(sample(worn, **SIDES), first), "twice is the same"

    def test_a_clone_made_after_a_run(self, base, weights, cloning):
        """A LoRA behind a cached Apply CVA."""
        worn = applied(base, weights=weights)
        first = sample(worn, **SIDES)
        later = worn.clone()
        assert torch.equal(sample(later, **SIDES), first)
        width = base.model.state_dict()[LORA_KEY].shape[0]
        assert later.add_patches({LORA_KEY: (random(width, width, seed=8),)}, 1.0) == [LORA_KEY]
        assert difference(sample(later, **SIDES), first) > 1e-3
        assert torch.equal(sample(worn, **SIDES), first)

    def test_two_on_one_model(self, base, weights, cloning):
        """Each counts, made before or after a run of the other."""
        other = cva_modules(base, seed=22)
        first = applied(base, weights=weights, sites="mid")
        alone = sample(first, **SIDES)
        both = applied(first, weights=other, sites="up")
        together = sample(both, **SIDES)
        assert difference(together, alone) > 1e-3
        assert difference(together, sample(applied(base, weights=other, sites="up"), **SIDES)) > 1e-3
        assert torch.equal(sample(first, **SIDES), alone)

    def test_strength_and_region_scale_what_is_added(self, base, weights):
        half = sample(applied(base, weights=weights, strength=0.5), **SIDES)
        mask = torch.full((1, 128, 128), 0.5)
        masked = sample(applied(base, weights=weights, region=mask), **SIDES)
        assert difference(masked, half) < 1e-5 * half.abs().max()
        assert difference(half, sample(applied(base, weights=weights), **SIDES)) > 1e-3

    def test_spans(self, base, weights):
        plain, whole = sample(base, **SIDES), sample(applied(base, weights=weights), **SIDES)
        early = sample(applied(base, weights=weights, end_percent=0.4), **SIDES)
        assert difference(early, plain) > 1e-3 and difference(early, whole) > 1e-3

    def test_an_error_leaves_the_plain_model_plain(self, base, weights, cloning):
        plain, worn = sample(base, **SIDES), applied(base, weights=weights)

        def stop(step, *given):
            raise RuntimeError("interrupted")

        with pytest.raises(RuntimeError, match="interrupted"):
            sample(worn, callback=stop, **SIDES)
        assert torch.equal(sample(base, **SIDES), plain)
        with pytest.raises(PatchError, match="Apply CVA: The picture is 56×88, which has no 2×2 equal tiles"):
            sample(worn)
        assert torch.equal(sample(base, **SIDES), plain)

    def test_the_layers_keep_their_names(self, base, weights):
        names = {site: list(block._modules) for site, block in blocks_of(unet_of(base)).items()}
        keys, worn = set(base.model.state_dict()), applied(base, weights=weights)
        seen = []
        sample(worn, callback=lambda *given: seen.append((set(worn.model.state_dict()), dict(_names(worn)))), **SIDES)
        during, inside = seen[0]
        assert during == keys, "junctions have no weights"
        for site, expected in names.items():
            kept = [name for name in inside[site] if name != JUNCTION]
            assert kept == expected
        assert [name for name in inside[Site("middle", 0, 0)]] == ["0", "1", JUNCTION, "2"]
        assert [name for name in inside[Site("output", 2, 0)]] == ["0", JUNCTION, "1"]
        sample(base, **SIDES)
        assert dict(_names(base)) == names

    def test_it_composes(self, base, weights):
        """With a condition of its own SourceNet (training-free on the very same network) and with one of tokens."""
        worn = applied(base, weights=weights)
        hpfa = patched(worn, "hpfa")
        alone, with_cva = sample(patched(base, "hpfa"), **SIDES), sample(hpfa, **SIDES)
        assert difference(with_cva, alone) > 1e-3 and difference(with_cva, sample(worn, **SIDES)) > 1e-3
        both = mfca(worn, modules=mcld_modules(base))
        assert difference(sample(both, **SIDES), sample(worn, **SIDES)) > 1e-3
        # Order does not matter: patches of attention and layers between them.
        other = applied(patched(base, "hpfa"), weights=weights)
        assert difference(sample(other, **SIDES), with_cva) < 1e-5

    def test_the_sources_pass_knows_no_views(self, base, weights):
        """SourceNet is the network that is patched, and looks at a picture of another size that has no tiles."""
        worn = applied(base, weights=weights, strength=1e-6)
        close = sample(patched(base, "hpfa"), **SIDES)
        assert difference(sample(patched(worn, "hpfa"), **SIDES), close) < 1e-4 * float(close.abs().max())

    @pytest.mark.parametrize("cfg", [1.0, 3.5])
    def test_batches(self, base, weights, cfg):
        """Every joint picture of a batch is what it gives alone."""
        assert sample(applied(base, weights=weights), batch=3, cfg=cfg, **SIDES).isfinite().all()

    def test_areas_are_no_joint_picture(self, base, weights):
        worn = applied(base, weights=weights)
        area = conditioning(seed=6, area=(8, 16, 0, 0), strength=1.0)
        whole = conditioning(seed=3)
        assert sample(worn, positive=[*whole, *area], **SIDES).isfinite().all()
        assert difference(sample(worn, positive=[*whole, *area], **SIDES), sample(worn, positive=whole, **SIDES)) > 1e-3

    def test_half_precision(self):
        half = model(dtype=torch.float16)
        assert sample(applied(half), **SIDES).isfinite().all()

    def test_sdxl_has_places_too(self):
        xl = model("sdxl")
        assert len(_widths(xl, AFTER_LAYERS)) == 6 + 1 + 9
        assert len(_widths(xl, AFTER_ATTENTION)) == 4 + 1 + 6
        plain = sample(xl, **SIDES)
        assert difference(sample(applied(xl), **SIDES), plain) > 1e-3


def _names(patcher):
    return ((site, list(block._modules)) for site, block in blocks_of(unet_of(patcher)).items())


class TestNumbers:
    @pytest.mark.parametrize("views", ["2×2 tiles", "1×2 tiles", "images of the batch"])
    def test_one_site_is_the_module_itself(self, base, weights, views):
        """What goes in and what comes out at one place, while sampling: views are cut as they are said to be."""
        seen, tiles = {}, VIEWS[views]
        unet = unet_of(base)
        handle = unet.input_blocks[1][1].register_forward_hook(lambda m, i, out: seen.setdefault("in", out.clone()))
        after = unet.input_blocks[2][0].register_forward_hook(lambda m, i, out: seen.setdefault("next", i[0].clone()))
        try:
            sample(applied(base, weights=weights, views=views, sites="input 1"), batch=2, steps=1, **SIDES)
        finally:
            handle.remove()
            after.remove()
        module = weights.model.cva["input_1_0"]
        if tiles is None:
            expected = module(seen["in"].unflatten(0, (2, 2))).flatten(0, 1)
        else:
            expected = join_tiles(module(split_tiles(seen["in"], tiles)), tiles)
        assert difference(seen["next"], expected) < 1e-5 and difference(seen["next"], seen["in"]) > 1e-2


class TestErrors:
    def test_other_widths(self, base):
        with pytest.raises(
            NodeError, match="Apply CVA: The IMAGPose weights are 64 wide at site 'input 1.0', and this"
        ):
            applied(base, weights=cva_modules(base, wider=32))

    def test_fewer_modules(self, base, weights):
        xl = model("sdxl")
        fewer = cva_modules(xl)
        with pytest.raises(NodeError, match="have no CVA module for site 'input 10.0'"):
            applied(base, weights=fewer)

    def test_sites(self, base, weights):
        with pytest.raises(NodeError, match="Apply CVA: 'input 3' names no attention site"):
            applied(base, weights=weights, sites="input 3")
        with pytest.raises(NodeError, match="'output 1' names no"):
            applied(base, AFTER_ATTENTION, weights=weights, sites="output 1")

    def test_too_many_views(self, base):
        few = IMAGPose(
            IMAGPoseShape({site: CVAShape(width, views=2) for site, width in _widths(base, AFTER_LAYERS).items()}),
            operations=host_operations(),
        )
        worn = applied(base, views="images of the batch", weights=host_patcher(few.requires_grad_(False)))
        with pytest.raises(PatchError, match="Apply CVA: The batch has 3 images, and .* positions of 2 views"):
            sample(worn, batch=3, **SIDES)
