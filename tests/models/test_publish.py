"""Networks pushed to a Hub on loopback, with the genuine client, and read back."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from emotion_core.cli.main import main
from emotion_core.errors import (
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.models import download, publish
from emotion_core.models.hub_errors import HubUnreachableError
from emotion_core.models.registry import CARDS
from tests.hub_server import HubServer
from tests.tiny_card import CONTENT, FILENAME, REPO, make_card, make_file


def test_published_network_comes_back(
    hub: HubServer, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    (weights_dir / "tiny.safetensors").write_bytes(b"torch")
    (weights_dir / "tiny.md").write_text("# Tiny\n\nMade for a test.\n")
    (weights_dir / "tiny-calibration.svg").write_text("<svg/>")
    card = replace(make_card(), torch_weights=make_file(b"torch", "tiny.safetensors"))

    reference = publish.publish(card, weights_dir, "team/tiny", private=True)

    repository = hub.repositories["team/tiny"]
    assert repository.private
    assert len(repository.commits) == 1
    assert reference == f"team/tiny@{repository.main}"
    files = repository.commits[str(repository.main)]
    assert files["tiny-calibration.svg"] == b"<svg/>"
    readme = files["README.md"].decode()
    for line in ("---", "license: mit", "pipeline_tag: image-classification", "# Tiny"):
        assert line in readme.splitlines()
    assert {r.authorization for r in hub.requests} == {"Bearer hf_test"}

    repo_id, revision = publish.parse_repo_reference(reference)
    loaded = publish.load_published_card(reference)
    assert (loaded.repo_id, loaded.revision) == (repo_id, revision)
    assert loaded.weights == replace(card.weights, size_bytes=len(CONTENT))
    assert (loaded.labels, loaded.preprocessing) == (card.labels, card.preprocessing)
    assert download.fetch(loaded).path.read_bytes() == CONTENT
    assert download.fetch(loaded, loaded.torch_weights).path.read_bytes() == b"torch"


def test_publishing_again_adds_a_commit_and_states_other_licences(
    hub: HubServer, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    first = publish.publish(make_card(), weights_dir, "team/tiny")
    card = replace(make_card(), licence="research only: ask us", note="Better.")
    assert publish.publish(card, weights_dir, "team/tiny") != first

    repository = hub.repositories["team/tiny"]
    readme = repository.commits[str(repository.main)]["README.md"].decode()
    assert "license: other" in readme
    assert "license_name: 'research only: ask us'" in readme
    assert readme.endswith("# tiny\n\nBetter.\n")


@pytest.mark.parametrize("ending", [".safetensors", ".onnx"])
def test_exported_files_are_published_as_a_network(
    hub: HubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ending: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    shipped = CARDS["emoscope-fer-s"]
    for suffix in (".safetensors", ".onnx"):
        source = download.WEIGHTS_DIR / f"emoscope-fer-s{suffix}"
        shutil.copy(source, tmp_path / f"mine{suffix}")
    (tmp_path / "mine.md").write_text("# Mine\n")

    assert main(["models", "publish", str(tmp_path / f"mine{ending}"), "team/mine"]) == 0

    reference = capsys.readouterr().out.strip()
    card = publish.load_published_card(reference)
    assert (card.name, card.licence, card.architecture) == ("mine", "not stated", "onnx")
    assert (card.labels, card.preprocessing) == (shipped.labels, shipped.preprocessing)
    assert (card.has_va, card.temperature) == (shipped.has_va, shipped.temperature)
    for file, name in ((card.weights, "mine.onnx"), (card.torch_weights, "mine.safetensors")):
        assert download.fetch(card, file).path.name == name
    files = hub.repositories["team/mine"].commits[str(card.revision)]
    assert files["README.md"].decode().endswith("# Mine\n")
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data]


def test_an_exported_file_that_is_missing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.safetensors"
    assert main(["models", "publish", str(path), "team/mine"]) == 2
    assert f"error: There is no weight file {path.with_suffix('.onnx')};" in capsys.readouterr().err


def test_nothing_wrong_is_published(hub: HubServer, weights_dir: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="write owner/name"):
        publish.publish(make_card(), weights_dir, "tiny")
    (weights_dir / FILENAME).write_bytes(b"tampered")
    with pytest.raises(WeightsMismatchError, match=r"tiny\.onnx"):
        publish.publish(make_card(), weights_dir, "team/tiny")
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_publishing_needs_a_token(weights_dir: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="set HF_TOKEN to a token that may use it"):
        publish.publish(make_card(), weights_dir, "team/tiny")


def test_networks_of_others_are_not_published(hub: HubServer, weights_dir: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"^tiny comes from owner/tiny; only the proj"):
        publish.publish(make_card(REPO), weights_dir, "team/tiny")
    assert hub.requests == []


def test_publishing_without_the_hub(
    hub: HubServer, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="Publishing needs the Hub, and HF_HUB_OFFLINE"):
        publish.publish(make_card(), weights_dir, "team/tiny")
    assert hub.requests == []


@pytest.mark.parametrize(
    "reference",
    ["owner/name", "owner/name@main", "name@" + "0" * 40, "owner/name@" + "0" * 39, "", "../x@v1"],
)
def test_unpinned_reference_is_refused(reference: str) -> None:
    with pytest.raises(WeightsUnavailableError, match="write owner/name@commit"):
        publish.parse_repo_reference(reference)


def test_unpinned_revision_makes_no_request(hub: HubServer) -> None:
    with pytest.raises(WeightsUnavailableError, match="write owner/name@commit"):
        publish.load_published_card(f"{REPO}@main")
    assert hub.requests == []


def test_repository_without_a_card(hub: HubServer) -> None:
    commit = hub.add(REPO, {"config.json": b'{"model_type": "vit"}'})
    with pytest.raises(WeightsMismatchError, match="holds no readable Emoscope model card"):
        publish.load_published_card(f"{REPO}@{commit}")
