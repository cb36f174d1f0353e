"""Networks that a user names by a path or a Hub repository instead of in the registry.

Two kinds of repositories are told apart by their ``config.json``: checkpoints that this project
published, and image-classification models of the transformers library whose labels are emotions. Of
the latter only tensors (safetensors) and settings (JSON) are used; code in a repository never runs.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import MissingExtraError, UnknownModelError, WeightsMismatchError
from emotion_core.models.card import ModelCard, Task, WeightFile
from emotion_core.models.download import TIMEOUT_S, find_cached, read_text, verify
from emotion_core.models.hub_errors import HubFileMissingError, HubFileRef, hub_errors
from emotion_core.models.local import is_path, read_file_card
from emotion_core.models.publish import CARD_FILENAME, load_published_card
from emotion_core.models.registry import candidates, find_card
from emotion_core.models.transformers_config import read_config_labels, read_preprocessing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRANSFORMERS = "transformers"
"""``ModelCard.architecture`` of a network that the transformers library builds."""

_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@(\S+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WEIGHTS = "model.safetensors"

_NOT_FOLLOWED = frozenset(
    {"auto_map", "fusion_config", "quantization_config", "transformers_weights"}
)
"""Entries of a ``config.json`` that make transformers fetch or run something else."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """The Hub's description of a repository at one commit; ``weights`` is ``None`` without any."""

    commit: str
    weights: WeightFile | None
    licence: str | None


def resolve_models(name: str | None, task: Task) -> list[ModelCard]:
    """The networks to try in turn: only the named one, or else the defaults.

    Args:
        name: See ``find_model``; may be empty or ``None``.
        task: The purpose of the network.

    Raises:
        EmotionError: See ``find_model``.
    """
    return [find_model(name, task)] if name else candidates(task)


def find_model(name: str, task: Task) -> ModelCard:
    """Finds the card for a name that a user typed.

    Args:
        name: A name in the registry, the path of a file (see ``read_file_card``), or a Hub
            repository as ``owner/name``, ``owner/name@branch`` or ``owner/name@commit``. A branch,
            by default ``main``, is resolved to its present commit. A commit needs no connection if
            all files have been downloaded.
        task: The purpose of the network; a detector on the Hub must be published by this project.

    Raises:
        UnknownModelError: There is no such name, or the repository holds something else.
        MissingExtraError: The transformers library is needed and not installed.
        WeightsUnavailableError: The file or the repository is not available, or a network of this
            project is named without a commit.
        WeightsMismatchError: Its description cannot be read.
    """
    name = name.strip()
    if is_path(name):
        return read_file_card(Path(name), task)
    if Path(name).is_file():
        raise UnknownModelError(
            f"{Path(name).name} cannot be used; give the .onnx or .safetensors that `export` wrote."
        )
    if "/" not in name:
        return find_card(name, task)
    match = _NAME.fullmatch(name)
    if match is None:
        raise UnknownModelError(
            f"{name!r} names no Hub repository; write owner/name or owner/name@commit."
        )
    repo_id, revision = match.groups()
    is_pinned = revision is not None and _COMMIT.fullmatch(revision) is not None
    commit = revision if is_pinned else _ask_hub(repo_id, revision).commit
    config = _read_json(repo_id, CARD_FILENAME, commit)
    if config.keys() >= {"task", "weights"}:
        card = load_published_card(name)
    else:
        card = _to_transformers_card(config, repo_id, commit)
    if card.task is not task:
        raise UnknownModelError(f"{name} is for {card.task}, not for {task}.")
    return card


def load_transformers_module(card: ModelCard) -> Any:
    """Builds a transformers network from downloaded files, which are verified again.

    Args:
        card: From ``find_model``.

    Returns:
        A torch module from float32 ``(N, 3, S, S)`` to logits ``(N, C)``, in evaluation mode.

    Raises:
        MissingExtraError: The transformers library is not installed.
        WeightsUnavailableError: The weights have not been fetched yet.
        WeightsMismatchError: The files do not form the network that they describe.
    """
    _require_transformers()
    import torch
    from safetensors.torch import load_file

    if card.repo_id is None or card.revision is None or card.preprocessing is None:
        raise ValueError(f"{card.name} does not come from find_model.")
    path = verify(card).path
    config = _read_json(card.repo_id, CARD_FILENAME, card.revision)
    shape = (1, len(card.preprocessing.mean), *[card.preprocessing.size_px] * 2)
    with _build_errors(card):
        network = _make_network(config, load_file(path))
        with torch.no_grad():
            n_logits = network(torch.zeros(shape)).shape[-1]
    if n_logits != len(card.labels):
        raise WeightsMismatchError(
            f"{card.repo_id} gives {n_logits} values for {len(card.labels)} labels."
        )
    return network


def _require_transformers() -> None:
    """Reports a missing library before a download rather than after it."""
    if find_spec("transformers") is None:
        raise MissingExtraError(
            "Models of other Hub authors need the package transformers: "
            "pip install 'transformers>=5'."
        )


def _make_network(config: Mapping[str, Any], tensors: dict[str, Any]) -> Any:
    """Builds from settings and tensors alone.

    Not ``AutoModel.from_pretrained(folder)``, which looks for adapters, remote code, other formats
    and further files; and not ``load_state_dict``, since the library renames the tensors of older
    checkpoints. As in the library, unknown tensors are ignored.
    """
    import torch

    transformers: Any = import_module("transformers")  # typed in some environments only
    safe = {key: value for key, value in config.items() if key not in _NOT_FOLLOWED}
    settings = transformers.CONFIG_MAPPING[safe["model_type"]].from_dict(safe)
    known = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(settings)]
    classes = {c.__name__: c for c in (known if isinstance(known, tuple) else (known,))}
    network, report = classes[safe["architectures"][0]].from_pretrained(
        None,
        config=settings,
        state_dict=tensors,
        dtype=torch.float32,
        attn_implementation=None,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
    )
    if report["missing_keys"]:
        raise ValueError(f"no tensor for {min(report['missing_keys'])}")
    network.register_forward_hook(lambda _module, _inputs, output: output.logits)
    return network.eval()


@contextmanager
def _build_errors(card: ModelCard) -> Iterator[None]:
    """Turns errors of transformers and torch about unsuitable files into one sentence."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (
        StrictDataclassError,
        SafetensorError,
        ArithmeticError,
        AttributeError,
        ImportError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise WeightsMismatchError(
            f"{card.repo_id} cannot be built by the installed transformers library from its "
            f"config.json and {card.weights.filename} ({str(error).partition(chr(10))[0]}); "
            "choose another model, or update transformers."
        ) from error


def _ask_hub(repo_id: str, revision: str | None) -> _Listing:
    from huggingface_hub import HfApi

    with hub_errors(HubFileRef(repo_id, "", revision)):
        info = HfApi().model_info(
            repo_id, revision=revision, files_metadata=True, timeout=TIMEOUT_S
        )
        if info.sha is None:
            raise ValueError("The Hub names no commit.")
    large = {file.rfilename: file.lfs for file in info.siblings or () if file.lfs}
    weights = large.get(_WEIGHTS)
    licence = info.card_data.get("license") if info.card_data else None
    return _Listing(
        info.sha,
        WeightFile(_WEIGHTS, weights.sha256, weights.size) if weights else None,
        str(licence) if licence else None,
    )


def _look_in_cache(repo_id: str, commit: str) -> _Listing | None:
    """Describes downloaded weights, whose names in huggingface_hub's cache are their SHA-256.

    ``None`` if they are not here, or the cache has no links and thus no such names.
    """
    path = find_cached(HubFileRef(repo_id, _WEIGHTS, commit))
    if path is None or _SHA256.fullmatch(path.resolve().name) is None:
        return None
    weights = WeightFile(_WEIGHTS, path.resolve().name, path.stat().st_size)
    return _Listing(commit, weights, None)


def _read_json(repo_id: str, filename: str, commit: str) -> dict[str, Any]:
    def parse(text: str) -> dict[str, Any]:
        try:
            content = json.loads(text)
        except ValueError as error:
            raise WeightsMismatchError(f"{ref} cannot be read: {error}.") from error
        if not isinstance(content, dict):
            raise WeightsMismatchError(f"{ref} cannot be read: it is no JSON object.")
        return content

    ref = HubFileRef(repo_id, filename, commit)
    try:
        return read_text(ref, parse)
    except HubFileMissingError as error:
        raise UnknownModelError(
            f"{repo_id} has no {filename}, without which its labels or its input are unknown; "
            "choose another model."
        ) from error


def _to_transformers_card(config: dict[str, Any], repo_id: str, commit: str) -> ModelCard:
    """Describes a transformers repository by its files."""
    labels = read_config_labels(config, repo_id)
    _require_transformers()
    listing = _look_in_cache(repo_id, commit) or _ask_hub(repo_id, commit)
    if listing.weights is None:
        raise UnknownModelError(
            f"{repo_id} has no {_WEIGHTS}; other formats may run code and are refused."
        )
    how = _read_json(repo_id, "preprocessor_config.json", commit)
    return ModelCard(
        name=f"{repo_id}@{commit[:7]}",
        task=Task.EMOTION,
        architecture=TRANSFORMERS,
        weights=listing.weights,
        licence=listing.licence or "see the repository's card",
        source=f"https://huggingface.co/{repo_id}/tree/{commit}",
        repo_id=repo_id,
        revision=commit,
        labels=labels,
        preprocessing=read_preprocessing(how, repo_id),
        note="Chosen by its Hub repository; not measured by this project.",
    )
