"""What can go wrong with a request, as types; each knows its HTTP status and its RFC 9457 problem document.

Raised by the engine and the api, rendered by the api. Knows no web framework.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Base of every error that a client is shown. `detail` says what was wrong, what was expected and what to do.

    `extensions` are further members of the problem document, `headers` further headers of the response.
    """

    status: ClassVar[int]
    type: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = dict(extensions or {})
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The members of `application/problem+json` (RFC 9457, section 3)."""
        return {
            "type": f"urn:ganymede:problem:{self.type}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extensions,
        }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


class UnknownModel(Problem):
    """No model has that name or version; `known` are the references that exist."""

    status, type, title = 404, "unknown-model", "Unknown model"

    def __init__(self, reference: str, known: Sequence[str]) -> None:
        detail = f"There is no model {reference!r}; known: {_listed(known)}."
        super().__init__(detail, extensions={"known": list(known)})


class RetiredModel(UnknownModel):
    """An operator took that version, or every version of the model, out of service; `serving` are those that serve."""

    status, type, title = 404, "retired-model", "Model out of service"

    def __init__(self, reference: str, serving: Sequence[str]) -> None:
        detail = f"{reference} was taken out of service; in service: {_listed(serving)}."
        Problem.__init__(self, detail, extensions={"known": list(serving)})


class ModelRefused(Problem):
    """A model version that was to be served, and can't be; the detail says why, and what is served instead."""

    status, type, title = 422, "model-refused", "Model refused"


class ModelConflict(Problem):
    """A change that what is served now does not allow; the detail says what to do first."""

    status, type, title = 409, "model-conflict", "Change not possible"


class NotKept(Problem):
    """A change that can't be written down, and so was not made: after a restart it would be forgotten."""

    status, type, title = 507, "not-kept", "Change not kept"


class UnknownClass(Problem):
    """The model, or every model when none was named, lacks that class, and `others`; `classes` are those that exist."""

    status, type, title = 404, "unknown-class", "Unknown class"

    def __init__(self, name: str, classes: Sequence[str], model: str | None = None, others: Sequence[str] = ()) -> None:
        has = f"{model} has no class" if model else "No model has a class"
        missing = " or ".join(map(repr, (name, *others)))
        super().__init__(f"{has} {missing}; known: {_listed(classes)}.", extensions={"classes": list(classes)})


class UnknownStyle(Problem):
    """The model, or every model when none was named, lacks that style; `styles` are those that exist."""

    status, type, title = 404, "unknown-style", "Unknown style"

    def __init__(self, name: str, styles: Sequence[str], model: str | None = None) -> None:
        owner = f"{model} has" if model else "No model has"
        detail = f"{owner} {'no' if model else 'a'} style {name!r}; known: {_listed(styles)}."
        super().__init__(detail, extensions={"styles": list(styles)})


class UnknownDirection(Problem):
    """The model, or every model when none was named, lacks that direction; `directions` are those that exist."""

    status, type, title = 404, "unknown-direction", "Unknown direction"

    def __init__(self, name: str, directions: Sequence[str], model: str | None = None) -> None:
        owner = f"{model} has" if model else "No model has"
        detail = f"{owner} {'no' if model else 'a'} direction {name!r}; known: {_listed(directions)}."
        super().__init__(detail, extensions={"directions": list(directions)})


class InvalidParameter(Problem):
    """Parameters that can't be used; `errors` is one {"field", "message"} for each."""

    status, type, title = 422, "invalid-parameter", "Invalid parameter"

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        said = "; ".join(f"{error['field']}: {error['message']}" for error in errors)
        super().__init__(said, extensions={"errors": [dict(error) for error in errors]})

    @classmethod
    def of(cls, field: str, message: str) -> Self:
        """That of one parameter."""
        return cls([{"field": field, "message": message}])


class UnsupportedSound(Problem):
    """Bytes that are no sound file, or one of a kind that isn't read; the detail says which are."""

    status, type, title = 415, "unsupported-sound", "Unsupported sound"


class UnreadableSound(Problem):
    """A sound file of a kind that is read, but broken, empty, or of a shape that can't be used; the detail says why."""

    status, type, title = 422, "unreadable-sound", "Unreadable sound"


class SoundTooLong(Problem):
    """Sound of `seconds` where `most` are taken, of its channels and rate, which `shape` names."""

    status, type, title = 413, "sound-too-long", "Sound too long"

    def __init__(self, seconds: float, most: float, shape: str) -> None:
        lasts, limit = (f"{round(value, 2):,.12g} s" for value in (seconds, most))
        detail = f"The sound lasts {lasts}; of {shape}, {limit} are taken at most: send it in parts."
        super().__init__(detail, extensions={"seconds": seconds, "most": most})


class TooMuchWork(Problem):
    """Work that `model` would need so many `seconds` for, alone on the device, where `left` remain.

    413 and not 429: to come back later would not help, but what `advice` says.
    """

    status, type, title = 413, "too-much-work", "Too much work"

    def __init__(self, model: str, seconds: float, left: float, advice: str = "send it in parts") -> None:
        detail = f"{model} would take {seconds:.3g} s for all of it; the deadline is in {left:.3g} s: {advice}."
        super().__init__(detail, extensions={"seconds": seconds, "left": left})


class NotReproduced(Problem):
    """A picture that can't be drawn again as it is; `findings` say more, for programs."""

    status, type, title = 409, "not-reproduced", "Not reproduced"

    def __init__(self, detail: str, **findings: Any) -> None:
        super().__init__(detail, extensions=findings)


class NotAcceptable(Problem):
    """None of the media types that the client accepts can be made; `offered` are those that can."""

    status, type, title = 406, "not-acceptable", "Not acceptable"

    def __init__(self, accepted: str, offered: Sequence[str]) -> None:
        detail = f"Nothing here can be sent as {accepted!r}; offered: {_listed(offered)}."
        super().__init__(detail, extensions={"offered": list(offered)})


class UnsupportedPicture(Problem):
    """An upload of a kind that isn't read; `found` says what it is, `supported` are the kinds that are."""

    status, type, title = 415, "unsupported-picture", "Unsupported picture"

    def __init__(self, found: str, supported: Sequence[str]) -> None:
        super().__init__(f"{found}; supported: {_listed(supported)}.", extensions={"supported": list(supported)})


class UnreadablePicture(Problem):
    """An upload of a supported kind that can't be read: truncated, damaged, or made in a way that isn't followed."""

    status, type, title = 422, "unreadable-picture", "Unreadable picture"

    def __init__(self, kind: str, flaw: str) -> None:
        super().__init__(f"The {kind} can't be read: {flaw}.")


class PictureTooLarge(Problem):
    """A picture, or what its file would have a decoder unpack, of more than `max_pixels`; refused unseen."""

    status, type, title = 413, "picture-too-large", "Picture too large"

    def __init__(self, width: int, height: int, max_pixels: int) -> None:
        size = f"The picture is coded as {width}×{height} pixels"
        limits = {"width": width, "height": height, "max_pixels": max_pixels}
        super().__init__(f"{size}; at most {max_pixels} are read: scale it down.", extensions=limits)


class TooManyFrames(Problem):
    """An animation of more than `max_frames`; refused unseen."""

    status, type, title = 413, "too-many-frames", "Too many frames"

    def __init__(self, max_frames: int) -> None:
        detail = f"The picture is animated, with more than {max_frames} frames: send fewer, or one frame alone."
        super().__init__(detail, extensions={"max_frames": max_frames})


class UnsupportedClip(Problem):
    """An upload of a kind that no frames are read from; `found` says what it is, `supported` are the kinds that are."""

    status, type, title = 415, "unsupported-clip", "Unsupported clip"

    def __init__(self, found: str, supported: Sequence[str]) -> None:
        super().__init__(f"{found}; supported: {_listed(supported)}.", extensions={"supported": list(supported)})


class UnreadableClip(Problem):
    """A clip of a kind that is read, but which can't be: truncated, damaged, or of frames that don't go together."""

    status, type, title = 422, "unreadable-clip", "Unreadable clip"

    def __init__(self, kind: str, flaw: str) -> None:
        super().__init__(f"The {kind} can't be read: {flaw}.")


class ClipTooLong(Problem):
    """A clip of more frames, pixels in all its frames, or bytes, than the `limit`; refused before they are unpacked."""

    status, type, title = 413, "clip-too-long", "Clip too long"

    def __init__(self, unit: Literal["frames", "pixels", "bytes"], limit: int) -> None:
        advice = "send fewer frames" if unit == "frames" else "send fewer frames, or smaller ones"
        detail = f"The clip has more than {limit} {unit} in all, the most that are read: {advice}."
        super().__init__(detail, extensions={f"max_{unit}": limit})


def retry_after(seconds: float) -> dict[str, str]:
    """The headers that say when to come back."""
    # RFC 9110 allows whole seconds only, rounded up here, so that whoever obeys does not come too early. The other one
    # is what several vendors' clients look for first.
    milliseconds = max(1, math.ceil(1000 * seconds))
    return {"Retry-After": str(max(1, math.ceil(seconds))), "Retry-After-Ms": str(milliseconds)}


class Overloaded(Problem):
    """Refused at the door: too much work is queued. `seconds` is when to come back: the work that is queued now will be
    done then, and it will be the turn of whoever was refused before.

    429 and not 503: proxies count a 503 as a failing replica and eject it, though shedding load is working as meant.
    """

    status, type, title = 429, "overloaded", "Overloaded"

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail, headers=retry_after(seconds))


class DeadlineExceeded(Problem):
    """Accepted, but still queued when its deadline passed. `seconds` is when the work now queued will be done."""

    status, type, title = 429, "deadline-exceeded", "Deadline exceeded"

    def __init__(self, waited: float, seconds: float) -> None:
        detail = f"The deadline passed after {waited:.3g} s in the queue; ask for fewer samples, or come back later."
        super().__init__(detail, headers=retry_after(seconds))


class UnfinishedClip(Problem):
    """Of frames that are made one from the other, only `done` of `wanted` were when the deadline ended a job of them.

    `headers` are that job's, which say when to come back.
    """

    status, type, title = 429, "unfinished-clip", "Unfinished clip"

    def __init__(self, done: int, wanted: int, headers: Mapping[str, str]) -> None:
        detail = f"The deadline passed when {done} of {wanted} frames were drawn; ask for fewer, or come back later."
        super().__init__(detail, extensions={"done": done}, headers=headers)


class NotReady(Problem):
    """The model, or the service, is still loading, failed to load or fails at work; the detail says which and why."""

    status, type, title = 503, "not-ready", "Not ready"


class Draining(Problem):
    """The service is shutting down and takes no new work. Whoever asks again soon comes to another replica, or to its
    successor.
    """

    status, type, title = 503, "draining", "Shutting down"

    def __init__(self) -> None:
        super().__init__("This replica is shutting down; ask another one.", headers=retry_after(1))


class InferenceFailed(Problem):
    """The run of a batch raised; the reason is in the log, not in the answer."""

    status, type, title = 500, "inference-failed", "Inference failed"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} failed while it computed this request; the server's log has the reason.")


class InvalidOutput(Problem):
    """The run of a batch gave what can't be sent; `flaw` says what."""

    status, type, title = 500, "invalid-output", "Invalid output"

    def __init__(self, model: str, flaw: str) -> None:
        super().__init__(f"{model} computed what can't be sent: {flaw}.")
        self.flaw = flaw


class InferenceTimedOut(Problem):
    """The run of a batch was given up after `seconds`, though it was predicted to take `predicted`."""

    status, type, title = 504, "inference-timed-out", "Inference timed out"

    def __init__(self, model: str, seconds: float, predicted: float) -> None:
        took = f"a batch that takes {predicted:.3g} s as a rule was not done after {seconds:.3g} s"
        super().__init__(f"{model} was given up: {took}.")
