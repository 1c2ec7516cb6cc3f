"""What can be run: cards, packs and the registry. No torch, no Qt."""

from .blueprints import read_blueprint
from .build import build_model
from .card import TASKS, ModelCard
from .pack import ModelPack, read_pack, weights_sha256, write_pack
from .providers import ProviderError
from .registry import (
    BLUEPRINT,
    STARTER,
    check_id_is_free,
    get_card,
    get_pack,
    import_pack,
    list_cards,
    models_folder,
    origin_of,
    problems,
    provider_errors,
    remove_pack,
    user_folder,
)

__all__ = [
    "BLUEPRINT",
    "STARTER",
    "TASKS",
    "ModelCard",
    "ModelPack",
    "ProviderError",
    "build_model",
    "check_id_is_free",
    "get_card",
    "get_pack",
    "import_pack",
    "list_cards",
    "models_folder",
    "origin_of",
    "problems",
    "provider_errors",
    "read_blueprint",
    "read_pack",
    "remove_pack",
    "user_folder",
    "weights_sha256",
    "write_pack",
]
