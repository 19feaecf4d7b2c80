"""MCLD's texture map against the published code's, and what the paper lacks: merging and swapping."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mannequin.nodes.errors import NodeError
from mannequin.nodes.texture import MERGED, SEPARATE, MannequinSwapTexture, MannequinTextureMap, MannequinTextureMask
from mannequin.preprocessors import texture_map as maps
from mannequin.preprocessors.densepose import DensePose
from mannequin.preprocessors.errors import ConditionError

from devtools import parity
from devtools.golden import read

GREY = 128


@pytest.fixture
def published(golden):
    return read(golden("mcld_texture.safetensors"))[0]


def bits(tensor: torch.Tensor) -> np.ndarray:
    return np.unpackbits(tensor.numpy()).reshape(24, 200, 200).astype(bool)


def chart_view(u: tuple[int, int], part: int = 2, side: int = 200, colour: int = GREY):
    """A photo, and a DensePose in which it shows a part's chart, U from ``u[0]`` to ``u[1]``, all of V."""
    iuv = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    iuv[..., 0] = part
    iuv[..., 1] = torch.linspace(*u, side)
    iuv[..., 2] = torch.linspace(255, 0, side)[:, None]
    return torch.full((1, side, side, 3), colour / 255), DensePose(iuv)


class TestPublished:
    def test_parity(self, golden, capsys):
        assert parity.main([str(golden("mcld_texture.safetensors"))]) == 0
        assert '"kind": "mcld_texture"' in capsys.readouterr().out

    def test_scattered_pixels(self, published):
        atlas, count = maps.scatter(published["in.image_bgr"].numpy(), published["in.iuv"].numpy())
        expected = np.zeros_like(atlas)
        expected[tuple(published["mid.atlas_before.index"].long().numpy().T)] = published["mid.atlas_before.value"]
        assert np.array_equal(atlas, expected)
        assert count.sum() == int((published["in.iuv"][..., 0] > 0).sum()), "every pixel of the person counts"

    def test_our_charts_are_theirs(self, published):
        """Theirs is a picture of the charts; ours are drawn from the triangles' coordinates."""
        theirs = bits(published["in.atlas_background_bits"])
        common, either = (maps.charts() & theirs).sum(), (maps.charts() | theirs).sum()
        assert common / either > 0.97

    def test_the_whole_way_with_our_charts(self, published):
        """In tensors and RGB, as the node runs it. Only painted texels may differ, with the charts' edges."""
        image = published["in.image_bgr"].flip(-1)[None].float() / 255
        texture, known = maps.texture_map(image, DensePose(published["in.iuv"][None]))
        difference = ((texture * 255).round() - published["out.texture"].flip(-1)).abs().amax(-1)
        assert float((difference > 1).float().mean()) < 0.02 and float(difference.mean()) < 0.3
        assert known[difference > 1].all()


class TestTexture:
    def test_a_known_chart_fills_its_place(self):
        image, densepose = chart_view((0, 255))
        texture, known = maps.texture_map(image, densepose)
        chest = maps.parts_of_texture([2])
        assert 0.05 < float(chest.float().mean()) < 0.3
        assert torch.equal(known, chest) and not texture[~chest].any()
        # Where a chart ends the published painting mixes in the black beyond it; so does ours.
        assert float(((texture[chest] * 255 - GREY).abs() <= 1).float().mean()) > 0.95

    @pytest.mark.parametrize("end", [63, 127, 255])
    def test_how_much_of_every_part_is_covered(self, end):
        """A photo of the chest from U = 0 to so much of 255, and nothing else."""
        image, densepose = chart_view((0, end))
        surface = maps.surface_of_texture().int()
        chest = surface[..., 0] == 2
        expected = float((surface[..., 1][chest] <= end).float().mean())
        known = maps.texture_map(image, densepose, "off")[1]
        covered = maps.coverage(known)
        assert covered.pop("chest") == pytest.approx(expected, abs=0.02) and set(covered.values()) == {0}
        assert (expected == 1) == (end == 255)

    def test_parts_that_are_counted_are_all_of_the_body_once(self):
        parts = [part for name in maps.coverage(torch.ones(512, 512, dtype=torch.bool)) for part in maps.GROUPS[name]]
        assert sorted(parts) == list(range(1, 25))

    def test_the_node_says_it_for_every_map(self):
        (chest, chest_pose), (head, head_pose) = chart_view((0, 255)), chart_view((0, 127), 23)
        both = torch.cat([chest, head]), DensePose(torch.cat([chest_pose.iuv, head_pose.iuv]))
        _, known, table = MannequinTextureMap.execute(*both, SEPARATE, "MCLD").result
        heading, *lines = table.splitlines()
        assert heading.split() == ["part", "map", "1", "map", "2"] and len(lines) == 16
        cells = {line[:17].strip(): line[17:].split() for line in lines}
        assert cells["chest"] == ["100.0%", "0.0%"] and cells["back"] == ["0.0%", "0.0%"]
        place = maps.parts_of_texture([23, 24])
        assert cells["head"] == ["0.0%", f"{float(known[1][place].mean()):.1%}"] and cells["head"][1] != "0.0%"
        body = maps.parts_of_texture(range(1, 25))
        assert cells["whole body"] == [f"{float(each[body].mean()):.1%}" for each in known]

    def test_seams(self):
        """Charts that meet in the texture: the published painting darkens where they do."""
        image, densepose = chart_view((0, 255))
        chest = maps.parts_of_texture([2])
        dark = {paint: maps.texture_map(image, densepose, paint)[0][chest].min() for paint in ("MCLD", "seamless")}
        assert float(dark["MCLD"]) < 0.4 and abs(float(dark["seamless"]) * 255 - GREY) <= 1

    def test_small_gaps_are_painted_and_large_ones_are_not(self):
        image, densepose = chart_view((0, 255), side=80)
        iuv = densepose.iuv.clone()
        iuv[:, 30:60] = 0
        painted, known = maps.texture_map(image, DensePose(iuv))
        bare, seen = maps.texture_map(image, DensePose(iuv), paint="off")
        assert (seen <= known).all() and int(known.sum()) > 2 * int(seen.sum())
        assert (painted[~known] == 0).all() and (bare[~seen] == 0).all()
        assert int((maps.parts_of_texture([2]) & ~known).sum()) > 500, "the large hole stays a hole"

    @given(
        height=st.integers(1, 40),
        width=st.integers(1, 40),
        rows=st.integers(1, 3),
        paint=st.sampled_from(["MCLD", "seamless", "off"]),
    )
    @settings(max_examples=15, deadline=None)
    def test_any_size(self, height, width, rows, paint):
        generator = torch.Generator().manual_seed(height * 41 + width)
        iuv = torch.randint(0, 256, (rows, height, width, 3), generator=generator, dtype=torch.uint8)
        iuv[..., 0] = iuv[..., 0] % 24 + 1
        image = torch.rand(rows, height, width, 3, generator=generator)
        texture, known = maps.texture_map(image, DensePose(iuv), paint)
        assert texture.shape == (512, 512, 3) and known.shape == (512, 512) and known.dtype == torch.bool
        assert 0 <= float(texture.min()) and float(texture.max()) <= 1

    def test_rows_in_blocks_are_one_photo(self, monkeypatch):
        image, densepose = chart_view((0, 255), side=70)
        image = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
        arrays = (image[0] * 255).to(torch.uint8).numpy(), densepose.iuv[0].numpy()
        whole = maps.scatter(*arrays)
        monkeypatch.setattr(maps, "ROWS", 7)
        assert all(np.array_equal(a, b) for a, b in zip(whole, maps.scatter(*arrays), strict=True))

    def test_nobody(self):
        with pytest.raises(ConditionError, match="The DensePose shows nobody"):
            maps.texture_map(torch.zeros(1, 8, 8, 3), DensePose(torch.zeros(1, 8, 8, 3, dtype=torch.uint8)))


class TestSeveralPhotos:
    def test_two_halves_make_a_whole(self):
        (left, left_pose), (right, right_pose) = chart_view((0, 127), colour=60), chart_view((128, 255), colour=200)
        image, iuv = torch.cat([left, right]), torch.cat([left_pose.iuv, right_pose.iuv])
        texture, known = maps.texture_map(image, DensePose(iuv))
        alone = [maps.texture_map(*view)[1] for view in ((left, left_pose), (right, right_pose))]
        assert torch.equal(known, maps.parts_of_texture([2]))
        assert all(int(one.sum()) < 0.7 * int(known.sum()) for one in alone)
        assert {60, 200} <= set((texture * 255).round().unique().int().tolist())

    def test_the_closer_photo_counts(self):
        (near, near_pose), (far, far_pose) = chart_view((0, 255), colour=60), chart_view((0, 255), side=100, colour=200)
        far = torch.nn.functional.pad(far, (0, 0, 0, 100, 0, 100))
        far_pose = torch.nn.functional.pad(far_pose.iuv, (0, 0, 0, 100, 0, 100))
        for order in (slice(None), slice(None, None, -1)):
            image, iuv = torch.cat([near, far][order]), torch.cat([near_pose.iuv, far_pose][order])
            texture, _ = maps.texture_map(image, DensePose(iuv))
            assert float(texture.max()) * 255 <= 60.5, "nothing of the far photo"

    def test_a_photo_twice_is_the_photo(self):
        image, densepose = chart_view((0, 255), side=60)
        image = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
        once = maps.texture_map(image, densepose)
        twice = maps.texture_map(image.repeat(2, 1, 1, 1), DensePose(densepose.iuv.repeat(2, 1, 1, 1)))
        assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def striped(colour: float, stripe: float = 0.0):
    """A chart of one colour with stripes of another, eight texels wide, every other eight."""
    image, densepose = chart_view((0, 255))
    image[:], image[:, :, torch.arange(200) // 8 % 2 == 1] = colour, stripe
    return image, densepose


def swap(donor: torch.Tensor, parts: str = "chest", person: float = 0.75, **more):
    person = torch.full((1, 512, 512, 3), person)
    return MannequinSwapTexture.execute(texture=person, donor=donor, parts=parts, **more).result


def as_file(texture: torch.Tensor) -> torch.Tensor:
    """What eight bits keep of it."""
    return (texture.float() * 255).round() / 255


PAINTS = ("MCLD", "seamless", "off")


class TestBlackClothes:
    """What is known is known by the pixels that fell there, not by its colour."""

    @pytest.mark.parametrize("paint", PAINTS)
    @pytest.mark.parametrize("colours", [(0.0, 0.0), (2 / 255, 0.0)], ids=str)
    def test_a_black_garment_is_swapped_as_a_grey_one(self, paint, colours):
        """Every texel of it, in a graph without further wires; through a file with the mask."""
        (grey, pose), (black, _) = chart_view((0, 255)), striped(*colours)
        wanted = swap(maps.texture_map(grey, pose, paint)[0][None])[1]
        map_, known = maps.texture_map(black, pose, paint)
        assert torch.equal(known.float()[None], wanted) and int(wanted.sum()) > 5000
        for donor, more in (
            (map_[None], {}),
            (as_file(map_[None]), {"donor_known": known[None].float()}),
            (map_[None].half(), {}),
        ):
            texture, swapped = swap(donor, **more)
            assert torch.equal(swapped, wanted)
            assert torch.equal(as_file(texture[0])[known], as_file(map_)[known])
        edited = swap(donor, person=0.0, donor_known=known[None].float())[0]
        assert torch.equal(swap(edited)[1], wanted), "the edited map tells it as well"

    @pytest.mark.parametrize("paint", PAINTS)
    def test_the_marks_cannot_be_seen(self, paint):
        """Not in eight bits, and far below the 1e-4 to which the published numbers are matched."""
        map_, known = maps.texture_map(*striped(0.5), paint)
        assert maps.BLACK < 1e-5 and (map_[known] > 0).any(-1).all() and not map_[~known].any()
        assert torch.equal(torch.where(map_ > maps.BLACK, map_, 0), as_file(map_))

    def test_seamless_keeps_black_stripes(self):
        map_, known = maps.texture_map(*striped(0.5), "seamless")
        values, counts = as_file(map_[known]).amax(-1).unique(return_counts=True)
        shares = dict(zip(values.tolist(), (counts / counts.sum()).tolist(), strict=True))
        assert shares[0.0] == pytest.approx(0.5, abs=0.06) and max(shares) == pytest.approx(128 / 255, abs=0.01)

    def test_mcld_paints_over_them_as_published(self):
        image, densepose = striped(0.5)
        atlas, count = maps.scatter((image[0] * 255).round().byte().numpy(), densepose.iuv[0].numpy())
        published = maps.to_texture(maps.paint_gaps(atlas, maps.charts())[0])
        map_, known = maps.texture_map(image, densepose)
        assert np.array_equal((map_ * 255).round().byte().numpy(), published)
        assert torch.equal(known, maps.texture_map(*chart_view((0, 255)))[1])

    def test_a_dark_garment_from_a_file_without_the_mask(self):
        """Black among dark is taken; where a bright map ends it is not, nor in its gaps."""
        map_, known = maps.texture_map(*striped(3 / 255), "off")
        assert float(swap(as_file(map_[None]))[1].sum() / known.sum()) > 0.95
        image, densepose = chart_view((0, 255), side=60)
        map_, known = maps.texture_map(image, densepose, "off")
        assert torch.equal(swap(as_file(map_[None]))[1][0], known.float()) and known.float().mean() < 0.05

    def test_nothing_to_swap_is_said(self):
        map_, known = maps.texture_map(*striped(0.0))
        for donor, parts, more in (
            (as_file(map_[None]), "chest", {}),
            (map_[None], "head", {}),
            (map_[None], "head", {"donor_known": known[None].float()}),
        ):
            with pytest.raises(NodeError, match=f"^Swap Texture Parts: Nothing of '{parts}' is known.*donor_known"):
                swap(donor, parts, **more)

    def test_masks_of_something_else(self):
        donor = torch.full((2, 512, 512, 3), 0.5)
        for mask in (
            torch.ones(1, 500, 512),
            torch.ones(3, 512, 512),
            torch.ones(1, 1, 512, 512),
            torch.ones(1, 64, 64),
        ):
            with pytest.raises(NodeError, match="^Swap Texture Parts: The mask donor_known has shape .*known"):
                swap(donor, donor_known=mask)
        assert torch.equal(swap(donor, donor_known=torch.zeros(1, 64, 64))[1], swap(donor)[1]), "Load Image's none"
        one = torch.zeros(512, 512)
        one[:, 256:] = 1
        assert torch.equal(swap(donor, "torso", donor_known=one)[1][1] > 0, maps.parts_of_texture([1, 2]) & (one > 0))


class TestNodes:
    def test_one_map_or_one_each(self):
        image, densepose = chart_view((0, 255), side=30)
        image, densepose = image.repeat(2, 1, 1, 1), DensePose(densepose.iuv.repeat(2, 1, 1, 1))
        for photos, rows in ((MERGED, 1), (SEPARATE, 2)):
            result = MannequinTextureMap.execute(image=image, densepose=densepose, photos=photos, paint="MCLD")
            assert result[0].shape == (rows, 512, 512, 3) and result[1].shape == (rows, 512, 512)

    def test_another_picture(self):
        image, densepose = chart_view((0, 255), side=30)
        with pytest.raises(NodeError, match="^Texture Map: The image is 1 × 30×20 and the DensePose 1 × 30×30"):
            MannequinTextureMap.execute(image=image[:, :20], densepose=densepose, photos=MERGED, paint="MCLD")

    def test_without_opencv(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "cv2", None)
        image, densepose = chart_view((0, 255), side=30)
        with pytest.raises(NodeError, match="^Texture Map: .*needs OpenCV.*turn the painting off"):
            MannequinTextureMap.execute(image=image, densepose=densepose, photos=MERGED, paint="MCLD")
        assert MannequinTextureMap.execute(image=image, densepose=densepose, photos=MERGED, paint="off")[0].any()

    def test_swap(self):
        person, donor = torch.full((2, 512, 512, 3), 0.25), torch.full((1, 512, 512, 3), 0.75)
        donor[:, :, :200] = 0
        texture, swapped = MannequinSwapTexture.execute(texture=person, donor=donor, parts="torso, 24").result
        where = maps.parts_of_texture([1, 2, 24])
        assert where[:, :200].any() and where[:, 200:].any()
        where[:, :200] = False
        assert torch.equal(swapped, where.expand(2, 512, 512).float())
        assert (texture[:, where] == 0.75).all() and (texture[:, ~where] == 0.25).all()

    def test_a_picture_that_is_no_map(self):
        image = torch.zeros(1, 512, 256, 3)
        with pytest.raises(NodeError, match="^Swap Texture Parts: The picture is 256×512; a texture map is 512×512"):
            MannequinSwapTexture.execute(texture=image, donor=image, parts="head")

    def test_every_texel_of_the_body_has_one_part(self):
        masks = torch.stack([MannequinTextureMask.execute(parts=str(part))[0][0] for part in range(1, 25)])
        assert masks.flatten(1).any(1).all() and float(masks.sum(0).max()) == 1
