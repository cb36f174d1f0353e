"""FER2013 from Kaggle, with the user's own account."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError, MissingExtraError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_HOW_TO_LOG_IN = (
    "make a token on www.kaggle.com/settings/api and set KAGGLE_API_TOKEN to it, or save it as "
    "~/.kaggle/access_token"
)


@dataclass(frozen=True, slots=True)
class KaggleSource:
    """A page on Kaggle that offers the data.

    Attributes:
        handle: As Kaggle names it.
        is_competition: Whether it belongs to a competition, whose rules must be accepted first.
    """

    handle: str
    is_competition: bool

    @property
    def page(self) -> str:
        """Address of its page, for people."""
        kind = "competitions" if self.is_competition else "datasets"
        return f"www.kaggle.com/{kind}/{self.handle}"


SOURCES: Mapping[str, KaggleSource] = MappingProxyType(
    {
        "dataset": KaggleSource("msambare/fer2013", is_competition=False),
        "competition": KaggleSource(
            "challenges-in-representation-learning-facial-expression-recognition-challenge",
            is_competition=True,
        ),
    }
)
"""``dataset``: folders of images, uploaded by a user. ``competition``: the original CSV files."""


def download_fer2013(folder: Path, source: KaggleSource) -> None:
    """Downloads FER2013 into a folder for the reader ``fer2013``, unless it is already there.

    Args:
        folder: Is created if needed; must be empty, or hold an earlier download from there.
        source: From ``SOURCES``.

    Raises:
        MissingExtraError: kagglehub is not installed.
        RemoteError: Kaggle does not answer, requires a token, or refuses.
        DatasetError: The folder cannot be filled.
    """
    try:
        import kagglehub
    except ImportError as error:
        raise MissingExtraError(
            "Downloads from Kaggle need the package kagglehub: pip install 'kagglehub>=1.0'."
        ) from error
    logging.getLogger("kagglehub").setLevel(logging.WARNING)  # else it prints its steps to stdout
    download = (
        kagglehub.competition_download if source.is_competition else (kagglehub.dataset_download)
    )
    _check_token()
    with _kaggle_errors(folder, source):
        download(source.handle, output_dir=str(folder))


def _check_token() -> None:
    """Checks that an existing token can be read; whether it is valid, Kaggle decides."""
    from kagglehub.config import get_kaggle_credentials

    try:
        get_kaggle_credentials()
    except (ValueError, OSError) as error:
        raise RemoteError(f"Kaggle's token cannot be used ({error}); {_HOW_TO_LOG_IN}.") from error


@contextmanager
def _kaggle_errors(folder: Path, source: KaggleSource) -> Iterator[None]:
    """Turns what kagglehub raises into one sentence for the user."""
    from zipfile import BadZipFile

    import requests
    from kagglehub.exceptions import DataCorruptionError, KaggleApiHTTPError, UnauthenticatedError

    try:
        yield
    except UnauthenticatedError as error:
        raise RemoteError(
            f"Kaggle gives {source.page} only with a token; {_HOW_TO_LOG_IN}."
        ) from error
    except KaggleApiHTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        raise RemoteError(_explain(status, source)) from error
    except requests.RequestException as error:
        raise RemoteError(
            f"Kaggle cannot be reached; check the network and the proxy, or download {source.page} "
            "in a browser and unpack it."
        ) from error
    except (DataCorruptionError, BadZipFile, ValueError) as error:
        raise RemoteError(
            f"The download from Kaggle arrived damaged; empty {folder} and try again."
        ) from error
    except FileExistsError as error:
        raise DatasetError(
            f"{folder} is not empty and holds no complete download from {source.page}; empty it, "
            "or choose another folder with --to."
        ) from error
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written ({error.strerror or error}).") from error


def _explain(status: int, source: KaggleSource) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            f"Kaggle does not accept the token, or wants one for {source.page}; {_HOW_TO_LOG_IN}."
        )
    if status == HTTPStatus.FORBIDDEN and source.is_competition:
        return (
            f"Kaggle refuses: log in, accept the rules on {source.page}/rules and try again, or "
            "use --source dataset, which asks for no rules."
        )
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"Kaggle refuses: log in, accept the terms on {source.page} if it shows any, and "
            f"{_HOW_TO_LOG_IN}."
        )
    if status == HTTPStatus.NOT_FOUND:
        return f"Kaggle has no {source.page} any more; try another --source."
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "Kaggle has had too many requests from this address; wait some minutes."
    return f"Kaggle is out of order at the moment (HTTP {status}); try again later."
