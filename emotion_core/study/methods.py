"""The methods paragraph of a study, with what it was analysed by, and references as BibTeX."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from emotion_core import __version__
from emotion_core.reporting.provenance import citation, describe_material
from emotion_core.study.codebook import NOTES
from emotion_core.study.edits import (
    ChooseParticipant,
    ExcludePerson,
    ExcludeVideo,
    MergePeople,
    NeutralSpan,
    TrimVideo,
)
from emotion_core.study.synthetic import ABOUT_SYNTHETIC, is_synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.study.settings import StudySettings
    from emotion_core.study.tables import Study, StudyTables
    from emotion_core.video.types import VideoSettings

REFERENCES = """\
@book{efron1993,
  author = {Efron, Bradley and Tibshirani, Robert J.},
  title = {An Introduction to the Bootstrap},
  publisher = {Chapman \\& Hall},
  year = {1993}
}

@article{russell1980,
  author = {Russell, James A.},
  title = {A Circumplex Model of Affect},
  journal = {Journal of Personality and Social Psychology},
  volume = {39},
  number = {6},
  pages = {1161--1178},
  year = {1980}
}

@article{benjamini1995,
  author = {Benjamini, Yoav and Hochberg, Yosef},
  title = {Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple
           Testing},
  journal = {Journal of the Royal Statistical Society B},
  volume = {57},
  number = {1},
  pages = {289--300},
  year = {1995}
}

@article{cumming2001,
  author = {Cumming, Geoff and Finch, Sue},
  title = {A Primer on the Understanding, Use, and Calculation of Confidence Intervals that are
           Based on Central and Noncentral Distributions},
  journal = {Educational and Psychological Measurement},
  volume = {61},
  number = {4},
  pages = {532--574},
  year = {2001}
}
"""
"""What the methods paragraph cites besides the program."""


_ROLES = {"emotion": "emotion model", "detector": "face detector"}


def about_study(info: AnalyzerInfo, settings: VideoSettings) -> dict[str, Any]:
    """How the videos of a study are analysed, as JSON values.

    Args:
        info: The networks.
        settings: Of the analysis of each video.

    Returns:
        version (of the program), video_settings, networks by task (``emotion``, ``detector``): name
        (with the material, if that is not everyday), sha256 and licence; and material, a sentence.
    """
    networks = {
        name: {"name": card.title, "sha256": card.weights.sha256, "licence": card.licence}
        for name, card in (("emotion", info.emotion), ("detector", info.detector))
    }
    return {
        "version": __version__,
        "video_settings": asdict(settings),
        "networks": networks,
        "material": describe_material(info.emotion),
    }


def methods_text(study: Study, tables: StudyTables) -> str:
    """A methods section with what is to be kept in mind, as Markdown."""
    notes = "\n".join(f"- {note}" for note in NOTES)
    return f"# Methods\n\n{methods_paragraph(study, tables)}\n\n## To be kept in mind\n\n{notes}\n"


def methods_paragraph(study: Study, tables: StudyTables) -> str:
    """A paragraph for a methods section; its keys are those of ``references``."""
    about = study.about
    networks = [
        f"{_ROLES[name]} {network['name']} (SHA-256 {network['sha256']})"
        for name, network in about.get("networks", {}).items()
    ]
    videos, people = tables.all_videos, tables.participants
    n_failed = int((videos["error"] != "").sum())
    if is_synthetic(about):
        return ABOUT_SYNTHETIC
    sentences = [
        f"Facial expressions in {_count(len(videos), 'video')} of "
        f"{_count(people['participant'].nunique(), 'participant')} and "
        f"{_count(people['stimulus'].nunique(), 'stimulus', 'stimuli')} were read with Emoscope "
        f"{about.get('version', '')} [@emoscope]"
        + _list_of(" and the ", networks, ", by the ")
        + ".",
        about.get("material", ""),
        _video_words(about.get("video_settings", {})),
        f"{_count(n_failed, 'video')} could not be analysed." if n_failed else "",
        *_edit_words(study),
        _settings_words(study.settings),
        _baseline_words(study),
        _event_words(study),
        "Faces that are hard to read counted, too." if study.settings.all_faces else "",
        f"Of the frames analysed, {_mean_share(tables):.1%} had a usable reading of the "
        "participant (mean over videos).",
        "Intervals are 95% percentile intervals from drawing whole participants anew "
        f"{study.settings.draws:,} times [@efron1993], since frames of one video are no "
        "independent samples; missing readings were not filled.",
        "Comparisons are exploratory: t tests over participants, paired or Welch's, with false "
        "discovery rates [@benjamini1995] and intervals of effect sizes from the noncentral t "
        "distribution [@cumming2001].",
    ]
    return " ".join(filter(None, sentences))


def references(version: str) -> str:
    """What the methods paragraph cites, as BibTeX."""
    return f"{citation(version)}\n{REFERENCES}"


def _video_words(settings: Mapping[str, Any]) -> str:
    if not settings:
        return ""
    rate = "Every frame was analysed"
    if settings.get("hz"):
        rate = f"{settings['hz']:g} frames a second were analysed"
    elif settings.get("every", 1) > 1:
        rate = f"One in {settings['every']} frames was analysed"
    return (
        f"{rate}; faces counted from a detection confidence of {settings['min_score']:g} and a "
        f"side of {settings['min_face_px']:g} pixels." + _part_words(settings)
    )


def _part_words(settings: Mapping[str, Any]) -> str:
    """What of each video was analysed, if not all of it."""
    parts = []
    from_s, to_s = settings.get("from_s") or 0.0, settings.get("to_s")
    if from_s or to_s is not None:
        parts.append(f"the part from {_span(from_s, to_s)}")
    if region := settings.get("region"):
        x, y, width, height = region
        parts.append(f"a region of {width} x {height} pixels at ({x}, {y})")
    if settings.get("largest_only"):
        parts.append("the largest face of each frame")
    return _list_of("; ", parts, " Only this was analysed of each video: ", ".")


def _settings_words(settings: StudySettings) -> str:
    return (
        "Valence and arousal [@russell1980] and probabilities were averaged over steps of "
        f"{1 / settings.clock_hz:g} s, each at least {settings.min_cover:.0%} seen; shares and "
        f"switches are of readings smoothed with a time constant of {settings.smoothing_s:g} s."
    )


def _baseline_words(study: Study) -> str:
    """From what changes are counted."""
    baseline, where = study.settings.baseline, []
    if baseline is not None:
        whose = f"the neutral clip ({baseline.stimulus})" if baseline.stimulus else "each video"
        where.append(f"{_span(baseline.from_s, baseline.to_s)} of {whose}")
    where += [
        f"{_span(e.from_s, e.to_s)} of {e.video or 'all others'}"
        for e in study.edits.items
        if isinstance(e, NeutralSpan)
    ]
    return _list_of(
        ", ",
        where,
        "Changes are counted from ",
        ": differences of means for valence and arousal, differences of log-odds for "
        "probabilities.",
    )


def _event_words(study: Study) -> str:
    if study.events.empty:
        return ""
    from_s, to_s = study.settings.window_s
    return (
        f"Readings were averaged from {from_s:g} s to {to_s:g} s after each event "
        f"({_count(len(study.events), 'row')} in the list of events)."
    )


def _edit_words(study: Study) -> list[str]:
    """Who the participants were, and what people left out, merged and trimmed."""
    items = study.edits.items
    out = [_reason(e.video, e.reason) for e in items if isinstance(e, ExcludeVideo)]
    people = [
        _reason(f"person {e.track} in {e.video}", e.reason)
        for e in items
        if isinstance(e, ExcludePerson)
    ]
    merged = sum(isinstance(edit, MergePeople) for edit in items)
    trimmed = [
        f"{e.video or 'all others'} from {_span(e.from_s, e.to_s)}"
        for e in items
        if isinstance(e, TrimVideo)
    ]
    chosen = [
        f"person {e.track} in {e.video or 'all others'}"
        for e in items
        if isinstance(e, ChooseParticipant)
    ]
    return [
        _list_of(", ", chosen, "The participant was chosen by hand: ", "."),
        f"The participant{' of all other videos' if chosen else ''} was the person seen longest.",
        _list_of(", ", out, "Excluded were: ", "."),
        _list_of(", ", people, "Left out were: ", "."),
        f"Tracks were merged by hand {_count(merged, 'time')}." if merged else "",
        _list_of(", ", trimmed, "Only parts counted: ", "."),
    ]


def _span(from_s: float, to_s: float | None) -> str:
    return f"{from_s:g} s to " + ("the end" if to_s is None else f"{to_s:g} s")


def _reason(what: str, reason: str) -> str:
    return f"{what} ({reason})" if reason else what


def _list_of(separator: str, parts: list[str], before: str, after: str = "") -> str:
    return f"{before}{separator.join(parts)}{after}" if parts else ""


def _count(n: int, noun: str, plural: str = "") -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {plural or noun + 's'}"


def _mean_share(tables: StudyTables) -> float:
    return float(tables.participants["share_counted"].mean())
