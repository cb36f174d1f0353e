"""Errors written for the user: what is wrong and what to do about it."""


class EmotionError(Exception):
    """Base of all errors raised on purpose; its text may be shown to a user as it is."""


class ImageDecodeError(EmotionError, ValueError):
    """The bytes are not an image that can be analysed."""


class VideoDecodeError(EmotionError, ValueError):
    """The bytes are not a video that can be analysed."""


class UnknownModelError(EmotionError, LookupError):
    """No model card has that name."""


class WeightsUnavailableError(EmotionError, OSError):
    """A weight file is neither on this machine nor available from the Hub."""


class WeightsMismatchError(EmotionError, RuntimeError):
    """A weight file does not match its card."""


class MissingExtraError(EmotionError, ImportError):
    """An optional package is needed but not installed."""


class DatasetError(EmotionError, ValueError):
    """A dataset does not have the layout that its reader expects."""


class RemoteError(EmotionError, ConnectionError):
    """A server did not answer, or not in the agreed form."""
