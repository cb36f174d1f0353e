"""MediaPipe's face landmarker as a teacher of action features and of the pose of the head."""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy.special import expit
from tqdm import tqdm

from emotion_core.actions import ACTIONS, POSE
from emotion_core.errors import MissingExtraError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.files.save import save_file
from emotion_core.models.local import describe_file

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.types import FloatArray, Image

_LOG = logging.getLogger(__name__)

N_OUTPUTS = len(ACTIONS) + len(POSE)

_SIDE_PX = 256
_N_LANDMARKS = 478
_FACE_SHARE = 0.72
"""Part of the landmarker's input that an aligned face fills. MediaPipe enlarges a detected face by
1.5 in face_detector_graph.cc; its box ends at the hairline, where our crops go on."""

_MIN_PRESENCE = 0.5
_AT_ONCE = 64  # images read together
_LEFT_EYE, _RIGHT_EYE = 33, 263  # outer corners, as seen in the image
_FOREHEAD, _CHIN = 10, 152

# fmt: off
_SUBSET = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144,
    145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173,
    176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284,
    285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332,
    334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
)
# fmt: on
"""The landmarks from which blendshapes are computed.

Source: kLandmarksSubsetIdxs in MediaPipe's face_blendshapes_graph.cc (Apache-2.0)."""


class FaceLandmarker:
    """MediaPipe's landmarks and blendshapes of aligned faces. For one thread.

    Args:
        path: ``face_landmarker.task``, a ZIP file of TFLite networks.

    Attributes:
        name: Of the file.
        sha256: Of the file.

    Raises:
        MissingExtraError: The package ai-edge-litert is not installed.
        WeightsUnavailableError: There is no such file.
        WeightsMismatchError: The file is no landmarker.
    """

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtraError(
                "--landmarker needs the package ai-edge-litert; `pip install ai-edge-litert` adds "
                "it."
            ) from error
        if not path.is_file():
            raise WeightsUnavailableError(f"There is no landmarker {path}.")
        self.name = path.name
        self.sha256 = describe_file(path).sha256
        try:
            with zipfile.ZipFile(path) as bundle:
                self._landmarks, self._blendshapes = (
                    Interpreter(model_content=bundle.read(f"{part}.tflite"))
                    for part in ("face_landmarks_detector", "face_blendshapes")
                )
            for network in (self._landmarks, self._blendshapes):
                network.allocate_tensors()
        except (KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise WeightsMismatchError(f"{path.name} is no face landmarker ({error}).") from error

    def read(self, face: Image) -> FloatArray:
        """Reads one aligned face.

        Args:
            face: ``(S, S, 3)`` RGB, 0-255.

        Returns:
            ``(54,)``: ``ACTIONS`` in [0, 1], then ``POSE`` in degrees; NaN if it sees no face.
        """
        points, presence = self._find(face)
        if presence < _MIN_PRESENCE:
            return np.full(N_OUTPUTS, np.nan, np.float32)
        scores = _run(self._blendshapes, points[None, _SUBSET, :2])[0].reshape(-1)[1:]
        return np.concatenate([np.clip(scores, 0, 1), to_pose(points)]).astype(np.float32)

    def _find(self, face: Image) -> tuple[FloatArray, float]:
        """Landmarks ``(478, 3)`` in pixels of the network's input, and how sure it is of a face."""
        inner = round(_SIDE_PX * _FACE_SHARE)
        border = (_SIDE_PX - inner) // 2
        resized = cv2.resize(face, (inner, inner), interpolation=cv2.INTER_CUBIC)
        edges = (border, _SIDE_PX - inner - border) * 2
        padded = cv2.copyMakeBorder(resized, *edges, cv2.BORDER_REPLICATE)
        outputs = _run(self._landmarks, padded[None].astype(np.float32) / np.float32(255))
        flat, logits = sorted(outputs, key=np.size)[-1], outputs[1]
        presence = float(expit(logits.reshape(-1)[0]))
        return flat.reshape(_N_LANDMARKS, 3), presence


def _run(network: Any, values: FloatArray) -> list[FloatArray]:
    network.set_tensor(network.get_input_details()[0]["index"], values)
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]


def to_pose(points: FloatArray) -> FloatArray:
    """The angles ``POSE`` of a head by four of its landmarks.

    The line between the outer corners of the eyes is its horizontal axis; forehead and chin, as
    far as they are perpendicular to it, its vertical one.

    Args:
        points: ``(478, 3)`` x to the right, y down, z away from the viewer, in the same unit.
    """
    across = points[_RIGHT_EYE] - points[_LEFT_EYE]
    across = across / np.linalg.norm(across)
    down = points[_CHIN] - points[_FOREHEAD]
    down = down - across * (down @ across)
    down = down / np.linalg.norm(down)
    away = np.cross(across, down)  # from the face into the head
    yaw = np.arctan2(-away[0], away[2])
    pitch = np.arcsin(np.clip(away[1], -1, 1))
    roll = np.arctan2(across[1], across[0])
    return np.degrees([yaw, pitch, roll]).astype(np.float32)


def read_actions(faces: FaceSet, landmarker: FaceLandmarker, folder: Path) -> FloatArray:
    """What a landmarker sees in faces, from a file if it has seen them before.

    Args:
        faces: Whole images, aligned.
        landmarker: The teacher.
        folder: Keeps what was seen, for further runs.

    Returns:
        ``FaceSet.actions``, ``(N, 54)``.

    Raises:
        DatasetError: An image cannot be read.
        EmotionError: The folder cannot be written.
    """
    path = folder / f"{_fingerprint(faces, landmarker)}.npy"
    if path.is_file():
        seen: FloatArray = np.load(path, allow_pickle=False)
        return seen
    _LOG.info("Asking %s about the %d faces of %s.", landmarker.name, len(faces), faces.name)
    seen = np.empty((len(faces), N_OUTPUTS), np.float32)
    with tqdm(total=len(faces), unit="face", disable=None, leave=False) as bar:
        for start in range(0, len(faces), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(faces)))
            images = faces.images.load(rows, round(_SIDE_PX * _FACE_SHARE), 3)
            for row, image in zip(rows, images, strict=True):
                seen[row] = landmarker.read(image)
            bar.update(len(rows))
    save_file(path, _to_bytes(seen))
    return seen


def _fingerprint(faces: FaceSet, landmarker: FaceLandmarker) -> str:
    """Differs between sets of faces, by their names and by the pixels of some of them."""
    digest = hashlib.sha256(landmarker.sha256.encode())
    digest.update("\n".join([faces.name, *faces.files]).encode())
    some = np.linspace(0, len(faces) - 1, min(16, len(faces))).astype(np.int64)
    digest.update(faces.images.load(some, 16, 1).tobytes())
    return digest.hexdigest()[:16]


def _to_bytes(values: FloatArray) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()
