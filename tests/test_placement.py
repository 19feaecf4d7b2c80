"""Photos at a method's size, and results back in the photo: nothing lost, nothing moved, nothing outside touched."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mannequin.nodes.crop import SIZES, MannequinFitImage, MannequinPasteBack
from mannequin.nodes.errors import NodeError
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.people import detect_poses
from mannequin.preprocessors.placement import (
    Box,
    Placement,
    fit,
    left_by_vae,
    mask_boxes,
    paste,
    place,
    resample,
)
from PIL import Image

from devtools.host import ROOT

MODES = ("squash", "pad", "crop", "person")
FIT = {"padding": "white", "margin": 0.1, "on_no_person": "error", "on_several": "largest"}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def photo(name: str) -> torch.Tensor:
    picture = Image.open(ROOT / "workflows" / "inputs" / name).convert("RGB")
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)[None]


def inside(placement: Placement, row: int = 0) -> torch.Tensor:
    """Boolean ``[H, W]``: the part of the photo that is shown."""
    where = torch.zeros(placement.original, dtype=torch.bool)
    where[placement.shown[row].rows, placement.shown[row].columns] = True
    return where


def within(box: Box, size: tuple[int, int]) -> bool:
    return min(box.left, box.top) >= 0 and box.left + box.width <= size[1] and box.top + box.height <= size[0]


def boxes_in(size: tuple[int, int], seed: int, number: int = 1) -> list[Box]:
    generator = torch.Generator().manual_seed(seed)

    def draw(limit: int) -> int:
        return int(torch.randint(0, limit, (), generator=generator))

    boxes = []
    for _ in range(number):
        top, left = draw(size[0]), draw(size[1])
        boxes.append(Box(left, top, 1 + draw(size[1] - left), 1 + draw(size[0] - top)))
    return boxes


sides = st.integers(1, 60)
seeds = st.integers(0, 10**6)
modes = st.sampled_from(MODES)


# Where things go


@given(height=sides, width=sides, to_height=sides, to_width=sides, mode=modes, seed=seeds, margin=st.floats(0, 2))
@settings(max_examples=200, deadline=None)
@example(1, 1, 60, 60, "pad", 0, 0.0)
@example(1, 60, 60, 1, "crop", 0, 0.0)
@example(60, 1, 1, 60, "person", 0, 2.0)
def test_rectangles_lie_inside(height, width, to_height, to_width, mode, seed, margin):
    placement = place((height, width), to_width, to_height, mode, boxes_in((height, width), seed), margin)
    (shown,), (filled,) = placement.shown, placement.filled
    assert within(shown, (height, width)) and within(filled, (to_height, to_width))
    assert min(shown.width, shown.height, filled.width, filled.height) >= 1
    if mode in ("squash", "pad"):
        assert (shown.width, shown.height) == (width, height)
    if mode in ("squash", "crop"):
        assert (filled.width, filled.height) == (to_width, to_height)


@given(
    height=st.integers(300, 9000),
    width=st.integers(300, 9000),
    mode=st.sampled_from(("pad", "crop", "person")),
    seed=seeds,
)
@settings(max_examples=200, deadline=None)
def test_nothing_is_stretched(height, width, mode, seed):
    """But by rounding to whole pixels, at most one of each rectangle."""
    placement = place((height, width), 352, 512, mode, boxes_in((height, width), seed))
    (shown,), (filled,) = placement.shown, placement.filled
    scale = filled.height / shown.height
    slack = filled.width / shown.width + filled.height / shown.height + 1
    assert abs(shown.width * scale - filled.width) <= slack * max(1, filled.width / filled.height)


@given(height=sides, width=sides, seed=seeds, margin=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_all_of_the_person_is_shown(height, width, seed, margin):
    (box,) = boxes_in((height, width), seed)
    (shown,) = place((height, width), 44, 64, "person", [box], margin).shown
    # Rounding may take a part of a pixel at either end.
    assert shown.left <= box.left + 1 and shown.left + shown.width >= box.left + box.width - 1
    assert shown.top <= box.top + 1 and shown.top + shown.height >= box.top + box.height - 1


def test_the_middle_is_the_middle():
    placement = place((100, 300), 50, 50, "crop", [None])
    assert placement.shown == (Box(100, 0, 100, 100),) and placement.filled == (Box(0, 0, 50, 50),)
    placement = place((100, 300), 60, 60, "pad", [None])
    assert placement.filled == (Box(0, 20, 60, 20),)


def test_around_a_person_in_the_corner():
    """The rectangle moves into the photo, keeping its size, and no bars are needed."""
    placement = place((400, 400), 100, 200, "person", [Box(0, 0, 40, 100)], 0.0)
    assert placement.shown == (Box(0, 0, 50, 100),) and placement.filled == (Box(0, 0, 100, 200),)


def test_a_person_who_fills_a_portrait_gets_bars():
    placement = place((400, 100), 400, 400, "person", [Box(0, 0, 100, 400)], 0.0)
    assert placement.shown == (Box(0, 0, 100, 400),) and placement.filled == (Box(150, 0, 100, 400),)


@pytest.mark.parametrize("size", [(0, 5), (9000, 5)])
def test_sizes_that_cannot_be_made(size):
    with pytest.raises(ConditionError, match="cannot be made"):
        place((9, 9), *size, "pad", [None])


# Pictures at their places


@given(height=sides, width=sides, to_height=sides, to_width=sides, mode=modes, batch=st.integers(1, 3), seed=seeds)
@settings(max_examples=80, deadline=None)
def test_a_fitted_picture(height, width, to_height, to_width, mode, batch, seed):
    image = noise(batch, height, width, 3, seed=seed)
    placement = place((height, width), to_width, to_height, mode, boxes_in((height, width), seed, batch))
    for colour, value in (("white", 1.0), ("black", 0.0), ("edge", None)):
        fitted, mask = fit(image, placement, colour)
        assert fitted.shape == (batch, to_height, to_width, 3) and mask.shape == (batch, to_height, to_width)
        assert 0 <= float(fitted.min()) and float(fitted.max()) <= 1 and set(mask.unique().tolist()) <= {0.0, 1.0}
        assert int(mask.sum()) == sum(box.width * box.height for box in placement.filled)
        if value is not None:
            assert (fitted[mask == 0] == value).all()


def test_edges_are_repeated():
    image = noise(1, 4, 8, 3)
    fitted, _ = fit(image, place((4, 8), 8, 8, "pad", [None]), "edge")
    assert torch.equal(fitted[0, 2:6], image[0])
    assert torch.equal(fitted[0, :2], image[0, :1].expand(2, -1, -1))
    assert torch.equal(fitted[0, 6:], image[0, 3:].expand(2, -1, -1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_and_transparency(dtype):
    image = noise(2, 9, 7, 4).to(dtype)
    fitted, _ = fit(image, place((9, 7), 7, 9, "squash", [None] * 2))
    assert fitted.dtype == torch.float32 and fitted.shape == (2, 9, 7, 3)
    image = image.float()
    assert torch.allclose(fitted, image[..., :3] * image[..., 3:] + 1 - image[..., 3:], atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_a_photo_of_the_right_size_is_untouched(mode):
    image = noise(2, 64, 44, 3)
    fitted, mask = fit(image, place((64, 44), 44, 64, mode, [Box(0, 0, 44, 64)] * 2, 0.0))
    assert torch.equal(fitted, image) and mask.all()


def test_shrinking_a_lot_averages():
    """Stripes of one pixel become grey, not stripes: no aliasing; and a flat picture stays flat."""
    stripes = (torch.arange(1600) % 2).float()[None, :, None].expand(1600, -1, 3)
    small = resample(stripes, 37, 53)
    assert (small - 0.5).abs().max() < 0.02
    assert (resample(torch.full((999, 777, 3), 0.3), 5, 4) - 0.3).abs().max() < 1e-5
    smooth = F.interpolate(noise(1, 3, 6, 6), size=(600, 600), mode="bicubic", align_corners=False).clamp(0, 1)
    averaged = F.interpolate(smooth, size=(60, 60), mode="area")[0].movedim(0, -1)
    assert (resample(smooth[0].movedim(0, -1), 60, 60) - averaged).abs().max() < 0.02


def test_pixels_do_not_move():
    """A ramp stays where it is when the picture shrinks, grows, or goes and comes back."""
    ramp = ((torch.arange(120) + 0.5) / 120)[None, :, None].expand(90, -1, 3)
    for size in ((30, 40), (270, 360)):
        wanted = (torch.arange(size[1]) + 0.5) / size[1]
        assert (resample(ramp, *size)[5, 4:-4, 0] - wanted[4:-4]).abs().max() < 2e-3


def test_an_8k_photo():
    image = torch.full((1, 8192, 1024, 3), 0.25)
    placement = place((8192, 1024), 352, 512, "person", [Box(100, 6000, 900, 900)])
    fitted, _ = fit(image, placement)
    assert fitted.shape == (1, 512, 352, 3)
    assert (paste(fitted, placement, image) - image).abs().max() < 1e-5


# Masks


@given(height=sides, width=sides, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_the_box_of_a_mask(height, width, seed):
    (box,) = boxes_in((height, width), seed)
    mask = torch.zeros(height, width)
    mask[box.rows, box.columns] = 1
    assert mask_boxes(mask, (height, width), 2) == [box, box]
    (large,) = mask_boxes(mask[None], (3 * height, 5 * width), 1)
    assert large == Box(5 * box.left, 3 * box.top, 5 * box.width, 3 * box.height), "a mask of another size"


@pytest.mark.parametrize(
    "mask, words",
    [
        (torch.zeros(1, 8, 8), "Mask 1 of the batch is empty"),
        (torch.full((8, 8), torch.nan), "Mask 1 of the batch is empty"),
        (torch.ones(3, 8, 8), "has shape .3, 8, 8. and the image 2 pictures"),
        (torch.ones(8), "has shape"),
    ],
)
def test_masks_that_do_not_help(mask, words):
    with pytest.raises(ConditionError, match=words):
        mask_boxes(mask, (8, 8), 2)


# Back into the photo


@given(
    height=sides,
    width=sides,
    to_height=sides,
    to_width=sides,
    mode=modes,
    feather=st.integers(0, 80),
    batch=st.integers(1, 3),
    masked=st.booleans(),
    seed=seeds,
)
@settings(max_examples=150, deadline=None)
def test_outside_the_rectangle_every_bit_is_the_photos(
    height, width, to_height, to_width, mode, feather, batch, masked, seed
):
    image = noise(batch, height, width, 3, seed=seed)
    placement = place((height, width), to_width, to_height, mode, boxes_in((height, width), seed, batch))
    result = noise(batch, to_height, to_width, 3, seed=seed + 1)
    mask = noise(batch, 5, 4, seed=seed + 2) if masked else None
    pasted = paste(result, placement, image, mask, feather)
    assert pasted.shape == image.shape and torch.isfinite(pasted).all()
    for row in range(batch):
        outside = ~inside(placement, row)
        assert torch.equal(pasted[row][outside], image[row][outside])
    assert 0 <= float(pasted.min()) and float(pasted.max()) <= 1


@pytest.mark.parametrize("mode", MODES)
def test_inside_it_is_the_result(mode):
    image = noise(1, 80, 60, 3)
    placement = place((80, 60), 44, 64, mode, [Box(20, 30, 10, 20)])
    (shown,), (filled,) = placement.shown, placement.filled
    result = torch.zeros(1, 64, 44, 3)
    result[0, filled.rows, filled.columns] = torch.tensor([0.2, 0.4, 0.6])
    pasted = paste(result, placement, image)[0, shown.rows, shown.columns]
    assert torch.allclose(pasted, torch.tensor([0.2, 0.4, 0.6]), atol=1e-5), "and no bars"


@given(height=sides, width=sides, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_a_crop_at_its_own_size_comes_back_whole(height, width, seed):
    image = noise(1, height, width, 3, seed=seed)
    (box,) = boxes_in((height, width), seed)
    placement = place((height, width), box.width, box.height, "person", [box], 0.0)
    fitted, _ = fit(image, placement)
    assert torch.equal(fitted[0], image[0, box.rows, box.columns])
    assert torch.equal(paste(fitted, placement, image, feather=3), image)
    assert torch.equal(paste(fitted * 0, placement, image, torch.zeros(1, 7, 9)), image), "a black mask"


def test_feathering():
    """From the photo to the result over the feather, on the edges that cut the photo and on no other."""
    image, result = torch.zeros(1, 40, 40, 3), torch.ones(1, 20, 20, 3)
    placement = Placement((40, 40), (20, 20), (Box(0, 10, 20, 20),), (Box(0, 0, 20, 20),))
    pasted = paste(result, placement, image, feather=4)[0, ..., 0]
    assert torch.allclose(pasted[9:16, 3], torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0]))
    assert torch.allclose(pasted[20, 15:21], torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2, 0.0]))
    assert pasted[20, 0] == 1, "the photo ends there"


def test_only_where_the_mask_is():
    image, result = torch.zeros(2, 30, 30, 3), torch.ones(2, 10, 10, 3)
    mask = torch.zeros(1, 20, 20)
    mask[:, :, 10:] = 1
    pasted = paste(result, place((30, 30), 10, 10, "squash", [None] * 2), image, mask)
    assert not pasted[:, :, :13].any() and (pasted[:, :, 17:] > 0.9999).all()


def test_a_result_that_was_enlarged_has_more_detail():
    image = noise(1, 64, 64, 3)
    placement = place((64, 64), 16, 32, "pad", [None])
    large, _ = fit(image, place((64, 64), 64, 128, "pad", [None]))
    assert torch.equal(paste(large, placement, image), image)
    assert not torch.allclose(paste(fit(image, placement)[0], placement, image), image, atol=0.1)


def test_one_photo_and_several_results():
    image, results = noise(1, 30, 20, 3), noise(3, 8, 8, 3, seed=1)
    placement = place((30, 20), 8, 8, "crop", [None])
    pasted = paste(results, placement, image)
    assert pasted.shape == (3, 30, 20, 3)
    for row in range(3):
        assert torch.equal(pasted[row : row + 1], paste(results[row : row + 1], placement, image))
    crowd = place((30, 20), 8, 8, "person", boxes_in((30, 20), 5, 3))
    assert torch.equal(paste(results, crowd, image)[2:], paste(results[2:], _row(crowd, 2), image))


def _row(placement: Placement, row: int) -> Placement:
    return Placement(
        placement.original, placement.fitted, placement.shown[row : row + 1], placement.filled[row : row + 1]
    )


# After VAE Encode, which cuts sides to multiples of eight


def encoded(pictures: torch.Tensor) -> torch.Tensor:
    """What the host's own VAE Encode leaves of pictures."""
    from comfy.sd import VAE

    vae = VAE.__new__(VAE)
    vae.crop_input, vae.downscale_ratio = True, 8
    return vae.vae_encode_crop_pixels(pictures)


def left(size: tuple[int, int]) -> torch.Tensor:
    """Boolean ``[H, W]``: what VAE Encode leaves of pictures of that size."""
    places = torch.arange(size[0] * size[1]).reshape(1, *size, 1)
    return torch.isin(places, encoded(places))[0, ..., 0]


@given(height=st.integers(8, 70), width=st.integers(8, 70), batch=st.integers(1, 3), times=st.integers(1, 3))
@settings(max_examples=80, deadline=None)
@example(13, 15, 1, 2)
@example(8, 15, 2, 1)
def test_what_vae_encode_cuts_off_stays_the_photos(height, width, batch, times):
    """At the photo's own resolution and, enlarged since, at another: nothing is moved, and the rest is untouched."""
    kept = [side // 8 * 8 * times for side in (height, width)]
    # 24×24 of 12×12 is 8×8 three times as large, and all of it twice as large: it is taken for the latter.
    assume(
        kept == [height * times, width * times] or 2 * kept[0] % height or 2 * kept[0] / height != 2 * kept[1] / width
    )
    image = noise(batch, height, width, 3, seed=height)
    placement = place((height, width), width, height, "squash", [None] * batch)
    result = encoded(fit(image, placement)[0])
    assert torch.equal(paste(result, placement, image), image)
    large = (1 - result).repeat_interleave(times, 1).repeat_interleave(times, 2)
    wanted = torch.where(left((height, width))[..., None], 1 - image, image)
    if times == 1:
        assert torch.equal(paste(large, placement, image), wanted)
    else:
        assert torch.equal(paste(large, placement, image)[:, ~left((height, width))], image[:, ~left((height, width))])
    smooth = torch.linspace(0, 1, width)[None, None, :, None].expand(batch, height, width, 3)
    enlarged = F.interpolate(encoded(smooth).movedim(-1, 1), scale_factor=times, mode="bilinear").movedim(1, -1)
    assert (paste(enlarged, placement, smooth) - smooth).abs().max() < 0.02


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(333, 501), (517, 364), (400, 333)], ids=str)
def test_a_cut_result_lies_where_the_whole_one_would(mode, size):
    """A large photo, fitted to a size that is no multiple of eight: as exact as without VAE Encode."""
    smooth = F.interpolate(noise(1, 3, 12, 9), size=(900, 700), mode="bicubic", align_corners=False).clamp(0, 1)
    image = smooth.movedim(1, -1)
    placement = place((900, 700), *size, mode, [Box(200, 150, 300, 500)])
    fitted, _ = fit(image, placement)
    blank = torch.zeros_like(image)
    whole, cut = paste(fitted, placement, blank)[0], paste(encoded(fitted), placement, blank)[0]
    inner = cut.any(-1)
    assert float(inner.float().sum()) > 0.94 * float(inside(placement).sum())
    assert (whole - cut)[inner].abs().max() < 0.02, "but for the blur of resampling at the new edge"
    assert (cut - image[0])[inner].square().mean() < 1e-6


@pytest.mark.parametrize(
    "size, fitted, cut",
    [
        ((333, 501), (333, 501), (0, 0)),
        ((328, 496), (333, 501), (2, 2)),
        ((336, 496), (343, 503), (3, 3)),
        ((656, 992), (333, 501), (2, 2)),
        ((492, 744), (333, 501), (2, 2)),
        ((666, 1002), (333, 501), (0, 0)),
        ((327, 496), (333, 501), (0, 0)),
        ((328, 488), (333, 501), (0, 0)),
        ((512, 512), (333, 501), (0, 0)),
        ((500, 750), (500, 750), (0, 0)),
        ((496, 496), (500, 500), (2, 2)),
        ((1000, 1000), (500, 500), (0, 0)),
        ((8, 8), (7, 9), (0, 0)),
        ((1, 1), (1, 1), (0, 0)),
    ],
)
def test_which_results_were_cut(size, fitted, cut):
    box = left_by_vae(size, fitted)
    assert (box.top, box.left) == cut
    assert (box.height, box.width) == (fitted if cut == (0, 0) else tuple(side // 8 * 8 for side in fitted))


def test_the_feather_begins_where_the_result_does():
    image = torch.zeros(1, 20, 31, 3)
    placement = place((20, 31), 31, 20, "squash", [None])
    pasted = paste(torch.ones(1, 16, 24, 3), placement, image, feather=2)[0, ..., 0]
    assert torch.allclose(pasted[10, :6], torch.tensor([0, 0, 0, 1 / 3, 2 / 3, 1]))
    assert torch.allclose(pasted[:5, 15], torch.tensor([0, 0, 1 / 3, 2 / 3, 1]))


def test_masks_over_a_cut_result():
    """One of the result's size lies over the result, one of the fitted picture's size over that."""
    image = torch.zeros(1, 20, 31, 3)
    placement = place((20, 31), 31, 20, "squash", [None])
    for mask, start in ((torch.zeros(1, 16, 24), 3), (torch.zeros(1, 20, 31), 0)):
        mask[:, :, :9] = 1
        pasted = paste(torch.ones(1, 16, 24, 3), placement, image, mask)[0, ..., 0]
        wanted = torch.zeros(20, 31)
        wanted[2:18, 3 : start + 9] = 1
        assert torch.equal(pasted, wanted)


# Transparency


@pytest.mark.parametrize("mode", MODES)
def test_an_original_keeps_its_transparency(mode):
    """Fit Image shows white where the photo is transparent; Paste Back takes that white out again."""
    image = noise(2, 33, 29, 4)
    image[:, :10, :, 3], image[:, 20:, :, 3] = 0, 1
    placement = place((33, 29), 29, 33, mode, [Box(5, 5, 9, 9)] * 2, 0.0)
    (shown,), (filled,) = placement.shown[:1], placement.filled[:1]
    at_its_size = (shown.height, shown.width) == (filled.height, filled.width)
    pasted = paste(fit(image, placement)[0], placement, image)
    assert pasted.shape == image.shape and torch.equal(pasted[..., 3], image[..., 3])
    assert torch.equal(pasted[:, :10], image[:, :10]), "where nothing is to be seen, every bit"
    if at_its_size:
        assert torch.equal(pasted[:, 20:], image[:, 20:]) and torch.allclose(pasted, image, atol=1e-4)


def test_what_a_mask_pastes_is_opaque():
    image, mask = torch.full((1, 8, 12, 4), 0.5), torch.zeros(1, 8, 12)
    image[:, 4:, :, 3] = 0
    mask[:, :, 4:8], mask[:, :, 8:] = 0.5, 1
    pasted = paste(torch.ones(1, 8, 12, 3), place((8, 12), 12, 8, "squash", [None]), image, mask)[0]
    assert torch.equal(pasted[:, :4], image[0, :, :4])
    assert torch.allclose(pasted[0, 4], torch.tensor([5 / 6, 5 / 6, 5 / 6, 0.75])), "half of it over half of that"
    assert torch.allclose(pasted[7, 4], torch.tensor([1, 1, 1, 0.5])) and (pasted[:, 8:] == 1).all()


# Load Image's mask of a picture without alpha


def test_load_images_empty_mask_is_none():
    """It is 64×64 whatever the picture; only for pictures of that size it can be meant."""
    image, nothing = noise(1, 80, 60, 3), torch.zeros(1, 64, 64)
    placement = place((80, 60), 44, 64, "pad", [None])
    result = noise(1, 64, 44, 3, seed=1)
    assert torch.equal(paste(result, placement, image, nothing), paste(result, placement, image))
    small = place((80, 60), 64, 64, "pad", [None])
    assert torch.equal(paste(noise(1, 64, 64, 3), small, image, nothing), image)
    assert torch.equal(paste(result, placement, image, torch.zeros(1, 64, 44)), image)
    person = torch.full((1, 400, 900, 3), 0.5)
    person[0, 25:375, 700:875] = photo("mannequin_source.png")[0]
    options = FIT | {"size": "width × height", "width": 88, "height": 128, "image": person, "mode": "person"}
    boxes = [MannequinFitImage.execute(mask=mask, **options)[2] for mask in (None, nothing)]
    assert boxes[0] == boxes[1]
    with pytest.raises(NodeError, match="^Fit Image: Mask 1 of the batch is empty"):
        MannequinFitImage.execute(mask=torch.zeros(1, 400, 900), **options)


def test_what_does_not_belong_together():
    placement = place((30, 20), 8, 8, "crop", [None])
    with pytest.raises(NodeError, match="^Paste Back: The photo is 30×20 and the one that was fitted 20×30"):
        MannequinPasteBack.execute(
            result=noise(1, 8, 8, 3), placement=placement, original=noise(1, 20, 30, 3), feather=0
        )
    with pytest.raises(ConditionError, match="2 results, 1 placements, 3 photos, 1 masks"):
        paste(noise(2, 8, 8, 3), placement, noise(3, 30, 20, 3))
    with pytest.raises(ConditionError, match="The mask has shape"):
        paste(noise(1, 8, 8, 3), placement, noise(1, 30, 20, 3), torch.full((1, 4, 4), torch.nan))


def test_a_mask_of_another_scale():
    image, mask = noise(1, 30, 20, 3), torch.full((1, 8, 8), 255.0)
    with pytest.raises(ConditionError, match="values up to 255, and 0–1 are needed"):
        paste(image, place((30, 20), 20, 30, "crop", [None]), image, mask)


def test_a_photo_in_half_precision_and_beyond_white():
    image = (noise(1, 30, 20, 3) * 3 - 1).half()
    placement = place((30, 20), 8, 8, "crop", [None])
    outside = ~inside(placement)
    pasted = paste(noise(1, 8, 8, 3), placement, image)
    assert torch.equal(pasted[0][outside], image[0].float()[outside])


def test_nothing_that_came_in_is_changed():
    image, result, mask = noise(1, 30, 20, 3), noise(1, 8, 8, 3), noise(1, 8, 8)
    copies = [tensor.clone() for tensor in (image, result, mask)]
    placement = place((30, 20), 8, 8, "crop", [None])
    fit(image, placement)
    paste(result, placement, image, mask, 3)
    assert all(torch.equal(*pair) for pair in zip(copies, (image, result, mask), strict=True))


# The nodes


def test_round_trip_around_a_person():
    """Someone small at the right of a wide photo: large in the picture, and back to the pixel."""
    image = torch.full((1, 400, 900, 3), 0.5)
    image[0, 25:375, 700:875] = photo("mannequin_source.png")[0]
    options = FIT | {"size": "TruePose, CFLD 352×512", "width": 8, "height": 8}
    fitted, mask, placement = MannequinFitImage.execute(image=image, mode="person", **options).result
    assert fitted.shape == (1, 512, 352, 3) and mask.shape == (1, 512, 352)
    (frame,) = detect_poses(fitted)
    points = frame.people[0][frame.people[0, :, 2] > 0]
    extent = points[:, 1].max() - points[:, 1].min()
    assert extent > 300 and len(points) >= 15
    pasted = MannequinPasteBack.execute(result=fitted, placement=placement, original=image, feather=16)[0]
    outside = ~inside(placement)
    assert torch.equal(pasted[0][outside], image[0][outside])
    assert (pasted - image).abs().mean() < 0.01


def test_around_a_mask_nobody_is_looked_for():
    image, mask = noise(2, 50, 80, 3), torch.zeros(1, 50, 80)
    mask[0, 20:30, 60:70] = 1
    options = FIT | {"margin": 0.0, "size": "width × height", "width": 10, "height": 10}
    fitted, _, placement = MannequinFitImage.execute(image=image, mode="person", mask=mask, **options).result
    assert placement.shown == (Box(60, 20, 10, 10),) * 2
    assert torch.equal(fitted, image[:, 20:30, 60:70])


def test_nobody_to_go_around():
    options = FIT | {"size": "width × height", "width": 10, "height": 10, "image": torch.zeros(1, 30, 40, 3)}
    with pytest.raises(NodeError, match="^Fit Image: Nobody was found.*on_no_person"):
        MannequinFitImage.execute(mode="person", **options)
    placement = MannequinFitImage.execute(mode="person", **options | {"on_no_person": "skip"})[2]
    assert placement.shown == (Box(5, 0, 30, 30),), "the middle"


@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_methods(size):
    options = FIT | {"size": size, "width": 24, "height": 16, "image": noise(1, 30, 40, 3)}
    fitted = MannequinFitImage.execute(mode="squash", **options)[0]
    width, height = SIZES[size] or (24, 16)
    assert fitted.shape == (1, height, width, 3)
    assert size == "width × height" or size.endswith(f"{width}×{height}")
