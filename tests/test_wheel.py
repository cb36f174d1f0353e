"""The package that ``pip install .`` makes: the core with its networks, usable from anywhere."""

import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.paths import PORTRAIT, ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that a wheel was unpacked to."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("emotion_core", "weights"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(source / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(folder)
    return folder


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    here = [file.parent for file in (ROOT / "emotion_core").rglob("__init__.py")]
    names = {".".join(folder.relative_to(ROOT).parts) for folder in here}
    assert set(listed) == names | {"emotion_core.shipped"}


@pytest.mark.slow
def test_every_module_is_in_it(installed):
    here = {p.relative_to(ROOT) for p in (ROOT / "emotion_core").rglob("*.py")}
    there = {p.relative_to(installed) for p in (installed / "emotion_core").rglob("*.py")}
    assert there == here


@pytest.mark.slow
def test_it_needs_what_the_app_needs(installed):
    (metadata,) = installed.glob("*.dist-info/METADATA")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    text = metadata.read_text(encoding="utf-8")
    assert f"Name: {wanted}\n" in text
    assert "Requires-Dist: onnxruntime" in text


@pytest.mark.slow
def test_it_reads_a_photo_with_its_own_networks(installed, tmp_path):
    code = """
import sys
import emotion_core as emo
analyzer = emo.load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")
print(emo.__file__, *(face.emotion for face in analyzer.read(sys.argv[1])), sep="\\n")
"""
    environment = {"PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, PORTRAIT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(installed / "emotion_core/__init__.py"), "happiness"]


@pytest.mark.slow
def test_its_networks_are_the_shipped_ones(installed):
    for file in (ROOT / "weights").iterdir():
        there = installed / "emotion_core" / "shipped" / file.name
        assert there.read_bytes() == file.read_bytes()
