"""Which pictures there are: strips of outputs, of the shared graphs and of the small ones in :mod:`.picture_graphs`."""

from collections.abc import Callable

from . import draw_workflows, picture_graphs
from .graph_drawing import Graph
from .picture_strips import Changes, Place, Shot, Strip

GRAPHS: dict[str, Callable[[dict], Graph]] = draw_workflows.GRAPHS | {
    draw.__name__: draw
    for draw in (
        picture_graphs.keypoints,
        picture_graphs.estimated,
        picture_graphs.library,
        picture_graphs.mannequin,
        picture_graphs.fitted_body,
        picture_graphs.parsing,
        picture_graphs.faces,
        picture_graphs.placing,
        picture_graphs.surfaces,
        picture_graphs.attention,
        picture_graphs.published,
        picture_graphs.rescaled,
    )
}

SKELETON: Place = ("MannequinDrawPose", "IMAGE")
RESULT: Place = ("Result", "<images")
SECOND_STAGE: Place = ("Second stage", "<images")
SOURCE: Place = ("Source", "IMAGE")


def of(graph: str, *shots: tuple, **layout: int) -> Strip:
    """A strip of one graph; each shot is a caption and a place, and what else a :class:`Shot` has."""
    return Strip([Shot(shot[0], graph, *shot[1:]) for shot in shots], **layout)


def compared(
    graph: str, node: str, value: str, ways: dict[str, object], *before: tuple, at: Place = RESULT, **layout: int
) -> Strip:
    """What a graph makes under several values of a node's widget.

    Args:
        ways: values by their captions.
        before: shots that stand in front.
    """
    return of(graph, *before, *((caption, at, {node: {value: way}}) for caption, way in ways.items()), **layout)


def off(node: str) -> Changes:
    """A patch at strength 0, which is exactly the model without it."""
    return {node: {"strength": 0.0}}


PHOTO = ("photo", SOURCE)
POSE = ("pose", SKELETON)
#: Results of one photo in one pose, by method; of IMAGPose the first of its three.
METHODS = {
    "TruePose": "truepose",
    "MCLD": "mcld_demo",
    "PCDMs": "pcdms_demo",
    "IMAGPose": "imagpose",
    "RePoseDM": "reposedm",
}

#: Pictures of the shared graphs, for the gallery and for pages of nodes that are parts of them.
SHARED = {
    "truepose": of("truepose", PHOTO, ("pose from", ("Target pose", "IMAGE")), POSE, ("result", RESULT)),
    "many_poses": of(
        "many_poses",
        PHOTO,
        ("poses", SKELETON, {}, (0, 3, 6)),
        ("results", RESULT, {}, (0, 3, 6)),
        height=170,
        width=760,
        limit=8_000,
    ),
    "pose_sequence": of(
        "pose_sequence",
        PHOTO,
        ("frames", SKELETON, {}, (0, 2, 4)),
        ("results", RESULT, {}, (0, 2, 4)),
        height=170,
        limit=8_000,
    ),
    "two_people": of(
        "two_people",
        ("left", ("Person on the left", "IMAGE")),
        ("right", ("Person on the right", "IMAGE")),
        ("poses", SKELETON),
        ("result", RESULT),
        height=170,
        width=760,
        limit=8_000,
    ),
    "bust_to_full_body": of(
        "bust_to_full_body", ("photo", ("Bust", "IMAGE")), POSE, ("result", RESULT), height=200, limit=8_000
    ),
    "style_transfer": of("style_transfer", PHOTO, ("reference", ("Reference", "IMAGE")), ("result", RESULT)),
    "mcld_demo": of(
        "mcld_demo",
        PHOTO,
        ("texture map", ("MannequinTextureMap", "texture")),
        ("DensePose", ("MannequinDensePoseImage", "IMAGE")),
        ("result", RESULT),
        limit=9_000,
    ),
    "pcdms_demo": of(
        "pcdms_demo",
        PHOTO,
        ("pose", ("Target pose: skeleton", "IMAGE")),
        ("second stage", SECOND_STAGE),
        ("third stage", RESULT),
    ),
    "imagpose": of(
        "imagpose",
        PHOTO,
        ("poses", ("Target pose 1: skeleton", "IMAGE")),
        ("", ("Target pose 2: skeleton", "IMAGE")),
        ("", ("Target pose 3: skeleton", "IMAGE")),
        ("results of one run", RESULT, {}, (0, 1, 2)),
        height=140,
        limit=8_000,
    ),
    "imagpose_many_sources": of(
        "imagpose_many_sources",
        ("three photos", ("Source 1", "IMAGE")),
        ("", ("Source 2", "IMAGE")),
        ("", ("Source 3", "IMAGE")),
        ("pose", ("Target pose: skeleton", "IMAGE")),
        ("result", RESULT),
        height=190,
        width=760,
        limit=8_000,
    ),
    "reposedm": of(
        "reposedm",
        PHOTO,
        POSE,
        ("photo, aligned", ("The source, warped", "<images"), {}, (-1,)),
        ("result", RESULT),
    ),
    "reposedm_garment": of("reposedm_garment", PHOTO, ("reference", ("Reference", "IMAGE")), ("result", RESULT)),
    "preprocess": of(
        "preprocess",
        ("photo", ("Photo", "IMAGE")),
        ("keypoints", ("Keypoints", "<images")),
        ("other pose", ("The other pose on this body", "<images")),
        ("parsing", ("MannequinPreviewParsing", "IMAGE")),
        ("clothes", ("Clothes, grown by 4 pixels", "<images")),
        ("face", ("Face, upright", "<images")),
        width=760,
        limit=9_000,
    ),
}

#: Pictures of single nodes, by what they show.
CONDITIONS = {
    "detect_pose": of("keypoints", ("photo", ("Photo", "IMAGE")), ("drawn", ("OpenPose", "IMAGE"))),
    "draw_pose": of("keypoints", *((style, (style, "IMAGE")) for style in ("OpenPose", "PCDMs", "IMAGPose"))),
    "retarget_pose": of(
        "keypoints",
        ("source", ("Photo", "IMAGE")),
        ("target", ("Other", "IMAGE")),
        ("its pose", ("Before", "IMAGE")),
        ("retargeted", ("After", "IMAGE")),
    ),
    "choose_person": of(
        "keypoints",
        ("photo", ("Group", "IMAGE")),
        ("all", ("Everybody", "IMAGE")),
        ("index 2", ("One of them", "IMAGE")),
        height=150,
    ),
    "estimate_pose": of("estimated", ("picture", ("Photo", "IMAGE")), ("estimated", SKELETON)),
    "pose_library": of(
        "library", ("Fashion: all, as normals", ("MannequinPoseMannequin", "normals"), {}, range(4)), height=180
    ),
    "pose_mannequin": of(
        "mannequin",
        ("photo", ("Photo", "IMAGE")),
        *((name, ("MannequinPoseMannequin", name)) for name in ("skeleton", "depth", "normals")),
        ("DensePose", ("parts", "IMAGE")),
        ("parsing", ("MannequinPreviewParsing", "IMAGE")),
        height=160,
        limit=8_000,
    ),
    "fit_body": of(
        "fitted_body",
        ("photo", ("Photo", "IMAGE")),
        ("overlay", ("MannequinFitBody", "overlay")),
        ("DensePose", ("parts", "IMAGE")),
        ("parsing", ("MannequinPreviewParsing", "IMAGE")),
        height=180,
    ),
    "densepose_image": of("mannequin", *((name, (name, "IMAGE")) for name in ("parts", "VUI", "IUV"))),
    "densepose_mask": of(
        "mannequin", ("DensePose", ("parts", "IMAGE")), *((name, (name, "MASK")) for name in ("head", "torso, arms"))
    ),
    "import_densepose": of(
        "surfaces", ("IUV file", ("IUV", "IMAGE")), ("as part colours", ("MannequinDensePoseImage", "IMAGE"))
    ),
    "texture_map": of(
        "surfaces",
        ("photo", ("source", "IMAGE")),
        ("DensePose", ("surface, source", "IMAGE")),
        ("texture map", ("texture, source", "texture")),
        limit=8_000,
    ),
    "texture_mask": compared(
        "surfaces",
        "MannequinTextureMask",
        "parts",
        {parts: parts for parts in ("torso, arms", "legs", "head")},
        at=("MannequinTextureMask", "MASK"),
        height=145,
    ),
    "swap_texture": of(
        "surfaces",
        ("texture", ("texture, source", "texture")),
        ("donor", ("texture, reference", "texture")),
        ("swapped", ("MannequinSwapTexture", "texture")),
        height=180,
        limit=9_000,
    ),
    "parse_person": of("parsing", ("photo", ("Photo", "IMAGE")), ("labels", ("Parsed", "IMAGE"))),
    "parsing_mask": of(
        "parsing",
        ("labels", ("Parsed", "IMAGE")),
        ("Upper-clothes, Pants", ("MannequinParsingMask", "MASK")),
    ),
    "keep_labels": of("parsing", ("all labels", ("Parsed", "IMAGE")), ("keep clothes", ("Kept", "IMAGE"))),
    "select_parsing": of(
        "parsing",
        ("labels", ("Parsed", "IMAGE")),
        ("back", ("MannequinPoseMannequin", "normals")),
        ("kept", ("MannequinSelectParsing", "MASK")),
    ),
    "import_parsing": of("parsing", ("label picture", ("Labels", "IMAGE")), ("over the photo", ("Read", "IMAGE"))),
    "encode_regions": of(
        "parsing",
        ("labels", ("Parsed", "IMAGE")),
        *((label, (label, "IMAGE")) for label in picture_graphs.REGIONS),
        height=120,
    ),
    "crop_face": of(
        "faces",
        ("photo", ("Photo", "IMAGE")),
        ("crop", ("MannequinCropFace", "crop")),
        ("mask", ("MannequinCropFace", "mask")),
        height=170,
    ),
    "fit_image": of(
        "placing",
        ("photo", ("Whole", "IMAGE")),
        *((mode, (mode, "IMAGE")) for mode in ("pad", "crop", "person", "squash")),
        height=150,
    ),
    "paste_back": of(
        "placing",
        ("photo", ("Photo", "IMAGE")),
        ("inverted", ("Result", "IMAGE")),
        ("pasted back", ("MannequinPasteBack", "IMAGE")),
        height=150,
        limit=8_000,
    ),
}

ALL_VIEWS = ("MannequinSplitViews", "<joint")
PAINTED = ("MannequinPCDMsTarget", "<joint")
METHOD_NODES = {
    "apply_hpfa": of("truepose", PHOTO, ("with HPFA", RESULT), ("without", RESULT, off("MannequinApplyHPFA"))),
    "apply_caa": of("truepose", PHOTO, ("with CAA", RESULT), ("without", RESULT, off("MannequinApplyCAA"))),
    "apply_pose_encoder": of(
        "truepose", PHOTO, ("with the pose", RESULT), ("without", RESULT, off("MannequinApplyPoseEncoder"))
    ),
    "conditioning": compared("truepose", "KSampler", "cfg", {f"CFG {cfg}": cfg for cfg in (1.0, 1.5, 4.0)}, PHOTO),
    "preview_regions": of(
        "attention",
        ("regions", ("MannequinPreviewRegions", "regions")),
        ("HPFA sees", ("MannequinPreviewRegions", "selected")),
        height=200,
    ),
    "preview_attention": of(
        "attention",
        *(
            (caption, (place, output))
            for place in ("chest", "knee")
            for caption, output in ((place, "place"), ("looks at", "attention"))
        ),
        width=760,
    ),
    "published_sampler": compared(
        "published",
        "MannequinPublishedSampler",
        "steps",
        {f"{steps} steps": steps for steps in (2, 5, 20)},
        PHOTO,
        at=("Published", "IMAGE"),
    ),
    "guidance_rescale": of(
        "rescaled",
        *(
            (
                f"rescale {amount:g}",
                RESULT,
                {"Refining": {"cfg": 4.0}, "MannequinGuidanceRescale": {"guidance_rescale": amount}},
            )
            for amount in (0.0, 1.0, 2.0)
        ),
    ),
    "apply_reference": of("mcld_demo", PHOTO, ("with it", RESULT), ("without", RESULT, off("MannequinApplyReference"))),
    "apply_mfca": of("mcld_demo", PHOTO, ("with MFCA", RESULT), ("without", RESULT, off("MannequinApplyMFCA"))),
    "apply_pose_guider": of(
        "mcld_demo",
        ("target", ("MannequinDensePoseImage", "IMAGE")),
        ("with the guider", RESULT),
        ("without", RESULT, off("MannequinApplyPoseGuider")),
    ),
    "pcdms_joint": of(
        "pcdms_demo",
        ("joint picture", ("MannequinPCDMsJoint", "joint")),
        ("mask", ("MannequinPCDMsJoint", "mask")),
        ("joint pose", ("MannequinPCDMsJoint", "joint_pose")),
        height=150,
    ),
    "pcdms_conditioning": of(
        "pcdms_demo",
        ("joint picture", ("MannequinPCDMsJoint", "joint")),
        ("joint pose", ("MannequinPCDMsJoint", "joint_pose")),
        ("painted", PAINTED),
        height=150,
    ),
    "joint_views": of(
        "imagpose",
        ("joint picture", ("MannequinJointViews", "joint")),
        ("poses", ("MannequinJointViews", "joint_pose")),
        ("to be painted", ("MannequinJointViews", "mask")),
    ),
    "apply_cva": of("imagpose", ("with CVA", ALL_VIEWS), ("without", ALL_VIEWS, off("MannequinApplyCVA"))),
    "split_views": of(
        "imagpose", ("painted", ALL_VIEWS), ("split", ("MannequinSplitViews", "IMAGE"), {}, (0, 1, 2)), height=145
    ),
    "reposedm_conditioning": of(
        "reposedm",
        PHOTO,
        POSE,
        ("warped, iteration by iteration", ("The source, warped", "<images"), {}, range(3)),
        height=170,
    ),
    "pose_interaction_field": of(
        "reposedm",
        POSE,
        *(
            (f"scale {scale:g}", RESULT, {"MannequinPoseInteractionField": {"scale": scale}})
            for scale in (0.0, 1.0, 5.0)
        ),
    ),
    "preview_pose_field": of(
        "reposedm", POSE, ("picture", RESULT), ("where it is off", ("MannequinPreviewPoseField", "field"))
    ),
}

#: README's first screen.
FIRST = {
    "methods": Strip(
        [
            Shot("photo", "truepose", SOURCE),
            Shot("pose", "truepose", SKELETON),
            *(Shot(title, graph, RESULT) for title, graph in METHODS.items()),
        ],
        height=170,
        limit=20_000,
        width=960,
    )
}

STRIPS: dict[str, Strip] = SHARED | CONDITIONS | METHOD_NODES | FIRST
