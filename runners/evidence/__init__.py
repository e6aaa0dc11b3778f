"""Evidence: facts about frameworks except their performance. They are counted, timed and tested, never entered by
hand.
"""

from runners.evidence.collection import PASSES, check_folder, collect_evidence, path_of

__all__ = ["PASSES", "check_folder", "collect_evidence", "path_of"]
