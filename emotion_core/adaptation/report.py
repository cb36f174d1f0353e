"""What adapting did, as a table, as JSON, and as the description beside the network's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotion_core import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.models.card import ModelCard
    from emotion_core.training.evaluation.paired import PairedDifference

_WIDTH = 22
_WORDS = {
    "accuracy": "accuracy, 8 emotions",
    "mean_recall": "mean recall",
    "macro_f1": "macro-F1",
    "valence_ccc": "valence, CCC",
    "arousal_ccc": "arousal, CCC",
}


def describe_difference(one: PairedDifference) -> tuple[str, str, str, str]:
    """Name, before, after, and the difference with its interval, as words."""
    span = " ({:+.3f} to {:+.3f})".format(*one.interval) if one.interval else ""
    name = _WORDS.get(one.name, one.name)
    return name, f"{one.first:.3f}", f"{one.second:.3f}", f"{one.difference:+.3f}{span}"


def describe_figures(adaptation: Adaptation) -> list[tuple[str, str, str, str]]:
    """All figures as ``describe_difference`` writes them, and the calibration error."""
    rows = [describe_difference(one) for one in adaptation.differences]
    before, after = adaptation.before.ece, adaptation.after.ece
    if before is not None and after is not None:
        rows.append(
            ("calibration error", f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")
        )
    return rows


def adaptation_table(adaptation: Adaptation, base: str) -> str:
    """Figures before and after as text."""
    lines = [
        f"{adaptation.n_labels} labels of emotions, {adaptation.n_rated[0]} ratings of valence, "
        f"{adaptation.n_rated[1]} of arousal, of {adaptation.n_units} people or photos; {base}",
        "Cross-validated: each face is read by layers that did not learn from its person or photo.",
        "",
        f"{'':{_WIDTH}}{'before':>8}{'after':>8}  difference (95% interval)",
    ]
    lines += [
        f"{name:{_WIDTH}}{before:>8}{after:>8}  {difference}"
        for name, before, after, difference in describe_figures(adaptation)
    ]
    lines += ["", *_conclusion(adaptation)]
    return "\n".join(lines) + "\n"


def adaptation_notes(adaptation: Adaptation, base: ModelCard) -> dict[str, Any]:
    """What the files of an adapted network say of it, and ``--json`` writes."""
    figures = {
        one.name: {
            "before": round(one.first, 4),
            "after": round(one.second, 4),
            "interval_95": one.interval and [round(edge, 4) for edge in one.interval],
        }
        for one in adaptation.differences
    }
    return {
        "base": base.name,
        "base_sha256": base.weights.sha256,
        "emoscope": __version__,
        "prior": adaptation.prior,
        "changed": list(adaptation.used),
        "labels": adaptation.counts,
        "ratings": dict(zip(("valence", "arousal"), adaptation.n_rated, strict=True)),
        "people_or_photos": adaptation.n_units,
        "calibration_error": {"before": adaptation.before.ece, "after": adaptation.after.ece},
        "figures": figures,
    }


def adaptation_card(path: Path, adaptation: Adaptation, notes: Mapping[str, Any]) -> str:
    """The description of an adapted network in Markdown, which ``models publish`` puts online."""
    counts = ", ".join(f"{word} {n}" for word, n in adaptation.counts.items())
    rows = [f"| {' | '.join(row)} |" for row in describe_figures(adaptation)]
    return "\n".join(
        [
            f"# {path.stem}",
            "",
            f"{notes['base']} (SHA-256 {notes['base_sha256']}), whose last layer was adapted with "
            f"Emoscope {__version__} to {adaptation.n_labels} labels of emotions ({counts}) and "
            f"{adaptation.n_rated[0]} ratings of valence and {adaptation.n_rated[1]} of arousal, "
            f"of {adaptation.n_units} people or photos. All layers below are unchanged.",
            "",
            f"Changed: {', '.join(adaptation.used)}. Emotions were weighted "
            + ("alike." if adaptation.prior == "balanced" else "as often as they were labelled."),
            "",
            "## Figures",
            "",
            "By nested cross-validation: each labelled face was read by layers that did not learn "
            "from its person or photo. In brackets 95% intervals from drawing these anew.",
            "",
            "| | before | after | difference |",
            "|---|---|---|---|",
            *rows,
            "",
            "They say how well the network agrees with these raters on faces like these; on other "
            "material, measure anew. The description of the base tells what it must not be used "
            "for.",
            "",
        ]
    )


def _conclusion(adaptation: Adaptation) -> Iterator[str]:
    if adaptation.used:
        yield f"Adapted: {', '.join(adaptation.used)}."
    yield from adaptation.reasons
