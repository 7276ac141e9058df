"""The documentation keeps up with the code: links, error codes, endpoints, control routes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdt.simulators.control import reset_route
from tdt.simulators.dgfip import Dgfip
from tdt.simulators.journal import Journal
from tdt.simulators.prefecture import Prefecture
from tdt.web.routes import ROUTES
from tests.architecture.sources import ROOT, modules

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`(test_[a-z0-9_]+)`")
NAMED_FILE = re.compile(r"`((?:tests|tdt|conf|scripts|migrations)/[\w./-]+)`")
CODE = re.compile(r'(?:code ?= ?|SETTINGS = )"([A-Z][A-Z_]+)"')
REFUSED_CODE = re.compile(r'"((?:PES|HELIOS)_[A-Z_]+)"\)')
CONFIDENTIAL = re.compile(r"(?<!\w)/(?:home|root|work)/|TODO|FIXME", re.IGNORECASE)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def targets(page: Path) -> Iterator[str]:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://", "#")):
            yield link.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in targets(page) if not (page.parent / link).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_tests_that_are_named_exist(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    assert [name for name in NAMED_FILE.findall(content) if not (ROOT / name).exists()] == []
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in NAMED_TEST.findall(content) if f"def {name}(" not in tests] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    linked = set(targets(ROOT / "README.md"))
    pages = {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"}
    assert pages - linked == set()


def test_every_error_code_is_explained() -> None:
    documented = text("docs/errors.md")
    codes = set()
    for path in modules("tdt"):
        if "simulators" not in path.parts and "sandbox" not in path.parts:
            source = path.read_text(encoding="utf-8")
            codes |= {*CODE.findall(source), *REFUSED_CODE.findall(source)}
    codes.discard("ERREUR")  # of the base class, which is never raised
    assert len(codes) > 20
    assert [code for code in sorted(codes) if f"`{code}`" not in documented] == []


def test_every_endpoint_is_described() -> None:
    documented = text("docs/compatibility.md")
    assert [route.path for route in ROUTES if f"`{route.path}`" not in documented] == []


def test_every_control_route_is_described(tmp_path: Path) -> None:
    documented = text("docs/sandbox.md")
    journals = [Journal(tmp_path / "prefecture"), Journal(tmp_path / "dgfip")]
    registry = {"trigramme": "TDT", "quadrigramme": "TACT", "classification_date": "2019-03-01", "registry": []}
    prefecture = Prefecture({**registry, "maildir": str(tmp_path), "port": 0}, journals[0])
    routes = [*prefecture.routes(), *Dgfip({}, journals[1]).routes(), reset_route([])]
    assert len(routes) == 17
    missing = [f"{route.method} {route.path}" for route in routes if f"`{route.method} {route.path}`" not in documented]
    for journal in journals:
        journal.close()
    assert missing == []


def test_nothing_of_the_workshop_is_told() -> None:
    assert [str(page) for page in PAGES if CONFIDENTIAL.search(page.read_text(encoding="utf-8"))] == []


def test_the_tree_of_the_architecture_names_every_module() -> None:
    tree = text("docs/architecture.md").partition("## The tree")[2].partition("\n## ")[0]
    shown = set(re.findall(r"\w+", tree))
    assert [str(path) for path in modules("tdt") if not path.stem.startswith("__") and path.stem not in shown] == []
    assert [line for line in tree.splitlines() if len(line) > 130] == []
