"""Who may call: the signed tokens of CDS clients, their public keys, and tokens that were used before."""

from typing import Final

GUARDED: Final = frozenset({"hooks", "feedback"})
"""The blueprints whose POSTs are a client's calls: they need a token, and are counted."""
COUNTED: Final = GUARDED | {"workbench"}
"""Those whose POSTs are counted; the workbench asks for no token."""
LAUNCHED: Final = frozenset({"smart"})
"""Those of which every request is counted: each may make this service ask another one."""
