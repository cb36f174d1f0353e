"""The Photos page without a browser: what it shows for which input."""

import io
import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from emotion_core.errors import EmotionError, WeightsUnavailableError
from emotion_core.models.card import Task
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS, candidates
from streamlit_app.photos import filters
from tests.factories import make_counting_photo, make_detector_card, make_fake_analyzer

IN_USE = "emotion-ferplus-8"


def upload(app, *files):
    for name, data in files:
        app.file_uploader[0].upload(name, data)
    return app.run()


def texts(elements):
    return [element.value for element in elements]


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def test_empty_page_invites_and_needs_no_choice(app):
    app.run()
    assert not app.exception
    assert [b.label for b in app.button] == ["Start with a sample"]
    assert app.metric == []
    assert "Running on the processor (CPU)." in texts(app.sidebar.caption)


def headline(app):
    return app.title[0].value


def sheet(app):
    """What the contact sheet was given."""
    found = [e.proto for e in app.get("bidi_component") if e.proto.component_name.endswith("sheet")]
    return json.loads(found[0].json)


def shown_faces(app):
    return [(face["photo"], face["number"]) for face in sheet(app)["faces"]]


def downloads(app):
    return [button.label for button in app.get("download_button")]


def folds(app):
    """The expanders of the page and the texts in them."""
    return {e.label: texts(e.markdown) for e in app.main.expander}


def test_photos_with_and_without_faces_and_a_broken_one(app):
    upload(
        app.run(),
        ("two.png", make_counting_photo(2)),
        ("none.png", make_counting_photo(0)),
        ("broken.jpg", b"nothing"),
        ("nothing.jpg", b""),
    )
    assert not app.exception
    assert headline(app) == "2 photos, 2 faces"
    assert metrics(app)["Faces"] == "2"
    errors = folds(app)["2 files could not be read"]
    assert "not an image" in errors[0]
    assert "empty" in errors[1]
    assert folds(app)["Notes on 1 photo"] == ["**` none.png `**: No face was found."]
    assert shown_faces(app) == [("two.png", 1), ("two.png", 2)]
    assert sheet(app)["layout"] == "sheet"
    assert any("tiny 0000000000000000" in text for text in texts(app.markdown))
    assert downloads(app) == [
        "Everything (ZIP)",
        "Faces (CSV)",
        "Photos (CSV)",
        "Annotated photos (ZIP)",
        "Chart (HTML)",
        "Chart (PNG)",
    ]


def test_a_single_photo_is_shown_with_its_largest_face(app):
    upload(app.run(), ("pair.png", make_counting_photo(2, width=301)))
    data = sheet(app)
    assert data["layout"] == "photo"
    assert data["detail"]["name"] == "pair.png"
    assert [face["number"] for face in data["detail"]["faces"]] == [1, 2]
    assert data["selected"] in {face["id"] for face in data["faces"]}


def test_a_photo_of_one_pixel(app):
    upload(app.run(), ("dot.png", make_counting_photo(0, width=1, height=1)))
    assert not app.exception
    assert headline(app) == "1 photo, no face"
    assert texts(app.info) == ["No face was found."]
    assert sheet(app)["detail"]["alt"] == "dot.png with its faces marked: no face found"


def test_only_broken_files_offer_no_photos(app):
    upload(app.run(), ("broken.jpg", b"nothing"))
    assert not app.exception
    assert headline(app) == "No photo could be read"
    assert downloads(app) == ["Everything (ZIP)", "Faces (CSV)", "Photos (CSV)"]


def test_same_name_twice_gives_two_photos(app):
    upload(app.run(), ("a.png", make_counting_photo(1)), ("a.png", make_counting_photo(2)))
    assert not app.exception
    assert shown_faces(app) == [("a.png", 1), ("a (2).png", 1), ("a (2).png", 2)]


def test_a_new_photo_is_analysed_alone(app, core, monkeypatch):
    analysed = []
    analyze = core.analyze

    def counting(images, *options):
        analysed.append(len(images))
        return analyze(images, *options)

    monkeypatch.setattr(core, "analyze", counting)
    upload(app.run(), ("a.png", make_counting_photo(1)), ("b.png", make_counting_photo(1)))
    app.run()
    upload(app, ("c.png", make_counting_photo(1)))
    assert sum(analysed) == 3


def test_minimum_confidence_and_size_choose_at_once_without_a_new_analysis(app, core):
    """The stand-in finds scores from 0.95 down to 0.7."""
    upload(app.run(), ("a.png", make_counting_photo(3)), ("b.png", make_counting_photo(1)))
    calls = len(core.detector.calls)
    app.sidebar.slider(key="min_score").set_value(0.95).run()
    assert headline(app) == "2 photos, 2 faces"
    app.sidebar.slider(key="min_score").set_value(0.6)
    app.sidebar.slider(key="min_face_px").set_value(30).run()
    assert headline(app) == "2 photos, 1 face"
    assert len(core.detector.calls) == calls


def test_other_networks_at_work_analyse_anew(app, core):
    """A network that was out of reach may be there on the next run, at the same choice."""
    upload(app.run(), ("a.png", make_counting_photo(1)))
    calls = len(core.detector.calls)
    app.run()
    assert len(core.detector.calls) == calls
    core.info = replace(core.info, detector=make_detector_card(name="back again"))
    app.run()
    assert len(core.detector.calls) == calls + 1


def valence_slider(app):
    return next(slider for slider in app.slider if slider.label == "Valence")


def test_faces_are_chosen_without_a_mouse(app):
    upload(app.run(), ("a.png", make_counting_photo(3)), ("b.png", make_counting_photo(1)))
    assert len(shown_faces(app)) == 4
    valence_slider(app).set_value((0.95, 1.0)).run()
    assert shown_faces(app) == []
    assert "No face passes these filters." in texts(app.caption)
    press(app, "Clear filters")
    assert valence_slider(app).value == (-1.0, 1.0)
    assert len(shown_faces(app)) == 4


def test_a_filter_reaches_tiles_and_sheet_but_not_the_headline(app):
    upload(app.run(), ("a.png", make_counting_photo(3)), ("b.png", make_counting_photo(1)))
    next(box for box in app.selectbox if box.label == "Photo").set_value("b.png").run()
    assert shown_faces(app) == [("b.png", 1)]
    assert metrics(app)["Faces"] == "1 of 4"
    assert headline(app) == "2 photos, 4 faces"
    assert "Only the 1 face shown of 4." in texts(app.caption)


def test_a_clicked_point_of_the_plane_opens_its_face(app):
    upload(app.run(), ("a.png", make_counting_photo(2)), ("b.png", make_counting_photo(1)))
    assert sheet(app)["detail"] is None
    face = sheet(app)["faces"][2]["id"]
    picked = SimpleNamespace(selection={"pick": [{"id": face}]})
    state = {filters._plane_key(): picked}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters.st, "session_state", state)
        filters._take_from_plane()
    app.session_state["picked face"] = state["picked face"]
    app.run()
    assert sheet(app)["selected"] == face
    assert sheet(app)["detail"]["name"] == "b.png"


def test_faces_are_sorted_by_what_a_visitor_chooses(app):
    upload(app.run(), ("a.png", make_counting_photo(2)), ("b.png", make_counting_photo(1)))
    app.selectbox(key="face order").set_value("Confidence, low first").run()
    confidences = [face["confidence"] for face in sheet(app)["faces"]]
    assert confidences == sorted(confidences)


def test_a_chosen_part_of_the_plane_is_not_kept_for_other_photos(app):
    upload(app.run(), ("a.png", make_counting_photo(2)))
    app.switch_page("streamlit_app/pages/about.py").run()
    app.switch_page("streamlit_app/pages/photos.py").run()
    press(app, "Remove")
    upload(app, ("b.png", make_counting_photo(8, width=400)))
    valence_slider(app).set_value((0.95, 1.0)).run()
    assert shown_faces(app) == []
    app.file_uploader[0].set_value([])
    app.run()
    upload(app, ("c.png", make_counting_photo(8, width=400)))
    assert valence_slider(app).value == (-1.0, 1.0)
    assert len(shown_faces(app)) == 8


def press(app, label):
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_blur_searches_once_more_and_changes_every_image(app, core):
    upload(app.run(), ("a.png", make_counting_photo(2, width=400, height=300)))
    clear = sheet(app)
    assert core.detector.are_hidden == [False]
    app.sidebar.toggle(key="blur").set_value(True).run()
    blurred = sheet(app)
    assert core.detector.are_hidden == [False, True]
    assert headline(app) == "1 photo, 2 faces"
    assert blurred["detail"]["src"] != clear["detail"]["src"]
    before, after = ({f["image"] for f in data["faces"]} for data in (clear, blurred))
    assert not before & after


def test_a_photo_that_cannot_be_blurred_yet_is_not_shown(app):
    upload(app.run(), ("a.png", make_counting_photo(2, width=400, height=300)))
    app.session_state["PhotosState"].stop()
    app.sidebar.toggle(key="blur").set_value(True).run()
    assert texts(app.info) == ["Stopped: 0 of 1 photos are analysed."]
    assert not [e for e in app.get("bidi_component") if "sheet" in e.proto.component_name]
    press(app, "Resume")
    assert len(shown_faces(app)) == 2


def test_stop_keeps_what_is_done_and_go_on_does_the_rest(app):
    upload(app.run(), *((f"{i}.png", make_counting_photo(1)) for i in range(3)))
    state = app.session_state["PhotosState"]
    del state.results[next(iter(state.results))]
    state.stop()
    app.run()
    assert headline(app) == "2 photos, 2 faces"
    assert texts(app.info) == ["Stopped: 2 of 3 photos are analysed."]
    next(b for b in app.button if b.label == "Resume").click().run()
    assert headline(app) == "3 photos, 3 faces"
    assert texts(app.info) == []


def test_a_core_that_is_gone_keeps_what_is_done_and_can_be_tried_again(app, core, monkeypatch):
    upload(app.run(), ("a.png", make_counting_photo(1)), ("b.png", make_counting_photo(2)))
    state = app.session_state["PhotosState"]
    del state.results[next(iter(state.results))]
    analyze = core.analyze

    def fail(*_):
        raise EmotionError("The server at h is gone.")

    monkeypatch.setattr(core, "analyze", fail)
    app.run()
    assert texts(app.error) == ["The server at h is gone\\."]
    assert headline(app).startswith("1 photo,")
    monkeypatch.setattr(core, "analyze", analyze)
    next(b for b in app.button if b.label == "Resume").click().run()
    assert texts(app.error) == []
    assert headline(app) == "2 photos, 3 faces"


def test_what_was_stopped_stays_so_when_settings_change_until_other_photos_come(app):
    upload(app.run(), *((f"{i}.png", make_counting_photo(1)) for i in range(3)))
    state = app.session_state["PhotosState"]
    del state.results[next(iter(state.results))]
    state.stop()
    app.sidebar.slider[0].set_value(0.8).run()
    assert texts(app.info) == ["Stopped: 2 of 3 photos are analysed."]
    state.merge_uploads([], is_back=False)
    assert not state.is_stopped


def test_photos_stay_while_the_visitor_looks_at_another_page(app):
    """AppTest knows one page; that its field is gone is all that the page learns of others."""
    upload(app.run(), ("a.png", make_counting_photo(1)), ("b.png", make_counting_photo(2)))
    state = app.session_state["PhotosState"]
    results = dict(state.results)
    assert state.merge_uploads([], is_back=True) == state.kept
    app.session_state["PhotosState"] = state
    app.file_uploader[0].set_value([])
    app.run()
    assert headline(app) == "2 photos, 3 faces"
    assert state.results == results
    assert "**2 photos** uploaded before" in texts(app.markdown)
    upload(app, ("a.png", make_counting_photo(3)))
    assert headline(app) == "3 photos, 6 faces"
    assert ("a (2).png", 3) in shown_faces(app)
    next(b for b in app.button if b.label == "Remove").click().run()
    assert headline(app) == "1 photo, 3 faces"


@pytest.fixture
def reload(app):
    """Opens the page in another window, at an address with this token."""

    def open_again(token):
        other = AppTest.from_file(app._script_path, default_timeout=120)
        other.query_params["visit"] = token
        return other.run()

    return open_again


def test_a_reload_brings_results_and_choices_back_without_a_new_analysis(app, core, reload):
    assert "visit" not in app.run().query_params
    app.sidebar.toggle(key="blur").set_value(True)
    upload(app, ("a.png", make_counting_photo(1)), ("b.png", make_counting_photo(2)))
    calls = len(core.detector.calls)
    token = app.query_params["visit"]
    other = reload(token)
    assert not other.exception
    assert headline(other) == "2 photos, 3 faces"
    assert other.sidebar.toggle(key="blur").value
    assert len(core.detector.calls) == calls
    assert other.query_params["visit"] != token
    press(other, "Remove")
    assert "visit" not in other.query_params
    assert headline(app.run()) == "2 photos, 3 faces"


def test_an_address_of_nobody_shows_nothing(app, reload):
    upload(app.run(), ("a.png", make_counting_photo(1)))
    other = reload("x" * 32)
    assert not other.exception
    assert "Start with a sample" in [button.label for button in other.button]
    assert "visit" not in other.query_params


def test_an_analysis_goes_on_after_a_reload(app, core, reload):
    upload(app.run(), ("a.png", make_counting_photo(1)), ("b.png", make_counting_photo(2)))
    state = app.session_state["PhotosState"]
    del state.results[next(iter(state.results))]
    calls = len(core.detector.calls)
    other = reload(app.query_params["visit"])
    assert headline(other) == "2 photos, 3 faces"
    assert len(core.detector.calls) == calls + 1


def test_a_model_that_is_unavailable_gives_way_to_the_one_before(app, core, monkeypatch):
    reasons_of, forgotten = {}, []
    monkeypatch.setattr(
        "streamlit_app.resources.forget_analyzer", lambda *c, **where: forgotten.append((c, where))
    )
    monkeypatch.setattr(
        "streamlit_app.resources._loader",
        lambda emotion, *_: SimpleNamespace(unavailable=reasons_of.get(emotion, {})),
    )
    upload(app.run(), ("a.png", make_counting_photo(1)))
    box = "emotion network"
    app.sidebar.selectbox(key=box).set_value(IN_USE).run()
    assert app.warning == []
    calls = len(core.detector.calls)
    lost = next(name for name in CARDS if CARDS[name].task is Task.EMOTION and name != IN_USE)
    reasons_of[lost] = {Task.EMOTION: "The Hub cannot be reached."}
    app.sidebar.selectbox(key=box).set_value(lost).run()
    assert not app.exception
    assert app.sidebar.selectbox(key=box).value == IN_USE
    assert [w.value for w in app.warning] == [
        "The Hub cannot be reached\\. Going on with emotion\\-ferplus\\-8."
    ]
    assert len(core.detector.calls) == calls
    reasons_of.clear()
    press(app, "Retry download")
    assert forgotten == [((lost, ""), {"device": "auto", "material": "everyday"})]
    assert app.sidebar.selectbox(key=box).value == lost
    assert app.warning == []


def test_more_photos_than_allowed(app, monkeypatch):
    monkeypatch.setenv("EMOSCOPE_MAX_PHOTOS", "2")
    upload(app.run(), *((f"{i}.png", make_counting_photo(1)) for i in range(3)))
    assert "Only the first 2 of 3 photos" in texts(app.warning)[0]
    assert headline(app) == "2 photos, 2 faces"


def test_sample_and_away_again(app):
    app.run()
    app.button[0].click().run()
    assert headline(app).startswith("1 photo,")
    next(b for b in app.button if b.label == "Remove sample").click().run()
    assert [b.label for b in app.button] == ["Start with a sample"]


def test_networks_that_cannot_be_had_are_a_message_with_a_way_on(app, monkeypatch):
    def fail(*_):
        raise WeightsUnavailableError("The Hub cannot be reached; check the network.")

    monkeypatch.setattr("streamlit_app.resources.get_analyzer", fail)
    app.run()
    assert not app.exception
    assert texts(app.error) == ["The Hub cannot be reached; check the network\\."]
    assert [b.label for b in app.button] == ["Start with a sample", "Try again"]


def test_notices_are_shown(app, monkeypatch):
    analyzer = make_fake_analyzer(notices=["No network. Going on without it."])
    monkeypatch.setattr("streamlit_app.resources.get_analyzer", lambda *_: analyzer)
    app.run()
    (offline,) = [e for e in app.sidebar.expander if e.label.startswith("Offline")]
    assert texts(offline.markdown) == ["No network\\. Going on without it\\."]
    forgotten = []
    monkeypatch.setattr("streamlit_app.resources.forget_analyzer", lambda *c: forgotten.append(c))
    app.run()
    app.sidebar.button[0].click().run()
    assert forgotten == [("", "", "auto", "everyday")]


def test_about_page(app):
    app.run()
    app.switch_page("streamlit_app/pages/about.py").run()
    assert not app.exception
    assert app.markdown[0].value.startswith("A detector finds faces.")
    text = " ".join(m.value for m in app.markdown)
    assert "Article 5(1)(f)" in text
    assert "must not" in text or "prohibited" in text
    for name in CARDS:
        assert f"- **{name}**: " in text


def test_a_published_network_is_fetched_from_the_hub(hub, app_alone, monkeypatch):
    card = next(card for card in candidates(Task.EMOTION) if card.is_local)
    published = replace(card, name="team", note="The team's own checkpoint.", torch_weights=None)
    data = (WEIGHTS_DIR / card.weights.filename).read_bytes()
    files = {card.weights.filename: data, "config.json": published.to_json().encode()}
    monkeypatch.setenv("EMOSCOPE_MODEL", "team/faces@" + hub.add("team/faces", files))
    app_alone.run()
    said = "\n".join(element.value for element in app_alone.sidebar.caption).replace("\\", "")
    assert "team: downloaded from 127.0.0.1" in said
    assert "The team's own checkpoint." in said
    app_alone.button[0].click().run()
    assert headline(app_alone) == "1 photo, 1 face"


def test_photos_of_an_archive_are_shown_by_their_paths(app):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name in ("anna/1.png", "ben/1.png", "__MACOSX/._1.png", "notes.txt"):
            packed.writestr(name, make_counting_photo(1))
    upload(app.run(), ("album.zip", buffer.getvalue()), ("none.zip", b"nothing"))
    assert not app.exception
    assert shown_faces(app) == [("anna/1.png", 1), ("ben/1.png", 1)]
    warnings = " ".join(texts(app.warning)).replace("\\", "")
    assert "Photos in album.zip: 2. Other files, passed over: 1." in warnings
    assert "none.zip: The ZIP archive cannot be read" in warnings


def test_an_archive_without_a_photo_is_told(app):
    upload(app.run(), ("none.zip", b"nothing"))
    assert not app.exception
    assert app.title[0].value == "Photos"
    (warning,) = texts(app.warning)
    assert warning.replace("\\", "").startswith("none.zip: The ZIP archive cannot be read")


def test_faces_that_are_hard_to_read_count_when_asked_for(app):
    upload(app.run(), ("a.png", make_counting_photo(5)))  # 13 pixels wide each
    assert "5 of 5 faces are too hard to read and left out (small 5)." in texts(app.caption)
    assert metrics(app) == {}
    assert {face["flag"] for face in sheet(app)["faces"]} == {"small"}
    next(toggle for toggle in app.toggle if toggle.label == "Count all").set_value(True).run()
    assert "Mean valence" in metrics(app)
