"""The tables of a bulk run, which are those of all that Emoscope writes."""

import re

import pytest

from emotion_core.batch.schemas import make_schemas
from emotion_core.labels import ALL_EMOTIONS
from tests.paths import ROOT

DOCS = ROOT / "docs" / "tables.md"


@pytest.mark.parametrize("table", make_schemas(ALL_EMOTIONS))
def test_every_column_is_explained(table):
    text = DOCS.read_text("utf-8")
    cells = re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)
    others = re.findall(r"^\| `(?:videos|failed)`.*$", text, re.MULTILINE)
    explained = set(re.findall(r"`(\w+)`", " ".join([*cells, *others])))
    of_emotions = {f"{prefix}{e}" for prefix in ("p_", "mean_p_", "share_") for e in ALL_EMOTIONS}
    assert {"p_neutral", "mean_p_neutral", "share_neutral", "time_ms"} <= explained
    assert not set(make_schemas(ALL_EMOTIONS)[table].names) - explained - of_emotions
