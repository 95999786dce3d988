"""Networks that come with perfuse: bundles in ``networks/``, each the method of its folder's name.

Whoever lists the methods, or measures with POS, waits for none of them: at import only the folders' names are read,
a card when it is asked for, the network and onnxruntime where the first wave is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfuse.core.card import Card
from perfuse.core.errors import SourceError
from perfuse.core.method import Method
from perfuse.core.signals import Chunk, Waveform
from perfuse.core.view import View

if TYPE_CHECKING:
    from perfuse.methods.bundle import Spec

NETWORKS = Path(__file__).parent / "networks"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A network of this package as a method; what travels to another process is its name.

    Attributes
    ----------
    name : str
        Of its folder in ``networks/``, and on its card.
    """

    name: str

    @property
    def folder(self) -> Path:
        """Where the bundle lies."""
        return NETWORKS / self.name

    @property
    def card(self) -> Card:
        """Name, paper, limits."""
        return _spec(self.folder).card

    @property
    def view(self) -> View:
        """What it eats."""
        return _spec(self.folder).view

    @property
    def window_s(self) -> float:
        """Seconds of one window."""
        return _spec(self.folder).window_s

    @property
    def hop_s(self) -> float:
        """Seconds from one window to the next."""
        return _spec(self.folder).hop_s

    @property
    def min_s(self) -> float:
        """Shortest stretch that the card promises an answer for, in seconds."""
        return _spec(self.folder).min_s

    def start(self) -> Any:
        """Return the state before the first chunk."""
        return _method(self.folder).start()

    def step(self, state: Any, chunk: Chunk) -> tuple[Any, Waveform]:
        """Take the next chunk, see :class:`perfuse.core.method.Method`."""
        return _method(self.folder).step(state, chunk)


def list_shipped() -> tuple[Shipped, ...]:
    """Return all networks that are here, by name; their cards are not read yet."""
    return tuple(Shipped(card.parent.name) for card in sorted(NETWORKS.glob("*/card.json")))


@cache
def _spec(folder: Path) -> Spec:
    from perfuse.methods.bundle import CARD_FILE, MODEL_FILE, parse_card

    path = folder / CARD_FILE
    spec = parse_card(path.read_bytes(), str(path), (folder / MODEL_FILE).read_bytes())
    if spec.card.name != folder.name:
        raise SourceError(
            f"{path} says 'name' is {spec.card.name!r}.",
            f"Export the network again: perfuse export RUN {folder} --name {folder.name}.",
        )
    return spec


@cache
def _method(folder: Path) -> Method:
    # Here and not above: it imports this package's list of methods, to which these belong.
    from perfuse.methods.student import open_bundle

    return open_bundle(folder, rehearse=False)
