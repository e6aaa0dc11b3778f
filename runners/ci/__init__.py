"""What the GitHub workflows call, so that all of it can be tried without GitHub.

Plan a campaign's jobs, take in what they measured as untrusted data, commit it beside others who push, and try a
framework that a pull request changes.
"""

from runners.ci.artifacts import Collected, Refusal, collect
from runners.ci.committing import commit
from runners.ci.issues import tell
from runners.ci.jobs import MOST_JOBS, MatrixJob, plan_jobs
from runners.ci.locks import relock
from runners.ci.outputs import append_summary, set_outputs
from runners.ci.reviewing import changed_frameworks, with_neighbours

__all__ = [
    "MOST_JOBS",
    "Collected",
    "MatrixJob",
    "Refusal",
    "append_summary",
    "changed_frameworks",
    "collect",
    "commit",
    "plan_jobs",
    "relock",
    "set_outputs",
    "tell",
    "with_neighbours",
]
