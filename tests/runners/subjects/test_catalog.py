"""Framework folders are read from their descriptions, or refused with a sentence that names file and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.record import RtsiteError, UsageError, is_identifier
from runners.subjects import catalog
from tests.support.frameworks import DESCRIBED, describe


def test_a_good_folder_is_described(tmp_path: Path) -> None:
    framework = catalog.read_folder(describe(tmp_path))
    one, two = framework.variants
    assert (framework.slug, framework.reference, framework.exchanges) == ("mine", False, ["echo"])
    assert one.fill(host="h", port=8000, workers=2) == ["python", "app.py", "h", "--port=8000", "2"]
    assert (one.requirements_name(), two.requirements_name()) == ("requirements.txt", "requirements-fast.txt")
    assert (one.broker, two.broker, one.tuning) == ("none", "redis", "defaults")
    assert set(framework.sources) == {"app.py", "pyproject.toml"}
    assert framework.app_sha256 == framework.sources["app.py"]


def test_the_headline_variant_is_the_recommended_one_and_the_reference_needs_none(tmp_path: Path) -> None:
    framework = catalog.read_folder(describe(tmp_path))
    assert framework.headline is framework.variants[0]
    assert framework.headline.recommended_by == "https://example.org/deploy"
    without = DESCRIBED.replace("headline = true\n", "").replace("[tool.rtsite]\n", "[tool.rtsite]\nreference = true\n")
    assert catalog.read_folder(describe(tmp_path, without, "other")).headline is None


def test_our_own_folders_are_good_and_the_reference_is_last() -> None:
    known = catalog.discover()
    assert [framework.slug for framework in known if framework.reference] == [known[-1].slug]
    assert len({framework.slug for framework in known}) == len(known)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[tool.rtsite]\n", "[tool.rtsite\n", "pyproject.toml: not valid TOML"),
        ('title = "My framework"\n', "", "[tool.rtsite] title: Field required"),
        ('homepage = "https', 'homepage = "http', "[tool.rtsite] homepage"),
        ('protocol = "websocket"', 'protocol = "smoke"', "'websocket' or 'socket.io'"),
        ('exchanges = ["echo"]', 'exchanges = "echo"', "[tool.rtsite] exchanges"),
        ('exchanges = ["echo"]', 'exchanges = ["ecco"]', "[tool.rtsite] exchanges.0"),
        ('exchanges = ["echo"]\n', "", "[tool.rtsite] exchanges: Field required"),
        ('transports = ["websocket"]', 'transports = ["carrier-pigeon"]', "variants.1.transports.0"),
        ('slug = "two"', 'slug = "one"', "two variants are called 'one'"),
        ('slug = "two"', 'slug = "Two!"', "[tool.rtsite] variants.1.slug"),
        ('slug = "two"', "colour = 1", "variants.1.slug: Field required"),
        ('"{port}"]', '"{prot}"]', "unknown placeholder {prot} in its command; there are {host}, {port}, {workers}"),
        ('"app.py", "{port}"]', '"app.py"]', "its command never names {port}"),
        ('command = ["python", "app.py", "{port}"]', "command = []", "variants.1.command"),
        ('broker = "redis"', 'broker = "kafka"', "variants.1.broker"),
        ('extra = "fast"', 'extra = "../up"', "variants.1.extra"),
        ('broker = "redis"', "speed = 11", "variants.1.speed"),
        ('broker = "redis"', 'publisher = ["x"]', "variant 'two': it has a publisher, but no broker"),
        ('broker = "redis"', "start_timeout_s = inf", "variants.1.start_timeout_s"),
        ('broker = "redis"', "start_timeout_s = 0", "variants.1.start_timeout_s"),
        ('transports = ["websocket"]', 'transports = ["websockets"]', "did you mean websocket?"),
        ('exchanges = ["echo"]', 'exchanges = ["eccho"]', "did you mean echo?"),
        ('broker = "redis"', 'brokr = "redis"', "unknown key 'brokr'; did you mean broker"),
        ('package = "mine"', 'package = "mine"\nchose = "me"', "unknown key 'chose'; did you mean choose"),
        ('exchanges = ["echo"]', "exchanges = []", "variant 'one': no workload fits its exchanges []"),
        ('transports = ["websocket"]', "transports = []", "variant 'two': no workload fits its exchanges ['echo']"),
        ('transports = ["websocket"]', 'transports = ["polling", "websocket"]', "needs the protocol 'socket.io'"),
        ('exchanges = ["echo"]', 'exchanges = ["echo", "events"]', "exchanges has 'events', but no variant"),
        ('broker = "redis"', 'exchanges = ["room"]', "variant 'two': exchanges has 'room', which the exchanges of"),
        ("headline = true\n", "", "no variant has headline = true; write it, and recommended_by, in the deployment"),
        ('broker = "redis"', "headline = true", "the variants 'one' and 'two' have headline = true"),
        ('recommended_by = "https://example.org/deploy"\n', "", "variant 'one': headline = true needs recommended_by"),
        ('recommended_by = "https', 'recommended_by = "http', "[tool.rtsite] variants.0.recommended_by"),
        (
            "headline = true\n",
            'headline = true\nnot_for_production = { reason = "For tests.", source = "https://example.org" }\n',
            "variant 'one': it has headline = true and not_for_production; choose another headline variant",
        ),
        ('broker = "redis"', 'not_for_production = { reason = "No." }', "variants.1.not_for_production.source"),
        (
            "headline = true\n",
            'headline = true\nlegacy = { reason = "Its end is near.", source = "https://example.org" }\n',
            "variant 'one': it has headline = true and legacy; choose another headline variant",
        ),
        ('broker = "redis"', 'legacy = { reason = "Old." }', "variants.1.legacy.source"),
        ('broker = "redis"', 'only = "several-processes"', "variant 'two': no workload fits"),
        ('broker = "redis"', 'only = "steady"', "expected 'connecting' or 'several-processes'"),
        ('broker = "redis"', 'loop = "twisted"', "'asyncio', 'uvloop', 'gevent', 'eventlet', 'threads' or 'own'"),
        (
            'exchanges = ["echo"]\n',
            'exchanges = ["echo"]\nevidence = { test_client = { value = "built in", how = "Client" } }\n',
            "'built in' needs documented, the https:// address of the page that describes it",
        ),
        (
            'exchanges = ["echo"]\n',
            'exchanges = ["echo"]\ncannot = { scaleot = "no broker" }\n',
            "unknown workload 'scaleot'; did you mean scaleout?",
        ),
        (
            'exchanges = ["echo"]\n',
            'exchanges = ["echo"]\ncannot = { "publish/htp" = "its server reads no bodies" }\n',
            "cannot: unknown scenario 'publish/htp'; did you mean http?",
        ),
        (
            'slug = "two"',
            'slug = "two"\ntls = ["--cert", "{cert}", "--key", "{key}"]',
            "unknown placeholder {cert} in its tls; there are {certificate}, {host}, {key}, {port}, {workers}",
        ),
        ('slug = "two"', 'slug = "two"\ntls = ["--cert", "{certificate}"]', "its tls never names {key}"),
        ('slug = "two"', 'slug = "two"\ntls = []', "tls"),
        ('slug = "two"', 'slug = "two"\npython = "3.13"', "unknown key 'python'"),
        ('slug = "two"', 'slug = "two"\ntopology = "nginx"', "unknown key 'topology'"),
        ('slug = "two"', 'slug = "two"\n_python = "3.13"', "unknown key '_python'"),
        (
            'exchanges = ["echo"]\n',
            'exchanges = ["echo"]\nworkloads = ["echo", "ecoh"]\n',
            "workloads: unknown workload 'ecoh'; did you mean echo?",
        ),
        (
            'exchanges = ["echo"]\n',
            'exchanges = ["echo"]\nworkloads = ["echo", "room"]\n',
            "workloads has 'room', which no variant can run",
        ),
        (
            'exchanges = ["echo"]\n',
            'exchanges = ["echo"]\nevidence = { test_client = { value = "built in", how = "TestClient" } }\n',
            "'built in' needs documented, the https:// address of the page that describes it",
        ),
    ],
)
def test_a_bad_folder_is_one_sentence_that_names_the_file(tmp_path: Path, old: str, new: str, words: str) -> None:
    at = DESCRIBED.rindex(old)
    path = describe(tmp_path, DESCRIBED[:at] + new + DESCRIBED[at + len(old) :])
    with pytest.raises(catalog.CatalogError) as raised:
        catalog.read_folder(path)
    assert str(raised.value).startswith(f"{path / 'pyproject.toml'}: ")
    assert words in str(raised.value)


@pytest.mark.parametrize("text", ["", "tool = 3", "[tool]\nrtsite = 3", "[[tool]]"])
def test_a_project_of_something_else(tmp_path: Path, text: str) -> None:
    with pytest.raises(catalog.CatalogError, match=r"no \[tool.rtsite\] table"):
        catalog.read_folder(describe(tmp_path, text))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(catalog.CatalogError, match=r"pyproject\.toml: not found"):
        catalog.read_folder(tmp_path)
    with pytest.raises(catalog.CatalogError, match=r"app\.py: not found"):
        catalog.read_folder(describe(tmp_path, app=False))
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(catalog.CatalogError, match="cannot be read"):
        catalog.read_folder(tmp_path / "binary")


def known(tmp_path: Path) -> list[catalog.Framework]:
    return [catalog.read_folder(describe(tmp_path, name=name)) for name in ("fastapi", "flask-socketio")]


def chosen(frameworks: list[catalog.Framework]) -> dict[str, list[str]]:
    return {framework.slug: [variant.slug for variant in framework.variants] for framework in frameworks}


def test_choosing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frameworks = known(tmp_path)
    outside = describe(tmp_path / "elsewhere")
    everything = {"fastapi": ["one", "two"], "flask-socketio": ["one", "two"]}
    assert chosen(catalog.choose_frameworks([], frameworks)) == everything
    assert chosen(catalog.choose_frameworks(["fastapi"], frameworks)) == {"fastapi": ["one", "two"]}
    assert chosen(catalog.choose_frameworks(["fastapi/two"], frameworks)) == {"fastapi": ["two"]}
    assert chosen(catalog.choose_frameworks(["fastapi/two", "fastapi/one"], frameworks)) == {"fastapi": ["one", "two"]}
    assert chosen(catalog.choose_frameworks([str(outside), "fastapi/one"], frameworks)) == {
        "mine": ["one", "two"],
        "fastapi": ["one"],
    }
    monkeypatch.chdir(outside.parent.parent)
    for name in ("elsewhere/mine", "./elsewhere/mine", "elsewhere/mine/"):
        assert chosen(catalog.choose_frameworks([name], frameworks)) == {"mine": ["one", "two"]}
    monkeypatch.chdir(outside)
    assert chosen(catalog.choose_frameworks(["."], frameworks)) == {"mine": ["one", "two"]}


def test_two_folders_of_one_name_are_refused_and_one_folder_may_be_named_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frameworks = known(tmp_path)
    first, second, builtin = (describe(tmp_path / place, name=name) for place, name in PLACES)
    for names in ([first, second], [second, first, first], ["fastapi", builtin], [builtin, "fastapi/one"]):
        with pytest.raises(UsageError, match=r"both are called '(mine|fastapi)'"):
            catalog.choose_frameworks([str(name) for name in names], frameworks)
    both = catalog.choose_frameworks([str(first), str(second)], frameworks, are_kept=False)
    assert [framework.folder for framework in both] == [first, second]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(first)
    assert chosen(catalog.choose_frameworks([str(first), "a/mine", "./link"], frameworks)) == {"mine": ["one", "two"]}
    assert chosen(catalog.choose_frameworks(["fastapi/two", "./fastapi"], frameworks)) == {"fastapi": ["one", "two"]}
    assert catalog.choose_frameworks([str(builtin)], frameworks)[0].folder == builtin


PLACES = (("a", "mine"), ("b", "mine"), ("c", "fastapi"))


@pytest.mark.parametrize("name", ["My-App", "über", "two words", "run", "a_b", "-x", "a" * 49])
def test_the_name_of_a_folder_is_refused_before_anything_is_kept_by_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(catalog.CatalogError, match="this name cannot name results; rename the folder"):
        catalog.read_folder(describe(tmp_path, name=name))


def test_a_folder_that_is_named_without_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frameworks = known(tmp_path)
    describe(tmp_path / "x")
    monkeypatch.chdir(tmp_path / "x")
    with pytest.raises(UsageError, match=r"unknown framework 'mine'; a folder is given by its path: \./mine"):
        catalog.choose_frameworks(["mine"], frameworks)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fastpi", "unknown framework 'fastpi': did you mean fastapi"),
        ("flask_socketio", "did you mean flask-socketio"),
        ("fastpi/one", "unknown framework 'fastpi': did you mean fastapi"),
        ("fastapi/onee", "unknown variant of fastapi 'onee': did you mean one?"),
        ("xyzzy", "unknown framework 'xyzzy': there are: fastapi, flask-socketio."),
        ("", "unknown framework ''"),
    ],
)
def test_an_unknown_name_offers_the_nearest(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        catalog.choose_frameworks([name], known(tmp_path))
    assert words in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RtsiteError, match=r"nowhere/pyproject\.toml: not found"):
        catalog.choose_frameworks([str(tmp_path / "nowhere")], known(tmp_path))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a", True),
        ("2026.11-x_Y", True),
        ("", False),
        ("../x", False),
        (".x", False),
        ("a/b", False),
        ("a b", False),
        ("a\n", False),
        ("a" * 97, False),
    ],
)
def test_identifiers(name: str, good: bool) -> None:
    assert is_identifier(name) is good
