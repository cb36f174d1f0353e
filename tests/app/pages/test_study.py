"""The Study page without a browser: from uploads to results, edits, projects and downloads."""

import io
import zipfile

import pandas as pd
import pytest

from emotion_core.study.settings import StudySettings
from streamlit_app.study.downloads import bundle_of
from streamlit_app.study.state import StudyState
from tests.app.pages.test_video import BrightFaces, draw_frame
from tests.app.video.test_job import until
from tests.factories import make_fake_analyzer
from tests.video.clips import make_clip

TAB = "study tab"


@pytest.fixture
def core(monkeypatch):
    analyzer = make_fake_analyzer(BrightFaces())
    monkeypatch.setattr("streamlit_app.resources.get_analyzer", lambda *_: analyzer)
    return analyzer


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four videos of one second, one of them of two people, and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    made = {}
    for number, name in enumerate(("P1_calm", "P1_joy", "P2_calm", "P2_joy")):
        frames = [
            draw_frame(150 + 9 * number + 5 * i, 220 if i > 4 and number == 3 else 0)
            for i in range(10)
        ]
        made[f"{name}.mp4"] = make_clip(folder / f"{name}.mp4", frames, fps=10).read_bytes()
    return {**made, "P3_calm.mp4": b"nothing"}


@pytest.fixture
def study_app(app):
    """The Study page, opened."""
    app.run()
    app.switch_page("streamlit_app/pages/study.py").run()
    state_of(app).settings = StudySettings(draws=50, all_faces=True)  # small ones, too
    yield app
    if "StudyState" in app.session_state:
        app.session_state["StudyState"].clear()


@pytest.fixture
def done_app(study_app, clips):
    """The same with all videos analysed."""
    return upload(study_app, clips)


def upload(app, files):
    for name, data in files.items():
        app.file_uploader[0].upload(name, data)
    app.run()
    state = app.session_state["StudyState"]
    until(lambda: not state.is_working)
    return app.run()


def opened(app, tab):
    app.session_state[TAB] = tab
    app.run()
    assert not app.exception
    return app


def texts(elements):
    return [element.value.replace("\\", "") for element in elements]


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def downloads(app):
    return {button.label: button for button in app.get("download_button")}


def test_the_empty_page_says_what_a_study_is(study_app):
    assert not study_app.exception
    assert study_app.title[0].value == "Study"
    assert any("Drop videos" in text for text in texts(study_app.markdown))
    assert not study_app.dataframe


def test_a_sample_study_is_named_synthetic_and_removed_with_one_click(study_app):
    press(study_app, "Try a sample study")
    assert any("All readings are synthetic" in text for text in texts(study_app.warning))
    assert any(text.startswith("#### ") for text in texts(study_app.markdown))
    press(study_app, "Remove the sample")
    assert not study_app.warning
    assert any("Drop videos" in text for text in texts(study_app.markdown))


def test_videos_become_findings_curves_and_tables_and_are_named_by_a_pattern(done_app):
    assert done_app.session_state[TAB] == "Results"
    assert any(text.startswith("#### ") for text in texts(done_app.markdown))
    assert any("Videos: 5, of 3 participants; 1 failed" in text for text in texts(done_app.caption))
    means, _, participants, grid = (one.value for one in done_app.dataframe)
    assert means["stimulus"].tolist() == ["calm", "joy"]
    assert participants["participant"].tolist() == ["P1", "P1", "P2", "P2", "P3", "P3"]
    assert grid.loc["P3"].tolist() == ["not analysed", "no video"]
    assert len(done_app.get("vega_lite_chart")) == 2
    queue = opened(done_app, "Videos").dataframe[0].value
    assert queue["status"].tolist() == ["done"] * 4 + ["failed"]
    assert queue["stimulus"].tolist() == ["calm", "joy", "calm", "joy", "calm"]
    assert any("P3_calm.mp4" in text for text in texts(done_app.error))
    done_app.segmented_control[0].set_value("Who is in which").run()
    done_app.text_input(key=f"study pattern {state_of(done_app).uploads}").set_value("{x}").run()
    assert any("{x} in the pattern is unknown" in text for text in texts(done_app.error))
    key = f"study pattern {state_of(done_app).uploads}"
    done_app.text_input(key=key).set_value("{stimulus}_{participant}").run()
    assert state_of(done_app).names.of("P1_joy.mp4") == ("joy", "P1", "")


def state_of(app) -> StudyState:
    return app.session_state["StudyState"]


@pytest.mark.slow
def test_people_are_chosen_edits_undone_and_all_analysed_again_with_other_settings(done_app):
    opened(done_app, "People")
    assert done_app.selectbox(key="study people video").value == "P2_joy.mp4"
    before = done_app.dataframe[0].value
    (first, *_), *_, last = before[["track", "role", "frames"]].itertuples(index=False)
    assert before["role"].tolist() == ["participant", *[""] * (len(before) - 1)]
    done_app.pills[0].set_value([last.track]).run()
    press(done_app, "Is the participant")
    assert done_app.dataframe[0].value["role"].tolist()[-1] == "participant"
    said = f"P2_joy.mp4: Person {last.track} is the participant"
    assert any(said in text for text in texts(done_app.markdown))
    assert state_of(done_app).tables().participants.loc[3, "frames_seen"] == last.frames
    press(done_app, "Undo")
    assert done_app.dataframe[0].value["role"].equals(before["role"])
    done_app.pills[0].set_value([first, last.track]).run()
    press(done_app, "Draw annotated video")
    state_of(done_app).drawing.result(60)
    done_app.run()
    assert "Annotated video (MP4)" in downloads(done_app)
    press(done_app, "Merge")
    assert len(done_app.dataframe[0].value) == len(before) - 1
    assert "Annotated video (MP4)" not in downloads(done_app)
    press(done_app, "Exclude video")
    assert state_of(done_app).tables().participants.loc[3, "note"] == "excluded"
    done_app.slider(key="min_score").set_value(0.7).run()
    assert any("settings have changed" in text for text in texts(done_app.info))
    press(done_app, "Analyse all again")
    until(lambda: not state_of(done_app).is_working)
    done_app.run()
    assert not any("settings have changed" in text for text in texts(done_app.info))
    assert state_of(done_app).about["video_settings"]["min_score"] == 0.7


@pytest.mark.slow
def test_a_baseline_and_events_change_the_tables_and_wrong_ones_are_told(done_app, monkeypatch):
    monkeypatch.setattr("streamlit_app.study.state._QUICK_ROWS", 0)
    opened(done_app, "Timing")
    done_app.radio[0].set_value("A neutral clip").run()
    assert any("made anew when Results is opened" in text for text in texts(done_app.caption))
    assert "mean_change_valence" in state_of(done_app).tables().participants
    events = next(one for one in done_app.file_uploader if one.label == "Events (CSV)")
    events.upload("e.csv", b"time,label,stimulus\n0.2,cue,joy\n0.3,bell,film\n").run()
    assert any(
        "No video fits: bell at 0.3 s (stimulus film)." in t for t in texts(done_app.warning)
    )
    assert len(state_of(done_app).tables().event_windows) == 2
    events = next(one for one in done_app.file_uploader if one.label == "Events (CSV)")
    events.upload("e.csv", b"when,what\n1,cue\n").run()
    assert any("has no column label" in text for text in texts(done_app.error))


@pytest.mark.slow
def test_everything_is_downloaded_and_the_project_opened_again(done_app, study_app, monkeypatch):
    monkeypatch.setattr("emotion_core.study.export.to_html", lambda *_, **__: "<html></html>")
    monkeypatch.setattr("emotion_core.reporting.html_page.vega_script", str)
    opened(done_app, "Export")
    assert {"Everything (ZIP)", "Project (.emoscope)", "Report (HTML)", "Excel"} <= set(
        downloads(done_app)
    )
    state = state_of(done_app)
    expected = state.tables().participants
    with zipfile.ZipFile(io.BytesIO(bundle_of(state, "."))) as bundle:
        project = bundle.read("study.emoscope")
        table = pd.read_csv(io.BytesIO(bundle.read("participants.csv")), encoding="utf-8-sig")
        assert {"all_frames.csv", "report.html", "methods.md", "study.xlsx"} <= set(
            bundle.namelist()
        )
    assert table["mean_valence"].to_numpy() == pytest.approx(
        expected["mean_valence"].to_numpy(), abs=1e-6, nan_ok=True
    )
    upload(study_app, {"study.emoscope": project})
    assert state_of(study_app).is_project
    assert any("opened from a project" in text for text in texts(study_app.caption))
    pd.testing.assert_frame_equal(state_of(study_app).tables().participants, expected)


def test_a_broken_video_without_a_name_is_told_among_the_videos(study_app):
    upload(study_app, {"holiday.mp4": b"nothing"})
    assert len(texts(study_app.error)) == 1
    assert "holiday.mp4" in texts(study_app.error)[0]
    assert any("without participant" in text for text in texts(study_app.info))
