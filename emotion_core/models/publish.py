"""Publishing networks on the Hub with their cards, and reading the cards back.

huggingface_hub is imported on use, see ``download``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from emotion_core.errors import UnknownModelError, WeightsUnavailableError
from emotion_core.models.card import ModelCard, Task, WeightFile
from emotion_core.models.download import fetch, read_text
from emotion_core.models.hub_errors import HubFileRef, HubUnreachableError, hub_errors

if TYPE_CHECKING:
    from pathlib import Path

CARD_FILENAME = "config.json"
"""The card's name in a repository."""

_HUB_LICENCES = frozenset({"mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0"})
_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REFERENCE = re.compile(rf"({_REPO_ID.pattern})@([0-9a-f]{{40}})", re.ASCII)


def parse_repo_reference(reference: str) -> tuple[str, str]:
    """Splits ``owner/name@commit``.

    Raises:
        WeightsUnavailableError: It has another form. Branches and tags are refused, since they may
            move.
    """
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        raise WeightsUnavailableError(
            f"{reference!r} names no pinned model; write owner/name@commit, the commit as its 40 "
            "lower-case hex digits, which the repository's history on the Hub shows."
        )
    return match[1], match[2]


def load_published_card(reference: str) -> ModelCard:
    """Reads the card of a network that ``publish`` put on the Hub.

    Args:
        reference: What it returned, ``owner/name@commit``.

    Raises:
        WeightsMismatchError: The repository holds no readable card.
        HubUnreachableError: The card is not here, and the Hub does not answer.
        WeightsUnavailableError: No commit is named, or the card is not available.
    """
    repo_id, revision = parse_repo_reference(reference)
    ref = HubFileRef(repo_id, CARD_FILENAME, revision)
    return read_text(
        ref, lambda text: ModelCard.from_json(text, repo_id=repo_id, revision=revision)
    )


def publish(card: ModelCard, weights_dir: Path, repo_id: str, *, private: bool = False) -> str:
    """Pushes a network's files, card and description to the Hub as one commit.

    Args:
        card: The network; its files must be in ``weights_dir`` and have the hashes it states.
        weights_dir: Folder of the files, of ``<card.name>.md`` with the description, and of its
            plots ``<card.name>-*.svg``.
        repo_id: ``owner/name``; is created if needed.
        private: Whether a repository created here is private.

    Returns:
        ``owner/name@commit``, for the settings.

    Raises:
        WeightsMismatchError: A file is not the one in the card; nothing was pushed.
        UnknownModelError: The network is not the project's own.
        HubUnreachableError: The Hub does not answer, or must not be asked.
        WeightsUnavailableError: A file is missing, ``repo_id`` is malformed, or the Hub refuses.
    """
    if card.repo_id is not None:
        raise UnknownModelError(
            f"{card.name} comes from {card.repo_id}; only the project's own networks and those "
            "that you trained can be published."
        )
    if _REPO_ID.fullmatch(repo_id) is None:
        raise WeightsUnavailableError(f"{repo_id!r} is no repository; write owner/name.")
    from huggingface_hub import CommitOperationAdd, HfApi, is_offline_mode

    if is_offline_mode():
        raise HubUnreachableError(
            "Publishing needs the Hub, and HF_HUB_OFFLINE forbids asking it; unset HF_HUB_OFFLINE."
        )
    here = replace(card, folder=str(weights_dir))
    sized = [_with_size(here, file) for file in (card.weights, card.torch_weights) if file]
    published = replace(
        card,
        repo_id=repo_id,
        revision=None,
        weights=sized[0],
        torch_weights=sized[1] if card.torch_weights else None,
    )
    contents: dict[str, Path | bytes] = {f.filename: weights_dir / f.filename for f in sized}
    contents[CARD_FILENAME] = published.to_json().encode()
    contents["README.md"] = _to_readme(card, weights_dir / f"{card.name}.md").encode()
    contents |= {plot.name: plot for plot in weights_dir.glob(f"{card.name}-*.svg")}
    with hub_errors(HubFileRef(repo_id, card.weights.filename, None)):
        api = HfApi()
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=f"Publish {card.name}",
        )
    return f"{repo_id}@{commit.oid}"


def _with_size(card: ModelCard, file: WeightFile) -> WeightFile:
    return replace(file, size_bytes=fetch(card, file).path.stat().st_size)


def _to_readme(card: ModelCard, description: Path) -> str:
    """The Hub's front matter, followed by the card's own description."""
    from huggingface_hub import ModelCardData

    licence = card.licence.lower()
    known = licence in _HUB_LICENCES
    detects = card.task is Task.DETECTION
    data = ModelCardData(
        license=licence if known else "other",
        license_name=None if known else card.licence,
        library_name="emoscope",
        pipeline_tag="object-detection" if detects else "image-classification",
        tags=["emoscope", "face-detection" if detects else "facial-expression-recognition"],
    )
    own = description.is_file()
    text = description.read_text("utf-8") if own else f"# {card.name}\n\n{card.note}\n"
    return f"---\n{data.to_yaml()}\n---\n\n{text}"
