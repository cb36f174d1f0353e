"""About: what the numbers mean, how certain they are, and what they must not be used for."""

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

st.set_page_config(page_title="About · Emoscope", layout="centered")
st.title("What the numbers mean, and what they don't", anchor=False)

st.header("What you see", anchor=False)
st.markdown(
    """
A detector finds faces. For each face a model gives a **probability for every emotion word** that
it knows, and the most probable one is shown in the image. Two more numbers are the position of the
face in a plane that psychologists call the circumplex of affect (Russell 1980):

- **Valence** runs from -1 (unpleasant) to +1 (pleasant).
- **Arousal** runs from -1 (calm) to +1 (excited).

Some models output these two themselves: they learned them from ratings of faces, as ours did, or,
like our small one, mostly from the coordinates below. For the others they are the average of those
coordinates, weighted by the probabilities; the page and the files say which (`va_source` is `head`
or `expectation`).
"""
)
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
st.markdown(
    """
Not very, and nobody is. A face shows an **expression**; what a person feels cannot be read off it
with certainty. Shown the same photos, one person agrees with the majority of the others on the
word in about 60 % of cases (AffectNet's images, 25 raters each). Models reach similar accuracy on
photos from daily life, higher accuracy on posed faces, and lower accuracy on faces that are small,
dark, turned away, covered, very young or old, or of groups that were rare in their training images.
Rare emotions (contempt, disgust, fear) are missed most often.

The probabilities of our own models are calibrated: of predictions with 80 %, about eight in ten
match the labels of the images they were tested on. On other kinds of images, such as generated
faces, they were overconfident by a tenth. They say nothing about what goes on in a person.
"""
)

st.header("Models", anchor=False)
for task in Task:
    st.subheader(_TASKS[task], anchor=False)
    lines = []
    for card in cards_for(task):
        facts = [f"{len(card.labels)} emotions"] if card.labels else []
        facts += [card.licence, *(f"{name} {value:.3f}" for name, value in card.metrics.items())]
        lines.append(f"- **{card.name}**: {escape('; '.join(facts))}.")
    st.markdown("\n".join(lines))
st.caption("Metrics of models that are not ours are their publishers'.")

st.header("Samples", anchor=False)
st.markdown(
    """
The portrait is of the astronaut Eileen Collins, by NASA, in the public domain. The video is by
Wolfgang Langer on Pexels, cut, under the Pexels licence, which lets it be used and changed freely.
"""
)

st.header("Privacy", anchor=False)
st.markdown(
    """
Photos, videos and webcam video are analysed on the server that shows you this page, or on one that
its operator chose. Photos stay in its memory, a video and its result in temporary files without a
name, until you remove them or ten minutes after you have left. In that time the address of your
page leads back to them, after a reload too; it ends in a random key that nobody can guess, and
whoever you give it to sees them. From a webcam only the numbers are kept, until you leave, and a
recording if you make one. Nothing is used for training, shown to other visitors, or sent elsewhere.
The page loads nothing from other hosts. Downloads contain none of the metadata (place, time,
device) of your photos. Only model files are downloaded from the Hugging Face Hub, once.
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
