"""About: what the numbers mean, how certain they are, and what they must not be used for."""

from pathlib import Path

import pandas as pd
import streamlit as st

from emotion_core.labels import VALENCE_AROUSAL
from emotion_core.models.card import Task
from emotion_core.models.registry import cards_for
from streamlit_app.widgets import escape

_TASKS = {
    Task.DETECTION: "Face detectors",
    Task.EMOTION: "Emotion models",
    Task.EMBEDDING: "Re-identification of people",
}
# texts and figures that the documentation includes, too; the README has the figures
_TEXTS = Path(__file__).parents[1] / "assets" / "about"


def show_text(name: str) -> None:
    """Shows one of the texts."""
    st.markdown((_TEXTS / f"{name}.md").read_text(encoding="utf-8"))


st.set_page_config(page_title="About · Emoscope")
with st.container(width=760):  # lines that can be read
    st.title("What the numbers mean, and what they don't", anchor=False)

    st.header("What you see", anchor=False)
    show_text("meaning")
    rows = [(str(emotion), *coordinates) for emotion, coordinates in VALENCE_AROUSAL.items()]
    table = pd.DataFrame(rows, columns=["Emotion", "Valence", "Arousal"])
    with st.expander("Coordinates of the emotion words"):
        st.table(
            table.style.format({"Valence": "{:+.2f}", "Arousal": "{:+.2f}"}).hide(axis="index"),
            alt="Valence and arousal of each emotion word",
        )
        st.caption(
            "From the NRC Valence, Arousal, and Dominance Lexicon by Saif M. Mohammad, National "
            "Research Council Canada (ACL 2018), scaled from 0..1 to -1..1; free for research, "
            "commercial use with the council's consent. Neutral and uncertain are at the origin."
        )

    st.header("How certain it is", anchor=False)
    show_text("certainty")
    show_text("figures")
    st.caption(
        "Measured on 2026-11-30 with emoscope-fer-m, the default; faces on 2026-11-22 with "
        "emoscope-face-s. The first four rows are of 2,472 photos of people of all ages, whose "
        "expressions were rated by a model, not by people."
    )

    st.header("Models", anchor=False)
    for task in Task:
        st.subheader(_TASKS[task], anchor=False)
        lines = []
        for card in cards_for(task):
            facts = [f"{len(card.labels)} emotions"] if card.labels else []
            facts += [
                card.licence,
                *(f"{name} {value:.3f}" for name, value in card.metrics.items()),
            ]
            lines.append(f"- **{card.name}**: {escape('; '.join(facts))}.")
        st.markdown("\n".join(lines))
    st.caption("Metrics of models that are not ours are their publishers'.")

    st.header("Samples", anchor=False)
    show_text("samples")

    st.header("Privacy", anchor=False)
    show_text("privacy")

    st.header("What it must not be used for", anchor=False)
    show_text("uses")
