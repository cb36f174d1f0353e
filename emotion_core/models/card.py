"""Model cards: all facts needed to fetch, use and cite a network."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emotion_core.actions import ACTIONS, POSE
from emotion_core.errors import EmotionError, WeightsMismatchError
from emotion_core.labels import LabelSet, to_label_set
from emotion_core.models.adapted_from import AdaptedFrom
from emotion_core.models.card_json import check_types, to_tuples
from emotion_core.models.material import MATERIALS, Material, to_logit_shift
from emotion_core.types import VaSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.types import Device

MAX_SIDE_PX = 2048
"""Maximum side of a network's input; larger ones, from a card on the Hub, could exhaust memory."""

FivePoints = tuple[
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
]


class Task(StrEnum):
    """The purpose of a network."""

    DETECTION = "detection"
    EMOTION = "emotion"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a face becomes a network's input; only ``recognition/alignment.py`` reads this.

    Attributes:
        size_px: Side of the square input.
        mean: Subtracted, per channel, on the 0-255 scale; one entry means grey, three RGB.
        std: Divided by afterwards, on the 0-255 scale.
        margin: Added on each side of the square around the box, as a fraction of its side. Used
            without ``template``, or if the detector gave no landmarks.
        template: Where the five landmarks lie in the input, as fractions of its side; a similarity
            transform aligns the face. ``None``: a square around the box is cut out instead.
    """

    size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    margin: float = 0.0
    template: FivePoints | None = None

    def __post_init__(self) -> None:
        is_int = isinstance(self.size_px, int)
        if not (is_int and 1 <= self.size_px <= MAX_SIDE_PX and 0 <= self.margin < math.inf):
            raise ValueError(
                f"size_px must be a positive whole number up to {MAX_SIDE_PX} and margin not "
                "negative."
            )
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean) or min(self.std) <= 0:
            raise ValueError("mean and std need one (grey) or three (RGB) entries, std positive.")
        points = () if self.template is None else self.template
        if self.template is not None and [len(point) for point in points] != [2] * 5:
            raise ValueError("template must be five points.")
        numbers = (*self.mean, *self.std, *(number for point in points for number in point))
        if not all(map(math.isfinite, numbers)):
            raise ValueError("mean, std and template must be finite.")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file and the proof that it is the right one.

    Attributes:
        filename: Inside the Hub repository or ``weights/``.
        sha256: Lower-case hex.
        size_bytes: If known.
    """

    filename: str
    sha256: str
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.filename}: sha256 must be 64 lower-case hex digits.")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One released network.

    Attributes:
        name: What users type and files cite.
        task: Its purpose.
        architecture: ``"onnx"`` for a graph that carries its own structure, ``"opencv-yunet"`` for
            one that OpenCV runs, else a name that ``networks/emotion_net.py`` builds.
        weights: The file that runs on the CPU.
        licence: As its publisher states it.
        source: Where the facts come from, for a reader who wants to check them.
        repo_id: Hub repository, or ``None`` for local files.
        revision: Pinned commit of the repository; ``None`` if only the hash is known.
        torch_weights: The same network as safetensors, for torch on a GPU; ``None`` if none.
        labels: Order of the outputs of an emotion network; else empty.
        has_va: Whether the network has its own valence/arousal outputs.
        has_actions: Whether the network also has outputs for action features and pose.
        preprocessing: Input of a network that takes faces; ``None`` for a detector.
        temperature: Logits are divided by this before the softmax (calibration); 1 is neutral.
        class_shares: Mean probability of each label on everyday faces; empty if not known.
        material: What kind of material probabilities are for.
        metrics: Results with their data set in the name, e.g. ``{"RAF-DB accuracy": 0.8827}``.
        note: One sentence for the person who chooses.
        adapted: What it was adapted from; ``None`` for a network as it was trained.
        folder: Of the files of a user's own network; empty for the project's ``weights/``. Neither
            published nor sent.
    """

    name: str
    task: Task
    architecture: str
    weights: WeightFile
    licence: str
    source: str
    repo_id: str | None = None
    revision: str | None = None
    torch_weights: WeightFile | None = None
    labels: LabelSet = ()
    has_va: bool = False
    has_actions: bool = False
    preprocessing: Preprocessing | None = None
    temperature: float = 1.0
    class_shares: tuple[float, ...] = ()
    material: Material = "everyday"
    metrics: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    adapted: AdaptedFrom | None = None
    folder: str = ""

    def __post_init__(self) -> None:
        if self.task is Task.EMOTION and (not self.labels or self.preprocessing is None):
            raise ValueError(f"{self.name}: an emotion network needs labels and preprocessing.")
        if self.task is Task.EMBEDDING and self.preprocessing is None:
            raise ValueError(f"{self.name}: an embedding network needs preprocessing.")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"{self.name}: temperature must be positive.")
        if self.material not in MATERIALS:
            raise ValueError(f"{self.name}: there is no material {self.material!r}.")
        if self.class_shares and len(self.class_shares) != len(self.labels):
            raise ValueError(f"{self.name}: class_shares needs a share per label.")
        if not all(0 < share <= 1 for share in self.class_shares):
            raise ValueError(f"{self.name}: class_shares must be above 0 and up to 1.")

    @property
    def is_local(self) -> bool:
        """Whether the files ship with the project."""
        return self.repo_id is None and not self.folder

    @property
    def output_widths(self) -> tuple[int, ...]:
        """Numbers per face in each output of an emotion network: logits, valence and arousal, ...

        See ``EmotionNet.output_names``; a network without valence and arousal has no actions.
        """
        va = (2,) if self.has_va else ()
        actions = (len(ACTIONS), len(POSE)) if self.has_actions else ()
        return (len(self.labels), *va, *actions)

    @property
    def va_source(self) -> VaSource:
        """The origin of valence and arousal in its predictions."""
        return VaSource.HEAD if self.has_va else VaSource.EXPECTATION

    @property
    def title(self) -> str:
        """The name with any other material than everyday; of an adapted network the ``version``."""
        return self.version if self.adapted else self.name + self._words

    @property
    def version(self) -> str:
        """The title with the beginning of the weights' SHA-256; files of one name may differ."""
        return f"{self.name} {self.weights.sha256[:16]}{self._words}"

    @property
    def _words(self) -> str:
        adapted = f" ({self.adapted.words})" if self.adapted else ""
        return adapted + ("" if self.material == "everyday" else f" ({self.material} material)")

    @property
    def logit_shift(self) -> tuple[float, ...]:
        """Added to calibrated logits for the material, one per label; 0 for everyday material."""
        if self.material == "everyday" or not self.class_shares:
            return (0.0,) * len(self.labels)
        return to_logit_shift(self.labels, self.class_shares)

    def for_material(self, material: Material) -> ModelCard:
        """The card of the same network for a kind of material.

        Raises:
            EmotionError: How frequent emotions are on everyday faces is not known of it.
        """
        if material != "everyday" and not self.class_shares:
            raise EmotionError(
                f"{self.name} can only be used as it was trained, since how frequent it takes "
                "emotions to be is not known. Choose everyday material, or another model."
            )
        return replace(self, material=material)

    def to_fields(self) -> dict[str, Any]:
        """The public fields, for JSON."""
        fields = asdict(self)
        del fields["folder"]
        return fields

    def to_json(self) -> str:
        """The card as JSON text, as it is published beside the weights."""
        return json.dumps(self.to_fields(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, *, repo_id: str, revision: str) -> ModelCard:
        """Reads a published card.

        Args:
            text: What ``to_json`` wrote.
            repo_id: Repository it was read from.
            revision: Commit it was read at.

        Raises:
            WeightsMismatchError: The text is not such a card.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            fields.pop("folder", None)
            check_types(fields)
            fields["task"] = Task(fields["task"])
            fields["labels"] = to_label_set(fields["labels"])
            fields["class_shares"] = to_tuples(fields.get("class_shares", []))
            fields["weights"] = WeightFile(**fields["weights"])
            for key, make in _PARTS.items():
                if fields.get(key):
                    fields[key] = make(**{k: to_tuples(v) for k, v in fields[key].items()})
            return replace(cls(**fields), repo_id=repo_id, revision=revision)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsMismatchError(
                f"{repo_id} at {revision[:12]} holds no readable Emoscope model card: {error}."
            ) from error


_PARTS: Mapping[str, type] = MappingProxyType(
    {"torch_weights": WeightFile, "preprocessing": Preprocessing, "adapted": AdaptedFrom}
)
"""Fields of a card that are objects in JSON and may be missing."""


@dataclass(frozen=True, slots=True)
class AnalyzerInfo:
    """The networks of an analyzer, for the reader of the results.

    Attributes:
        emotion: Card of the emotion network.
        detector: Card of the face detector.
        device: Where the emotion network runs.
        origins: One sentence per weight file about its origin.
        notices: One sentence per unmet wish, e.g. a network that is not available.
    """

    emotion: ModelCard
    detector: ModelCard
    device: Device
    origins: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
