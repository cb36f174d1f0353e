"""About: what the numbers mean, how sure they are, and what they must not be used for."""

import pandas as pd
import streamlit as st

from emotion_core.labels import VALENCE_AROUSAL
from emotion_core.models.card import Task
from emotion_core.models.registry import cards_for
from streamlit_app.widgets import plain

_TASKS = {
    Task.DETECTION: "They find faces",
    Task.EMOTION: "They read emotions",
    Task.EMBEDDING: "It tells people apart after a gap in a video",
}

st.set_page_config(page_title="About · Emoscope", layout="centered")
st.title("What the numbers mean, and what they don't", anchor=False)

st.header("What you see", anchor=False)
st.markdown(
    """
A detector looks for faces. For each face a network gives a **probability for every emotion word**
that it knows, and the most probable one stands on the picture. Two further numbers place the face
in a plane that psychologists call the circumplex of affect (Russell 1980):

- **Valence** runs from -1 (unpleasant) to +1 (pleasant).
- **Arousal** runs from -1 (calm) to +1 (excited).

Some networks give these two themselves: they learned them from people's ratings or, like our own,
mostly from the coordinates below. For the others they are the average of those coordinates,
weighted by the probabilities; the page and the files say which (`va_source` is `head` or
`expectation`).
"""
)
coordinates = pd.DataFrame(
    [(str(emotion), valence, arousal) for emotion, (valence, arousal) in VALENCE_AROUSAL.items()],
    columns=["Emotion", "Valence", "Arousal"],
)
with st.expander("Coordinates of the emotion words"):
    st.table(
        coordinates.style.format({"Valence": "{:+.2f}", "Arousal": "{:+.2f}"}).hide(axis="index"),
        alt="Valence and arousal of each emotion word",
    )
    st.caption(
        "From the NRC Valence, Arousal, and Dominance Lexicon, made by Saif M. Mohammad at the "
        "National Research Council Canada (ACL 2018), brought from 0..1 to -1..1; free for "
        "research, for commercial use by the council's consent. Neutral and uncertain are the "
        "origin."
    )

st.header("How sure it is", anchor=False)
st.markdown(
    """
Not very, and nobody is. A face shows an **expression**; what a person feels cannot be read off it
with certainty. Shown the same photos, one person agrees with the majority of the others on the
word in about 60 % of cases (AffectNet's images, 25 raters each). Networks reach similar figures on
photos from daily life, higher ones on posed faces, and lower ones on faces that are small, dark,
turned away, covered, very young or old, or of groups that were rare in their training pictures.
Rare emotions (contempt, disgust, fear) are missed most.

The probabilities of our own networks are calibrated: of answers given with 80 %, about eight in ten
match the labels of the pictures they were tested on. On pictures of other kinds, such as generated
faces, they were too sure of themselves by a tenth. They say nothing about what goes on in a person.
"""
)

st.header("The networks", anchor=False)
for task in Task:
    st.subheader(_TASKS[task], anchor=False)
    lines = []
    for card in cards_for(task):
        facts = [f"{len(card.labels)} emotions"] if card.labels else []
        facts += [card.licence, *(f"{name} {value:.3f}" for name, value in card.metrics.items())]
        lines.append(f"- **{card.name}**: {plain('; '.join(facts))}.")
    st.markdown("\n".join(lines))
st.caption("Figures of networks that are not ours are their publishers'.")

st.header("Privacy", anchor=False)
st.markdown(
    """
Photos, videos and camera pictures are analysed on the server that shows you this page, or on one
that its owner named. Photos stay in its memory while your page is open; a video and its result lie
in temporary files without a name, until you take them away or half a minute after you have left; of
a camera only the numbers are kept, until you leave, and a recording if you ask for one. Nothing is
used for training, shown to other visitors, or sent elsewhere.
The page loads nothing from other hosts. What you download carries none of the hidden data
(place, time, device) of the photos you gave. Only the networks' files are fetched from the
Hugging Face Hub, once.
"""
)

st.header("What it must not be used for", anchor=False)
st.markdown(
    """
- **Decisions about people**: hiring, grading, policing, insurance, credit, health.
- **Emotion recognition at work or in education** is prohibited in the European Union, except for
  medical or safety reasons (AI Act, Regulation (EU) 2024/1689, Article 5(1)(f)). Elsewhere it is
  no better founded.
- **Finding out what somebody thinks or intends**, or whether they lie.
- **Photos of people who have not agreed**, unless the law where you are lets you analyse them.

Good uses are those where many faces are averaged, errors are expected and reported, and the people
shown know of it: research, teaching, art, and tests of one's own interfaces with consent.
"""
)
