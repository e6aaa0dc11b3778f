"""How sure an answer is, in the words that every page uses."""

from __future__ import annotations

from typing import Literal

Sureness = Literal["clearly", "likely", "can't say yet"]
"""``clearly``: it holds whatever single part of the results is left out. ``likely``: a part that is left out, or has no
value, could change it. ``can't say yet``: too few valid rounds, or too wide intervals."""
