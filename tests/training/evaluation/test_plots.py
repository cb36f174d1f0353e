"""Charts of what was measured: their data, and that they draw."""

import json
import re
from dataclasses import replace

import altair as alt
import numpy as np
import pytest

from emotion_core.errors import EmotionError
from emotion_core.imaging.palette import EMOTION_COLOURS
from emotion_core.labels import Emotion
from emotion_core.reporting.photo_charts import standalone_spec
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS, FaceSet
from emotion_core.training.evaluation.bootstrap import to_intervals, to_words
from emotion_core.training.evaluation.evaluate import EmotionReport, MissedPhotos, PredictionBuffer
from emotion_core.training.evaluation.html_page import (
    evaluation_charts,
    evaluation_page,
    head_lines,
    save_plot,
)
from emotion_core.training.evaluation.metrics import to_metrics
from emotion_core.training.evaluation.plots import (
    calibration_chart,
    confusion_chart,
    recall_chart,
    va_chart,
)
from emotion_core.training.evaluation.profile import NetworkSize
from tests.factories import make_emotion_card


def make_report(n=40, *, rated=True, found=None):
    """Random readings of faces that are neutral and happy in turn."""
    rng = np.random.default_rng(0)
    majority = np.arange(n, dtype=np.int64) % 2
    va = rng.uniform(-1, 1, (n, 2)) if rated else np.full((n, 2), np.nan)
    names = [f"{i}.png" for i in range(n)]
    targets = np.eye(9, dtype=np.float32)[majority]
    faces = FaceSet("Tiny", names, targets, majority, va.astype(np.float32), EIGHT_EMOTIONS, names)
    probabilities = rng.dirichlet(np.full(9, 0.3), n).astype(np.float32)
    found = np.ones(n, bool) if found is None else np.asarray(found)
    readings = PredictionBuffer(probabilities, rng.uniform(-1, 1, (n, 2)).astype(np.float32), found)
    return EmotionReport(
        card=make_emotion_card(),
        faces=faces,
        readings=readings,
        metrics=to_metrics(probabilities, readings.va, faces, found),
        intervals=to_intervals(probabilities, readings.va, faces, found),
        framing="Images are taken as they are.",
        size=NetworkSize(1, 1, 1),
    )


def rows_of(chart):
    """All rows of all data sets of a chart."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def domains_of(node, channel):
    """The domains of all scales of a channel in a chart's specification."""
    if isinstance(node, list):
        return [d for part in node for d in domains_of(part, channel)]
    if not isinstance(node, dict):
        return []
    own = node.get("encoding", {}).get(channel, {}).get("scale", {}).get("domain")
    inner = [d for part in node.values() for d in domains_of(part, channel)]
    return ([own] if own else []) + inner


def test_confusion_has_shares_of_rows_and_counts():
    report = make_report()
    cells = [row for row in rows_of(confusion_chart(report.metrics)) if "share" in row]
    for truth in ("neutral", "happiness"):
        row = [cell for cell in cells if cell["truth"] == truth]
        assert sum(cell["share"] for cell in row) == pytest.approx(1)
        assert sum(cell["faces"] for cell in row) == 20
    assert {cell["truth"] for cell in cells} == {"neutral", "happiness"}


def test_confusion_has_a_column_for_missed_faces_only_if_there_are_any():
    found = np.arange(40) >= 6
    cells = rows_of(confusion_chart(make_report(found=found).metrics))
    missed = {cell["truth"]: cell["faces"] for cell in cells if cell["predicted"] == "missed"}
    assert missed == {"neutral": 3, "happiness": 3}
    cells = rows_of(confusion_chart(make_report().metrics))
    assert not [cell for cell in cells if cell["predicted"] == "missed"]


def test_recall_is_of_all_faces_of_a_class_missed_ones_too():
    report = make_report(found=np.arange(40) >= 6)
    rows = {row["emotion"]: row for row in rows_of(recall_chart(report.metrics))}
    assert {row["faces"] for row in rows.values()} == {20}
    assert rows["neutral"]["recall"] == report.metrics.per_class_recall["neutral"]
    assert rows["neutral"]["text"].endswith("% of 20")


def test_calibration_bins_are_those_of_the_figures():
    report = make_report()
    rows = [row for row in rows_of(calibration_chart(report)) if "accuracy" in row]
    full = [b for b in report.metrics.calibration if b.n]
    drawn = {(row["faces"], row["accuracy"], row["confidence"]) for row in rows}
    assert drawn == {(b.n, b.accuracy, b.confidence) for b in full}
    assert sum({row["low"]: row["share"] for row in rows}.values()) == pytest.approx(1)


def test_bins_of_few_faces_are_pale():
    spec = calibration_chart(make_report()).to_dict()
    (bars,) = [layer for layer in spec["vconcat"][0]["layer"] if layer["mark"]["type"] == "bar"]
    (condition,) = bars["encoding"]["opacity"]["condition"]
    assert condition["test"] == "datum.faces < 10"
    assert condition["value"] < bars["encoding"]["opacity"]["value"]
    assert "pale: below 10 faces" in spec["vconcat"][0]["title"]["subtitle"][1]


def test_points_are_ratings_and_predictions_of_found_faces():
    report = make_report(found=np.arange(40) != 3)
    points = [row for row in rows_of(va_chart(report, 1)) if "file" in row]
    assert len(points) == 39
    assert points[3]["file"] == "4.png"
    assert points[3]["truth"] == pytest.approx(float(report.faces.va[4, 1]))
    assert points[3]["predicted"] == pytest.approx(float(report.readings.va[4, 1]))
    assert points[3]["emotion"] == "neutral"


def test_many_points_are_thinned_and_the_title_says_so():
    report = make_report(7000)
    chart = va_chart(report, 0)
    assert len([row for row in rows_of(chart) if "file" in row]) == 3000
    assert "7,000 faces, 3,000 drawn" in chart.to_dict()["title"]["subtitle"][1]


def test_a_face_without_a_class_has_a_point_too():
    report = make_report(4)
    faces = replace(report.faces, majority=np.full(4, NO_CLASS, np.int64))
    points = [row for row in rows_of(va_chart(replace(report, faces=faces), 0)) if "file" in row]
    assert {row["emotion"] for row in points} == {"no class"}


@pytest.mark.parametrize(
    ("make", "channel", "domain"),
    [
        pytest.param(lambda r: recall_chart(r.metrics), "x", [0, 1], id="recall"),
        pytest.param(calibration_chart, "x", [0, 1], id="confidence"),
        pytest.param(calibration_chart, "y", [0, 1], id="accuracy"),
        pytest.param(lambda r: va_chart(r, 0), "x", [-1, 1], id="rated"),
        pytest.param(lambda r: va_chart(r, 0), "y", [-1, 1], id="predicted"),
        pytest.param(lambda r: confusion_chart(r.metrics), "color", [0, 1], id="share"),
    ],
)
def test_axes_do_not_depend_on_the_data(make, channel, domain):
    domains = domains_of(make(make_report()).to_dict(), channel)
    assert domains
    assert all(found == domain for found in domains)


@pytest.mark.slow
def test_a_page_holds_all_charts_and_needs_no_network():
    page = evaluation_page(report := make_report())
    assert page.startswith("<!DOCTYPE html>")
    assert head_lines(report)[0] in page
    for title in ("Confusion", "Recall by class", "Calibration", "Valence", "Arousal"):
        assert f'"{title}"' in page
    assert "tiny on Tiny" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)


def test_a_page_has_the_intervals():
    report = make_report()
    likely = report.intervals
    summary, words, _ = head_lines(report)
    assert words == likely.words
    for interval in (likely.accuracy, likely.macro_f1):
        assert f"({to_words(interval)})" in summary
    for column, interval in enumerate((likely.valence_ccc, likely.arousal_ccc)):
        title = va_chart(report, column).to_dict()["title"]
        assert f"({to_words(interval)})" in str(title)


def test_a_page_tells_of_missed_photos():
    report = replace(make_report(found=np.arange(40) >= 6), missed=MissedPhotos(("0.png",)))
    assert "40 photos, 6 missed" in head_lines(report)[0]


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(make_report(rated=False), id="no ratings"),
        pytest.param(make_report(found=np.zeros(40, bool)), id="nothing found"),
        pytest.param(make_report(1), id="one face", marks=pytest.mark.slow),
        pytest.param(make_report(0), id="no face"),
    ],
)
def test_a_page_is_made_of_whatever_there_is(report):
    drawn = json.dumps(standalone_spec(evaluation_charts(report)), allow_nan=False)
    assert ('"Valence"' in drawn) == bool(report.metrics.n_valence)


@pytest.mark.parametrize(
    ("suffix", "start"),
    [pytest.param(".svg", b"<svg", id="svg"), pytest.param(".png", b"\x89PNG", id="png")],
)
def test_a_chart_is_written_as_an_image(tmp_path, suffix, start):
    path = tmp_path / f"plot{suffix}"
    save_plot(calibration_chart(make_report()), path)
    assert path.read_bytes().startswith(start)
    if suffix == ".svg":
        assert "Expected calibration error" in path.read_text(encoding="utf-8")


def test_a_plot_of_another_kind_is_refused(tmp_path):
    with pytest.raises(EmotionError, match=r"plot\.gif must end in \.svg or \.png"):
        save_plot(calibration_chart(make_report()), tmp_path / "plot.gif")


def test_a_plot_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(EmotionError, match=r"gone.plot\.svg cannot be written \(No such file"):
        save_plot(calibration_chart(make_report()), tmp_path / "gone" / "plot.svg")


def test_every_colour_of_a_chart_belongs_to_its_emotion():
    chart = alt.layer(recall_chart(make_report().metrics)).to_dict()
    scale = json.loads(json.dumps(chart))["layer"][0]["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [Emotion.NEUTRAL, Emotion.HAPPINESS]
    expected = [EMOTION_COLOURS[Emotion.NEUTRAL], EMOTION_COLOURS[Emotion.HAPPINESS]]
    assert scale["range"] == expected
    assert set(scale["domain"]) <= set(LABELS)
