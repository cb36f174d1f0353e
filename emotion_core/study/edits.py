"""What people decide about a study: who is who, what is left out. Readings are never changed.

Edits are a list; an edit is undone by leaving it out. They are applied to tables whenever those are
made (``edited_frames``), and kept as JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from emotion_core.errors import EmotionError
from emotion_core.study.settings import check_span

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class MergePeople:
    """Several tracks of a video are one person, who has the lowest of their numbers from then on.

    Attributes:
        video: File of the video in the study.
        tracks: Two or more.
    """

    video: str
    tracks: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_tracks(self.tracks)
        if len(set(self.tracks)) < 2:
            raise EmotionError(f"{self.video}: merging needs two different people.")


@dataclass(frozen=True, slots=True)
class RenamePerson:
    """A person of a video gets a name.

    Attributes:
        video: File of the video in the study.
        track: Any track of the person.
        name: Not empty.
    """

    video: str
    track: int
    name: str

    def __post_init__(self) -> None:
        _check_tracks((self.track,))
        if not isinstance(self.name, str) or not self.name.strip():
            raise EmotionError(f"{self.video}: the name of person {self.track} is empty.")


@dataclass(frozen=True, slots=True)
class ExcludePerson:
    """A person of a video does not count.

    Attributes:
        video: File of the video in the study.
        track: Any track of the person.
        reason: For the methods section.
    """

    video: str
    track: int
    reason: str = ""

    def __post_init__(self) -> None:
        _check_tracks((self.track,))


@dataclass(frozen=True, slots=True)
class ChooseParticipant:
    """A person of a video is the participant; by default it is the person seen longest.

    Attributes:
        video: File of the video in the study.
        track: Any track of the person.
    """

    video: str
    track: int

    def __post_init__(self) -> None:
        _check_tracks((self.track,))


@dataclass(frozen=True, slots=True)
class ExcludeVideo:
    """A video does not count.

    Attributes:
        video: File of the video in the study.
        reason: For the methods section.
    """

    video: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TrimVideo:
    """Only a part of a video counts; its beginning is 0 on the common clock.

    Attributes:
        video: File of the video in the study; empty for all videos without a part of their own.
        from_s: Where the part begins, in seconds after the start of the video.
        to_s: Where it ends; ``None`` for the end of the video.
    """

    video: str
    from_s: float = 0.0
    to_s: float | None = None

    def __post_init__(self) -> None:
        check_span(self.from_s, self.to_s, "part of a video")


@dataclass(frozen=True, slots=True)
class NeutralSpan:
    """The baseline of a video is a span of its own, whether it lies in the part that counts or not.

    Attributes:
        video: File of the video in the study.
        from_s: Where the span begins, in seconds after the start of the video.
        to_s: Where it ends.
    """

    video: str
    from_s: float
    to_s: float

    def __post_init__(self) -> None:
        check_span(self.from_s, self.to_s, "baseline")


Edit = (
    MergePeople
    | RenamePerson
    | ExcludePerson
    | ChooseParticipant
    | ExcludeVideo
    | TrimVideo
    | NeutralSpan
)

_KINDS: Mapping[str, type[Edit]] = MappingProxyType(
    {
        "merge": MergePeople,
        "rename": RenamePerson,
        "exclude_person": ExcludePerson,
        "choose": ChooseParticipant,
        "exclude_video": ExcludeVideo,
        "trim": TrimVideo,
        "neutral_span": NeutralSpan,
    }
)
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Edits:
    """All edits of a study; where two contradict each other the later one holds.

    Attributes:
        items: In order.
    """

    items: tuple[Edit, ...] = ()

    def of(self, video: str) -> tuple[Edit, ...]:
        """The edits of one video, those of all videos first."""
        general = [edit for edit in self.items if not edit.video]
        return (*general, *(edit for edit in self.items if edit.video == video))

    def without(self, index: int) -> Edits:
        """Undoes one edit."""
        return Edits(self.items[:index] + self.items[index + 1 :])

    def to_json(self) -> str:
        """The edits as JSON text."""
        rows = [{"kind": _NAMES[type(edit)], **asdict(edit)} for edit in self.items]
        return json.dumps({"edits": rows}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what ``to_json`` wrote, or what somebody wrote by hand.

        Raises:
            EmotionError: The text is no list of edits; the number of the wrong one is named.
        """
        try:
            rows = json.loads(text)["edits"]
            if not isinstance(rows, list):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EmotionError(
                'The edits are no JSON of the form {"edits": [{"kind": "exclude_video", "video": '
                '"P01_S1.mp4"}]}.'
            ) from error
        return cls(tuple(_to_edit(row, number) for number, row in enumerate(rows, 1)))


def _to_edit(row: Any, number: int) -> Edit:
    kind = _KINDS.get(str(row.get("kind"))) if isinstance(row, dict) else None
    if kind is None:
        raise EmotionError(f"Edit {number} needs a kind: {', '.join(_KINDS)}.")
    values = {name: value for name, value in row.items() if name != "kind"}
    if isinstance(values.get("tracks"), list):
        values["tracks"] = tuple(values["tracks"])
    which = f"Edit {number} ({row['kind']})"
    for name in ("video", "reason"):
        if not isinstance(values.get(name, ""), str):
            raise EmotionError(f"{which}: {name} must be text.")
    try:
        return kind(**values)
    except TypeError as error:
        names = ", ".join(field.name for field in fields(kind))
        raise EmotionError(f"{which} takes {names}.") from error
    except EmotionError as error:
        raise EmotionError(f"{which}: {error}") from error


def _check_tracks(tracks: tuple[int, ...]) -> None:
    if not all(isinstance(track, int) and track > 0 for track in tracks):
        raise EmotionError("People are named by the numbers in the column track, from 1.")
