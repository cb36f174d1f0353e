"""Data of the face detector: folders, ZIP files, tables."""

import zipfile

import cv2
import numpy as np
import pytest

from emotion_core.detection.boxes import iou_matrix
from emotion_core.errors import (
    DatasetError,
)
from emotion_core.imaging.codec import decode_image
from emotion_core.training.detector import image_archive
from emotion_core.training.detector.image_archive import ImageArchive
from emotion_core.training.detector.readers import (
    Sources,
    read_box_samples,
    read_portraits,
    read_scenes,
)
from emotion_core.training.detector.samples import SampleKind, is_held_out
from tests.training.drawn_faces import draw_image, encode_png, write_zip

TABLE = "image,x1,y1,x2,y2\na.png,2,2,20,20\nb.png,2,2,20,20\nb.png,30,30,40,44\n"
IMAGES = {"a.png": draw_image(1), "b.png": draw_image(2)}


def test_overlaps():
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert iou_matrix(a, b).tolist() == [pytest.approx([1, 1 / 3, 0]), [0, 0, 0]]


def test_a_fifth_is_held_out():
    assert 0.17 < np.mean([is_held_out(f"person {i}") for i in range(2000)]) < 0.23


def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_archive, "_MAX_BYTES", 2**20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("a.png", bytes(2**20 + 1))
        pack.writestr("b.png", bytes(2**20))
    first, second = ImageArchive(path).images
    with pytest.raises(DatasetError, match=r"a\.png in .* cannot be read .*larger than 1 MB"):
        first.read()
    assert len(second.read_bytes()) == 2**20


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=str)
def test_files_of_a_zip_are_read_like_those_of_a_folder(tmp_path, packing):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "é a.png").write_bytes(encode_png(draw_image(1)))
    (folder / "b.JPG").write_bytes(cv2.imencode(".jpg", draw_image(2))[1].tobytes())
    (folder / "notes.txt").write_text("no image")
    with zipfile.ZipFile(tmp_path / "pack.zip", "w", packing) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/._b.JPG", b"rubbish")
    packed, loose = (ImageArchive(tmp_path / name).images for name in ("pack.zip", "folder"))
    assert [f.name for f in packed] == [f.name for f in loose] == ["b.JPG", "deep/é a.png"]
    for a, b in zip(packed, loose, strict=True):
        assert a.read_bytes() == b.read_bytes()
        assert a.n_bytes == len(b.read_bytes())


@pytest.mark.parametrize(("scale", "reduction"), [(1.0, 1), (0.6, 1), (0.5, 2), (0.13, 4), (0, 8)])
def test_images_that_will_shrink_are_decoded_smaller(tmp_path, scale, reduction):
    image = cv2.GaussianBlur(draw_image(3, (160, 96)), (0, 0), 6)
    (tmp_path / "a.jpg").write_bytes(cv2.imencode(".jpg", image[..., ::-1])[1].tobytes())
    file = ImageArchive(tmp_path).images[0]
    small, times = file.read_scaled(scale)
    assert times == reduction
    assert small.shape == (96 // reduction, 160 // reduction, 3)
    wanted = cv2.resize(file.read(), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(wanted.astype(int) - small).max() <= 4
    assert file.read_shrunk(40).shape == (24, 40, 3)
    assert file.read_shrunk(500).shape == (96, 160, 3)


def test_what_opencv_cannot_decode_the_product_can(tmp_path):
    gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00!\xf9\x04\x00\x00\x00\x00\x00"
    gif += b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    (tmp_path / "a.gif").write_bytes(gif)
    file = ImageArchive(tmp_path).images[0]
    assert file.read_scaled(1.0)[0].tolist() == decode_image(gif).pixels.tolist() == [[[255, 0, 0]]]


def test_images_and_archives_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "broken.jpg").write_text("no image")
    file = ImageArchive(tmp_path).images[0]
    for read in (file.read, lambda: file.read_scaled(1.0), lambda: file.read_shrunk(64)):
        with pytest.raises(DatasetError, match=r"broken\.jpg in .* cannot be used: "):
            read()
    with pytest.raises(DatasetError, match="neither a folder nor a ZIP file"):
        ImageArchive(tmp_path / "broken.jpg")
    with pytest.raises(DatasetError, match="neither a folder nor a ZIP file"):
        ImageArchive(tmp_path / "nowhere")


def test_a_link_that_leads_nowhere_is_no_image(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "here.png").write_bytes(encode_png(draw_image(1)))
    assert [file.name for file in ImageArchive(tmp_path).images] == ["here.png"]


def test_boxes_lie_beside_their_table(tmp_path):
    files = {f"data/{name}": image for name, image in IMAGES.items()}
    path = write_zip(
        tmp_path / "boxes.zip", files | {"data/boxes.csv": TABLE, "c.png": b"unlisted"}
    )
    samples = read_box_samples(path)
    assert [p.file.name for p in samples] == ["data/a.png", "data/b.png"]
    assert [p.held_out for p in samples] == [is_held_out("a.png"), is_held_out("b.png")]
    assert samples[1].boxes.tolist() == [[2, 2, 20, 20], [30, 30, 40, 44]]
    assert np.isnan(samples[1].landmarks).all()


def test_landmarks_and_images_without_faces_can_be_told(tmp_path):
    points = [f"l{axis}{i}" for i in range(1, 6) for axis in "xy"]
    values = ",".join(str(v) for v in range(10))
    lines = [f"image,x1,y1,x2,y2,{','.join(points)}", f"a.png,2,2,20,20,{values}", "b.png,,,,"]
    path = write_zip(tmp_path / "boxes.zip", IMAGES | {"boxes.csv": "\n".join(lines)})
    known, empty = read_box_samples(path)
    assert known.landmarks.tolist() == [list(range(10))]
    assert empty.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"holds no boxes\.csv"),
        ("image,left\na.png,1\n", "has no column 'x1'; its columns are: image, left"),
        ("image,x1,y1,x2,y2\n", "names no image"),
        ("image,x1,y1,x2,y2\nz.png,1,1,2,2\n", "names the image z.png, which is not there"),
        ("image,x1,y1,x2,y2\na.png,1,1,x,2\n", "Line 2 of .* x2 must be a number, not 'x'"),
        ("image,x1,y1,x2,y2\na.png,5,1,2,2\n", "Line 2 of .* must be less than"),
        ("image,x1,y1,x2,y2\n../a.png,1,1,2,2\n", "inside the folder"),
        (b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
    ],
    ids=["none", "column", "empty", "missing", "word", "order", "outside", "bytes"],
)
def test_tables_of_boxes_that_are_wrong_are_told(tmp_path, table, message):
    path = write_zip(tmp_path / "b.zip", IMAGES | ({} if table is None else {"boxes.csv": table}))
    with pytest.raises(DatasetError, match=message):
        read_box_samples(path)


def test_portraits_are_held_out_by_person(tmp_path):
    table = "image,emotion,person\n" + "".join(f"{i}.png,joy,{i % 3}\n" for i in range(9))
    files = {f"{i}.png": draw_image(i) for i in range(9)}
    samples = read_portraits(write_zip(tmp_path / "p.zip", files | {"labels.csv": table}))
    assert [p.held_out for p in samples] == [is_held_out(str(i % 3)) for i in range(9)]
    alone = read_portraits(write_zip(tmp_path / "q.zip", files))
    assert [p.held_out for p in alone] == [is_held_out(f"{i}.png") for i in range(9)]
    assert {p.kind for p in read_scenes(tmp_path / "q.zip")} == {SampleKind.SCENES}
    with pytest.raises(DatasetError, match="holds no image"):
        read_scenes(write_zip(tmp_path / "r.zip", {"a.txt": "text"}))


def test_some_data_must_be_named():
    with pytest.raises(DatasetError, match="--boxes, --portraits, --scenes, --wider"):
        Sources().read()


def test_tables_of_boxes_may_have_semicolons_and_capitals(tmp_path):
    table = TABLE.replace(",", ";").replace("image;x1", "Image;X1")
    samples = read_box_samples(write_zip(tmp_path / "b.zip", IMAGES | {"boxes.csv": table}))
    assert samples[1].boxes.tolist() == [[2, 2, 20, 20], [30, 30, 40, 44]]
