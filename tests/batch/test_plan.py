import pytest

from emotion_core.batch.plan import BatchPlan, Chunk
from emotion_core.batch.sources import Input, MediaKind


def photos(*names):
    return [Input(name, MediaKind.PHOTO) for name in names]


def cut(inputs, size, finished=()):
    with BatchPlan() as plan:
        plan.add(inputs)
        plan.discard(MediaKind.PHOTO, finished)
        return [chunk.urls for chunk in plan.chunks(size)]


def test_chunks_follow_from_the_set_of_inputs_alone():
    expected = [("a", "b"), ("c", "d"), ("e",)]
    assert cut(photos(*"abcde"), 2) == expected
    assert cut(photos(*"edcba", *"abc"), 2) == expected


def test_videos_stand_alone_and_come_first():
    inputs = [*photos("a", "b"), Input("c", MediaKind.VIDEO), Input("d", MediaKind.VIDEO)]
    assert cut(inputs, 2) == [("c",), ("d",), ("a", "b")]


@pytest.mark.parametrize("n_photos", [1, 7, 8], ids=["one", "odd", "even"])
def test_chunks_that_are_left_stay_as_they_were(n_photos):
    inputs = photos(*"abcdefgh"[:n_photos])
    whole = cut(inputs, 2)
    for done in range(2 ** len(whole)):
        finished = [url for i, urls in enumerate(whole) if done >> i & 1 for url in urls]
        left = [urls for i, urls in enumerate(whole) if not done >> i & 1]
        assert cut(inputs, 2, finished) == left


def test_new_inputs_come_into_chunks_of_their_own():
    assert cut(photos(*"abcdx"), 2, finished="abd") == [("c", "x")]


def test_discard_tells_how_many_were_there():
    with BatchPlan() as plan:
        plan.add(photos("a", "b"))
        assert plan.discard(MediaKind.PHOTO, ["b", "c"]) == 1
        assert plan.discard(MediaKind.VIDEO, ["a"]) == 0
        assert len(plan) == 1


def test_empty_plan_has_no_chunks():
    assert cut([], 2) == []


def test_name_of_a_chunk_follows_from_its_inputs():
    chunk = Chunk(MediaKind.PHOTO, ("a", "b"))
    assert chunk.name == Chunk(MediaKind.PHOTO, ("a", "b")).name
    assert chunk.name != Chunk(MediaKind.PHOTO, ("a",)).name
