"""How well the quality of a face tells whether its reading is right, and what it is made of.

Labelled faces are degraded on purpose. A reading that was right and no longer is counts as an
error of the degradation; as the same face is read both times, how hard its expression is plays no
part. Turned faces cannot be made: for them, faces as they are count, each against those of the same
set and word. Fits the coefficients of ``recognition.face_quality`` and ``recognition.cover`` on two
thirds of the photos, and measures on the others. For ``docs/quality.md``.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import cv2
import numpy as np
import pandas as pd
import vl_convert

from benchmarks.degrade import DEGRADATIONS
from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.warp import fit_similarity
from emotion_core.local_analyzer import load_analyzer
from emotion_core.quality import FACE_FLAGS, MIN_QUALITY
from emotion_core.recognition import cover, face_quality
from emotion_core.recognition.alignment import crop_faces
from emotion_core.recognition.pose import estimate_pose
from emotion_core.reporting.photo_charts import vegalite_release
from emotion_core.training.datasets.fairface import RATINGS
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.types import Analysis, FloatArray, Image

    Floats = npt.NDArray[np.float64]

CLEAN = "as it is"
_OPTIONS = AnalyzeOptions(min_score=0.5, min_face_px=8)
_PER_PHOTO = 4
_MIN_AGREEMENT = 0.6
_COVER_AT = 0.7
_YAW = 4  # column of ``FaceMeasures.penalties``
_COVERED = ("with_mask", "drawn mask")
_UNCLEAR = ("mask_weared_incorrect", "drawn hand", "cut")


@dataclass(frozen=True, eq=False, slots=True)
class Labelled:
    """A photo of one face with its word."""

    group: str
    name: str
    word: str
    data: bytes


def main() -> None:
    """Measures, fits, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    for name in ("fairface", "portraits", "masks"):
        parser.add_argument(name, type=Path, help=f"the ZIP archive of {name}")
    parser.add_argument("--limit", type=int, default=150, help="photos of each word and set")
    parser.add_argument("--landmarker", type=Path, help="MediaPipe's, to compare poses with")
    parser.add_argument("--plot", type=Path, help="SVG of error against quality")
    parser.add_argument("--detector", default="emoscope-face-s")
    parser.add_argument(
        "--faces", type=Path, metavar="CSV", help="keep what was measured here, to fit it again"
    )
    chosen = parser.parse_args()
    limit = min(chosen.limit, 10) if chosen.quick else chosen.limit
    cv2.setNumThreads(1)
    analyzer = load_analyzer("emoscope-fer-s", chosen.detector, device="cpu")
    photos = [*iter_fairface(chosen.fairface, limit), *iter_portraits(chosen.portraits, limit)]
    if chosen.faces and chosen.faces.is_file():
        table = pd.read_csv(chosen.faces)
    else:
        table = pd.concat(
            [collect(analyzer, photos), collect_masks(analyzer, chosen.masks)], ignore_index=True
        )
        if chosen.faces:
            table.to_csv(chosen.faces, index=False)
    figures: dict[str, Any] = {"machine": describe_machine(), "faces": len(table)}
    features = table[[f"cover_{i}" for i in range(cover.N_FEATURES)]].to_numpy(np.float64)
    table["cover"], figures["cover"] = fit_cover(table, features)
    labelled = table[table["word"].notna()].copy()
    figures["quality"] = fit_quality(labelled)
    figures["usable"] = measure_usable(labelled)
    figures["curve"] = curve = error_by_quality(labelled)
    if chosen.landmarker:
        figures["pose"] = compare_poses(analyzer, photos[:: max(1, len(photos) // 400)], chosen)
    if chosen.plot:
        chosen.plot.write_text(plot(curve), encoding="utf-8")
    write_json(chosen.json, figures)


def iter_fairface(path: Path, limit: int) -> Iterator[Labelled]:
    """Rated faces of FairFace on whose word most ratings agree."""
    rows = pd.read_csv(RATINGS).sample(frac=1, random_state=0)
    rows = rows[rows["emotion"] != "uncertain"]
    agreement = [row[f"p_{row['emotion']}"] for _, row in rows.iterrows()]
    rows = rows[np.array(agreement) >= _MIN_AGREEMENT].groupby("emotion").head(limit)
    with zipfile.ZipFile(path) as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        for file, word in zip(rows["image"], rows["emotion"], strict=True):
            member = names.get(file) or names.get(file.replace("/", "_"))
            if member:
                yield Labelled("fairface", file, word, archive.read(member))


def iter_portraits(path: Path, limit: int) -> Iterator[Labelled]:
    """Portraits with a word."""
    with zipfile.ZipFile(path) as archive:
        rows = pd.read_csv(io.BytesIO(archive.read("labels.csv"))).sample(frac=1, random_state=0)
        rows = rows.groupby("emotion").head(limit)
        for file, word in zip(rows["image"], rows["emotion"], strict=True):
            yield Labelled("portraits", file, word, archive.read(file))


def collect(analyzer: LocalAnalyzer, photos: list[Labelled]) -> pd.DataFrame:
    """Reads each photo as it is and degraded; one row for each reading."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    kinds = list(DEGRADATIONS)
    for photo in photos:
        image = decode_image(photo.data).pixels
        (analysis,) = analyzer.analyze([image], _OPTIONS)
        if len(analysis) != 1:
            continue
        (face,) = analysis
        is_good = face.emotion == photo.word
        made = [(CLEAN, image, analysis)]
        for kind in rng.choice(kinds, _PER_PHOTO, replace=False):
            changed = DEGRADATIONS[kind](image, face, rng)
            if min(changed.shape[:2]) >= 16:
                made.append((kind, changed, analyzer.analyze([changed], _OPTIONS)[0]))
        for kind, pixels, found in made:
            if len(found) == 1:
                row = {"group": photo.group, "name": photo.name, "word": photo.word, "kind": kind}
                rows.append({**row, "was_right": is_good, **_row(pixels, found, 0, photo.word)})
        if len(rows) % 500 < 2:
            print(f"{len(rows)} faces", file=sys.stderr)
    return pd.DataFrame(rows)


def collect_masks(analyzer: LocalAnalyzer, path: Path) -> pd.DataFrame:
    """The faces of street photos that were annotated with or without a mask."""
    rows: list[dict[str, Any]] = []
    with zipfile.ZipFile(path) as archive:
        boxes = pd.read_csv(io.BytesIO(archive.read("boxes.csv")))
        for name, known in boxes.groupby("image"):
            image = decode_image(archive.read(str(name))).pixels
            (found,) = analyzer.analyze([image], _OPTIONS)
            for i, kind in _match(found.faces.boxes, known):
                row = {"group": "masks", "name": name, "word": None, "kind": kind}
                rows.append({**row, "was_right": False, **_row(image, found, i, "")})
    return pd.DataFrame(rows)


def _match(boxes: FloatArray, known: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """Pairs faces with annotated ones that they overlap by an IoU of at least 0.4."""
    others = known[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    for i, box in enumerate(boxes.astype(np.float64)):
        sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        shared = np.maximum(sides, 0).prod(axis=1)
        iou = shared / ((box[2:] - box[:2]).prod() + areas - shared)
        if iou.max() >= 0.4:
            yield i, str(known["kind"].iloc[int(iou.argmax())])


def _row(image: Image, found: Analysis, i: int, word: str) -> dict[str, Any]:
    one = found[i : i + 1]
    measures = face_quality.measure_faces([image], [one.faces])
    names = ("size_px", "score", "sharpness", "brightness", "outside")
    row = {name: float(getattr(measures, name)[0]) for name in names}
    yaw, pitch, roll = measures.pose_deg[0].tolist()
    (face,) = one
    read = {"read": str(face.emotion), "is_right": face.emotion == word}
    crops = crop_faces(image, one.faces, face_quality.ALIGNED)
    grey = cv2.cvtColor(crops[0], cv2.COLOR_RGB2GRAY)[None].astype(np.float32)
    covered = {f"cover_{i}": v for i, v in enumerate(cover.cover_features(crops, grey)[0])}
    return {**row, "yaw": yaw, "pitch": pitch, "roll": roll, **read, **covered}


def _is_held_out(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return np.array([zlib.crc32(str(name).encode()) % 3 == 0 for name in table["name"]])


def fit_cover(table: pd.DataFrame, features: Floats) -> tuple[Floats, dict[str, Any]]:
    """Fits whether a mask covers the face; drawn ones and degraded faces weigh little."""
    kinds, is_real = table["kind"], (table["group"] == "masks").to_numpy()
    is_covered = kinds.isin(_COVERED).to_numpy()
    used = ~kinds.isin(_UNCLEAR).to_numpy()
    held = _is_held_out(table)
    weights = np.where(is_real, 1.0, np.where(kinds == CLEAN, 0.5, 0.15))
    learnt = used & ~held
    for side in (is_covered, ~is_covered):
        weights[side] *= learnt.sum() / 2 / weights[side & learnt].sum()
    mean, spread = features[learnt].mean(axis=0), features[learnt].std(axis=0) + 1e-6
    scaled = (features - mean) / spread
    fitted = logistic(_with_one(scaled[learnt]), is_covered[learnt], weights[learnt], 10.0)
    coefficients = fitted[:-1] / spread
    intercept = fitted[-1] - coefficients @ mean
    chance = 1 / (1 + np.exp(-(features @ coefficients + intercept)))
    flagged = chance > _COVER_AT
    print(f"\ncover: _INTERCEPT = {intercept:.3f}\n_WEIGHTS = {np.round(coefficients, 3).tolist()}")
    parts = {
        "annotated masks": held & is_real & is_covered,
        "annotated faces without": held & is_real & (kinds == "without_mask").to_numpy(),
        **{k: held & ~is_real & (kinds == k).to_numpy() for k in (CLEAN, *DEGRADATIONS)},
    }
    shares = [(name, int(part.sum()), float(flagged[part].mean())) for name, part in parts.items()]
    print_table("flagged as covered, photos that were not learnt from", ["", "n", "share"], shares)
    numbers = {"weights": coefficients.tolist(), "intercept": intercept, "flagged": shares}
    return chance, numbers


def logistic(
    design: Floats, target: npt.NDArray[np.bool_], weights: Floats, ridge: float
) -> Floats:
    """Coefficients of a logistic regression, by Newton's method."""
    fitted = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ fitted))
        slope = design.T @ (weights * (chance - target)) + ridge * fitted
        bend = (design * (weights * chance * (1 - chance) + 1e-9)[:, None]).T @ design
        step = np.linalg.solve(bend + ridge * np.eye(len(fitted)), slope)
        fitted -= step
        if np.abs(step).max() < 1e-6:
            break
    return fitted


def _with_one(design: Floats) -> Floats:
    return np.column_stack([design, np.ones(len(design))])


def _penalties(table: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.bool_]]:
    columns = {
        name: table[name].to_numpy(np.float32) for name in table if table[name].dtype == float
    }
    pose_deg = np.stack([columns.pop(name) for name in ("yaw", "pitch", "roll")], axis=1)
    names = ("size_px", "score", "sharpness", "brightness", "outside", "cover")
    given = {name: columns[name] for name in names}
    measures = face_quality.FaceMeasures(pose_deg=pose_deg, **given)
    return measures.penalties, measures.flags


def _weigh(table: pd.DataFrame) -> Floats:
    """Weights by which each word counts the same, but for very rare ones."""
    counts = table["word"].map(table["word"].value_counts()).to_numpy(np.float64)
    return np.asarray(1 / np.maximum(counts, counts.max(initial=1) / 10) * len(table) / 8)


def fit_quality(table: pd.DataFrame) -> dict[str, Any]:
    """Fits what each penalty costs, and adds the columns quality and is_usable."""
    penalties, flags = _penalties(table)
    is_right, importance = table["is_right"].to_numpy(bool), _weigh(table)
    is_clean, held = (table["kind"] == CLEAN).to_numpy(), _is_held_out(table)
    learnt = ~is_clean & table["was_right"].to_numpy(bool) & ~held
    kept = np.arange(penalties.shape[1]) != _YAW
    for _ in range(3):  # what does not cost anything is left out
        design = _with_one(penalties * kept)[learnt]
        fitted = logistic(design, is_right[learnt], importance[learnt], 0.3)
        kept &= fitted[:-1] < 0
    weights, intercept = fitted[:-1] * kept, fitted[-1]
    # nobody was turned on purpose: faces as they are, each by those of its set and word
    learnt = is_clean & ~held
    sets = pd.get_dummies(table["group"] + table["word"]).to_numpy(np.float64)
    design = np.column_stack([penalties[:, _YAW], sets])[learnt]
    turned = logistic(design, is_right[learnt], importance[learnt], 0.3)[0]
    weights[_YAW] = min(0.0, turned)
    print(f"\nquality: _INTERCEPT = {intercept:.3f}\n_WEIGHTS = {np.round(weights, 2).tolist()}")
    right = 1 / (1 + np.exp(-(intercept + penalties @ weights)))
    quality = np.minimum(1, right * (1 + np.exp(-intercept)))
    table["quality"] = quality
    table["is_usable"] = ~flags.any(axis=1) & (quality >= MIN_QUALITY)
    for name, values in zip(FACE_FLAGS, flags.T, strict=True):
        table[name] = values
    return {"weights": weights.tolist(), "intercept": float(intercept)}


def _kept(table: pd.DataFrame) -> float:
    """Share of the readings that are still right, each word counting the same."""
    weights = _weigh(table)
    return float((weights * table["is_right"]).sum() / weights.sum()) if len(table) else np.nan


def measure_usable(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """By degradation and by flag: readings that stay right, faces that are left out."""
    held = table[_is_held_out(table)]
    paired = held[(held["kind"] != CLEAN) & held["was_right"]]
    rows: list[tuple[object, ...]] = []
    parts = {kind: paired[paired["kind"] == kind] for kind in DEGRADATIONS}
    parts |= {f"flag: {flag}": paired[paired[flag]] for flag in FACE_FLAGS}
    parts["usable"], parts["unusable"] = paired[paired["is_usable"]], paired[~paired["is_usable"]]
    for name, part in parts.items():
        rows.append((name, len(part), _kept(part), 1 - float(part["is_usable"].mean())))
    clean = held[held["kind"] == CLEAN]
    for group, part in clean.groupby("group"):
        frontal = part[part["yaw"].abs() < 20]
        rows.append(
            (f"{group} as they are", len(part), np.nan, 1 - float(part["is_usable"].mean()))
        )
        rows.append(
            (f"{group}, frontal", len(frontal), np.nan, 1 - float(frontal["is_usable"].mean()))
        )
    header = ["", "n", "still right", "left out"]
    print_table("held-out photos: readings that stay right; faces left out", header, rows)
    turned = [(a, b, clean[clean["yaw"].abs().between(a, b)]) for a, b in _YAWS]
    spans = [(f"{a} to {b}", len(part), _kept(part)) for a, b, part in turned]
    print_table("as they are, by yaw in degrees: right words", ["yaw", "n", "right"], spans)
    return [*rows, *spans]


_YAWS = ((0, 10), (10, 20), (20, 30), (30, 40), (40, 90))


def error_by_quality(table: pd.DataFrame) -> list[dict[str, float]]:
    """Share of wrong readings, among those right on the same photo as it is, by quality."""
    held = table[_is_held_out(table)]
    paired = held[(held["kind"] != CLEAN) & held["was_right"]].sort_values("quality")
    parts = np.array_split(np.arange(len(paired)), 12)
    curve = []
    for part in (paired.iloc[places] for places in parts):
        right = _kept(part)
        reach = 1.96 * np.sqrt(right * (1 - right) / max(1, len(part)))
        numbers = {"quality": float(part["quality"].mean()), "error": 1 - right, "n": len(part)}
        curve.append({**numbers, "low": max(0, 1 - right - reach), "high": 1 - right + reach})
    cells = [(row["quality"], row["error"], row["n"]) for row in curve]
    print_table("held-out photos: error by quality", ["quality", "error", "n"], cells)
    return curve


def compare_poses(analyzer: LocalAnalyzer, photos: list[Labelled], chosen: Any) -> dict[str, Any]:
    """Mean absolute differences of yaw, pitch and roll from MediaPipe's landmarker."""
    from dataclasses import replace

    from emotion_core.training.emotion.landmarker import FaceLandmarker

    landmarker = FaceLandmarker(chosen.landmarker)
    larger = replace(face_quality.ALIGNED, size_px=184)
    pairs = []
    for photo in photos:
        image = decode_image(photo.data).pixels
        (found,) = analyzer.analyze([image], _OPTIONS)
        if len(found) != 1 or found.faces.landmarks is None:
            continue
        points = found.faces.landmarks[0].astype(np.float64)
        target = np.asarray(larger.template, np.float64) * larger.size_px
        matrix = fit_similarity(points, target)
        theirs = landmarker.read(crop_faces(image, found.faces, larger)[0])[-3:]
        theirs[2] -= np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
        pairs.append(np.stack([estimate_pose(found.faces.landmarks)[0], theirs]))
    both = np.array([pair for pair in pairs if np.isfinite(pair).all()])
    errors = both[:, 0] - both[:, 1]
    errors[:, 2] = (errors[:, 2] + 180) % 360 - 180
    guess = np.abs(both[:, 1] - both[:, 1].mean(axis=0)).mean(axis=0)
    rows = [
        (name, float(np.abs(errors[:, i]).mean()), float(guess[i]))
        for i, name in enumerate(("yaw", "pitch", "roll"))
    ]
    header = ["", "mean absolute difference", "of the mean pose"]
    print_table(f"pose in degrees against the landmarker, {len(both)} faces", header, rows)
    return {"n": len(both), "rows": rows}


def plot(curve: list[dict[str, float]]) -> str:
    """Error against quality, with 95% intervals, as SVG."""
    data = pd.DataFrame(curve)
    base = alt.Chart(data).encode(
        x=alt.X("quality:Q", title="Quality", scale=alt.Scale(domain=[0, 1]))
    )
    y = alt.Y("error:Q", title="Readings that turned wrong", axis=alt.Axis(format="%"))
    line = base.mark_line(point=True, color="#2E86C9").encode(y=y)
    bars = base.mark_rule(color="#2E86C9", opacity=0.5).encode(y="low:Q", y2="high:Q")
    limit = (
        alt.Chart(pd.DataFrame({"x": [MIN_QUALITY]})).mark_rule(strokeDash=[4, 3]).encode(x="x:Q")
    )
    chart = alt.layer(limit, bars, line).properties(width=480, height=300, background="white")
    svg: str = vl_convert.vegalite_to_svg(json.dumps(chart.to_dict()), vegalite_release())
    return svg


if __name__ == "__main__":
    main()
