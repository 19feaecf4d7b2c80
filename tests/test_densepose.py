"""DensePose: the TorchScript file through the host's patcher, pictures of it, and masks."""

import pytest
import torch
from generated import TwoPeople, densepose_file
from hypothesis import given, settings
from hypothesis import strategies as st
from mannequin.nodes.densepose import MannequinDetectDensePose, MannequinLoadDensePose
from mannequin.nodes.errors import NodeError
from mannequin.nodes.model_files import WEIGHTS_FOLDER
from mannequin.preprocessors.densepose import GROUPS, DensePose, from_image, part_numbers
from mannequin.preprocessors.densepose_net import DensePoseNet, detect_densepose, load
from mannequin.preprocessors.errors import ConditionError
from torch import Tensor, nn

FACTS = {"on_no_person": "error", "on_several": "most certain", "resolution": 800}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return densepose_file(tmp_path_factory.mktemp("densepose"))


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty models/mannequin."""
    import folder_paths

    endings = folder_paths.folder_names_and_paths.get(WEIGHTS_FOLDER, ([], {".safetensors", ".torchscript"}))[1]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, WEIGHTS_FOLDER, ([str(tmp_path)], endings))
    folder_paths.filename_list_cache.pop(WEIGHTS_FOLDER, None)
    yield tmp_path
    folder_paths.filename_list_cache.pop(WEIGHTS_FOLDER, None)


def blue(height: int, width: int, value: float = 0.4, rows: int = 1) -> Tensor:
    image = torch.zeros(rows, height, width, 3)
    image[..., 2] = value
    return image


class TestNetwork:
    def test_parts_and_coordinates_land_in_the_box(self, file):
        found = detect_densepose(blue(64, 48), load(file))
        part, u, v = found.iuv[0].unbind(-1)
        assert set(part[:, 24:].unique().tolist()) == {0}, "nobody is right of the first person's box"
        assert (part[:31, :17] == 2).all() and (part[33:, :17] == 24).all()
        # A quarter of the box is background in the coarse segmentation.
        assert set(part[:, 19:24].unique().tolist()) == {0}
        row = u[10, :17].int()
        assert (row.diff() > 0).all() and abs(int(row[12]) - round(255 * 12.5 / 24)) <= 8
        assert set(v[part > 0].unique().tolist()) <= {101, 102}, "blue is channel 0 for this network"

    def test_everybody(self, file):
        found = detect_densepose(blue(64, 48), load(file), on_several="all")
        assert set(found.iuv[0, ..., 0].unique().tolist()) == {0, 2, 7, 24}

    @pytest.mark.parametrize("option, parts", [("largest", {2, 24}), ("most central", {2, 24})])
    def test_options(self, file, option, parts):
        found = detect_densepose(blue(64, 48), load(file), on_several=option)
        assert set(found.iuv[0, ..., 0].unique().tolist()) - {0} == parts

    def test_several_can_be_an_error(self, file):
        with pytest.raises(ConditionError, match="2 people were found in picture 1"):
            detect_densepose(blue(64, 48), load(file), on_several="error")

    def test_nobody(self, tmp_path):
        network = load(densepose_file(tmp_path, people=0))
        with pytest.raises(ConditionError, match="Nobody was found in picture 1.*on_no_person"):
            detect_densepose(blue(64, 48), network)
        assert not detect_densepose(blue(64, 48), network, on_no_person="skip").iuv.any()

    def test_red_first_without_a_blue_mean(self):
        network = TwoPeople()
        network.pixel_mean.fill_(127.5)
        found = detect_densepose(blue(64, 48), DensePoseNet(torch.jit.script(network)))
        assert int(found.iuv[..., 2].max()) == 0

    @given(
        height=st.integers(1, 70),
        width=st.integers(1, 70),
        rows=st.integers(1, 2),
        resolution=st.sampled_from([64, 96]),
    )
    @settings(max_examples=15, deadline=None)
    def test_any_size(self, height, width, rows, resolution):
        network = DensePoseNet(torch.jit.script(TwoPeople()))
        found = detect_densepose(blue(height, width, rows=rows), network, on_several="all", resolution=resolution)
        assert found.iuv.shape == (rows, height, width, 3) and found.iuv.dtype == torch.uint8
        assert int(found.iuv[..., 0].max()) <= 24

    def test_boxes_beyond_the_picture(self):
        class Beyond(TwoPeople):
            def forward(self, picture):
                boxes, *maps = super().forward(picture)
                return boxes * 3 - 40, *maps

        assert detect_densepose(blue(40, 40), Beyond(), on_several="all", resolution=40).iuv.any()

    def test_another_network(self, tmp_path):
        class Other(nn.Module):
            def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
                return picture, picture, picture, picture, picture

        with pytest.raises(ConditionError, match="outputs are not DensePose's"):
            detect_densepose(blue(8, 8), DensePoseNet(torch.jit.script(Other())))


class TestNodes:
    def test_the_host_owns_it(self, models):
        densepose_file(models)
        net = MannequinLoadDensePose.execute(weights="densepose_r50_fpn_dl.torchscript")[0]
        assert hasattr(net, "load_device") and net.model_size() > 0
        first = MannequinDetectDensePose.execute(densepose_net=net, image=blue(64, 48), **FACTS)[0]
        second = MannequinDetectDensePose.execute(densepose_net=net, image=blue(64, 48), **FACTS)[0]
        assert first.iuv.any() and torch.equal(first.iuv, second.iuv)

    def test_the_host_can_take_it_back(self, models):
        import comfy.model_management

        densepose_file(models)
        net = MannequinLoadDensePose.execute(weights="densepose_r50_fpn_dl.torchscript")[0]
        MannequinDetectDensePose.execute(densepose_net=net, image=blue(64, 48), **FACTS)
        assert any(loaded.model is net for loaded in comfy.model_management.current_loaded_models)
        comfy.model_management.unload_all_models()
        assert not comfy.model_management.current_loaded_models
        assert MannequinDetectDensePose.execute(densepose_net=net, image=blue(64, 48), **FACTS)[0].iuv.any()

    def test_the_file_of_another_pack(self, models, tmp_path_factory, monkeypatch):
        import folder_paths

        packs = tmp_path_factory.mktemp("packs")
        folder = packs / "comfyui_controlnet_aux" / "ckpts" / "LayerNorm" / "DensePose-TorchScript-with-hint-image"
        folder.mkdir(parents=True)
        densepose_file(folder)
        monkeypatch.setattr(folder_paths, "get_folder_paths", lambda name: [str(packs)])
        options = MannequinLoadDensePose.define_schema().inputs[0].options
        assert options == ["comfyui_controlnet_aux: densepose_r50_fpn_dl.torchscript"]
        assert MannequinLoadDensePose.execute(weights=options[0])[0].model_size() > 0

    def test_a_file_that_is_not_there(self, models):
        with pytest.raises(NodeError, match=r"^Load DensePose: There is no 'a.torchscript' in models/mannequin"):
            MannequinLoadDensePose.execute(weights="a.torchscript")

    @pytest.mark.parametrize("kind", ["cut short", "pickled", "text"])
    def test_a_file_of_another_kind(self, models, kind):
        name = models / "densepose.torchscript"
        if kind == "cut short":
            whole = densepose_file(models, name=name.name)
            whole.write_bytes(whole.read_bytes()[:3000])
        elif kind == "pickled":
            torch.save({"weight": torch.zeros(3)}, name)
        else:
            name.write_text("<html>Not found</html>")
        with pytest.raises(NodeError, match="^Load DensePose: 'densepose.torchscript' cannot be read as TorchScript"):
            MannequinLoadDensePose.execute(weights=name.name)
        assert MannequinLoadDensePose.define_schema().inputs[0].options == []


def any_densepose(rows: int, height: int, width: int, seed: int = 0) -> DensePose:
    generator = torch.Generator().manual_seed(seed)
    iuv = torch.randint(0, 256, (rows, height, width, 3), generator=generator, dtype=torch.uint8)
    iuv[..., 0] %= 25
    return DensePose(iuv)


class TestPictures:
    @pytest.mark.parametrize("order", ["IUV", "VUI"])
    @given(rows=st.integers(1, 3), height=st.integers(1, 20), width=st.integers(1, 20))
    @settings(max_examples=20, deadline=None)
    def test_out_and_in_again(self, order, rows, height, width):
        densepose = any_densepose(rows, height, width)
        assert torch.equal(from_image(densepose.image(order), order).iuv, densepose.iuv)

    @pytest.mark.parametrize("order", ["IUV", "VUI"])
    def test_the_order_is_seen(self, order):
        densepose = any_densepose(1, 32, 32)
        assert torch.equal(from_image(densepose.image(order)).iuv, densepose.iuv)

    def test_mclds_part_is_blue(self):
        iuv = torch.tensor([24, 10, 200], dtype=torch.uint8).expand(1, 1, 1, 3)
        assert torch.equal(DensePose(iuv).image("VUI")[0, 0, 0] * 255, torch.tensor([200.0, 10.0, 24.0]))

    def test_the_wrong_order_is_said(self):
        with pytest.raises(ConditionError, match="in the order IUV.*It fits the order VUI"):
            from_image(any_densepose(1, 32, 32).image("VUI"), "IUV")

    def test_a_photo_is_none(self):
        with pytest.raises(ConditionError, match="Load the PNG file"):
            from_image(torch.ones(1, 4, 4, 3))

    def test_part_colours_are_viridis(self):
        cv2 = pytest.importorskip("cv2")
        import numpy as np

        steps = (np.arange(25) * 255 / 24).astype(np.uint8)[None]
        viridis = cv2.applyColorMap(steps, cv2.COLORMAP_VIRIDIS)[0, :, ::-1]
        iuv = torch.zeros(1, 1, 25, 3, dtype=torch.uint8)
        iuv[..., 0] = torch.arange(25)
        colours = (DensePose(iuv).image("parts")[0, 0] * 255).round()
        assert (colours - torch.from_numpy(viridis.astype(np.float32))).abs().max() <= 1


class TestParts:
    def test_names_and_numbers(self):
        assert part_numbers("Head, 3") == (3, 23, 24)
        assert part_numbers("torso, hands") == (1, 2, 3, 4)

    def test_every_part_has_a_name_and_a_side(self):
        assert {part for parts in GROUPS.values() for part in parts} == set(range(1, 25))
        for name, parts in GROUPS.items():
            if name.startswith("left "):
                assert not set(parts) & set(GROUPS[name.replace("left", "right")])

    @pytest.mark.parametrize("names", ["", " , ", "trousers", "0", "25", "²"])
    def test_no_part(self, names):
        with pytest.raises(ConditionError, match="The parts are torso"):
            part_numbers(names)

    def test_the_face_mask(self):
        densepose = any_densepose(2, 9, 7)
        expected = (densepose.iuv[..., 0] == 23) | (densepose.iuv[..., 0] == 24)
        assert torch.equal(densepose.mask(part_numbers("head")), expected)
