"""Identities: through jitter, crossings, losses, low rates and changes of scene; and in between."""

import av
import cv2
import numpy as np
import pytest

from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.imaging.codec import decode_image
from emotion_core.labels import Emotion
from emotion_core.local_analyzer import make_detector
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.tracking.interpolation import interpolate
from emotion_core.tracking.tracker import EMBED_MIN_PX, LOST_S, FaceTracker
from emotion_core.tracking.tracklets import link_tracklets
from emotion_core.types import Analysis, AnalyzeOptions, Faces
from tests.factories import make_analysis, make_faces, make_image, make_predictions

SIZE = 60.0
"""Side of the simulated faces in pixels."""


def times(hz, end_s, seed=None):
    """Times of frames; with a seed the steps vary from a half to one and a half."""
    steps = np.full(round(end_s * hz), 1 / hz)
    if seed is not None:
        steps *= np.random.default_rng(seed).uniform(0.5, 1.5, len(steps))
    return np.concatenate([[0.0], np.cumsum(steps)])


def box(x, y, size=SIZE):
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def follow(people, moments, *, jitter=0.02, paint=None, tracker=None):
    """Run a tracker over simulated people.

    Args:
        people: Functions of time: a box, or ``None`` where the person is not seen.
        moments: Times of the frames.
        jitter: Of the boxes, in face sizes.
        paint: Makes the frame from the boxes (``None`` for who is not seen) and the time.
        tracker: A new one if not given.

    Returns:
        One list a person: ``(time, id)`` of each sighting.
    """
    rng = np.random.default_rng(7)
    tracker = tracker or FaceTracker()
    seen = [[] for _ in people]
    for now in moments:
        boxes = [person(now) for person in people]
        shown = [i for i, place in enumerate(boxes) if place is not None]
        rows = np.array([boxes[i] for i in shown], np.float64).reshape(-1, 4)
        rows += rng.normal(0, jitter * SIZE, (len(rows), 1)).repeat(4, axis=1)
        image = None if paint is None else paint(boxes, now)
        for i, track in zip(
            shown, tracker.update(make_faces(rows), now, image).track_ids, strict=True
        ):
            seen[i].append((now, int(track)))
    return seen


def ids(sightings):
    return {track for _, track in sightings}


def walker(x, y, speed, start_s=0.0, end_s=np.inf, hidden=(0, 0)):
    """Walks straight on, in face sizes a second; unseen before, after and in ``hidden``."""

    def place(now):
        if not start_s <= now <= end_s or hidden[0] < now < hidden[1]:
            return None
        return box(x + speed * SIZE * (now - start_s), y)

    return place


@pytest.mark.parametrize("hz", [1, 3, 10, 25, 60])
def test_a_sitting_person_keeps_one_id_at_any_rate(hz):
    (seen,) = follow([walker(200, 150, 0)], times(hz, 20), jitter=0.05)
    assert len(seen) == 20 * hz + 1
    assert ids(seen) == {1}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("hz", [3, 8, 25])
def test_uneven_times_do_not_matter(hz, seed):
    people = [walker(100, 100, 1.0), walker(500, 300, -1.0), walker(300, 480, 0.0)]
    assert [ids(s) for s in follow(people, times(hz, 6, seed))] == [{1}, {2}, {3}]


@pytest.mark.parametrize("speed", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("hz", [3, 6, 12, 25, 50])
def test_ids_survive_a_crossing(hz, speed):
    """Two walk past each other, one a little lower; they meet in the middle."""
    half = 2.0 * speed * SIZE
    people = [walker(300 - half, 200, speed), walker(300 + half, 212, -speed)]
    one, two = follow(people, times(hz, 4))
    assert (ids(one), ids(two)) == ({1}, {2})


@pytest.mark.parametrize("speed", [0.7, 1.5, 2.5])
@pytest.mark.parametrize("hz", [8, 25])
def test_ids_survive_a_crossing_with_one_hidden_behind_the_other(hz, speed):
    half = 2.0 * speed * SIZE
    people = [
        walker(300 - half, 200, speed),
        walker(300 + half, 205, -speed, hidden=(1.75, 2.25)),
    ]
    one, two = follow(people, times(hz, 4))
    assert (ids(one), ids(two)) == ({1}, {2})


@pytest.mark.parametrize("hz", [3, 25])
def test_a_fast_walker_is_followed(hz):
    """Three face widths a second: a whole one from frame to frame at 3 a second."""
    (seen,) = follow([walker(50, 200, 3.0)], times(hz, 4))
    assert ids(seen) == {1}


@pytest.mark.parametrize(
    ("away_s", "expected"), [(0.2, {1}), (1.2, {1}), (LOST_S + 0.5, {1, 2}), (60, {1, 2})]
)
def test_a_loss_is_forgiven_for_a_while(away_s, expected):
    (seen,) = follow([walker(200, 150, 0, hidden=(1, 1 + away_s))], times(20, away_s + 2))
    assert ids(seen) == expected


def test_one_frame_without_the_face_is_forgiven_where_frames_are_far_apart():
    moments = np.arange(0, 100, 5.0)
    (seen,) = follow([walker(200, 150, 0, hidden=(21, 29))], moments)
    assert len(seen) == len(moments) - 1
    assert ids(seen) == {1}


def test_people_come_and_go():
    people = [
        walker(40, 100, 0.5, end_s=2.0),
        walker(40, 300, 0.5, start_s=1.0),
        walker(560, 100, 0.0, start_s=2.2),
    ]
    assert [ids(s) for s in follow(people, times(25, 5))] == [{1}, {2}, {3}]


def test_a_face_of_another_size_is_somebody_else():
    tracker = FaceTracker()
    for now in (0.0, 0.04, 0.08):
        tracker.update(make_faces([box(200, 200, 60)]), now)
    found = tracker.update(make_faces([box(200, 200, 200)]), 0.12)
    assert found.track_ids.tolist() == [2]


def test_who_walks_up_to_the_camera_keeps_the_id():
    (seen,) = follow([lambda now: box(300, 300, 40 * 1.5**now)], times(5, 4))
    assert ids(seen) == {1}


def test_a_crowd_keeps_its_ids():
    rng = np.random.default_rng(3)
    places, speeds = rng.uniform(100, 1800, (20, 2)), rng.normal(0, 0.7, (20, 2)) * SIZE
    people = [lambda t, p=p, v=v: box(*(p + v * t)) for p, v in zip(places, speeds, strict=True)]
    seen = follow(people, times(25, 4))
    changed = [i for i, sightings in enumerate(seen) if len(ids(sightings)) > 1]
    assert len(changed) == 0


def test_faces_stay_as_they_were():
    faces = make_faces([box(300, 100), box(100, 100)], landmarks=True)
    found = FaceTracker().update(faces, 3.0)
    for name in ("boxes", "scores", "landmarks"):
        assert getattr(found, name) is getattr(faces, name)
    assert faces.track_ids is None
    assert found.track_ids.dtype == np.int64
    assert found.track_ids.tolist() == [1, 2]


@pytest.mark.parametrize("image", [None, np.zeros((1, 1, 3), np.uint8)], ids=["none", "a pixel"])
def test_nothing_and_next_to_nothing(image):
    tracker = FaceTracker()
    assert tracker.update(Faces.empty(), 0.0, image).track_ids.tolist() == []
    points = make_faces([(0, 0, 0, 0), (1, 1, 1, 1)])
    assert sorted(tracker.update(points, 1.0, image).track_ids) == [1, 2]
    assert tracker.update(Faces.empty(), 2.0, image).track_ids.tolist() == []


def test_time_that_goes_back_counts_as_standing_still():
    tracker = FaceTracker()
    faces = make_faces([box(200, 200)])
    found = [tracker.update(faces, now).track_ids.tolist() for now in (5.0, 5.0, 1.0, 5.1)]
    assert found == [[1]] * 4


def run_noise(frames):
    """Faces that come and go anywhere, at ten frames a second."""
    rng = np.random.default_rng(5)
    tracker = FaceTracker()
    result = []
    for i in range(frames):
        corners = rng.uniform(0, 400, (rng.integers(0, 6), 2))
        boxes = np.hstack([corners, corners + rng.uniform(5, 90, corners.shape)])
        found = tracker.update(make_faces(boxes), i / 10, make_image(64, 48, seed=i // 50))
        result.append(found.track_ids.tolist())
    return result, tracker


@pytest.fixture(scope="module")
def noise():
    """Ids in each frame, and the tracker that gave them."""
    return run_noise(200)


def test_new_ids_count_up_and_are_given_once_a_frame(noise):
    result, _ = noise
    highest = 0
    for found in result:
        assert len(set(found)) == len(found)
        new = [track for track in found if track > highest]
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)
    assert highest > 200


def test_two_runs_give_the_same(noise):
    assert run_noise(50)[0] == noise[0][:50]


def test_memory_does_not_grow(noise):
    _, tracker = noise
    assert len(tracker._tracks) < 6 * 10 * LOST_S + 6
    assert len(tracker.tracklets()) == len(tracker._tracks), "others are not kept"


# With frames


@pytest.fixture(scope="module")
def portrait(request):
    path = request.config.rootpath / "streamlit_app" / "assets" / "astronaut.jpg"
    return decode_image(path.read_bytes()).pixels


@pytest.fixture(scope="module")
def sprites(portrait):
    """Heads and shoulders of different people: one portrait, tinted and mirrored; the face's box is
    the middle third in width, and in height from a fifth to a half."""
    head = portrait[10:370, 90:360]
    tints = [(1.0, 1.0, 1.0), (0.55, 0.75, 1.0), (1.0, 0.65, 0.45), (0.5, 1.0, 0.6)]
    people = [np.clip(head * np.array(tint), 0, 255).astype(np.uint8) for tint in tints]
    return [person[:, ::-1] if i % 2 else person for i, person in enumerate(people)]


def scene(seed):
    """A backdrop: coarse patches."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(40, 200, (6, 10, 3)).astype(np.uint8), (640, 360))


def paste(image, sprite, place):
    """Put a person where the face's box is; what lies outside is cut off."""
    x1, y1, x2, y2 = place
    width, height = round(3 * (x2 - x1)), round((y2 - y1) / 0.3)
    left, top = round(x1 - (x2 - x1)), round(y1 - 0.2 * height)
    small = cv2.resize(sprite, (width, height), interpolation=cv2.INTER_AREA)
    rows = slice(max(0, top), max(0, min(image.shape[0], top + height)))
    columns = slice(max(0, left), max(0, min(image.shape[1], left + width)))
    part = small[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    image[rows, columns] = part


def painter(sprites, background):
    """Paints people in their order, the later in front."""

    def paint(boxes, _):
        image = background.copy()
        for sprite, place in zip(sprites[: len(boxes)], boxes, strict=True):
            if place is not None:
                paste(image, sprite, place)
        return image

    return paint


def meet_and_turn_back(hz, paint):
    """Two meet, the left one hides the other for half a second, and both go back."""

    def left(now):
        return box(150 + 90 * min(now, 4 - now), 170)

    def right(now):
        return None if 1.75 < now < 2.25 else box(490 - 70 * min(now, 4 - now), 170)

    return [ids(sightings) for sightings in follow([right, left], times(hz, 4), paint=paint)]


@pytest.mark.parametrize("hz", [3, 5])
def test_looks_tell_who_turned_back(sprites, hz):
    assert meet_and_turn_back(hz, painter(sprites, scene(1))) == [{1}, {2}]
    assert meet_and_turn_back(hz, None) == [{1, 2}, {1, 2}], "where boxes alone mislead"


@pytest.mark.parametrize("hz", [8, 25])
def test_who_turned_back_behind_another_takes_no_id_of_theirs(sprites, hz):
    """The hidden one did not do what was foretold: at worst that is somebody new."""
    right, left = meet_and_turn_back(hz, painter(sprites, scene(1)))
    assert left == {2}
    assert right in ({1}, {1, 3})


@pytest.mark.parametrize("hz", [3, 25])
def test_another_scene_has_other_people(sprites, hz):
    """The same place and size, but somebody else somewhere else."""

    def paint(boxes, now):
        first = now < 2
        return painter([sprites[0 if first else 1]], scene(1 if first else 2))(boxes, now)

    (seen,) = follow([walker(320, 170, 0)], times(hz, 4), paint=paint)
    assert {track for now, track in seen if now < 2} == {1}
    assert {track for now, track in seen if now >= 2} == {2}


def test_who_was_in_the_scene_before_a_cut_is_gone(sprites):
    """Nobody is seen right after the cut; who then turns up in the old place is somebody new."""

    def paint(boxes, now):
        return painter([sprites[0]], scene(1 if now < 2 else 2))(boxes, now)

    (seen,) = follow([walker(320, 170, 0, hidden=(1.99, 2.3))], times(25, 4), paint=paint)
    assert {track for now, track in seen if now > 2} == {2}


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("speed", [6, 9])
def test_who_walks_out_of_the_frame_is_nobody_new(sprites, speed, way):
    """From standing to a run; the edge cuts off up to two thirds of the face."""
    size, edge = 80.0, 640 if way > 0 else 0

    def whole(now):
        ran = speed * size * max(0.0, now - 1) * min(1.0, now - 0.7)
        return box(320 + way * (180 + ran), 170, size)

    def seen(now):
        x1, y1, x2, y2 = whole(now)
        x1, x2 = np.clip((x1, x2), 0, 640)
        return (x1, y1, x2, y2) if x2 - x1 > size / 3 else None

    def paint(_, now):
        image = scene(3)
        if seen(now) is not None:
            paste(image, sprites[0], whole(now))
        return image

    (sightings,) = follow([seen], times(25, 2.5), paint=paint, jitter=0.0)
    last = sightings[-1][0]
    assert edge in seen(last)[::2]
    assert ids(sightings) == {1}


@pytest.mark.parametrize("hz", [3, 25])
def test_a_flash_changes_nobody(sprites, hz):
    def paint(boxes, now):
        image = painter([sprites[0]], scene(1))(boxes, now)
        return np.clip(image * 1.8 + 30, 0, 255).astype(np.uint8) if 1.9 < now < 2.1 else image

    (seen,) = follow([walker(320, 170, 0)], times(hz, 4), paint=paint)
    assert ids(seen) == {1}


def test_a_person_before_another_backdrop_is_still_that_person(sprites):
    """A cut from one camera to another that shows the face alike."""

    def paint(boxes, now):
        return painter([sprites[0]], scene(1 if now < 2 else 2))(boxes, now)

    (seen,) = follow([walker(320, 170, 0)], times(25, 4), paint=paint)
    assert ids(seen) == {1}


def test_nothing_is_written_to_the_frame(sprites):
    image = painter(sprites[:1], scene(1))([box(200, 150)], 0)
    before = image.copy()
    FaceTracker().update(make_faces([box(200, 150)]), 0.0, image)
    np.testing.assert_array_equal(image, before)


def call(sprites, orders, hz):
    """Ids of each person in a video call of tiles, in one order after the other."""
    places = [box(110 + 210 * i, 150) for i in range(3)]

    def tile(who):
        return lambda now: places[orders[int(now // 2)].index(who)]

    people = [tile(who) for who in range(3)]
    moments = times(hz, 2 * len(orders) - 0.5)
    seen = follow(people, moments, paint=painter(sprites, scene(1)))
    return [ids(sightings) for sightings in seen]


@pytest.mark.parametrize("hz", [3, 12, 25])
def test_who_changes_tiles_in_a_call_keeps_the_id(sprites, hz):
    assert call(sprites, [[0, 1, 2], [2, 1, 0]], hz) == [{1}, {2}, {3}]
    assert call(sprites, [[0, 1, 2], [1, 2, 0], [2, 0, 1]], hz) == [{1}, {2}, {3}]


def test_a_false_alarm_takes_no_id_along():
    """Alarms for single frames at one place are not one track, as a person's sightings are."""
    alarms = [lambda now: box(400, 200) if round(now * 25) % 6 == 5 else None]
    (seen,) = follow(alarms, times(25, 2))
    assert len(ids(seen)) == len(seen)


def test_ids_are_confirmed_after_a_while():
    tracker = FaceTracker()
    confirmed = []
    for i in range(10):
        tracker.update(make_faces([box(200, 200)]), i / 25)
        confirmed.append(tracker.confirmed_ids())
    assert confirmed == [set()] * 8 + [{1}] * 2


# Recognised by face


class ColourEmbedder:
    """Tells people by the mean colour of their face; counts what it is asked for."""

    def __init__(self):
        self.asked = []

    def embed(self, image, faces):
        self.asked.append(len(faces))
        rows = []
        for x1, y1, x2, y2 in np.clip(faces.boxes.astype(int), 0, None):
            colour = image[y1:y2, x1:x2].reshape(-1, 3).mean(axis=0)
            rows.append((colour - colour.mean()) / np.linalg.norm(colour - colour.mean()))
        return np.array(rows, np.float32).reshape(-1, 3)


RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)


def plain(*colours):
    """Paints each person as a patch of one colour on grey."""

    def paint(boxes, _):
        image = np.full((480, 640, 3), 128, np.uint8)
        for colour, place in zip(colours, boxes, strict=True):
            if place is not None:
                x1, y1, x2, y2 = (max(0, round(v)) for v in place)
                image[y1:y2, x1:x2] = colour
        return image

    return paint


def link(people, moments, paint):
    """Ids of each person after the tracklets of the whole video are linked."""
    tracker = FaceTracker(ColourEmbedder(), keeps_tracklets=True)
    seen = follow(people, moments, paint=paint, tracker=tracker)
    roots = link_tracklets(tracker.tracklets(), min_frames=2)
    return [{roots[track] for track in ids(sightings)} for sightings in seen]


@pytest.mark.parametrize("away_s", [0.5, 5, 600])
def test_who_comes_back_elsewhere_gets_the_old_id(away_s):
    def person(now):
        return None if 1 < now < 1 + away_s else box(100 if now <= 1 else 500, 200)

    moments = [0, 0.1, 0.5, 1.0, 1.05 + away_s / 2, 1 + away_s, 1.2 + away_s, 2 + away_s]
    assert link([person], moments, plain(RED)) == [{1}]


def test_somebody_else_gets_a_new_id():
    people = [walker(100, 200, 0, end_s=1), walker(100, 200, 0, start_s=5, end_s=6)]
    people.append(walker(400, 200, 0, start_s=8))
    assert link(people, times(10, 9), plain(RED, GREEN, RED)) == [{1}, {2}, {1}]


def test_two_who_come_back_at_once_are_told_apart():
    def back(x, later):
        return lambda now: box(x if now <= 1 else later, 200) if not 1 < now < 5 else None

    people = [back(100, 500), back(300, 100), walker(300, 400, 0, start_s=5)]
    found = link(people, times(10, 6), plain(RED, GREEN, BLUE))
    assert found[:2] == [{1}, {2}]
    assert found[2].isdisjoint({1, 2})


def test_who_is_in_the_frame_is_nobody_else():
    """Twins: both in view, so the second is not the first; nor when it comes back."""
    people = [walker(100, 200, 0), walker(400, 200, 0, start_s=1, hidden=(2, 6))]
    assert link(people, times(10, 8), plain(RED, RED)) == [{1}, {2}]


def test_embeddings_are_made_once_a_second():
    embedder = ColourEmbedder()
    people = [walker(100, 200, 0), walker(400, 200, 0, start_s=0.5)]
    follow(people, times(25, 4), paint=plain(RED, GREEN), tracker=FaceTracker(embedder))
    assert sum(embedder.asked) == 5 + 4
    assert max(embedder.asked) == 1


def test_nothing_to_embed_costs_nothing():
    embedder = ColourEmbedder()
    tracker = FaceTracker(embedder)
    image = make_image(640, 480)
    tracker.update(Faces.empty(), 0.0, image)
    tracker.update(make_faces([box(100, 100, EMBED_MIN_PX - 1)]), 1.0, image)
    tracker.update(make_faces([box(300, 300)]), 2.0, None)
    assert embedder.asked == []


# Between frames


def tracked(boxes, tracks, *, top=Emotion.HAPPINESS, landmarks=True):
    made = make_analysis(boxes, (640, 480), top=top)
    faces = make_faces(boxes, landmarks=landmarks)
    faces = Faces(faces.boxes, faces.scores, faces.landmarks, np.array(tracks, np.int64))
    return Analysis(made.size_wh, faces, made.predictions, made.model, made.time_s)


def test_a_person_between_two_frames():
    before = tracked([(0, 0, 40, 40)], [7])
    after = tracked([(100, 20, 160, 80)], [7], top=Emotion.ANGER)
    found = interpolate(before, after, 0.25)
    np.testing.assert_allclose(found.faces.boxes, [[25, 5, 70, 50]])
    assert found.faces.track_ids.tolist() == [7]
    for name in ("probabilities", "valence", "arousal"):
        a, b = (getattr(x.predictions, name) for x in (before, after))
        np.testing.assert_allclose(getattr(found.predictions, name), 0.75 * a + 0.25 * b, rtol=1e-6)
    expected = 0.75 * before.faces.landmarks + 0.25 * after.faces.landmarks
    np.testing.assert_allclose(found.faces.landmarks, expected, rtol=1e-6)
    assert (found.size_wh, found.model, found.time_s) == ((640, 480), "tiny", 0.0)


@pytest.mark.parametrize(
    ("share", "tracks"),
    [(0, [1, 2]), (0.49, [1, 2]), (0.5, [2, 3]), (1, [2, 3])],
)
def test_who_is_in_one_frame_only_is_kept_for_half_the_way(share, tracks):
    before = tracked([(0, 0, 40, 40), (100, 0, 140, 40)], [1, 2])
    after = tracked([(110, 0, 150, 40), (300, 0, 340, 40)], [2, 3])
    found = interpolate(before, after, share)
    assert found.faces.track_ids.tolist() == tracks
    lone = {1: before.faces.boxes[0], 3: after.faces.boxes[1]}
    for track, place in zip(tracks, found.faces.boxes, strict=True):
        if track in lone:
            np.testing.assert_array_equal(place, lone[track])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_at_the_ends_is_what_was_seen(share):
    before = tracked([(3, 4, 40, 41), (100, 0, 140, 40)], [1, 2])
    after = tracked([(90, 0, 130, 44), (200, 0, 240, 40)], [1, 2], top=Emotion.FEAR)
    expected = after if share else before
    found = interpolate(before, after, share)
    np.testing.assert_array_equal(found.faces.boxes, expected.faces.boxes)
    np.testing.assert_array_equal(
        found.predictions.probabilities, expected.predictions.probabilities
    )


def test_people_who_pass_each_other_are_listed_from_left_to_right():
    before = tracked([(0, 0, 40, 40), (100, 0, 140, 40)], [1, 2])
    after = tracked([(0, 0, 40, 40), (100, 0, 140, 40)], [2, 1])
    assert interpolate(before, after, 0.2).faces.track_ids.tolist() == [1, 2]
    assert interpolate(before, after, 0.8).faces.track_ids.tolist() == [2, 1]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_frames_without_faces(share):
    nobody = make_analysis([], (640, 480))
    somebody = tracked([(0, 0, 40, 40)], [4])
    assert len(interpolate(nobody, nobody, share)) == 0
    assert len(interpolate(nobody, somebody, share)) == (share >= 0.5)
    assert len(interpolate(somebody, nobody, share)) == (share < 0.5)
    found = interpolate(somebody, nobody, 0.1)
    np.testing.assert_array_equal(found.faces.landmarks, somebody.faces.landmarks)


def test_landmarks_are_left_out_where_one_frame_has_none():
    before = tracked([(0, 0, 40, 40)], [1])
    after = tracked([(0, 0, 40, 40)], [1], landmarks=False)
    assert interpolate(before, after, 0.5).faces.landmarks is None


def test_thin_and_extreme_values_stay_valid():
    """Rounding must push no box inside out and no value out of its range."""
    rng = np.random.default_rng(0)
    for share in rng.uniform(0, 1, 200):
        x = np.float32(rng.uniform(0, 1e4))
        ends = [tracked([(x, x, x, x)], [1]) for _ in range(2)]
        assert len(interpolate(*ends, share)) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda a: interpolate(a, a, -0.1), "fraction must lie in", id="below"),
        pytest.param(lambda a: interpolate(a, a, 1.1), "fraction must lie in", id="above"),
        pytest.param(
            lambda a: interpolate(a, make_analysis([(0, 0, 9, 9)], (640, 480)), 0.5),
            "Faces need track ids",
            id="no ids",
        ),
        pytest.param(
            lambda a: interpolate(
                a, Analysis(a.size_wh, a.faces, make_predictions(1, (Emotion.FEAR,)), "x", 0.0), 0.5
            ),
            "same network",
            id="labels",
        ),
    ],
)
def test_what_cannot_be_interpolated(make, message):
    with pytest.raises(ValueError, match=message):
        make(tracked([(0, 0, 40, 40)], [1]))


# Real videos


def read_video(path, every=1):
    with av.open(path) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                yield index, float(frame.time), frame.to_ndarray(format="rgb24")


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 10])
def test_one_person_in_a_real_video(shared, every):
    card = CARDS["emoscope-face-s"]
    detector = make_detector(card, WEIGHTS_DIR / card.weights.filename, "cpu")
    tracker = FaceTracker()
    found = []
    path = shared / "samples" / "video" / "single_face_neutral_to_smile.mp4"
    for _, now, image in read_video(path, every):
        (faces,) = detector.detect([image], AnalyzeOptions(search_px=640))
        found.append(tracker.update(faces, now, image).track_ids.tolist())
    assert len(found) == -(-72 // every)
    assert found == [[1]] * len(found)


@pytest.mark.slow
def test_people_in_a_busy_street(shared, yunet_path):
    """Nine faces at most at a time; a woman hurries past before all others."""
    detector = FaceDetector(OpenCvFaceModel(yunet_path), CARDS["yunet"])
    tracker = FaceTracker()
    at = {}
    path = shared / "samples" / "video" / "crowd_1080p.mp4"
    for index, now, image in read_video(path, every=8):
        (faces,) = detector.detect([image], AnalyzeOptions(search_px=1280))
        at[index] = tracker.update(faces, now, image)

    def who(index, x, y):
        """The id of the face around a point, in pixels of the video."""
        low, high = at[index].boxes[:, :2], at[index].boxes[:, 2:]
        inside = ((low <= (x, y)) & ((x, y) <= high)).all(axis=1)
        return set(at[index].track_ids[inside].tolist())

    woman, boy, old_woman = who(0, 338, 778), who(0, 947, 675), who(0, 315, 660)
    assert [len(woman), len(boy), len(old_woman)] == [1, 1, 1]
    assert who(24, 1235, 845) == woman
    assert who(24, 308, 718) == old_woman
    assert who(max(at), 795, 710) == boy
    assert max(int(found.track_ids.max(initial=0)) for found in at.values()) <= 20
