"""Every error that napari-medsynth raises on purpose.

A message is one sentence: what is needed, what was given, what to do. None derives from
RuntimeError, because Qt generator workers drop a RuntimeError without a signal.
"""


class MedSynthError(Exception):
    """Base of all errors that a user may see as a plain sentence."""


class VolumeError(MedSynthError):
    """A file, layer or array cannot be used as a volume."""


class CardError(MedSynthError):
    """A model card is wrong, unknown, or does not fit the request."""


class WeightsError(MedSynthError):
    """Weights are missing, corrupt, or do not fit the model."""


class EngineError(MedSynthError):
    """A model could not be run."""


class DeviceMemoryError(EngineError):
    """A device ran out of memory, even with the smallest batch."""
