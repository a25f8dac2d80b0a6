"""Problems as clients see them: RFC 9457 documents and headers."""

import pytest

from app.access.refusals import Forbidden, QuotaExceeded, Unauthorized
from app.errors import (
    ClipTooLong,
    DeadlineExceeded,
    Draining,
    InferenceFailed,
    InferenceTimedOut,
    InvalidOutput,
    InvalidParameter,
    ModelConflict,
    ModelRefused,
    NotAcceptable,
    NotKept,
    NotReady,
    NotReproduced,
    Overloaded,
    PictureTooLarge,
    Problem,
    RetiredModel,
    SoundTooLong,
    TooManyFrames,
    TooMuchWork,
    UnfinishedClip,
    UnknownClass,
    UnknownDirection,
    UnknownModel,
    UnknownStyle,
    UnreadableClip,
    UnreadablePicture,
    UnreadableSound,
    UnsupportedClip,
    UnsupportedPicture,
    UnsupportedSound,
)

EVERY: list[tuple[Problem, int, str]] = [
    (UnknownModel("a", ["b@1"]), 404, "There is no model 'a'; known: b@1."),
    (UnknownModel("a", []), 404, "There is no model 'a'; known: none."),
    (UnknownClass("cow", ["cat", "dog"], "b@1"), 404, "b@1 has no class 'cow'; known: cat, dog."),
    (UnknownClass("cow", ["cat"]), 404, "No model has a class 'cow'; known: cat."),
    (UnknownStyle("cubism", ["monet"], "b@1"), 404, "b@1 has no style 'cubism'; known: monet."),
    (NotReproduced("The model is gone.", url="/generate?seed=1"), 409, "The model is gone."),
    (UnknownStyle("cubism", ["monet"]), 404, "No model has a style 'cubism'; known: monet."),
    (UnknownDirection("age", ["hue"], "b@1"), 404, "b@1 has no direction 'age'; known: hue."),
    (UnknownDirection("age", ["hue"]), 404, "No model has a direction 'age'; known: hue."),
    (InvalidParameter([{"field": "n", "message": "at most 64"}]), 422, "n: at most 64"),
    (UnsupportedSound("No sound."), 415, "No sound."),
    (UnreadableSound("It breaks off."), 422, "It breaks off."),
    (
        SoundTooLong(700.04, 600, "2 channels at 48000 Hz"),
        413,
        "The sound lasts 700.04 s; of 2 channels at 48000 Hz, 600 s are taken at most: send it in parts.",
    ),
    (UnsupportedClip("The upload is empty", ["GIF", "npy"]), 415, "The upload is empty; supported: GIF, npy."),
    (UnreadableClip("GIF", "it is truncated"), 422, "The GIF can't be read: it is truncated."),
    (
        ClipTooLong("frames", 256),
        413,
        "The clip has more than 256 frames in all, the most that are read: send fewer frames.",
    ),
    (
        TooMuchWork("b@1", 41.23, 29.96),
        413,
        "b@1 would take 41.2 s for all of it; the deadline is in 30 s: send it in parts.",
    ),
    (
        TooMuchWork("b@1", 41.23, 29.96, "ask for fewer steps"),
        413,
        "b@1 would take 41.2 s for all of it; the deadline is in 30 s: ask for fewer steps.",
    ),
    (NotAcceptable("text/html", ["image/png"]), 406, "Nothing here can be sent as 'text/html'; offered: image/png."),
    (UnsupportedPicture("The upload is HEIC", ["JPEG", "PNG"]), 415, "The upload is HEIC; supported: JPEG, PNG."),
    (UnreadablePicture("PNG", "it is truncated"), 422, "The PNG can't be read: it is truncated."),
    (PictureTooLarge(90, 70, 6000), 413, "The picture is coded as 90×70 pixels; at most 6000 are read: scale it down."),
    (TooManyFrames(9), 413, "The picture is animated, with more than 9 frames: send fewer, or one frame alone."),
    (Unauthorized("none"), 401, "This needs a key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY."),
    (Forbidden("studio", "generate", "admin"), 403, "This needs the scope admin; the key 'studio' has generate."),
    (
        QuotaExceeded("minute", "studio", "at most 6 requests a minute", 3),
        429,
        "The key 'studio' has used up its quota: at most 6 requests a minute.",
    ),
    (Overloaded("3 s of work wait.", 3), 429, "3 s of work wait."),
    (DeadlineExceeded(1.5, 2), 429, "The deadline passed after 1.5 s in the queue; ask for fewer samples, "),
    (
        UnfinishedClip(3, 10, {"Retry-After": "1"}),
        429,
        "The deadline passed when 3 of 10 frames were drawn; ask for fewer, or come back later.",
    ),
    (RetiredModel("a@1", ["a@2"]), 404, "a@1 was taken out of service; in service: a@2."),
    (ModelRefused("a@2 can't be served."), 422, "a@2 can't be served."),
    (ModelConflict("a@2 is there."), 409, "a@2 is there."),
    (NotKept("There is no room."), 507, "There is no room."),
    (NotReady("b@1 is still loading."), 503, "b@1 is still loading."),
    (Draining(), 503, "This replica is shutting down; ask another one."),
    (InferenceFailed("b@1"), 500, "b@1 failed while it computed this request; the server's log has the reason."),
    (InvalidOutput("b@1", "output y holds NaN"), 500, "b@1 computed what can't be sent: output y holds NaN."),
    (
        InferenceTimedOut("b@1", 10, 0.002),
        504,
        "b@1 was given up: a batch that takes 0.002 s as a rule was not done after 10 s.",
    ),
]


@pytest.mark.parametrize(("problem", "status", "detail"), EVERY)
def test_a_problem_is_an_rfc_9457_document(problem: Problem, status: int, detail: str) -> None:
    document = problem.document()
    assert document["type"].startswith("urn:ganymede:problem:")
    assert document["status"] == problem.status == status
    assert document["detail"].startswith(detail)
    assert document["title"]


def test_every_kind_of_problem_has_a_type_of_its_own() -> None:
    types = {type(problem): problem.document()["type"] for problem, _, _ in EVERY}
    assert set(types) == {*Problem.__subclasses__(), *UnknownModel.__subclasses__()}
    assert len(set(types.values())) == len(types)


def test_extensions_are_members_of_the_document() -> None:
    assert UnknownModel("a", ["b@1"]).document()["known"] == ["b@1"]
    assert UnknownClass("cow", ["cat"]).document()["classes"] == ["cat"]
    assert NotAcceptable("a/b", ["image/png"]).document()["offered"] == ["image/png"]
    assert SoundTooLong(700, 600, "1 channels").document()["most"] == 600
    assert UnsupportedPicture("", ["PNG"]).document()["supported"] == ["PNG"]
    assert PictureTooLarge(90, 70, 6000).document()["max_pixels"] == 6000
    assert TooManyFrames(9).document()["max_frames"] == 9
    assert ClipTooLong("frames", 9).document()["max_frames"] == ClipTooLong("bytes", 9).document()["max_bytes"] == 9
    assert TooMuchWork("b@1", 41, 30).document()["seconds"] == 41
    assert Forbidden("a", "generate", "admin").document()["scope"] == "admin"
    assert QuotaExceeded("minute", "a", "", 1).document()["violated-policies"] == ["minute"]
    assert UnfinishedClip(3, 10, {}).document()["done"] == 3
    errors = [{"field": "n", "message": "at most 64"}]
    assert InvalidParameter(errors).document()["errors"] == errors


@pytest.mark.parametrize(("seconds", "header"), [(0, "1"), (0.2, "1"), (1, "1"), (1.01, "2"), (9.5, "10")])
def test_retry_after_is_whole_seconds_rounded_up_and_at_least_one(seconds: float, header: str) -> None:
    assert Overloaded("", seconds).headers["Retry-After"] == header
    assert DeadlineExceeded(1, seconds).headers["Retry-After"] == header


def test_whoever_can_read_milliseconds_is_told_them() -> None:
    assert [Overloaded("", seconds).headers["Retry-After-Ms"] for seconds in (0, 0.2004, 9.5)] == ["1", "201", "9500"]
