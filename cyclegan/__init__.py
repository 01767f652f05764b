"""CycleGAN and pix2pix: train, keep the history of every epoch, translate."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclegan.translate.translator import Translator

__all__ = ["Translator"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the translator, and with it PyTorch, when it is first used: `import cyclegan` stays instant."""
    if name == "Translator":
        from cyclegan.translate.translator import Translator

        return Translator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
