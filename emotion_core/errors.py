"""Errors written for the person at the screen: what is wrong and what to do about it."""


class EmotionError(Exception):
    """Base of every error raised on purpose; its text may be shown to a user as it stands."""


class ImageDecodeError(EmotionError, ValueError):
    """The bytes are not a picture that can be analysed."""


class VideoDecodeError(EmotionError, ValueError):
    """The bytes are not a video that can be analysed."""


class UnknownModelError(EmotionError, LookupError):
    """No model card goes by that name."""


class WeightsUnavailableError(EmotionError, OSError):
    """A weight file is neither on this machine nor to be had from the Hub."""


class WeightsMismatchError(EmotionError, RuntimeError):
    """A weight file is not the one its card describes."""


class MissingExtraError(EmotionError, ImportError):
    """An optional package is needed and not installed."""


class DatasetError(EmotionError, ValueError):
    """A data set is not laid out as its reader expects."""


class RemoteError(EmotionError, ConnectionError):
    """A server did not answer, or not in the agreed form."""
