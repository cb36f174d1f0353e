"""The HTML report of a video: numbers, key moments and linked charts in one offline file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from emotion_core.clock import format_duration, wall_clock
from emotion_core.face import format_signed
from emotion_core.imaging.palette import DARK_EMOTION_COLOURS, EMOTION_COLOURS
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.photos.tables import readable_name
from emotion_core.quality import describe_left_out
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_page import render_page
from emotion_core.reporting.timeline import person_name
from emotion_core.video.tables import (
    counted_frames,
    longest_seen,
    people_readings,
    select_people,
    smooth_result,
)
from emotion_core.video.types import HighlightKind

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from altair.typing import ChartType

    from emotion_core.labels import Emotion
    from emotion_core.video.types import VideoResult, VideoSettings

MAX_REPORTED_PEOPLE = 24
"""Maximum number of people in a report; the tables have all of them."""

_CHARTED = 6
_HIGHLIGHT_WORDS = {
    HighlightKind.POSITIVE: "Most positive",
    HighlightKind.NEGATIVE: "Most negative",
    HighlightKind.INTENSE: "Most intense",
}


def report_page(result: VideoResult, name: str) -> str:
    """The report of one video as a self-contained page.

    Args:
        result: Result whose frames are charted with the smoothing of its settings.
        name: File name of the video, as the user knows it.
    """
    people = result.people[
        result.people["track"].isin(longest_seen(result.people, MAX_REPORTED_PEOPLE))
    ]
    charted = longest_seen(result.people, _CHARTED)
    charts = None
    if charted:
        charts = dashboard_chart(select_people(smooth_result(result), charted))
    return render_page(
        "report.html",
        charts,
        title=f"Emotions in {readable_name(name)}",
        fault=result.fault,
        warnings=result.info.warnings,
        facts=_facts(result),
        n_analyzed=f"{result.n_analyzed:,}",
        people=[_person(row) for row in people.to_dict("records")],
        n_people=len(result.people),
        n_charted=len(charted),
        left_out=_left_out(result),
        is_smoothed=result.settings.smoothing_s > 0,
        highlights=_highlights(result, set(people["track"])),
    )


def charts_page(charts: ChartType, title: str) -> str:
    """A self-contained page with only the ``dashboard_chart``; the title is plain text."""
    return render_page("charts.html", charts, title=title)


def describe_rate(settings: VideoSettings) -> str:
    """Which frames were analysed, in words."""
    if settings.hz is not None:
        return f"{settings.hz:g} fps"
    return "every frame" if settings.every == 1 else f"one in {settings.every}"


def _facts(result: VideoResult) -> dict[str, str]:
    info, settings = result.info, result.settings
    length = info.duration_s
    if length is None:
        length = float(result.frames["time_s"].max()) if len(result.frames) else 0.0
    facts = {"Started": wall_clock(result.started_at)} if result.started_at else {}
    # a webcam may deliver more frames than can be analysed
    dropped = settings.every == 1 and settings.hz is None and result.n_analyzed < result.n_frames
    rate = "" if dropped else f" ({describe_rate(settings)})"
    return facts | {
        "Length": format_duration(length),
        "Frame size": f"{info.size_wh[0]} \u00d7 {info.size_wh[1]}"
        + (f", {info.fps:.4g} fps" if info.fps else ""),
        "Frames analysed": f"{result.n_analyzed:,} of {result.n_frames:,}{rate}",
        "People": f"{len(result.people):,}",
        "Emotion model": result.model,
        "Face detector": result.detector,
        "Smoothing": f"{settings.smoothing_s:g} s" if settings.smoothing_s else "none",
        "Faces left out": f"score below {settings.min_score:.2g},"
        f" or smaller than {settings.min_face_px:g} px",
        "Faces blurred": "yes" if settings.blur else "no",
    }


def _left_out(result: VideoResult) -> str:
    """A sentence on the readings of people that do not count; empty if all do."""
    frames = counted_frames(result.frames, all_faces=result.settings.all_faces)
    return describe_left_out(people_readings(frames), "reading")


def _person(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """A row of the people table as text."""
    shares = {e: row[f"share_{e}"] for e in ALL_EMOTIONS if row.get(f"share_{e}", 0) > 0}
    words = [
        f"{e} {f'{shares[e]:.0%}' if shares[e] >= 0.005 else 'under 1%'}"
        for e in sorted(shares, key=lambda e: -shares[e])
    ]
    means = [
        f"{format_signed(row[f'mean_{name}'])} \u00b1 {row[f'sd_{name}']:.2f}"
        for name in ("valence", "arousal")
    ]
    return {
        "name": person_name(int(row["track"])),
        "times": [format_duration(row[name]) for name in ("seen_s", "first_s", "last_s")],
        "words": ", ".join(words),
        "short": ", ".join(words[:2]) or "too hard to read",
        "pieces": [(f"{share:.4f}", _by_theme(e)) for e, share in shares.items()],
        "numbers": [*means, f"{row['changes']:,}"] if words else ["\u2013"] * 3,
    }


def _by_theme(emotion: Emotion) -> str:
    return f"light-dark({EMOTION_COLOURS[emotion]}, {DARK_EMOTION_COLOURS[emotion]})"


def _highlights(result: VideoResult, tracks: set[int]) -> dict[str, list[dict[str, str]]]:
    """The key moments by name of the person."""
    found: dict[str, list[dict[str, str]]] = {}
    for highlight in result.highlights:
        if highlight.track not in tracks:
            continue
        name, time = person_name(highlight.track), format_duration(highlight.time_s)
        figure = {
            "data": base64.b64encode(highlight.jpeg).decode(),
            "alt": f"Face of {name} at {time}, {highlight.emotion}",
            "what": _HIGHLIGHT_WORDS[highlight.kind],
            "time": time,
            "emotion": highlight.emotion,
            "valence": format_signed(highlight.valence),
            "arousal": format_signed(highlight.arousal),
        }
        found.setdefault(name, []).append(figure)
    return found
