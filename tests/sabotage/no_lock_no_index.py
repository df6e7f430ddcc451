"""The site without both of its guards against selling twice; a control for the stampede."""

from tests.sabotage import no_index
from tests.sabotage.no_lock import application

__all__ = ["application", "no_index"]
