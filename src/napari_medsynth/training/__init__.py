"""Train a model on simulated and real subjects. Imports torch."""

from .config import TrainConfig, read_config
from .train import TrainProgress, export_pack, train, train_from_config

__all__ = [
    "TrainConfig",
    "TrainProgress",
    "export_pack",
    "read_config",
    "train",
    "train_from_config",
]
