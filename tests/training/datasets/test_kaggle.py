"""Downloads by the genuine kagglehub from a Kaggle on loopback."""

import builtins
import socket

import numpy as np
import pytest

from emotion_core.errors import DatasetError, MissingExtraError, RemoteError
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.kaggle import SOURCES, download_fer2013
from tests.factories import encode
from tests.kaggle_server import KaggleServer, pack

kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")

FACE = encode(np.full((48, 48), 9, np.uint8))
FOLDERS = {
    "train/angry/Training_1.png": FACE,
    "test/sad/PublicTest_1.png": FACE,
    "test/sad/PrivateTest_1.png": FACE,
}
PIXELS = " ".join(["9"] * 2304)
TABLE = {"icml_face_data.csv": f"emotion, Usage, pixels\n0,Training,{PIXELS}\n".encode()}


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """Kaggle for kagglehub in this process; nobody is logged in."""
    with KaggleServer() as server:
        point_kagglehub_at(server.url, tmp_path, monkeypatch)
        yield server


def point_kagglehub_at(url, tmp_path, monkeypatch):
    production = kaggle_env.KaggleEnv.PROD
    monkeypatch.setitem(kaggle_env._env_to_endpoint, production, url)
    # The genuine one looks for its callers among all modules of the process, for half a second.
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "tests")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home" / ".kaggle"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_data_set_is_downloaded_without_a_token_and_read(kaggle, tmp_path, capsys):
    kaggle.archive = pack(FOLDERS)
    download_fer2013(tmp_path / "data", SOURCES["dataset"])
    for split in ("train", "valid", "test"):
        faces = read_faces("fer2013", tmp_path / "data", split)
        assert len(faces) == 1
        assert (faces.images.load(np.array([0]), 48, 1) == 9).all()
    assert [path.rpartition("/")[2] for path, _, _ in kaggle.requests] == [
        "GetDataset",
        "DownloadDataset",
    ]
    assert kaggle.requests[0][1] == {"ownerSlug": "msambare", "datasetSlug": "fer2013"}
    assert capsys.readouterr().out == ""


def test_the_competition_is_downloaded_with_the_users_token_and_read(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    kaggle.archive = pack(TABLE)
    download_fer2013(tmp_path / "data", SOURCES["competition"])
    assert len(read_faces("fer2013", tmp_path / "data", "train")) == 1
    path, body, authorization = kaggle.requests[0]
    assert path.endswith("/DownloadDataFiles")
    assert body == {"competitionName": SOURCES["competition"].handle}
    assert authorization == "Bearer secret"


def test_what_is_there_is_not_downloaded_again(kaggle, tmp_path):
    kaggle.archive = pack(FOLDERS)
    for _ in range(2):
        download_fer2013(tmp_path / "data", SOURCES["dataset"])
    assert sum(path.endswith("/DownloadDataset") for path, _, _ in kaggle.requests) == 1


def test_a_competition_needs_a_token(kaggle, tmp_path):
    with pytest.raises(RemoteError, match=r"only with a token; make a token on www\.kaggle\.com"):
        download_fer2013(tmp_path / "data", SOURCES["competition"])
    assert not kaggle.requests


@pytest.mark.parametrize(
    ("status", "source", "message"),
    [
        (401, "dataset", "does not accept the token, or wants one .*KAGGLE_API_TOKEN"),
        (403, "dataset", r"accept the terms on www\.kaggle\.com/datasets/msambare/fer2013"),
        (
            403,
            "competition",
            r"accept the rules on www\.kaggle\.com/competitions/.*/rules .*--sour",
        ),
        (404, "dataset", "has no .* any more; try another --source"),
        (429, "dataset", "too many requests from this address"),
        (500, "dataset", r"out of order at the moment \(HTTP 500\)"),
        (503, "competition", r"out of order at the moment \(HTTP 503\)"),
    ],
)
def test_refusals_are_explained(kaggle, tmp_path, monkeypatch, status, source, message):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    kaggle.status = status
    with pytest.raises(RemoteError, match=message) as caught:
        download_fer2013(tmp_path / "data", SOURCES[source])
    assert "secret" not in str(caught.value)


def test_no_network_is_told(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        point_kagglehub_at(f"http://127.0.0.1:{closed.getsockname()[1]}", tmp_path, monkeypatch)
        with pytest.raises(RemoteError, match="Kaggle cannot be reached; check the network"):
            download_fer2013(tmp_path / "data", SOURCES["dataset"])


@pytest.mark.usefixtures("kaggle")
def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="is not empty and holds no complete download"):
        download_fer2013(tmp_path, SOURCES["dataset"])
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.usefixtures("kaggle")
def test_a_file_instead_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="file"):
        download_fer2013(tmp_path / "file", SOURCES["dataset"])


def test_an_archive_that_is_none_is_told(kaggle, tmp_path):
    kaggle.archive = b"no archive"
    with pytest.raises(RemoteError, match=r"arrived damaged; empty .*data and try"):
        download_fer2013(tmp_path / "data", SOURCES["dataset"])


@pytest.mark.usefixtures("kaggle")
def test_an_unreadable_token_file_is_told(tmp_path):
    path = tmp_path / "home" / ".kaggle" / "kaggle.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(RemoteError, match=r"Kaggle's token cannot be used \(Invalid Kaggle cred"):
        download_fer2013(tmp_path / "data", SOURCES["dataset"])


def test_without_kagglehub_the_command_to_install_it_is_told(tmp_path, monkeypatch):
    genuine = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "kagglehub":
            raise ImportError(name)
        return genuine(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'kagglehub>=1\.0'"):
        download_fer2013(tmp_path, SOURCES["dataset"])
