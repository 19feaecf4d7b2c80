"""The demo's pose estimator finds people that training never saw, with nothing but the pack's own file."""

import numpy as np
import pytest
import torch
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET
from mannequin.nodes.pose_estimator import MannequinEstimatePose
from mannequin.preprocessors.keypoints import from_pose_keypoint, to_coco_17
from safetensors import safe_open
from safetensors.torch import load_file

from devtools.host import ROOT
from training.data.sources import open_people

FILE = ROOT / "weights" / "models" / "demo_estimator.safetensors"
#: As for its canvases.
RESOLUTION = 128


def test_joints_of_held_out_people_are_found():
    pytest.importorskip("anny")
    people = open_people("synthetic:split=test,identities=6,views=2,size=128x96,backdrop=studio")
    with safe_open(FILE, "pt") as file:
        (estimator,) = load_weights(HIGHERHRNET, load_file(FILE), FILE.name, file.metadata())
    near = wanted = 0
    for name in people.names:
        record = people.record(name)
        truth = to_coco_17(torch.as_tensor(np.array(record.fields["keypoints"]))[None])[0]
        image = torch.from_numpy(np.array(record.image))[None] / 255
        made = MannequinEstimatePose.execute(estimator, image, "empty frame", "largest", 0.1, RESOLUTION).result[0]
        (found,) = to_coco_17(from_pose_keypoint(made)[0].people)
        seen = truth[:, 2] > 0
        height = float(truth[seen, 1].max() - truth[seen, 1].min())
        apart = (truth[:, :2] - found[:, :2]).norm(dim=1) / height
        near += int((seen & (found[:, 2] > 0) & (apart < 0.05)).sum())
        wanted += int(seen.sum())
    assert wanted > 100 and near > 0.9 * wanted
