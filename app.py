"""The entry: ``streamlit run app.py``."""

from pathlib import Path

import streamlit as st

from streamlit_app.resources import update_link
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import sidebar
from streamlit_app.webcam.leaving import ask_before_leaving

ASSETS = Path(__file__).parent / "streamlit_app" / "assets"

st.set_page_config(  # first: else the browser asks another host for the icon of the page
    page_title="Emoscope",
    page_icon=str(ASSETS / "icon.png"),
    layout="wide",
    initial_sidebar_state="collapsed",
)
st.logo(ASSETS / "logo.svg", size="large")
st.html(ASSETS / "page.css")
PAGES = [
    st.Page(
        "streamlit_app/pages/photos.py", title="Photos", icon=":material/photo_library:",
        default=True,
    ),
    st.Page("streamlit_app/pages/video.py", title="Video", icon=":material/movie:"),
    st.Page("streamlit_app/pages/study.py", title="Study", icon=":material/science:"),
    st.Page("streamlit_app/pages/webcam.py", title="Webcam", icon=":material/videocam:"),
    st.Page("streamlit_app/pages/about.py", title="About", icon=":material/info:"),
]  # fmt: skip
page = st.navigation(PAGES, position="top")
with st.container(horizontal=True, key="phone-pages"):  # for phones, which hide the navigation
    for each in PAGES:
        st.page_link(each, icon=None)
update_link()
if page.title != "About":
    sidebar(load_settings())
ask_before_leaving()
page.run()
