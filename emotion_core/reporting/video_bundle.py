"""All results of a video or a webcam session as one ZIP archive, without the video itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from emotion_core import __version__
from emotion_core.errors import EmotionError
from emotion_core.files.archive import pack
from emotion_core.models.registry import find_any
from emotion_core.photos.tables import Decimal, table_to_csv
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.findings import describe_course
from emotion_core.reporting.html_report import charts_page, describe_rate, report_page
from emotion_core.reporting.photo_charts import to_png
from emotion_core.reporting.provenance import LIMITS, citation, describe_counted, software_versions
from emotion_core.reporting.timeline import person_name
from emotion_core.video.tables import longest_seen, select_people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pandas as pd

    from emotion_core.video.types import VideoResult, VideoSettings


@dataclass(frozen=True, eq=False, slots=True)
class VideoRun:
    """The results of a video, and where they come from.

    Attributes:
        name: Of the video.
        result: Its results.
        smoothed: The smoothed table of frames, for charts and findings.
        made_at: When the results are saved.
        sha256: Hash of the video's file in hexadecimal digits; empty for a webcam session.
    """

    name: str
    result: VideoResult
    smoothed: pd.DataFrame
    made_at: datetime
    sha256: str = ""


def write_video_bundle(run: VideoRun, *, decimal: Decimal = ".") -> bytes:
    """Packs tables, charts, the report, settings and a text on methods into a ZIP archive.

    Args:
        run: The results.
        decimal: Decimal sign of the tables, see ``table_to_csv``.
    """
    return pack(_iter_files(run, decimal))


def _iter_files(run: VideoRun, decimal: Decimal) -> Iterator[tuple[str, bytes | str]]:
    result = run.result
    yield "methods.txt", describe_video_methods(run)
    yield "settings.json", json.dumps(_settings(run), indent=2)
    yield "frames.csv", table_to_csv(result.frames, decimal)
    yield "people.csv", table_to_csv(result.people, decimal)
    yield "report.html", report_page(result, run.name)
    if not result.people.empty:
        shown = select_people(run.smoothed, longest_seen(result.people))
        charts = dashboard_chart(shown, smoothing_s=result.settings.smoothing_s)
        yield "charts.html", charts_page(charts, f"Emotions in {run.name}")
        yield "charts.png", to_png(charts)


def describe_video_methods(run: VideoRun) -> str:
    """A text on methods that a report can quote, with what each person showed."""
    result, settings = run.result, run.result.settings
    weights = _weights(result)
    models = [
        f"{name} (SHA-256 {weights[name]})" if name in weights else name
        for name in (result.detector, result.model)
    ]
    what = "A webcam session" if result.started_at else f"The video {run.name}"
    people = longest_seen(result.people, len(result.people))
    findings = [f"{person_name(p)}: {describe_course(run.smoothed, p)}." for p in people]
    words = [
        f"{what} was analysed with Emoscope {__version__} on {run.made_at:%Y-%m-%d}: "
        f"{result.n_analyzed} of {result.n_frames} frames ({describe_rate(settings)})."
        f"{_describe_part(settings)}",
        f"Faces were found by {models[0]} and count with a detection confidence of at least "
        f"{settings.min_score:.2g} and a shorter side of at least {settings.min_face_px:g} pixels; "
        f"a person is a face that was followed for at least {settings.min_seen_s:g} s.",
        f"{models[1]} gave each face a probability for each expression; the most probable one is "
        "reported, with valence and arousal from -1 to 1. Charts, shares and moments are smoothed "
        f"with a time constant of {settings.smoothing_s:g} s; frames.csv is not.",
        describe_counted(all_faces=settings.all_faces),
        "Faces are blurred in all images." if settings.blur else "Faces are not blurred in images.",
        *([result.fault] if result.fault else []),
        "\n".join(["What was shown:", *findings]) if findings else "No face was found.",
        LIMITS,
    ]
    return "\n\n".join([*words, citation()])


def _describe_part(settings: VideoSettings) -> str:
    """What of the video was analysed, if not all of it."""
    parts = []
    if settings.from_s or settings.to_s is not None:
        end = "the end" if settings.to_s is None else f"{settings.to_s:g} s"
        parts.append(f"the part from {settings.from_s:g} s to {end}")
    if settings.region:
        parts.append("the region {},{},{},{}".format(*settings.region))
    if settings.largest_only:
        parts.append("the largest face of each frame")
    return f" Only this was analysed: {'; '.join(parts)}." if parts else ""


def _settings(run: VideoRun) -> dict[str, object]:
    result = run.result
    return {
        **asdict(result.settings),
        "video": run.name,
        "video_sha256": run.sha256 or None,
        "model": result.model,
        "detector": result.detector,
        "weights_sha256": _weights(result),
        "started_at": result.started_at.isoformat() if result.started_at else None,
        "made_at": run.made_at.isoformat(timespec="seconds"),
        "versions": software_versions(),
    }


def _weights(result: VideoResult) -> dict[str, str]:
    """Hashes of the weights by model title; models that are not in the registry are left out."""
    found = {}
    for name in (result.detector, result.model):
        try:
            found[name] = find_any(name.partition(" (")[0]).weights.sha256
        except EmotionError:
            continue
    return found
