"""One HTML file that tells all of a video: numbers, pictures and linked charts, offline."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

from emotion_core.imaging.palette import EMOTION_COLOURS
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.photos.tables import readable_name
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_page import html_page
from emotion_core.reporting.timeline import format_duration, person_name, wall_clock
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.tables import longest_seen, select_people
from emotion_core.video.types import HighlightKind

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import pandas as pd
    from altair.typing import ChartType

    from emotion_core.video.types import Highlight, VideoResult, VideoSettings

MOST_PEOPLE = 24
"""People of whom a report tells numbers and moments; the tables tell of all."""

_CHARTED = 6
_MOMENT_WORDS = {
    HighlightKind.POSITIVE: "Most positive",
    HighlightKind.NEGATIVE: "Most negative",
    HighlightKind.INTENSE: "Most intense",
}
_READING = """<p>Valence tells how pleasant an expression looks, arousal how excited; both run from
\u22121 to +1. Lines and areas break where a person is not seen. In the plane each point is one
picture: the later, the larger and the less transparent, the last with a dark edge. Drag over the
timeline to see only that span of time in all charts below it; drag the span to move it,
double-click to see everything again. Point at a place to read its values.</p>"""
_LIMITS = """<ul>
<li>A face shows an expression. What a person feels, thinks or intends cannot be read off it with
certainty; people agree with each other on the word in about six cases of ten.</li>
<li>Faces that are small, dark, blurred, turned away, covered, very young or old, or of groups that
were rare in the training pictures are read worse.</li>
<li>Where a network learned valence and arousal from coordinates of emotion words (its description
tells), that they agree with the emotion is no finding.</li>
<li>A person who leaves the picture may be counted as somebody else on coming back.</li>
<li>Not for decisions about people: hiring, grading, policing, insurance, credit, health, lie
detection. Emotion recognition at work and in education is prohibited in the European Union, except
for medical or safety reasons (AI Act, Article 5(1)(f)).</li>
</ul>"""


def report_page(result: VideoResult, name: str) -> str:
    """A self-contained page on one video; it asks nothing of any network.

    Args:
        result: Of the analysis. Charts show its frames smoothed as its settings say.
        name: Of the video's file, as the user knows it.
    """
    title = f"Emotions in {readable_name(name)}"
    parts = [f"<h1>{escape(title)}</h1>", _notices(result), _facts(result)]
    charts = None
    if result.people.empty:
        parts.append(_no_face(result))
    else:
        people = result.people[
            result.people["track"].isin(longest_seen(result.people, MOST_PEOPLE))
        ]
        parts += [_people_section(people, result), _moments_section(result, people)]
        charted = longest_seen(result.people, _CHARTED)
        smooth = smooth_frames(result.frames, result.settings.smoothing_s)
        charts = dashboard_chart(select_people(smooth, charted))
        parts.append(_charts_section(result, charted))
    parts.append(f"<section><h2>Limits</h2>{_LIMITS}</section>")
    return html_page(title, f"<main>{''.join(parts)}</main>", charts)


def charts_page(charts: ChartType, title: str) -> str:
    """The linked charts alone as a self-contained page.

    Args:
        charts: As ``dashboard_chart`` makes them.
        title: Plain text.
    """
    body = f'<main><h1>{escape(title)}</h1>{_READING}<div id="charts"></div></main>'
    return html_page(title, body, charts)


def describe_rate(settings: VideoSettings) -> str:
    """Which pictures were analysed, in words."""
    if settings.hz is not None:
        return f"{settings.hz:g} a second"
    return "every picture" if settings.every == 1 else f"one in {settings.every}"


def _rate(result: VideoResult) -> str:
    """Which pictures were analysed; nothing of a webcam that brought more than could be."""
    settings = result.settings
    if settings.every == 1 and settings.hz is None and result.n_analyzed < result.n_frames:
        return ""
    return f" ({describe_rate(settings)})"


def _notices(result: VideoResult) -> str:
    fault = f'<p class="fault" role="alert"><strong>{escape(result.fault)}</strong></p>'
    warnings = "".join(f'<p class="fault">{escape(text)}</p>' for text in result.info.warnings)
    return (fault if result.fault else "") + warnings


def _facts(result: VideoResult) -> str:
    info, settings = result.info, result.settings
    length = info.duration_s
    if length is None:
        length = float(result.frames["time_s"].max()) if len(result.frames) else 0.0
    facts = {"Begun": wall_clock(result.began)} if result.began else {}
    facts |= {
        "Length": format_duration(length),
        "Picture": f"{info.size_wh[0]} \u00d7 {info.size_wh[1]}"
        + (f", {info.fps:.4g} a second" if info.fps else ""),
        "Pictures analysed": f"{result.n_analyzed:,} of {result.n_frames:,}{_rate(result)}",
        "People": f"{len(result.people):,}",
        "Emotion network": result.model,
        "Face detector": result.detector,
        "Smoothing": f"{settings.smoothing_s:g} s" if settings.smoothing_s else "none",
        "Faces left out": f"score below {settings.min_score:.2g},"
        f" or smaller than {settings.min_face_px:g} px",
        "Faces blurred": "yes" if settings.blur else "no",
    }
    items = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return f'<section aria-label="The video"><dl class="facts">{"".join(items)}</dl></section>'


def _no_face(result: VideoResult) -> str:
    return (
        f"<section><h2>No face was found</h2><p>None of the {result.n_analyzed:,} pictures that "
        "were analysed shows a face that is large and clear enough. A lower score or a smaller "
        "face size in the settings finds more, and more that is no face.</p></section>"
    )


def _people_section(people: pd.DataFrame, result: VideoResult) -> str:
    heads = ["Person", "Seen", "From", "To", "Emotions", "Valence", "Arousal", "Changes"]
    head = "".join(f'<th scope="col"{_class(word)}>{word}</th>' for word in heads)
    rows = "".join(_person_row(row) for row in people.to_dict("records"))
    n_people, more = len(result.people), ""
    if n_people > len(people):
        more = f" These are the {len(people)} people seen longest, of {n_people:,}."
    smoothed = ""
    if result.settings.smoothing_s:
        smoothed = " Emotions and changes are told of the smoothed readings, the means are not."
    return (
        '<section><h2>People</h2><div class="wide" role="region" aria-label="Numbers per person"'
        f' tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="faint">Valence and arousal: mean and standard deviation over the time seen. '
        "Changes: of the most probable emotion from one analysed picture to the next."
        f"{smoothed}{more}</p></section>"
    )


def _class(word: str) -> str:
    return ' class="words"' if word == "Emotions" else ""


def _person_row(row: Mapping[Hashable, Any]) -> str:
    cells = [format_duration(row[name]) for name in ("seen_s", "first_s", "last_s")]
    numbers = [
        f"{_signed(row[f'mean_{name}'])} \u00b1 {row[f'sd_{name}']:.2f}"
        for name in ("valence", "arousal")
    ]
    shares = {e: row[f"share_{e}"] for e in ALL_EMOTIONS if row.get(f"share_{e}", 0) > 0}
    first = sorted(shares, key=lambda emotion: -shares[emotion])
    words = ", ".join(f"{e} {_percent(shares[e])}" for e in first)
    pieces = "".join(
        f'<span style="flex:{share:.4f} 0 0;background:{EMOTION_COLOURS[emotion]}"></span>'
        for emotion, share in shares.items()
    )
    short = ", ".join(f"{e} {_percent(shares[e])}" for e in first[:2])
    bar = f'<span class="bar" role="img" aria-label="{words}" title="{words}">{pieces}</span>'
    return (
        f'<tr><th scope="row">{person_name(int(row["track"]))}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + f'<td class="words">{bar}{short}</td>'
        + "".join(f"<td>{cell}</td>" for cell in [*numbers, f"{row['changes']:,}"])
        + "</tr>"
    )


def _moments_section(result: VideoResult, people: pd.DataFrame) -> str:
    shown = [moment for moment in result.moments if moment.track in set(people["track"])]
    if not shown:
        return ""
    parts = []
    for track in dict.fromkeys(moment.track for moment in shown):
        figures = "".join(_figure(moment) for moment in shown if moment.track == track)
        parts.append(
            f'<div><h3>{person_name(track)}</h3><div class="moments">{figures}</div></div>'
        )
    return (
        f'<section><h2>Strongest moments</h2><div class="people">{"".join(parts)}</div></section>'
    )


def _figure(moment: Highlight) -> str:
    what = _MOMENT_WORDS[moment.kind]
    data = base64.b64encode(moment.picture).decode()
    alt = (
        f"Face of {person_name(moment.track)} at {format_duration(moment.time_s)}, {moment.emotion}"
    )
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(alt)}" width="128" '
        f'height="128"><figcaption><b>{what}</b>{format_duration(moment.time_s)}, '
        f"{escape(moment.emotion)}"
        f"<br>V {_signed(moment.valence)}, A {_signed(moment.arousal)}</figcaption></figure>"
    )


def _charts_section(result: VideoResult, charted: list[int]) -> str:
    left_out = ""
    if len(result.people) > len(charted):
        left_out = f'<p class="faint">Shown are the {len(charted)} people seen longest.</p>'
    return (
        f"<section><h2>Course over time</h2>{_READING}{left_out}"
        '<div id="charts" role="img" aria-label="Valence, arousal and probabilities of emotions '
        'over time, shares of time, and the way through the valence-arousal plane"></div>'
        "<noscript><p>The charts need JavaScript.</p></noscript></section>"
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "under 1%"
