"""Tables and CSV: every face and every input a row, read back by others, no cell run as formula."""

import csv
import io
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emotion_core.actions import ACTION_COLUMNS
from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.photos.tables import (
    PhotoRecord,
    faces_table,
    photos_table,
    readable_name,
    safe_stems,
    table_to_csv,
    unique_names,
)
from emotion_core.quality import QUALITY_COLUMNS
from tests.factories import SEVEN, make_predictions, make_quality, make_record

TWO_FACES = ((4, 4, 20, 24), (30.26, 5, 50, 30))


def read_csv(table):
    """As pandas and as Python's csv module read it."""
    data = table_to_csv(table)
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    return pd.read_csv(io.BytesIO(data), encoding="utf-8-sig"), rows


def test_faces():
    records = [
        make_record("a.jpg", TWO_FACES),
        make_record("b.jpg", ()),
        PhotoRecord("c", error="x"),
    ]
    table = faces_table(records)
    assert list(table.columns) == [
        *("source", "face", "x1", "y1", "x2", "y2", "score", "emotion", "confidence"),
        *("p_neutral", "p_happiness", "p_sadness", "p_surprise", "p_fear", "p_disgust", "p_anger"),
        *("valence", "arousal", "va_source", "model", *QUALITY_COLUMNS),
    ]
    assert table["source"].tolist() == ["a.jpg", "a.jpg"]
    assert table["face"].tolist() == [1, 2]
    assert table.loc[1, ["x1", "y1", "x2", "y2"]].tolist() == pytest.approx([30.3, 5, 50, 30])
    assert table["emotion"].tolist() == ["happiness"] * 2
    assert table["confidence"].tolist() == pytest.approx([0.8, 0.8])
    probabilities = table.filter(regex="^p_")
    assert probabilities.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert (probabilities.idxmax(axis=1) == "p_happiness").all()
    assert table["va_source"].tolist() == ["expectation"] * 2
    assert table["model"].tolist() == ["tiny"] * 2


def test_faces_have_action_features_where_they_were_asked_for():
    plain = make_record("a.jpg")
    read = make_predictions(1, has_actions=True)
    asked = PhotoRecord("b.jpg", replace(plain.analysis, predictions=read))
    table = faces_table([plain, asked])
    assert table.columns[-len(ACTION_COLUMNS) :].tolist() == list(ACTION_COLUMNS)
    np.testing.assert_allclose(table[list(ACTION_COLUMNS)].iloc[1], read.actions[0], rtol=1e-6)
    assert table[list(ACTION_COLUMNS)].iloc[0].isna().all()
    assert not set(ACTION_COLUMNS) & set(faces_table([plain]).columns)


def test_photos():
    records = [
        make_record("a.jpg", TWO_FACES, size_wh=(640, 480)),
        make_record("b.jpg", (), size_wh=(1, 1)),
        PhotoRecord("c.jpg", error="The file is empty (0 bytes)."),
        PhotoRecord("d.jpg", make_record().analysis, warnings=("Cut off.", "Animated.")),
    ]
    table = photos_table(records)
    assert table["source"].tolist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert table["faces"].tolist() == [2, 0, pd.NA, 1]
    assert table["width"].isna().tolist() == [False, False, True, False]
    assert table["dominant_emotion"].isna().tolist() == [False, True, True, False]
    assert table.loc[0, "dominant_emotion"] == "happiness"
    assert table.loc[0, "mean_p_happiness"] == pytest.approx(0.8)
    assert table["time_ms"].tolist()[0] == 12.5
    assert table["error"].tolist() == ["", "", "The file is empty (0 bytes).", ""]
    assert table["warning"].tolist() == ["", "", "", "Cut off. Animated."]


def test_csv_tells_seconds_to_the_microsecond():
    times = [0.0, 1 / 30, -0.5, 36000.033333, np.nan]
    table = pd.DataFrame({"first_s": times, "share": times, "n_s": range(5)})
    assert table_to_csv(table).decode("utf-8-sig").split("\r\n") == [
        "first_s,share,n_s",
        "0,0,0",
        "0.033333,0.0333333,1",
        "-0.5,-0.5,2",
        "36000.033333,36000,3",
        ",,4",
        "",
    ]


def test_means_and_spread_by_hand():
    record = make_record("a.jpg", TWO_FACES, top=None)
    read = record.analysis.predictions
    row = photos_table([record]).loc[0]
    assert row["mean_valence"] == pytest.approx(float(np.mean(read.valence)))
    assert row["sd_arousal"] == pytest.approx(float(np.std(read.arousal)))
    mean = read.probabilities.mean(axis=0)
    assert row["dominant_emotion"] == SEVEN[int(mean.argmax())]
    assert row[f"mean_p_{SEVEN[2]}"] == pytest.approx(mean[2])


def test_means_are_of_usable_faces_unless_all_count():
    record = make_record("a.jpg", TWO_FACES, top=None)
    analysis = replace(record.analysis, quality=make_quality(["", "blurred, turned"]))
    records = [replace(record, analysis=analysis), make_record("b.jpg", ())]
    valence = analysis.predictions.valence
    row = photos_table(records).loc[0]
    assert (row["faces"], row["n_unusable"]) == (2, 1)
    assert row["mean_valence"] == pytest.approx(float(valence[0]))
    everyone = photos_table(records, all_faces=True)
    assert everyone.loc[0, "mean_valence"] == pytest.approx(float(valence.mean()))
    assert everyone["n_unusable"].tolist() == [0, 0]
    faces = faces_table(records)
    assert faces["flags"].tolist() == ["", "blurred, turned"]
    assert faces["is_usable"].tolist() == [True, False]


def test_a_photo_of_which_no_face_counts_has_no_mean():
    analysis = replace(make_record().analysis, quality=make_quality(["covered"]))
    row = photos_table([PhotoRecord("a.jpg", analysis)]).loc[0]
    assert (row["faces"], row["n_unusable"]) == (1, 1)
    assert row[["mean_valence", "dominant_emotion"]].isna().all()


@pytest.mark.parametrize("make", [faces_table, photos_table])
def test_no_input_is_a_table_with_no_row(make):
    table, rows = read_csv(make([]))
    assert len(table) == 0
    assert rows == [list(make([]).columns)]


def test_labels_of_the_network_decide_on_the_columns():
    table = faces_table([make_record(labels=ALL_EMOTIONS, top=Emotion.CONTEMPT)])
    assert [c for c in table.columns if c.startswith("p_")] == [f"p_{e}" for e in ALL_EMOTIONS]


def test_csv_with_decimal_commas_is_separated_by_semicolons():
    table = pd.DataFrame({"source": ["a.b,c;d"], "first_s": [0.033333], "share": [-0.5], "n": [3]})
    text = table_to_csv(table, ",").decode("utf-8-sig")
    assert text == 'source;first_s;share;n\r\n"a.b,c;d";0,033333;-0,5;3\r\n'
    records = [make_record("a.jpg", TWO_FACES)]
    for table in (faces_table(records), photos_table(records)):
        data = table_to_csv(table, ",")
        parsed = pd.read_csv(io.BytesIO(data), encoding="utf-8-sig", sep=";", decimal=",")
        numeric = table.select_dtypes("number").columns
        assert list(parsed.columns) == list(table.columns)
        np.testing.assert_allclose(
            parsed[numeric].to_numpy(float), table[numeric].to_numpy(float), rtol=1e-5
        )


def test_csv_comes_back():
    records = [make_record('x, "y".jpg', TWO_FACES), make_record("Фото é 写真.jpg")]
    for table in (faces_table(records), photos_table(records)):
        parsed, rows = read_csv(table)
        assert parsed["source"].tolist() == table["source"].tolist()
        assert [row[0] for row in rows[1:]] == table["source"].tolist()
        numeric = table.select_dtypes("number").columns
        np.testing.assert_allclose(
            parsed[numeric].to_numpy(float), table[numeric].to_numpy(float), rtol=1e-5
        )


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0.jpg", "+1.jpg", "-1.jpg", "@SUM(A1).jpg", "\tx.jpg", "\rx.jpg"]
)
def test_formulas_are_defused(name):
    failed = PhotoRecord("b.jpg", error=f"{name} is no image.")
    for table in (faces_table([make_record(name)]), photos_table([make_record(name), failed])):
        parsed, rows = read_csv(table)
        assert parsed.loc[0, "source"] == f"'{name}"
        assert rows[1][0] == f"'{name}"
        cells = [
            cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))
        ]
        assert all(isinstance(float(cell), float) for cell in cells), cells
    assert rows[2][rows[0].index("error")] == f"'{name} is no image."


def test_formulas_are_defused_where_semicolons_part_cells():
    names = ["a;=1+1;.jpg", "a; -1;b;@x.jpg", "\uff1d1.jpg", "a-b;c=d.jpg"]
    _, rows = read_csv(faces_table(map(make_record, names)))
    cells = [row[0] for row in rows[1:]]
    assert cells == ["a;'=1+1;.jpg", "a;' -1;b;'@x.jpg", "'\uff1d1.jpg", "a-b;c=d.jpg"]


def test_negative_numbers_stay_numbers():
    table = faces_table([make_record(top=Emotion.SADNESS)])
    parsed, _ = read_csv(table)
    assert parsed["valence"].dtype == float
    assert parsed.loc[0, "valence"] < 0
    assert table.loc[0, "source"] == "photo.jpg", "the table itself stays as it was"


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("photo.jpg", "photo.jpg"),
        ("rtl_\u202egpj.exe.jpg", "rtl_gpj.exe.jpg"),
        ("a\u200bb\u2066c\ufeff.jpg", "abc.jpg"),
        ("a\nb\rc\td\0e.jpg", "abcde.jpg"),
        ("a\u2028b\u2029c.jpg", "abc.jpg"),
        ("\ud800x.jpg", "x.jpg"),
        ("  x.jpg ", "x.jpg"),
        ("", "unnamed"),
        ("\u202e", "unnamed"),
        ("=cmd.jpg", "=cmd.jpg"),
        ("Фото.jpg", "Фото.jpg"),
        ("\U0001f469\u200d\U0001f52c \u0645\u06cc\u200c\u062e.jpg",) * 2,
        ("\u200d \u200c", "unnamed"),
    ],
    ids=ascii,
)
def test_readable_name(name, readable):
    assert readable_name(name) == readable


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        ([], []),
        (["a.jpg"], ["a.jpg"]),
        (["a.jpg", "a.jpg", "a.jpg"], ["a.jpg", "a (2).jpg", "a (3).jpg"]),
        (["a.jpg", "a (2).jpg", "a.jpg"], ["a.jpg", "a (2).jpg", "a (3).jpg"]),
        (["a\u200b.jpg", "a.jpg"], ["a.jpg", "a (2).jpg"]),
        (["a", "a"], ["a", "a (2)"]),
        ([".hidden", ".hidden"], [".hidden", ".hidden (2)"]),
        (["", ""], ["unnamed", "unnamed (2)"]),
    ],
    ids=ascii,
)
def test_unique_names(names, unique):
    assert unique_names(names) == unique


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("photo.jpg", "photo"),
        ("../../etc/passwd.jpg", "_.._etc_passwd"),
        ("..evil.jpg", "evil"),
        ("%2e%2e%2fevil.jpg", "_2e_2e_2fevil"),
        ('a<b>:"|?*\\.png', "a_b_______"),
        ("noending", "noending"),
        (".jpg", "jpg"),
        ("...", "photo"),
        ("a. .jpg", "a"),
        ("CON.jpg", "_CON"),
        ("com1.jpg", "_com1"),
        ("nul.tar.gz", "_nul.tar"),
        ("console.jpg", "console"),
    ],
)
def test_safe_stem(name, stem):
    assert safe_stems([name]) == [stem]


@pytest.mark.parametrize("letter", ["L", "Ж", "写", "😀", "e\u0301"], ids=ascii)
def test_stems_are_short_on_every_file_system(letter, tmp_path):
    """255 bytes on Linux, 255 UTF-16 units on Windows and macOS; an ending and a number fit."""
    stems = safe_stems([letter * 240 + ".jpg"] * 12)
    for stem in stems:
        (tmp_path / f"{stem}.jpg").write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == 12
    assert max(len(f"{stem}.jpg".encode()) for stem in stems) <= 255


def test_stems_steer_no_terminal():
    assert safe_stems(["\x1b[31mred\x07.mp4", "two\nlines.mp4"]) == ["_[31mred_", "two_lines"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["a.jpg", "a.png", "A.JPG"], id="case"),
        pytest.param(["a.jpg", "a (2).jpg", "a.png"], id="numbered"),
        pytest.param(["café.jpg", unicodedata.normalize("NFD", "café.jpg")], id="accents"),
        pytest.param(["a?.jpg", "a*.jpg"], id="replaced"),
        pytest.param(["x" * 150 + "1.jpg", "x" * 150 + "2.jpg"], id="cut"),
        pytest.param(["straße.jpg", "STRASSE.jpg"], id="sharp s"),
    ],
)
def test_stems_differ_on_every_file_system(names):
    stems = safe_stems(names)
    assert len({unicodedata.normalize("NFC", stem).casefold() for stem in stems}) == len(names)
    assert safe_stems([]) == []
