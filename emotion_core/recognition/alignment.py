"""Face alignment and normalisation, the same in training and inference, driven by the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.imaging.grey import to_grey
from emotion_core.imaging.warp import square_matrix, warp_square, warp_to_template

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.models.card import Preprocessing
    from emotion_core.types import Faces, FloatArray, Image


def crop_faces(image: Image, faces: Faces, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Crops every face of an image, upright and at the network's size.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        faces: Boxes and optional landmarks, in pixels of ``image``.
        preprocessing: From the model's card.

    Returns:
        ``(N, S, S, 3)`` RGB, 0-255; beyond the image its edge is repeated.
    """
    size_px = preprocessing.size_px
    crops = np.empty((len(faces), size_px, size_px, 3), np.uint8)
    for i, box in enumerate(faces.boxes):
        if preprocessing.template is not None and faces.landmarks is not None:
            template = np.asarray(preprocessing.template, np.float64)
            crops[i] = warp_to_template(image, faces.landmarks[i], template, size_px)
        else:
            matrix = square_matrix(box, preprocessing.margin, size_px)
            crops[i] = warp_square(image, matrix, size_px)
    return crops


def to_input(crops: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> FloatArray:
    """Normalises crops into a network's input batch.

    Args:
        crops: ``(N, S, S, 3)`` RGB, 0-255.
        preprocessing: From the model's card.

    Returns:
        ``(N, C, S, S)`` float32; C is 1 for a grey network. Grey is ITU-R BT.601 luma, as in OpenCV
        and Pillow.
    """
    mean = np.asarray(preprocessing.mean, np.float32)
    std = np.asarray(preprocessing.std, np.float32)
    if len(mean) == 1:
        planes = to_grey(crops.astype(np.float32))[:, None]  # (N, 1, S, S)
    else:
        planes = crops.transpose(0, 3, 1, 2).astype(np.float32)  # (N, 3, S, S)
    return np.ascontiguousarray((planes - mean[:, None, None]) / std[:, None, None])
