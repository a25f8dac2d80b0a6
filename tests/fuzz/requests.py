"""What Schemathesis sends, where it would know too little to get behind the checks: files, and parameters that agree.

`fuzz.run` names this to Schemathesis, which imports it.
"""

from functools import partial
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.transport.serialization import Binary

from tests import toy
from tests.fuzz.files import ARRAYS, CLIPS, CODES, EVERY, PICTURES, SOUNDS, ZIPS
from tests.media import sounds


def _some(*whole: bytes) -> st.SearchStrategy[bytes]:
    """Mostly these files as they are; or cut off, or with some bytes changed; or any bytes."""
    chosen = st.sampled_from(whole)
    return st.one_of(chosen, chosen, chosen.flatmap(_flawed), st.binary(max_size=64))


def _flawed(data: bytes) -> st.SearchStrategy[bytes]:
    places = st.integers(0, len(data) - 1)
    cut = places.map(lambda place: data[:place])
    patched = st.builds(lambda place, new: sounds.patched(data, place, new)[: len(data)], places, st.binary(max_size=4))
    return st.one_of(cut, patched)


schemathesis.openapi.media_type("image/*", _some(*PICTURES, *CLIPS))
schemathesis.openapi.media_type("video/*", _some(*CLIPS))
schemathesis.openapi.media_type("audio/*", _some(*SOUNDS))
schemathesis.openapi.media_type("application/zip", _some(*ZIPS))
schemathesis.openapi.media_type("application/x-npy", _some(*ARRAYS))
schemathesis.openapi.format("binary", _some(*EVERY))


MODELS = dict.fromkeys(("/encode", "/decode", "/reconstruct", "/score"), "fashion-vae")
MODELS |= {
    "/translate": "facades",
    "/style": "monet",
    "/enhance": "speech",
    "/predict": "radar",
    "/edit": "fashion-vae",
}
"""The model that fits, by the route that asks for one."""
MOVED: dict[str, dict[str, Any]] = {"/edit": {"direction": "warmth", "amount": 1}}
"""What else must fit that model, by the route."""
PATH = {"reference": "fashion-vae", "name": "fashion-ae", "version": "1"}
"""What the parts of a path may be; `name` is the model whose tensors are sent."""

LATENTS = st.floats(-4, 4, width=32).flatmap(lambda x: st.sampled_from([[[x] * toy.LATENT], [[x] * toy.LATENT] * 3]))
TENSORS = LATENTS.map(lambda rows: [{"name": "z", "datatype": "FP32", "shape": [len(rows), toy.LATENT], "data": rows}])

FILES = {"/predict": ("frames", CLIPS + ZIPS), "/enhance": ("audio", SOUNDS), "/decode": ("latents", [CODES])}
FILES |= dict.fromkeys(("/encode", "/reconstruct", "/score", "/translate", "/style", "/reproduce"), ("image", PICTURES))
"""The part of a form that is a file, and files that are read there, by route."""


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[Case]) -> None:
    """One more example of each route whose work begins with what the document has no example of."""
    operation = context.operation
    assert operation is not None
    if operation.path in FILES:
        kind = next(kind for kind in operation.get_request_payload_content_types() if kind != "multipart/form-data")
        query = {"model": MODELS[operation.path]} if operation.path in MODELS else {}
        _, [file, *_] = FILES[operation.path]
        examples.append(operation.Case(query=query, body=file, media_type=kind))
    if operation.path.endswith("/infer"):
        body = {"inputs": [{"name": "z", "datatype": "FP32", "shape": [1, toy.LATENT], "data": [0.5] * toy.LATENT}]}
        path = {name: value for name, value in PATH.items() if f"{{{name}}}" in operation.path}
        examples.append(operation.Case(path_parameters=path, body=body, media_type="application/json"))


@schemathesis.hook
def flatmap_case(context: HookContext, case: Case) -> st.SearchStrategy[Case]:
    """Of the requests that the document allows, three of four are such that the service has something to do."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return st.just(case)
    return st.integers(0, 3).flatmap(lambda draw: _body(case).map(partial(_agreeing, case)) if draw else st.just(case))


def _body(case: Case) -> st.SearchStrategy[Any]:
    """The request's body, with what its schema can't say: a file of the right kind, numbers of the right shape."""
    form, (part, files) = isinstance(case.body, dict), FILES.get(case.path, ("", []))
    if case.media_type == "application/json" and form:
        known = {"/decode": {"latents": LATENTS}}
        tensors = {"inputs": TENSORS, "outputs": st.none(), "parameters": st.none()}
        matter = tensors if case.path.endswith("/infer") else known.get(case.path, {})
        return st.fixed_dictionaries(matter).map(lambda known: case.body | known)
    if not files:
        return st.just(case.body)
    file = st.sampled_from(files).map(Binary)
    return file.map(lambda data: case.body | {part: data}) if form else file


def _agreeing(case: Case, body: Any) -> Case:
    """The request with this body, for the model that fits, with time enough, and each parameter given once."""
    fitting = MOVED.get(case.path, {})
    unsaid = ("model", "timeout", "size", *fitting, *(("directions",) if fitting else ()))
    named: dict[str, Any] = {}
    if isinstance(body, dict):
        body = named = {name: value for name, value in body.items() if name not in unsaid}
    given = {name: value for name, value in (case.query or {}).items() if name not in (*named, *unsaid)}
    case.body, case.query = body, given | ({"model": MODELS[case.path]} if case.path in MODELS else {}) | fitting
    case.path_parameters = {name: PATH.get(name, value) for name, value in (case.path_parameters or {}).items()}
    return case
