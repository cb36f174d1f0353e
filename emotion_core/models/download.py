"""From a model card to a verified local file: shipped, cached or downloaded.

Cache, resumed downloads, ``HF_HOME``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and tokens are left to
huggingface_hub. It is imported on use: the import takes a second, and is not needed if all files
are in ``weights/``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.models.hub_errors import HubFileRef, host_name, hub_errors

if TYPE_CHECKING:
    from emotion_core.models.card import ModelCard, WeightFile

_HERE = Path(__file__).resolve().parents[1]
_INSTALLED = _HERE / "shipped"
WEIGHTS_DIR = _INSTALLED if _INSTALLED.is_dir() else _HERE.parent / "weights"
"""The files that ship with the project: beside the packages, or in the installed one."""

Progress = Callable[[str, int, int], None]
"""Called during a download, from any thread: file name, bytes done, total (0 if unknown)."""

TIMEOUT_S = 5
"""Maximum time for the Hub to answer a request."""

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A verified file.

    Attributes:
        path: Where it is.
        detail: Where it was found, for people: ``"downloaded from huggingface.co/owner/name (0.2
            MB)"``.
    """

    path: Path
    detail: str


def fetch(
    card: ModelCard, file: WeightFile | None = None, *, on_progress: Progress | None = None
) -> FetchedFile:
    """Finds a card's file on this machine or downloads it, and verifies it.

    Args:
        card: The model.
        file: Which of its files; by default ``card.weights``.
        on_progress: Called during a download.

    Raises:
        WeightsMismatchError: The file is not the one in the card; a downloaded one is removed
            again.
        HubUnreachableError: It is not here, and the Hub does not answer or must not be asked.
        WeightsUnavailableError: It is not available for another reason.
    """
    file = file or card.weights
    if card.repo_id is None:
        return _from_folder(card, file)
    ref = HubFileRef(card.repo_id, file.filename, card.revision)
    return _obtain(ref, lambda path: _check_hash(path, file), on_progress)


def verify(card: ModelCard, file: WeightFile | None = None) -> FetchedFile:
    """Checks a card's file offline; nothing is removed.

    Args:
        card: The model.
        file: Which of its files; by default ``card.weights``.

    Raises:
        WeightsMismatchError: The file is not the one in the card.
        WeightsUnavailableError: It is not on this machine.
    """
    file = file or card.weights
    if card.repo_id is None:
        return _from_folder(card, file)
    ref = HubFileRef(card.repo_id, file.filename, card.revision)
    path = find_cached(ref)
    if path is None:
        raise WeightsUnavailableError(
            f"{ref} has not been downloaded yet; `python -m emotion_core models fetch` does it."
        )
    _check_hash(path, file)
    return FetchedFile(path, f"in the cache from {_source(ref, path)}")


def is_available(card: ModelCard) -> bool:
    """Whether the card's file is on this machine; offline and without hashing."""
    if card.repo_id is None:
        return (_folder_of(card) / card.weights.filename).is_file()
    try:
        return (
            find_cached(HubFileRef(card.repo_id, card.weights.filename, card.revision)) is not None
        )
    except WeightsUnavailableError:  # a name that cannot exist
        return False


def read_text(ref: HubFileRef, parse: Callable[[str], _T]) -> _T:
    """Reads a text file of a repository from the cache or the Hub.

    Args:
        ref: The file; ``revision`` should be a commit, as cached files are never updated.
        parse: Converts the text. If it raises ``WeightsMismatchError``, the file is removed from
            the cache.

    Raises:
        WeightsMismatchError: From ``parse``.
        HubFileMissingError: The repository has no such file.
        HubUnreachableError: It is not here, and the Hub does not answer or must not be asked.
        WeightsUnavailableError: It is not available for another reason.
    """

    def read(path: Path) -> _T:
        return parse(path.read_text("utf-8", errors="replace"))

    return read(_obtain(ref, read, None).path)


def find_cached(ref: HubFileRef) -> Path | None:
    """The local path of a file of the Hub, or ``None``; offline and without hashing.

    Raises:
        WeightsUnavailableError: The name of the file or repository is invalid.
    """
    # Not hf_hub_download(local_files_only=True), which may still ask the Hub for its list of
    # user agents.
    from huggingface_hub import try_to_load_from_cache

    with hub_errors(ref):
        found = try_to_load_from_cache(ref.repo_id, ref.filename, revision=ref.revision)
    return Path(found) if isinstance(found, str) else None


def _folder_of(card: ModelCard) -> Path:
    return Path(card.folder) if card.folder else WEIGHTS_DIR


def _from_folder(card: ModelCard, file: WeightFile) -> FetchedFile:
    path = _folder_of(card) / file.filename
    if not path.is_file():
        if card.folder:  # visitors may see this, but must not see the folder
            raise WeightsUnavailableError(f"{path.name} is missing.")
        raise WeightsUnavailableError(
            f"{path} is missing; it ships with the project, so get the project's files again."
        )
    _check_hash(path, file)
    if card.folder:
        return FetchedFile(path, f"a file on this machine ({_megabytes(path)})")
    return FetchedFile(path, f"ships with the project ({_megabytes(path)})")


def _check_hash(path: Path, file: WeightFile) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise WeightsMismatchError(
            f"{file.filename} is not the file that its card describes (SHA-256 {found[:12]}… "
            f"instead of {file.sha256[:12]}…), so it is not used; get it again, and if that does "
            "not help, tell its publisher."
        )


def _obtain(
    ref: HubFileRef, check: Callable[[Path], object], on_progress: Progress | None
) -> FetchedFile:
    """Takes a file from the cache or the Hub; removes files that ``check`` refuses."""
    with hub_errors(ref):
        path = find_cached(ref)
        if path is not None:
            try:
                check(path)
            except WeightsMismatchError as error:
                _LOG.warning("Removed a cached file, downloading it again: %s", error)
                _discard(path)
            else:
                return FetchedFile(path, f"in the cache from {_source(ref, path)}")
        path = _download(ref, on_progress)
        try:
            check(path)
        except WeightsMismatchError:
            _discard(path)
            raise
        return FetchedFile(path, f"downloaded from {_source(ref, path)}")


def _download(ref: HubFileRef, on_progress: Progress | None) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    # Asked first because hf_hub_download retries for half a minute before it says that there is
    # no network (and for six minutes behind a silent firewall); this request fails at once.
    url = hf_hub_url(ref.repo_id, ref.filename, revision=ref.revision)
    get_hf_file_metadata(url, timeout=TIMEOUT_S)
    return Path(
        hf_hub_download(
            ref.repo_id,
            ref.filename,
            revision=ref.revision,
            etag_timeout=TIMEOUT_S,
            tqdm_class=_make_bar_class(ref.filename, on_progress),
        )
    )


def _discard(path: Path) -> None:
    """Removes a file of the Hub cache: the link and, if it is in the cache, its target."""
    from huggingface_hub import constants

    blob = path.resolve()
    path.unlink(missing_ok=True)
    if blob.is_relative_to(Path(constants.HF_HUB_CACHE).resolve()):
        blob.unlink(missing_ok=True)


def _make_bar_class(filename: str, on_progress: Progress | None) -> type[Any]:
    """A stand-in for huggingface_hub's tqdm bar that only calls ``on_progress``."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.total, self.n = total, initial
            self.update(0)

        def update(self, count: int = 1) -> None:
            self.n += count
            if on_progress:
                on_progress(filename, self.n, self.total or 0)

        def ignore(self, *_: object, **__: object) -> None:
            pass

        close = refresh = set_postfix_str = ignore
        update_transfer = set_transfer_postfix_str = ignore  # else Xet downloads make two bars

        def __enter__(self) -> Self:
            return self

        __exit__ = ignore

    return Bar


def _source(ref: HubFileRef, path: Path) -> str:
    return f"{host_name()}/{ref.repo_id} ({_megabytes(path)})"


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
