"""The adapted model of one visitor, which nobody else gets to see or use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import streamlit as st

from emotion_core.adaptation.adapted_model import MAX_MODEL_BYTES, SUFFIXES, restore_adapted
from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.live.micro_batching import BatchingAnalyzer
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.models.runtime import pick_device
from streamlit_app.model_choice import OWN, use_model
from streamlit_app.visits import RETURN_S
from streamlit_app.widgets import escape, take_upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emotion_core.adaptation.adapted_model import AdaptedModel
    from emotion_core.analyzer import Analyzer
    from emotion_core.training.datasets.photo_labels import FaceKey
    from emotion_core.training.evaluation.evaluate import PredictionBuffer

_UPLOADS = "model file version"
"""Key of a counter in the key of the upload field, which is a new one after each file."""


@dataclass(frozen=True, eq=False, slots=True)
class OutsideReadings:
    """How an adapted model reads faces that it learned from, each by a layer that did not.

    Attributes:
        rows: Of the faces in ``readings``.
        units: People, or else photos, that it learned from.
        readings: One row per face.
    """

    rows: Mapping[FaceKey, int]
    units: frozenset[str]
    readings: PredictionBuffer


@dataclass(slots=True)
class OwnModel:
    """The one adapted model that a visitor may have on all pages.

    Attributes:
        model: ``None`` if there is none.
        base: The choice of an emotion model that it was adapted from, to go back to.
        outside: Of faces that it learned from here; ``None`` if it came as a file.
    """

    return_s: ClassVar[float] = RETURN_S

    model: AdaptedModel | None = None
    base: str = ""
    outside: OutsideReadings | None = None
    _analyzers: tuple[Analyzer, LocalAnalyzer] | None = None
    _live: BatchingAnalyzer | None = None

    @property
    def name(self) -> str:
        """Of its ONNX file; empty without a model."""
        return self.model.card.name if self.model else ""

    @property
    def base_name(self) -> str:
        """What to adapt again: the base as it was chosen, or its name; empty without a model."""
        return self.base or (self.model.base if self.model else "")

    @property
    def n_bytes(self) -> int:
        """Size of its files and of the network in memory, roughly."""
        return int(1.5 * self.model.n_bytes) if self.model else 0

    def put(self, model: AdaptedModel, base: str, outside: OutsideReadings | None = None) -> None:
        """Takes the place of an earlier model, and is the emotion model from the next run on."""
        self.clear()
        self.model, self.base, self.outside = model, base, outside
        use_model(OWN)

    def to_analyzer(self, analyzer: Analyzer) -> Analyzer:
        """An analyzer that finds faces as another one does, and reads them with this model.

        It is that one itself if there is no model.
        """
        if self.model is None or not isinstance(analyzer, LocalAnalyzer):
            return analyzer
        if self._analyzers is None or self._analyzers[0] is not analyzer:
            self._end_live()
            self._analyzers = analyzer, self.model.to_analyzer(analyzer)
        return self._analyzers[1]

    def live_analyzer(
        self, analyzer: Analyzer, make: Callable[[Analyzer], BatchingAnalyzer]
    ) -> BatchingAnalyzer | None:
        """This visitor's own analyzer of live video; ``None`` if another model is in use."""
        if self._analyzers is None or self._analyzers[1] is not analyzer:
            return None
        if self._live is None:
            self._live = make(analyzer)
        return self._live

    def fork(self) -> OwnModel:
        """The same model for another window."""
        return OwnModel(self.model, self.base, self.outside)

    def give_way(self) -> None:
        """Does nothing: nobody waits for it."""

    def clear(self) -> None:
        """Frees the model."""
        self._end_live()
        self.model = self.outside = self._analyzers = None
        self.base = ""

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.retire()
            self._live = None


def show_way_back(own: OwnModel) -> None:
    """A button that goes back to the model that the visitor's own one was adapted from."""
    st.button(
        f"Back to {Path(own.base_name).name}",
        icon=":material/undo:",
        key="back to base",
        on_click=use_model,
        args=(own.base,),
        help="Your adapted model stays in the sidebar until you leave.",
    )


def upload_own(own: OwnModel, device: str) -> None:
    """Lets a visitor use a model that was adapted before, by its file.

    Args:
        own: The visitor's; gets the model.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """
    part = st.expander("Use an adapted model", key="use adapted model", on_change="rerun")
    if not part.open:
        return
    with part:
        key = f"model file {st.session_state.setdefault(_UPLOADS, 0)}"
        upload = st.file_uploader(
            "File of an adapted model",
            type=[*SUFFIXES, archive.SUFFIX],
            max_upload_size=MAX_MODEL_BYTES // 2**20,
            key=key,
            help="As the Photos page (Correct, measure, adapt) or `emoscope adapt` made it. Only "
            "you use it; it is deleted ten minutes after you leave.",
        )
        if error := st.session_state.pop(_FAILED, ""):
            st.error(escape(error), icon=":material/error:")
    if upload is None:
        return
    st.session_state[_UPLOADS] += 1
    name, data = upload.name, take_upload(upload, key).getvalue()
    try:
        with st.spinner("Reading the model…"):
            model = restore_adapted(name, data, pick_device(device))
    except EmotionError as error:
        st.session_state[_FAILED] = str(error)
    else:
        own.put(model, model.base)
    st.rerun()


_FAILED = "model file failed"
