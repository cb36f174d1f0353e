"""README, docs and the About page: links, figures, and the site that is built of them."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from emotion_core.models.registry import CARDS
from tests.paths import ROOT

FIGURES = (ROOT / "streamlit_app" / "assets" / "about" / "figures.md").read_text(encoding="utf-8")
FIRST = "FairFace's rated fifth {}, whole pipeline"
ROWS = {
    "the right word of eight": ("emoscope-fer-m", [FIRST.format("accuracy, 8 classes")]),
    "the same, every word": ("emoscope-fer-m", [FIRST.format("mean recall, 8 classes")]),
    "valence, arousal": (
        "emoscope-fer-m",
        [FIRST.format(f"{x} CCC") for x in ("valence", "arousal")],
    ),
    "calibration error": ("emoscope-fer-m", [FIRST.format("calibration error")]),
    "FER+ benchmark": ("emoscope-fer-m", ["FER+ validation accuracy, 8 classes"]),
    "faces of at least 16": (
        "emoscope-face-s",
        ["held-out street photos AP, faces of at least 16 px"],
    ),
}


def pages():
    folders = [ROOT, ROOT / "docs", ROOT / "weights"]
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]


def anchors_of(page):
    """What GitHub and Sphinx call the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_to_files_and_headings():
    broken = []
    for page in pages():
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for name, anchor in re.findall(r"\]\((?!http)([^)#\s]*)#?([^)\s]*)", text):
            target = page.parent / name if name else page
            if not target.exists() or (anchor and anchor not in anchors_of(target)):
                broken.append((page.name, name, anchor))
    assert not broken


def test_every_page_is_in_the_contents_of_the_site():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^(?:.*<)?([\w-]+)>?$", contents, re.MULTILINE))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - listed == {"index"}


@pytest.mark.parametrize("row", ROWS)
def test_figures_of_the_about_page_are_those_of_the_cards(row):
    card, metrics = ROWS[row]
    (cells,) = [line.split("|")[2] for line in FIGURES.splitlines() if line.startswith(f"| {row}")]
    told = re.findall(r"(\d+\.\d+)(%)?", re.sub(r"\(.*?\)", "", cells))
    assert len(told) == len(metrics)
    for (number, percent), metric in zip(told, metrics, strict=True):
        unit = 100 if percent else 1
        step = 10 ** -len(number.partition(".")[2])
        assert float(number) == pytest.approx(unit * CARDS[card].metrics[metric], abs=0.51 * step)


def test_the_readme_has_the_figures_of_the_about_page():
    assert FIGURES in (ROOT / "README.md").read_text(encoding="utf-8")


class _Loads(HTMLParser):
    """What a page loads by itself when it is opened."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "link" and values.get("rel") not in ("index", "search", "next", "prev"):
            self.found.append(values.get("href"))
        if tag in ("script", "img", "iframe", "source", "video", "audio"):
            self.found += [values["src"]] if values.get("src") else []


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parser = _Loads()
    for page in tmp_path.rglob("*.html"):
        parser.feed(page.read_text(encoding="utf-8"))
    styles = " ".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.css"))
    loads = parser.found + re.findall(r"(?:url\(|@import )['\"]?([^)'\"]+)", styles)
    assert len(loads) > 100
    assert not [load for load in loads if re.match(r"(https?:)?//", load)]
