"""Our components of the Photos page: the contact sheet with its detail, and the emotion counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from emotion_core.actions import ACTION_COLUMNS
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.photo_charts import count_emotions

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    import pandas as pd

    from emotion_core.types import Analysis

_FILES = Path(__file__).parent / "component"
_SHEET, _PICKED, _HEARD = "faces sheet", "picked face", "heard in the sheet"


def _register(name: str, script: str, style: str) -> Any:
    js, css = ((_FILES / file).read_text("utf-8") for file in (script, style))
    return st.components.v2.component(name, js=js, css=css)


_mount_sheet = _register("emoscope_faces_sheet", "index.js", "style.css")
_mount_counts = _register("emoscope_emotion_counts", "counts.js", "counts.css")


@dataclass(frozen=True, eq=False, slots=True)
class OpenPhoto:
    """The photo in the detail.

    Attributes:
        name: Of the photo.
        src: Address of its image.
        analysis: With the faces that count.
        faces: Its rows of the table of faces.
        explained: Where the selected face's reading comes from, see ``FaceExplainer``; ``None`` if
            that was not asked.
        explains: Whether it can be asked.
    """

    name: str
    src: str
    analysis: Analysis
    faces: pd.DataFrame
    explained: Mapping[str, Any] | None = None
    explains: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class SheetLabels:
    """What is said of the faces, and what happens when more is said.

    Attributes:
        mine: The word of the rater who is at work, by id of the face.
        words: All that was said, the same.
        give: Takes the id of a face and a word.
        undo: Takes the last word back; ``None`` if there is none.
    """

    mine: Mapping[str, str]
    words: Mapping[str, Sequence[str]]
    give: Callable[[str, str], None]
    undo: Callable[[], None] | None


def faces_sheet(
    faces: pd.DataFrame,
    images: Mapping[str, str],
    opened: OpenPhoto | None,
    labels: SheetLabels | None,
    *,
    selected: str | None,
    layout: Literal["sheet", "photo"],
) -> None:
    """All faces as small images; a click opens the detail of one.

    The id of the face that the visitor selects is in the session state, see ``selected_face``.

    Args:
        faces: Rows of a ``sheet_table``, in their order on the page.
        images: Addresses of small images by the ids of all faces.
        opened: The photo of the selected face.
        labels: Of the faces; ``None`` if they cannot be labelled.
        selected: Id of the selected face.
        layout: ``"photo"`` shows the photo above the faces, ``"sheet"`` beside them.
    """
    detail = None
    if opened is not None:
        width, height = opened.analysis.size_wh
        found = ", ".join(str(emotion) for emotion in opened.analysis.predictions.top)
        detail = {
            "name": opened.name,
            "src": opened.src,
            "width": width,
            "height": height,
            "alt": f"{opened.name} with its faces marked: {found or 'no face found'}",
            "faces": _to_faces(opened.faces, images, (width, height)),
        }
    data = {
        "layout": layout,
        "emotions": [str(emotion) for emotion in ALL_EMOTIONS],
        "selected": selected,
        "turn": _chosen().get("turn", 0),
        "wish": wished_map(),
        "labels": labels
        and {
            face: {"mine": labels.mine.get(face), "words": words}
            for face, words in labels.words.items()
        },
        "canUndo": labels is not None and labels.undo is not None,
        "heard": st.session_state.get(_HEARD, 0),
        "explained": opened and opened.explained,
        "explains": opened is not None and opened.explains,
        "faces": _to_faces(faces, images),
        "detail": detail,
    }
    _mount_sheet(
        key=_SHEET,
        data=data,
        on_selected_change=_forget_pick,
        on_said_change=partial(_take_said, labels),
        default={"selected": None, "said": []},
    )


def _take_said(labels: SheetLabels | None) -> None:
    """Takes what the visitor said in the sheet since it was last heard."""
    for one in st.session_state[_SHEET]["said"]:
        if one["n"] <= st.session_state.get(_HEARD, 0):
            continue
        st.session_state[_HEARD] = one["n"]
        if labels and one["word"]:
            labels.give(one["face"], one["word"])
        elif labels and labels.undo:
            labels.undo()


def selected_face() -> str | None:
    """Id of the face that was selected last, in the sheet or elsewhere."""
    return st.session_state.get(_PICKED) or _chosen().get("face")


def wished_map() -> str | None:
    """The emotion of which a map is wanted, empty for the one that is read; ``None`` for none."""
    wish: str | None = _chosen().get("explain")
    return wish


def select_face(face: str) -> None:
    """Selects a face by its id, until another one is selected in a sheet."""
    st.session_state[_PICKED] = face


def emotion_counts(all_faces: pd.DataFrame, shown: pd.DataFrame, key: str) -> None:
    """Bars of the number of faces per emotion, which filter when they are pressed.

    Args:
        all_faces: Table of all faces.
        shown: Those which the other filters let through.
        key: Of the component.
    """
    visible = count_emotions(shown)
    rows = [
        {"emotion": word, "all": n, "shown": visible[word], "colour": _RANKS[word]}
        for word, n in count_emotions(all_faces).items()
    ]
    data = {"rows": rows, "chosen": list(chosen_emotions(key))}
    _mount_counts(key=key, data=data, on_chosen_change=_do_nothing, default={"chosen": []})


def chosen_emotions(key: str) -> tuple[str, ...]:
    """The pressed bars of the ``emotion_counts`` of a key."""
    state: Any = st.session_state.get(key)
    return tuple((state.get("chosen") if state else None) or ())


_RANKS = {str(emotion): rank for rank, emotion in enumerate(ALL_EMOTIONS)}


def _to_faces(
    faces: pd.DataFrame, images: Mapping[str, str], size_wh: tuple[int, int] | None = None
) -> list[dict[str, object]]:
    """Rows for the component; with the size of their photo also their boxes, in its fractions."""
    columns = [column for column in map(str, faces) if column.startswith("p_")]
    found = []
    for row in faces.to_dict("records"):
        face = {
            "id": row["id"],
            "photo": row["source"],
            "number": row["face"],
            "emotion": row["emotion"],
            "flag": row["flag"],
            "size": round(row["size_px"]),
            "image": images[row["id"]],
            "probabilities": {c.removeprefix("p_"): round(row[c], 4) for c in columns},
            **{name: round(row[name], 4) for name in _NUMBERS},
            "movements": _strongest_actions(row),
        }
        if size_wh is not None:
            face["box"] = _to_fractions([row[c] for c in ("x1", "y1", "x2", "y2")], size_wh)
        found.append(face)
    return found


def _strongest_actions(row: Mapping[Hashable, Any]) -> list[tuple[str, float]]:
    """The action features of a row that stand out, the strongest first; none if it has none."""
    values = {name: float(row.get(name, 0.0)) for name in ACTION_COLUMNS}
    strong = sorted(((v, k) for k, v in values.items() if v >= _MIN_ACTION), reverse=True)
    return [(_in_words(name), round(value, 2)) for value, name in strong[:_MAX_ACTIONS]]


def _in_words(column: str) -> str:
    """A column of an action feature in words: ``action_mouthSmileLeft`` is "mouth smile left"."""
    return re.sub(r"([A-Z])", lambda found: f" {found[1].lower()}", column.removeprefix("action_"))


_MIN_ACTION, _MAX_ACTIONS = 0.3, 6
"""Action features that the detail of a face tells: minimum and number."""

_NUMBERS = ("confidence", "score", "valence", "arousal")


def _to_fractions(box: Sequence[float], size_wh: tuple[int, int]) -> list[float]:
    """Left, top, width and height of a box."""
    (x1, y1, x2, y2), (width, height) = box, size_wh
    return [x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height]


def _chosen() -> Mapping[str, Any]:
    """The last choice in the sheet: its face and its number."""
    state: Any = st.session_state.get(_SHEET)
    return (state.get("selected") if state else None) or {}


def _forget_pick() -> None:
    st.session_state.pop(_PICKED, None)


def _do_nothing() -> None:
    """Makes a state of a component known."""
