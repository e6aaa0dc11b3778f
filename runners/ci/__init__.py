"""The parts of the GitHub workflows that can be tested without GitHub.

They plan a campaign's jobs, check their artifacts as untrusted data, and publish the results while others push. They
also list the frameworks that a pull request changes.
"""

from runners.ci.artifacts import Collected, Refusal, collect_artifacts
from runners.ci.committing import commit
from runners.ci.issues import NoIssuesError, update_issue
from runners.ci.locks import relock
from runners.ci.matrix import MOST_JOBS, MatrixJob, plan_jobs, split_names
from runners.ci.outputs import append_summary, set_outputs
from runners.ci.pull_request import changed_frameworks, with_neighbours

__all__ = [
    "MOST_JOBS",
    "Collected",
    "MatrixJob",
    "NoIssuesError",
    "Refusal",
    "append_summary",
    "changed_frameworks",
    "collect_artifacts",
    "commit",
    "plan_jobs",
    "relock",
    "set_outputs",
    "split_names",
    "update_issue",
    "with_neighbours",
]
