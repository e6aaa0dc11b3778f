"""What the GitHub workflows call, so that all of it can be tried without GitHub.

Plan a campaign's jobs, take in what they measured as untrusted data, commit it beside others who push, and try a
framework that a pull request changes.
"""

from runners.ci.artifacts import Collected, Refusal, collect_artifacts
from runners.ci.issues import update_issue
from runners.ci.locks import relock
from runners.ci.matrix import MOST_JOBS, MatrixJob, plan_jobs
from runners.ci.outputs import append_summary, set_outputs
from runners.ci.publication import publish_results
from runners.ci.pull_request import changed_frameworks, with_neighbours

__all__ = [
    "MOST_JOBS",
    "Collected",
    "MatrixJob",
    "Refusal",
    "append_summary",
    "changed_frameworks",
    "collect_artifacts",
    "plan_jobs",
    "publish_results",
    "relock",
    "set_outputs",
    "update_issue",
    "with_neighbours",
]
