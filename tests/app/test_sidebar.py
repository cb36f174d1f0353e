"""The choices that all pages share."""

import pytest
from streamlit.testing.v1 import AppTest

from streamlit_app import model_choice

MINE = "/srv/networks/mine.onnx"


def page():
    import streamlit as st

    from streamlit_app.settings import AppSettings
    from streamlit_app.sidebar import sidebar, visitor_options

    sidebar(AppSettings(model="/srv/networks/mine.onnx"))
    options = visitor_options()
    st.write(options.emotion or "automatic")
    st.write(options.material)


@pytest.fixture
def sidebar():
    return AppTest.from_function(page, default_timeout=120).run()


def test_a_file_that_the_owner_chose_is_shown_by_its_name(sidebar):
    box = sidebar.sidebar.selectbox(key="emotion network")
    assert box.options[1] == "mine.onnx"
    assert sidebar.markdown[0].value == MINE


def test_a_visitor_cannot_choose_another_file_of_that_name(sidebar, monkeypatch):
    # Streamlit passes on what a browser sends if it looks like an option once it is formatted.
    monkeypatch.setattr(model_choice.st, "selectbox", lambda *_, **__: "/etc/mine.onnx")
    assert sidebar.run().markdown[0].value == "automatic"


def test_what_is_offered_can_be_chosen(sidebar):
    sidebar.sidebar.selectbox(key="emotion network").set_value("emotion-ferplus-8").run()
    assert sidebar.markdown[0].value == "emotion-ferplus-8"


def test_the_kind_of_material_can_be_chosen(sidebar):
    assert sidebar.markdown[1].value == "everyday"
    sidebar.sidebar.segmented_control(key="material").set_value("posed").run()
    assert sidebar.markdown[1].value == "posed"


def test_a_file_that_is_no_adapted_model_is_refused_in_a_sentence(sidebar):
    sidebar.session_state["use adapted model"] = True
    sidebar.run().sidebar.file_uploader[0].upload("mine.onnx", b"nothing").run()
    assert not sidebar.exception
    assert "mine" in sidebar.sidebar.error[0].value
    assert "adapted" in sidebar.sidebar.file_uploader[0].label
