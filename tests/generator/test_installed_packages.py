"""Package names are compared in the normal form of PEP 503."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator import exports
from generator.dataset import load_results, version_installed
from generator.pages import make_site


@pytest.mark.parametrize("name", ["Flask-SocketIO", "flask-socketio", "flask_socketio", "Flask.SocketIO"])
def test_a_package_is_found_however_it_is_spelt(name: str) -> None:
    assert version_installed({"Flask": "3.1.0", "flask-socketio": "5.7.0"}, name) == "5.7.0"
    assert version_installed({"Flask_SocketIO": "5.7.0"}, name) == "5.7.0"
    assert version_installed({"Flask": "3.1.0"}, name) is None


def test_the_version_of_a_framework_shows_everywhere(tmp_path: Path) -> None:
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "threading"})
    run = synthetic.write(tmp_path, rounds=2, seconds=1, variants=chosen, searches=False)
    path = run / "flask-socketio.yml"
    spelt, found = re.subn(r"^(  package:) .*$", r"\1 FLASK_SocketIO", path.read_text(), flags=re.MULTILINE)
    assert found == 1
    path.write_text(spelt)
    dataset = load_results(tmp_path)
    item = next(one for one in dataset.runs[0].frameworks if one.document.framework.slug == "flask-socketio")
    version = version_installed(item.document.variants[0].packages, "flask-socketio")
    assert version is not None
    pages = {page.path: page.text() for page in make_site(dataset, {}).pages}
    assert f"Flask-SocketIO {version}, " in pages["frameworks/flask-socketio.md"]
    assert f"FLASK_SocketIO {version}</td>" in pages["frameworks/index.md"]
    assert f",{version},echo," in exports.files(dataset, "https://example.org/", {})["data/latest.csv"]
