"""Networks pushed to a Hub on loopback, with the genuine client, and read back."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from emotion_core import publishing, weights
from emotion_core.errors import (
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.hub_errors import HubUnreachableError
from tests.core.conftest import CONTENT, FILENAME, REPO, make_card, make_file
from tests.hub_server import HubServer


def test_published_network_comes_back(
    hub: HubServer, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    (weights_dir / "tiny.safetensors").write_bytes(b"torch")
    (weights_dir / "tiny.md").write_text("# Tiny\n\nMade for a test.\n")
    (weights_dir / "tiny-calibration.svg").write_text("<svg/>")
    card = replace(make_card(), torch_weights=make_file(b"torch", "tiny.safetensors"))

    reference = publishing.publish(card, weights_dir, "team/tiny", private=True)

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

    repo_id, revision = publishing.parse_repo_reference(reference)
    loaded = publishing.load_published_card(repo_id, revision)
    assert (loaded.repo_id, loaded.revision) == (repo_id, revision)
    assert loaded.weights == replace(card.weights, size_bytes=len(CONTENT))
    assert (loaded.labels, loaded.preprocessing) == (card.labels, card.preprocessing)
    assert weights.fetch(loaded).path.read_bytes() == CONTENT
    assert weights.fetch(loaded, loaded.torch_weights).path.read_bytes() == b"torch"


def test_publishing_again_adds_a_commit_and_states_other_licences(
    hub: HubServer, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    first = publishing.publish(make_card(), weights_dir, "team/tiny")
    card = replace(make_card(), licence="research only: ask us", note="Better.")
    assert publishing.publish(card, weights_dir, "team/tiny") != first

    repository = hub.repositories["team/tiny"]
    readme = repository.commits[str(repository.main)]["README.md"].decode()
    assert "license: other" in readme
    assert "license_name: 'research only: ask us'" in readme
    assert readme.endswith("# tiny\n\nBetter.\n")


def test_nothing_wrong_is_published(hub: HubServer, weights_dir: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="write owner/name"):
        publishing.publish(make_card(), weights_dir, "tiny")
    (weights_dir / FILENAME).write_bytes(b"tampered")
    with pytest.raises(WeightsMismatchError, match=r"tiny\.onnx"):
        publishing.publish(make_card(), weights_dir, "team/tiny")
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_publishing_needs_a_token(weights_dir: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="set HF_TOKEN to a token that may use it"):
        publishing.publish(make_card(), weights_dir, "team/tiny")


def test_networks_of_others_are_not_published(hub: HubServer, weights_dir: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"^tiny comes from owner/tiny; only networks of"):
        publishing.publish(make_card(REPO), weights_dir, "team/tiny")
    assert hub.requests == []


def test_publishing_without_the_hub(
    hub: HubServer, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="Publishing needs the Hub, and HF_HUB_OFFLINE"):
        publishing.publish(make_card(), weights_dir, "team/tiny")
    assert hub.requests == []


@pytest.mark.parametrize(
    "reference",
    ["owner/name", "owner/name@main", "name@" + "0" * 40, "owner/name@" + "0" * 39, "", "../x@v1"],
)
def test_unpinned_reference_is_refused(reference: str) -> None:
    with pytest.raises(WeightsUnavailableError, match="write owner/name@commit"):
        publishing.parse_repo_reference(reference)


def test_unpinned_revision_makes_no_request(hub: HubServer) -> None:
    with pytest.raises(WeightsUnavailableError, match="write owner/name@commit"):
        publishing.load_published_card(REPO, "main")
    assert hub.requests == []


def test_repository_without_a_card(hub: HubServer) -> None:
    commit = hub.add(REPO, {"config.json": b'{"model_type": "vit"}'})
    with pytest.raises(WeightsMismatchError, match="holds no readable Emoscope model card"):
        publishing.load_published_card(REPO, commit)
