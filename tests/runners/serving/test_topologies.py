"""The headline variants keep the contract through every proxy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from runners.record.schema import Topology
from runners.serving.deployment import serve_variant
from runners.serving.proxy import start_proxy
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from tests.support import needs

HEADLINES = [framework for framework in catalog.discover() if framework.headline]


@pytest.mark.parametrize("framework", HEADLINES, ids=lambda one: one.slug)
def test_a_headline_variant_keeps_the_contract_through_every_proxy(framework: Framework, tmp_path: Path) -> None:
    programs = [needs.proxy_program(topology) for topology in get_args(Topology) if topology != "direct"]
    assert framework.headline is not None
    with needs.serving(framework.headline), serve_variant(framework, framework.headline, logs=tmp_path) as serving:
        broken = []
        for program in programs:
            proxy = start_proxy(program, serving.server.port, cpus=(), logs=tmp_path)
            try:
                behind = replace(serving.server, front_url=f"http://127.0.0.1:{proxy.port}")
                broken += [(program.topology, check) for check in behind.check() if not check.ok]
            finally:
                proxy.stop()
    assert broken == []
