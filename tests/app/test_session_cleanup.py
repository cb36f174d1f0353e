"""Visitors who have gone leave nothing behind."""

from types import SimpleNamespace

import pytest
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from streamlit_app.photos.state import Photo, PhotosState
from streamlit_app.session_cleanup import SessionReaper, StreamlitFiles
from tests.app.video.test_job import until
from tests.live.fakes import ManualClock


class Things:
    """What a visitor has on a page."""

    def __init__(self):
        self.are_there = True

    def clear(self):
        self.are_there = False


def test_a_state_that_cannot_be_cleared_keeps_no_other_from_it(caplog):
    class Stuck:
        def clear(self):
            raise OSError("busy")

    reaper = SessionReaper(lambda _: False, grace_s=0.1)
    state = Things()
    reaper.register("first", Stuck())
    reaper.register("second", state)
    until(lambda: not state.are_there)
    assert "could not be cleared" in caplog.text


class Presence:
    """Whether a visitor is connected; the reaper's looks are counted."""

    def __init__(self):
        self.is_here, self.looks = True, 0

    def __call__(self, _):
        self.looks += 1
        return self.is_here

    def becomes(self, is_here):
        """Change it, and wait until the reaper has certainly seen that."""
        self.is_here = is_here
        enough = self.looks + 2
        until(lambda: self.looks >= enough)


def test_a_connection_that_is_soon_back_costs_nothing():
    visitor, clock, state = Presence(), ManualClock(), Things()
    SessionReaper(visitor, grace_s=0.02, clock=clock).register("visitor", state)
    for _ in range(2):
        visitor.becomes(is_here=False)
        clock.now_s += 0.015
        visitor.becomes(is_here=True)
        clock.now_s += 10
        visitor.becomes(is_here=True)
        assert state.are_there
    visitor.becomes(is_here=False)
    assert state.are_there
    clock.now_s += 0.021
    until(lambda: not state.are_there)


@pytest.fixture
def server(monkeypatch):
    """What Streamlit keeps for all visitors."""
    server = SimpleNamespace(
        uploaded_file_mgr=MemoryUploadedFileManager("/upload"),
        media_file_mgr=MediaFileManager(MemoryMediaFileStorage("/media")),
    )
    monkeypatch.setattr(runtime, "get_instance", lambda: server)
    return server


def show(server, visitor, data, monkeypatch, *, download=False):
    """Put something on a visitor's page; tell how to see it."""
    with monkeypatch.context() as patch:
        patch.setattr("streamlit.runtime.media_file_manager._get_session_id", lambda: visitor)
        manager = server.media_file_mgr
        url = manager.add(data, "image/jpeg", "here", is_for_static_download=download)
    name = url.removeprefix("/media/")
    return lambda: manager._storage.get_file(name).content


def test_a_visitor_who_has_gone_leaves_no_photo_behind(server, monkeypatch):
    shown = [show(server, "gone", b"face", monkeypatch)]
    shown.append(show(server, "gone", b"table", monkeypatch, download=True))
    other = show(server, "stays", b"other", monkeypatch)
    for visitor in ("gone", "stays"):
        upload = UploadedFileRec("1", "a.jpg", "image/jpeg", b"face")
        server.uploaded_file_mgr.add_file(visitor, upload)
    assert [see() for see in shown] == [b"face", b"table"]

    reaper = SessionReaper(lambda visitor: visitor == "stays", grace_s=0.1)
    for visitor in ("gone", "stays"):
        reaper.register(visitor, StreamlitFiles(visitor))
    until(lambda: not server.uploaded_file_mgr.get_files("gone", ["1"]))
    for see in shown:
        with pytest.raises(MediaFileStorageError):
            see()
    assert other() == b"other"
    assert [f.data for f in server.uploaded_file_mgr.get_files("stays", ["1"])] == [b"face"]


def test_a_batch_that_is_cleared_holds_no_photo():
    batch = PhotosState(kept=[Photo("a.jpg", bytes, "1")])
    batch.results["1"] = object()
    batch.clear()
    assert (batch.results, batch.merge_uploads([], is_back=True)) == ({}, [])
