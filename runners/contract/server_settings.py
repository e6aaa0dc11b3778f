"""The settings that a server has from its environment, so that its contract check expects them."""

from __future__ import annotations

from dataclasses import dataclass

from runners.contract.session_file import SessionFile
from runners.loadgen.job import USUAL_PUSH_PERIOD_S, USUAL_WORK_S


@dataclass(frozen=True)
class ServerSettings:
    """The settings that a server has from its environment."""

    push_period_s: float = USUAL_PUSH_PERIOD_S
    """Seconds between two pushes."""
    work_s: float = USUAL_WORK_S
    """Seconds that its work takes."""
    sessions: SessionFile | None = None
    """The sessions that it knows."""

    def variables(self) -> dict[str, str]:
        """The environment variables. What is usual goes without saying."""
        found = {}
        if self.push_period_s != USUAL_PUSH_PERIOD_S:
            found["PUSH_PERIOD_S"] = f"{self.push_period_s:g}"
        if self.work_s != USUAL_WORK_S:
            found["WORK_S"] = f"{self.work_s:g}"
        if self.sessions is not None:
            found["SESSIONS_DB"] = str(self.sessions.path.resolve())
        return found


USUAL_SETTINGS = ServerSettings()
