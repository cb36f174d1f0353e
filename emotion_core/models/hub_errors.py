"""Errors of the Hub, each as one sentence for the user.

huggingface_hub is imported on use, see ``download``.
"""

from __future__ import annotations

import errno
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emotion_core.errors import EmotionError, WeightsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huggingface_hub.errors import HfHubHTTPError


class HubUnreachableError(WeightsUnavailableError):
    """The Hub does not answer for now; local files can still be used."""


class HubFileMissingError(WeightsUnavailableError):
    """The repository exists, but has no such file."""


@dataclass(frozen=True, slots=True)
class HubFileRef:
    """A file on the Hub, or a repository.

    Attributes:
        repo_id: ``owner/name``.
        filename: ``""`` for the repository itself.
        revision: Commit, branch or tag; ``None`` is the main branch.
    """

    repo_id: str
    filename: str
    revision: str | None

    def __str__(self) -> str:
        return f"{self.repo_id}/{self.filename}" if self.filename else self.repo_id


@contextmanager
def hub_errors(ref: HubFileRef) -> Iterator[None]:
    """Turns errors of huggingface_hub into one sentence for the user.

    Raises:
        HubUnreachableError: The Hub does not answer for now, or must not be asked.
        HubFileMissingError: It has no such file.
        WeightsUnavailableError: Another reason.
    """
    import httpx2

    try:
        yield
    except EmotionError:
        raise
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise _explain(error, ref) from error


def host_name() -> str:
    """The Hub's host, without credentials."""
    from huggingface_hub import constants

    url = urlsplit(constants.ENDPOINT)  # netloc would show a password in it
    return f"{url.hostname}:{url.port}" if url.port else str(url.hostname)


def _explain(error: Exception, ref: HubFileRef) -> WeightsUnavailableError:
    import httpx2
    from huggingface_hub import constants, errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    match error:
        case errors.OfflineModeIsEnabled():
            return HubUnreachableError(
                f"{ref} is not on this machine, and HF_HUB_OFFLINE forbids downloading it; "
                "unset HF_HUB_OFFLINE or choose a model that is here."
            )
        case errors.HfHubHTTPError():
            return _explain_answer(error, ref)
        case errors.FileMetadataError() | json.JSONDecodeError():
            return HubUnreachableError(
                f"{host_name()} does not answer like a Hub; check HF_ENDPOINT, the proxy and "
                "whether the network asks for a login."
            )
        case httpx2.HTTPError() | ConnectionError() | TimeoutError():
            return HubUnreachableError(
                f"{host_name()} cannot be reached; check the network, the proxy and HF_ENDPOINT."
            )
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return WeightsUnavailableError(
                f"The disk is full, {ref} does not fit into {constants.HF_HUB_CACHE}; free some "
                "space or set HF_HOME to a folder on another disk."
            )
        case OSError(errno=int()):
            return WeightsUnavailableError(
                f"The Hub cache {constants.HF_HUB_CACHE} cannot be used ({error.strerror}); make "
                "it writable or set HF_HOME to a folder that is."
            )
    return WeightsUnavailableError(
        f"{ref} could not be transferred completely; check its name and HF_TOKEN, and try again."
    )


def _explain_answer(error: HfHubHTTPError, ref: HubFileRef) -> WeightsUnavailableError:
    """Explains an error response; the order matters, since gated is a subclass of not found."""
    from huggingface_hub import errors

    host = host_name()
    match error:
        case errors.RepositoryNotFoundError() if not isinstance(error, errors.GatedRepoError):
            return WeightsUnavailableError(
                f"{host} has no repository {ref.repo_id}, or shows it to its members only; check "
                "the name, or set HF_TOKEN to a token that may use it."
            )
        case errors.RevisionNotFoundError():
            return WeightsUnavailableError(
                f"{ref.repo_id} on {host} has no commit {ref.revision}; check the reference, "
                "its history may have been rewritten."
            )
        case errors.RemoteEntryNotFoundError():
            return HubFileMissingError(
                f"{ref.repo_id} on {host} has no file {ref.filename} at "
                f"{ref.revision or 'its main branch'}; check the reference."
            )
    return _explain_status(error.response.status_code, ref)


def _explain_status(status: int, ref: HubFileRef) -> WeightsUnavailableError:
    host = host_name()
    if status in (401, 403):
        return WeightsUnavailableError(
            f"{host} refuses access to {ref.repo_id}; accept the conditions on its page "
            "there, if it has any, and set HF_TOKEN to a token that may use it."
        )
    if status == 429:
        return HubUnreachableError(
            f"{host} has had too many requests from this address; wait some minutes, or set "
            "HF_TOKEN, which raises the limit."
        )
    if status >= 500:
        return HubUnreachableError(
            f"{host} is out of order at the moment (HTTP {status}); try again later."
        )
    return WeightsUnavailableError(
        f"{host} refuses {ref} (HTTP {status}); check the name and HF_TOKEN."
    )
