"""ErlPort's own name for what user code needs of Erlang's terms."""

from bascule.protocols.erlport.terms import Atom, ImproperList, List

__all__ = ["Atom", "ImproperList", "List"]
