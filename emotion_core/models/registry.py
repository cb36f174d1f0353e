"""All facts about all released weight files; unknown facts are left out."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from emotion_core.errors import UnknownModelError
from emotion_core.labels import ALL_EMOTIONS, to_label_set
from emotion_core.models.card import FivePoints, ModelCard, Preprocessing, Task, WeightFile

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCFACE_TEMPLATE: FivePoints = (
    (38.2946 / 112, 51.6963 / 112),
    (73.5318 / 112, 51.5014 / 112),
    (56.0252 / 112, 71.7366 / 112),
    (41.5493 / 112, 92.3655 / 112),
    (70.7299 / 112, 92.2041 / 112),
)
"""Where eyes, nose tip and mouth corners lie in an ArcFace-aligned crop, as fractions of its side.

Source: deepinsight/insightface, and in opencv/opencv_zoo
models/facial_expression_recognition/facial_fer_model.py (there in pixels of 112 x 112).
"""

FERPLUS_TEMPLATE: FivePoints = (
    (0.328, 0.396),
    (0.683, 0.395),
    (0.508, 0.591),
    (0.348, 0.738),
    (0.651, 0.741),
)
"""Where eyes, nose tip and mouth corners lie in FER2013's images, as fractions of their side.

Source: medians over the 4,364 of 5,000 random FER+ training images in which YuNet finds a face
with a score above 0.8; images enlarged to 160 px with a replicated border of 80 px.
"""

_CARDS = (
    ModelCard(
        name="emoscope-fer-m",
        task=Task.EMOTION,
        architecture="onnx",
        weights=WeightFile(
            filename="emoscope-fer-m.onnx",
            sha256="7495e40a613fcc485f43d51ee90592eb20605a5cbcfaabdcb97c570b02eba725",
            size_bytes=11_778_437,
        ),
        torch_weights=WeightFile(
            filename="emoscope-fer-m.safetensors",
            sha256="c79ffd8727f0c58b2b431b4d85d0d3ac46cea40f6d691217ba0d8052b8336c52",
            size_bytes=11_806_116,
        ),
        licence="MIT",
        source="weights/emoscope-fer-m.md, which has the commands that trained it",
        labels=ALL_EMOTIONS,
        has_va=True,
        has_actions=True,
        preprocessing=Preprocessing(
            size_px=62, mean=(127.5,), std=(64.0,), template=FERPLUS_TEMPLATE
        ),
        metrics={
            "FairFace's rated fifth accuracy, 8 classes, whole pipeline": 0.7381,
            "FairFace's rated fifth mean recall, 8 classes, whole pipeline": 0.4632,
            "FairFace's rated fifth calibration error, whole pipeline": 0.0334,
            "FairFace's rated fifth valence CCC, whole pipeline": 0.870,
            "FairFace's rated fifth arousal CCC, whole pipeline": 0.832,
            "FER+ validation accuracy, 8 classes": 0.8634,
            "FER+ validation macro-F1, 8 classes": 0.7238,
            "FER+ validation calibration error": 0.0179,
        },
        note="Our own network, trained on a CPU. It learned valence and arousal from ratings of "
        "real and generated faces, and has action features.",
        temperature=0.6462,
        class_shares=(0.3098, 0.2558, 0.1424, 0.1342, 0.0351, 0.0090, 0.0893, 0.0129, 0.0114),
    ),
    ModelCard(
        name="emoscope-fer-s",
        task=Task.EMOTION,
        architecture="onnx",
        weights=WeightFile(
            filename="emoscope-fer-s.onnx",
            sha256="a1d5be7406904a41245112d1c0bdd52ae92994743b9a21c120d01af0765cf16b",
            size_bytes=5_549_990,
        ),
        torch_weights=WeightFile(
            filename="emoscope-fer-s.safetensors",
            sha256="eb02d714a0e22a42819954df1f2bff1a66deeafea178b799bced85374bc35147",
            size_bytes=5_566_524,
        ),
        licence="MIT",
        source="weights/emoscope-fer-s.md, which has the commands that trained it",
        labels=ALL_EMOTIONS,
        has_va=True,
        preprocessing=Preprocessing(
            size_px=48, mean=(127.5,), std=(64.0,), template=FERPLUS_TEMPLATE
        ),
        metrics={
            "FER+ validation accuracy, 8 classes": 0.8759,
            "FER+ validation macro-F1, 8 classes": 0.7506,
            "FER+ validation calibration error": 0.0093,
            "held-out portraits accuracy, whole pipeline": 0.8893,
            "DiffusionFER half b, valence CCC": 0.850,
            "DiffusionFER half b, arousal CCC": 0.880,
        },
        note="Our own smallest network, twice as fast as emoscope-fer-m. It learned valence and "
        "arousal mostly from published coordinates of the emotion words, hardly from ratings.",
        temperature=0.5946,
        class_shares=(0.3399, 0.2587, 0.1342, 0.1321, 0.0249, 0.0080, 0.0876, 0.0047, 0.0099),
    ),
    ModelCard(
        name="emoscope-face-s",
        task=Task.DETECTION,
        architecture="onnx",
        weights=WeightFile(
            filename="emoscope-face-s.onnx",
            sha256="8ed4c3f6b0ef0a28fb837f20a70d9f8af770ada4ce7d9fd2fbbdcf88b7c6f300",
            size_bytes=354_609,
        ),
        torch_weights=WeightFile(
            filename="emoscope-face-s.safetensors",
            sha256="8a73268816c6cd3f92c08419295b4764eb48f951cae290c911be6d3ccfb7e60d",
            size_bytes=340_740,
        ),
        licence="MIT",
        source="weights/emoscope-face-s.md, which has the commands that trained it",
        metrics={
            "held-out street photos AP, faces of at least 16 px": 0.906,
            "held-out portraits recall": 0.9984,
        },
        note="Our own small face detector with five landmarks, trained on a CPU.",
    ),
    ModelCard(
        name="yunet",
        task=Task.DETECTION,
        architecture="opencv-yunet",
        weights=WeightFile(
            filename="face_detection_yunet_2023mar.onnx",
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            size_bytes=232_589,
        ),
        licence="MIT",
        source="https://huggingface.co/opencv/face_detection_yunet",
        repo_id="opencv/face_detection_yunet",
        revision="3cc26e7f1014a5ee5d74a42acee58bafc9d0a310",
        metrics={
            "WIDER FACE easy AP": 0.884,
            "WIDER FACE medium AP": 0.866,
            "WIDER FACE hard AP": 0.750,
        },
        note="OpenCV Zoo's small face detector, with five landmarks.",
    ),
    ModelCard(
        name="mobilefacenet-rafdb",
        task=Task.EMOTION,
        architecture="onnx",
        weights=WeightFile(
            filename="facial_expression_recognition_mobilefacenet_2022july.onnx",
            sha256="4f61307602fc089ce20488a31d4e4614e3c9753a7d6c41578c854858b183e1a9",
            size_bytes=4_791_892,
        ),
        licence="Apache-2.0",
        source="https://huggingface.co/opencv/facial_expression_recognition; size and hash also in "
        "the Git LFS pointer in opencv/opencv_zoo",
        repo_id="opencv/facial_expression_recognition",
        labels=to_label_set(
            ["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
        ),
        preprocessing=Preprocessing(
            size_px=112, mean=(127.5,) * 3, std=(127.5,) * 3, template=ARCFACE_TEMPLATE
        ),
        metrics={"RAF-DB accuracy": 0.8827},
        note="OpenCV Zoo's seven-emotion network, trained on RAF-DB.",
    ),
    ModelCard(
        name="emotion-ferplus-8",
        task=Task.EMOTION,
        architecture="onnx",
        weights=WeightFile(
            filename="emotion-ferplus-8.onnx",
            sha256="a2a2ba6a335a3b29c21acb6272f962bd3d47f84952aaffa03b60986e04efa61c",
            size_bytes=35_040_571,
        ),
        licence="MIT in onnx/models; read the repository's card, where it may say otherwise",
        source="https://huggingface.co/onnxmodelzoo/emotion-ferplus-8; size and hash from "
        "ONNX_HUB_MANIFEST.json in onnx/models at 06189933463e51adb5ac34a5ead67cf6a3f51e2d",
        repo_id="onnxmodelzoo/emotion-ferplus-8",
        labels=to_label_set(
            ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
        ),
        preprocessing=Preprocessing(size_px=64, mean=(0.0,), std=(1.0,), margin=0.1),
        note="Microsoft's FER+ network (VGG-13) with contempt; 35 MB.",
    ),
    ModelCard(
        name="sface",
        task=Task.EMBEDDING,
        architecture="onnx",
        weights=WeightFile(
            filename="face_recognition_sface_2021dec.onnx",
            sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
            size_bytes=38_696_353,
        ),
        licence="Apache-2.0",
        source="https://huggingface.co/opencv/face_recognition_sface; size and hash also in the "
        "Git LFS pointer in opencv/opencv_zoo at edef535367a4f8053b5bfb7580935c83772a9639",
        repo_id="opencv/face_recognition_sface",
        revision="3d7082438a6e4551e840c9b2bb60b71e8da4b524",
        # The graph itself subtracts and divides, as cv2.FaceRecognizerSF feeds it raw RGB.
        preprocessing=Preprocessing(
            size_px=112, mean=(0.0,) * 3, std=(1.0,) * 3, template=ARCFACE_TEMPLATE
        ),
        metrics={"LFW accuracy": 0.9940},
        note="OpenCV Zoo's face recognition; only for finding people again in one video; 39 MB.",
    ),
)

CARDS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})
"""All released weight files by name."""


_DEFAULTS: Mapping[Task, tuple[str, ...]] = MappingProxyType(
    {
        Task.DETECTION: ("yunet", "emoscope-face-s"),
        Task.EMOTION: ("emoscope-fer-m", "emoscope-fer-s", "mobilefacenet-rafdb"),
        Task.EMBEDDING: ("sface",),
    }
)


def cards_for(task: Task) -> list[ModelCard]:
    """The cards of one task, the project's own first."""
    return sorted((c for c in CARDS.values() if c.task is task), key=lambda c: not c.is_local)


def candidates(task: Task) -> list[ModelCard]:
    """The default networks in order of preference."""
    return [CARDS[name] for name in _DEFAULTS[task]]


def find_card(name: str, task: Task) -> ModelCard:
    """Looks up a card of one task.

    Raises:
        UnknownModelError: There is none of that name.
    """
    card = CARDS.get(name)
    if card is None or card.task is not task:
        known = ", ".join(c.name for c in cards_for(task))
        raise UnknownModelError(f"There is no {task} model named {name!r}; there are: {known}.")
    return card


def find_any(name: str) -> ModelCard:
    """Looks up a card of any task.

    Raises:
        UnknownModelError: There is none of that name.
    """
    if name not in CARDS:
        raise UnknownModelError(f"There is no model {name!r}; there are: {', '.join(CARDS)}.")
    return CARDS[name]
