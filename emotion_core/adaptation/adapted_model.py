"""An adapted network in memory, for one person: made here, or given as a file that was made before.

Of a given file nothing but the numbers of its last layer is used; all else is the base that we
have. So a file from a stranger can make readings wrong, but runs nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from emotion_core.adaptation.network import load_base, read_head, write_network
from emotion_core.adaptation.write import write_adapted
from emotion_core.errors import EmotionError, WeightsMismatchError
from emotion_core.files import archive
from emotion_core.files.archive import MediaArchive, has_suffix
from emotion_core.local_analyzer import LocalAnalyzer, load_runtime
from emotion_core.models.adapted_from import AdaptedFrom
from emotion_core.models.card import Task
from emotion_core.models.local import read_file_card, read_metadata, unreadable
from emotion_core.models.registry import CARDS
from emotion_core.recognition.classifier import EmotionClassifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.adaptation.network import BaseNetwork
    from emotion_core.models.card import ModelCard
    from emotion_core.types import Device

MAX_MODEL_BYTES = 64 * 2**20
"""Maximum size of a file that is given; ours have up to 12 MB, and a ZIP of both 24 MB."""

SUFFIXES = ("safetensors", "onnx")
"""Of files with an adapted network, which may also be in a ZIP archive."""

DEFAULT_NAME = "my-study"
_MAX_NAME = 40


@dataclass(frozen=True, eq=False, slots=True)
class AdaptedModel:
    """An adapted network, ready to read faces.

    Attributes:
        card: Describes it, named like its ONNX file.
        base: Name of the network that was adapted.
        classifier: Reads faces.
        files: Contents of its files by name, to keep.
    """

    card: ModelCard
    base: str
    classifier: EmotionClassifier
    files: Mapping[str, bytes]

    @property
    def n_bytes(self) -> int:
        """Size of the files; the network in memory is about half of it."""
        return sum(map(len, self.files.values()))

    def to_analyzer(self, analyzer: LocalAnalyzer) -> LocalAnalyzer:
        """An analyzer with the face detector of another one, whose faces this network reads."""
        detector = analyzer.info.detector.name
        origins = [one for one in analyzer.info.origins if one.startswith(f"{detector}:")]
        own = f"{self.card.name}: yours alone, in this server's memory until you leave"
        info = replace(
            analyzer.info,
            emotion=self.card,
            device=self.classifier.device,
            origins=(*origins, own),
        )
        return LocalAnalyzer(analyzer.detector, self.classifier, info)


def make_adapted(
    base: BaseNetwork, adaptation: Adaptation, device: Device, name: str = DEFAULT_NAME
) -> AdaptedModel:
    """Makes the network of an adaptation.

    Args:
        base: What was adapted.
        adaptation: Not refused.
        device: Where it runs.
        name: Of its files, without a suffix.

    Raises:
        EmotionError: Adapting is refused.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.safetensors"
        write_adapted(base, adaptation, path)
        return _load(path, base.card.name, device)


def restore_adapted(filename: str, data: bytes, device: Device) -> AdaptedModel:
    """Makes the network of a file that ``make_adapted`` or ``emoscope adapt`` wrote.

    Args:
        filename: A ``.safetensors``, an ``.onnx``, or a ZIP archive with one of them.
        data: Content of the file.
        device: Where it runs.

    Raises:
        EmotionError: The file is too large or no such network, or its base is none of ours.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise _too_large(filename)
    if has_suffix(filename, (archive.SUFFIX,)):
        filename, data = _unpack(filename, data)
    if not has_suffix(filename, SUFFIXES):
        raise WeightsMismatchError(f"{filename} is no .safetensors, .onnx or .zip file.")
    stem = re.sub(r"[^\w.]+", "-", Path(filename).stem).strip("-.")[:_MAX_NAME] or DEFAULT_NAME
    with TemporaryDirectory() as folder:
        given = Path(folder) / f"{stem}{Path(filename).suffix.lower()}"
        given.write_bytes(data)
        with unreadable(given, "was not made by adapting a model with Emoscope"):
            metadata = read_metadata(given)
            notes = json.loads(metadata["adapted"])
            base = load_base(_find_base(given.name, AdaptedFrom.from_notes(notes)))
            head = read_head(given, float(metadata["temperature"]))
            if (head.weight.shape, head.va_weight is None) != (
                base.head.weight.shape,
                base.head.va_weight is None,
            ):
                raise ValueError(f"its last layer does not fit {base.card.name}")
            path = given.with_suffix(".safetensors")
            write_network(base, head, path, notes)
            return _load(path, base.card.name, device)


def _load(path: Path, base: str, device: Device) -> AdaptedModel:
    """Reads both files of a network into memory."""
    graph = path.with_suffix(".onnx")
    card = read_file_card(graph, Task.EMOTION)
    network = load_runtime(card, path if device == "cuda" else graph, device)
    files = {file.name: file.read_bytes() for file in sorted(path.parent.glob(f"{path.stem}.*"))}
    return AdaptedModel(card, base, EmotionClassifier(network, card), files)


def _find_base(name: str, adapted: AdaptedFrom) -> str:
    card = CARDS.get(adapted.base)
    if card is None or card.weights.sha256 != adapted.sha256:
        raise WeightsMismatchError(
            f"{name} was adapted from {adapted.base} {adapted.sha256[:16]}, which is none of the "
            "models here. Use it on a command line, or adapt one of the models here."
        )
    return card.name


def _unpack(filename: str, data: bytes) -> tuple[str, bytes]:
    """The first file of a network in a ZIP archive."""
    with MediaArchive(BytesIO(data), SUFFIXES) as opened:
        if not opened.names:
            raise WeightsMismatchError(f"{filename} holds no .safetensors or .onnx file.")
        name = opened.names[-1]  # .safetensors comes after .onnx
        found = opened.read(name, MAX_MODEL_BYTES + 1)
    if len(found) > MAX_MODEL_BYTES:
        raise _too_large(name)
    return Path(name).name, found


def _too_large(name: str) -> EmotionError:
    return EmotionError(
        f"{name} is larger than {MAX_MODEL_BYTES // 2**20} MB, which no adapted model is."
    )
