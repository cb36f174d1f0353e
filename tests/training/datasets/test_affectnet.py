"""The AffectNet readers on small copies of both releases."""

import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS
from emotion_core.training.datasets.splits import SplitMissingError
from tests.factories import encode

HEADING = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    "expression,valence,arousal"
)
IN_ORDER = [
    *(Emotion.NEUTRAL, Emotion.HAPPINESS, Emotion.SADNESS, Emotion.SURPRISE),
    *(Emotion.FEAR, Emotion.DISGUST, Emotion.ANGER, Emotion.CONTEMPT),
]


def line(code, valence="0.25", arousal="-0.5", box="4,4,8,8", name=None):
    return f"{name or f'{code}/face.jpg'},{box},1.5;2.5;3.5,{code},{valence},{arousal}"


def write_release(root, lines, table="training.csv", *, images="Manually_Annotated_Images"):
    """Images of 16x16 px, 100 inside the box 4..12 and black around."""
    (root / table).parent.mkdir(parents=True, exist_ok=True)
    (root / table).write_text("\n".join(lines) + "\n")
    image = np.zeros((16, 16, 3), np.uint8)
    image[4:12, 4:12] = 100
    for text in lines:
        if "/" in text:
            path = root / images / text.split(",")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(image))


def write_npy(root, codes, folder="train_set", *, as_text=()):
    for kind in ("images", "annotations"):
        (root / folder / kind).mkdir(parents=True, exist_ok=True)
    for number, code in enumerate(codes):
        face = np.full((8, 8, 3), number, np.uint8)
        (root / folder / "images" / f"{number}.jpg").write_bytes(encode(face))
        for kind, value in (("exp", code), ("val", 0.5), ("aro", -2.0 if number == 1 else -0.25)):
            np.save(
                root / folder / "annotations" / f"{number}_{kind}.npy",
                np.array(str(value) if kind in as_text else value),
            )


def test_reads_emotions_ratings_and_the_face_in_its_box(tmp_path):
    write_release(tmp_path, [HEADING, *(line(code) for code in range(8))])
    faces = read_faces("affectnet", tmp_path, "train")
    assert [LABELS[i] for i in faces.majority] == IN_ORDER
    assert faces.classes == EIGHT_EMOTIONS
    assert faces.va[0].tolist() == [0.25, -0.5]
    assert (faces.images.load(np.arange(8), 8, 1) == 100).all()


def test_none_and_uncertain_are_uncertain_and_no_face_is_left_out(tmp_path):
    write_release(tmp_path, [HEADING, *(line(code, "-2", "-2") for code in (8, 9, 10))])
    faces = read_faces("affectnet", tmp_path, "train")
    assert list(faces.files) == ["8/face.jpg", "9/face.jpg"]
    assert faces.majority.tolist() == [NO_CLASS, NO_CLASS]
    assert (faces.targets[:, LABELS.index(Emotion.UNCERTAIN)] == 1).all()
    assert np.isnan(faces.va).all()


def test_only_one_rating_may_be_missing(tmp_path):
    write_release(tmp_path, [HEADING, line(0, "0.5", "-2")])
    valence, arousal = read_faces("affectnet", tmp_path, "train").va[0]
    assert valence == 0.5
    assert np.isnan(arousal)


def test_a_face_without_a_box_is_taken_whole(tmp_path):
    write_release(tmp_path, [HEADING, line(0, box="-1,-1,-1,-1")])
    image = read_faces("affectnet", tmp_path, "train").images.load(np.array([0]), 16, 1)
    assert image[0, 0, 0, 0] == 0


def test_the_table_may_lack_its_heading(tmp_path):
    write_release(tmp_path, [line(1), line(2)], "validation.csv")
    assert len(read_faces("affectnet", tmp_path, "valid")) == 2


@pytest.mark.parametrize(
    ("table", "images"),
    [
        ("Manually_Annotated_file_lists/training.csv", "Manually_Annotated_Images"),
        ("training.csv", "Manually_Annotated/Manually_Annotated_Images"),
        (
            "Manually_Annotated/Manually_Annotated_file_lists/training.csv",
            "Manually_Annotated/Manually_Annotated_Images",
        ),
        ("training.csv", "Manually_Annotated_Images/Manually_Annotated_Images"),
    ],
)
def test_the_folders_may_lie_as_they_were_unpacked(tmp_path, table, images):
    write_release(tmp_path, [HEADING, line(3)], table, images=images)
    faces = read_faces("affectnet", tmp_path, "train")
    assert faces.images.load(np.array([0]), 8, 3).shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    "folder", ["", "Automatically_annotated_file_list/", "Automatically_Annotated_file_lists/"]
)
def test_the_automatic_part_is_a_data_set_of_its_own(tmp_path, folder):
    write_release(
        tmp_path,
        [HEADING, line(6)],
        f"{folder}automatically_annotated.csv",
        images="Automatically_Annotated_Images",
    )
    faces = read_faces("affectnet-automatic", tmp_path, "train")
    assert faces.name == "AffectNet automatic train"
    assert LABELS[faces.majority[0]] is Emotion.ANGER


@pytest.mark.parametrize(
    ("dataset", "split", "message"),
    [
        ("affectnet", "test", "its test set is not public, results are reported on valid"),
        ("affectnet-automatic", "valid", "use the data set affectnet to validate"),
    ],
)
def test_splits_that_do_not_exist_are_told(tmp_path, dataset, split, message):
    with pytest.raises(SplitMissingError, match=message):
        read_faces(dataset, tmp_path, split)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(11), r"Line 2 of training\.csv: expression must be 0 to 10, not '11'"),
        (line("x", name="1/a.jpg"), r"Line 2 of training\.csv: expression must be 0 to 10"),
        (line(1, "1.5"), r"valence and arousal must be -2 or lie in \[-1, 1\], not 1\.5"),
        (line(1, "nan"), r"valence and arousal must be -2 or lie"),
        (line(1, "much"), r"valence and arousal must be -2 or lie"),
        (line(1, box="a,b,c,d"), "the box of the face must be four numbers"),
        ("1/a.jpg,1,2", r"Line 2 of training\.csv has 3 columns, not 9"),
    ],
    ids=["code", "word", "range", "nan", "no number", "box", "columns"],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    write_release(tmp_path, [HEADING, text])
    with pytest.raises(DatasetError, match=message):
        read_faces("affectnet", tmp_path, "train")


def test_missing_images_are_counted(tmp_path):
    write_release(tmp_path, [HEADING, line(1), line(2), line(3)])
    (tmp_path / "Manually_Annotated_Images" / "2" / "face.jpg").unlink()
    with pytest.raises(DatasetError, match=r"lacks 2/face\.jpg \(1 of 3 are missing\)"):
        read_faces("affectnet", tmp_path, "train")


def test_a_missing_table_tells_where_the_data_set_is_had(tmp_path):
    with pytest.raises(DatasetError, match=r"neither training\.csv nor .*mohammadmahoor\.com"):
        read_faces("affectnet", tmp_path, "train")


def test_missing_folder_of_images_is_named(tmp_path):
    (tmp_path / "training.csv").write_text(f"{HEADING}\n{line(1)}\n")
    with pytest.raises(DatasetError, match="holds neither Manually_Annotated_Images nor"):
        read_faces("affectnet", tmp_path, "train")


def test_a_table_without_faces_is_an_error(tmp_path):
    write_release(tmp_path, [HEADING, line(10)])
    with pytest.raises(DatasetError, match=r"training\.csv lists no face"):
        read_faces("affectnet", tmp_path, "train")


def test_reading_does_not_open_images(tmp_path):
    write_release(tmp_path, [HEADING, line(1)])
    (tmp_path / "Manually_Annotated_Images" / "1" / "face.jpg").write_bytes(b"broken")
    faces = read_faces("affectnet", tmp_path, "train")
    with pytest.raises(DatasetError, match=r"face\.jpg cannot be used"):
        faces.images.load(np.array([0]), 8, 1)


@pytest.mark.parametrize("as_text", [(), ("exp", "val", "aro")], ids=["numbers", "text"])
def test_reads_the_later_release(tmp_path, as_text):
    write_npy(tmp_path, [*range(8), 1, 1, 1], as_text=as_text)
    faces = read_faces("affectnet", tmp_path, "train")
    assert [LABELS[i] for i in faces.majority[:8]] == IN_ORDER
    assert list(faces.files[-2:]) == ["train_set/images/9.jpg", "train_set/images/10.jpg"]
    assert faces.va[0].tolist() == [0.5, -0.25]
    assert np.isnan(faces.va[1, 1])
    assert faces.images.load(np.array([10]), 8, 1).max() == 10


def test_the_later_release_has_a_validation_set(tmp_path):
    write_npy(tmp_path, [3], "val_set")
    faces = read_faces("affectnet", tmp_path, "valid")
    assert LABELS[faces.majority[0]] is Emotion.SURPRISE
    with pytest.raises(DatasetError, match=r"There is no folder .*train_set"):
        read_faces("affectnet", tmp_path, "train")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("exp", np.array(8), r"0_exp\.npy holds 8\.0, not a number from 0 to 7"),
        ("exp", np.array(1.5), r"0_exp\.npy holds 1\.5, not a number from 0 to 7"),
        ("exp", np.array("happy"), r"0_exp\.npy does not hold one number"),
        ("val", np.array([0.1, 0.2]), r"0_val\.npy does not hold one number"),
        (
            "aro",
            np.array(7.0),
            r"0_aro\.npy: valence and arousal must be -2 or lie in \[-1, 1\], not 7",
        ),
        ("aro", np.array({"a": 1}, object), r"0_aro\.npy does not hold one number"),
    ],
    ids=["code", "fraction", "word", "two", "range", "pickle"],
)
def test_a_wrong_annotation_is_named(tmp_path, kind, value, message):
    write_npy(tmp_path, [1])
    np.save(tmp_path / "train_set" / "annotations" / f"0_{kind}.npy", value, allow_pickle=True)
    with pytest.raises(DatasetError, match=message):
        read_faces("affectnet", tmp_path, "train")


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY"], ids=["missing", "empty", "cut"])
def test_a_broken_annotation_is_named(tmp_path, content):
    write_npy(tmp_path, [1])
    path = tmp_path / "train_set" / "annotations" / "0_val.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"0_val\.npy"):
        read_faces("affectnet", tmp_path, "train")


def test_the_later_release_without_images_is_an_error(tmp_path):
    write_npy(tmp_path, [])
    with pytest.raises(DatasetError, match="images holds no image"):
        read_faces("affectnet", tmp_path, "train")
