"""What a run remembers: bytes on disk, and what they say.

* ``journal``: every event of a run, one a line, chained by digests; the commit point is the last line.
* ``lines``: lines of it that are read when they are asked for.
* ``store``: components by the digest of their bytes; ``encoding``: those bytes.
* ``timings``: clock readings, kept apart from the journal.

Nothing here knows genomes, networks or search. Importing it does not import torch.
"""

from evo_mtl.archive.journal import Event, Journal, read_journal
from evo_mtl.archive.store import ComponentStore, Problem, UnknownComponentError, verify_components
from evo_mtl.archive.timings import append_timing, read_timings

__all__ = [
    "ComponentStore",
    "Event",
    "Journal",
    "Problem",
    "UnknownComponentError",
    "append_timing",
    "read_journal",
    "read_timings",
    "verify_components",
]
