"""Facts about frameworks except their performance: counted, timed and tested, never typed in."""

from runners.evidence.collection import PASSES, collect_evidence, path_of

__all__ = ["PASSES", "collect_evidence", "path_of"]
