"""Action features of a face (ARKit's blendshapes) and the pose of the head: names and order."""

from __future__ import annotations

ACTIONS: tuple[str, ...] = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)
"""Features of a face's muscles, each from 0 (at rest) to 1; left and right are the person's own.

Source: Apple's ARKit, ARFaceAnchor.BlendShapeLocation, without tongueOut, in the order of
MediaPipe's face_blendshapes_graph.cc, without its first output, which is documented as unused.
"""

ACTION_COLUMNS: tuple[str, ...] = tuple(f"action_{name}" for name in ACTIONS)
"""Columns of tables that have action features."""

POSE: tuple[str, ...] = ("yaw", "pitch", "roll")
"""Angles of the head in degrees. Yaw is positive if the face turns to the right of the image, pitch
if it turns up, roll if it leans clockwise in the image."""


def _mirror(name: str) -> str:
    if name.endswith("Left"):
        return f"{name.removesuffix('Left')}Right"
    return f"{name.removesuffix('Right')}Left" if name.endswith("Right") else name


MIRRORED: tuple[int, ...] = tuple(ACTIONS.index(_mirror(name)) for name in ACTIONS)
"""The feature that each becomes in the mirror image."""
