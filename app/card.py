"""The model card: the manifest, told to people. A pure function of the manifest, so the two can't drift apart.

Written by whoever writes a model folder: the exporter, the evaluation, and `app.elsewhere`.
"""

from app.contract import Manifest, Metric, Origin, Tensor, Training

DIRECTIONS = "directions.png"
"""The sheet of the directions."""

_FOUND = {
    "sefa": "in closed form from the first layer's weight (SeFa)",
    "pca": "from the principal components of early features (GANSpace)",
}
_LIMITS = {
    "pictures": "The pictures resemble the training set and inherit its biases and gaps. They are not photographs of "
    "anything, and every one that the service sends is marked as made by a machine.",
    "elsewhere": "What the model was trained on, and what it can't do, only its makers know. Every picture that the "
    "service sends is marked as made by a machine.",
    "sound": "The model knows the voices and the noises of its training set; others it may damp or let through.",
}


def render(manifest: Manifest) -> str:
    """The card as Markdown."""
    parts = [_head, _directions, _numbers, _provenance, _notes, _limits]
    return "\n\n".join(filter(None, (part(manifest) for part in parts))) + "\n"


def _head(manifest: Manifest) -> str:
    lines = [f"# {manifest.title}", f"`{manifest.reference}` · {', '.join(manifest.tasks)}", "![samples](samples.png)"]
    if manifest.classes:
        rows = "class in one of its two stages" if "stage1" in manifest.graphs else "class"
        lines.append(
            f"Classes: {', '.join(manifest.classes)}. Each row of the picture is a {rows}, each column a latent."
        )
    else:
        lines.append(_caption(manifest))
    if "generate" not in manifest.tasks:
        return "\n\n".join(lines)
    first = manifest.classes[min(5, len(manifest.classes) - 1)] if manifest.classes else None
    query = f"model={manifest.reference}" + (f"&class={first}" if first else "") + "&seed=42"
    lines.append(f"```sh\ncurl 'http://localhost:8000/generate?{query}' -o picture.png\n```")
    return "\n\n".join(lines)


def _caption(manifest: Manifest) -> str:
    if manifest.origin and manifest.tasks != ("generate",):
        return (
            "The picture shows patchworks that were drawn from a seed, and what the model makes of them: whoever added "
            "it gave no pictures of what it is for."
        )
    if manifest.origin:
        return "Unconditional. The picture shows the first samples of seed 0, none chosen."
    if manifest.tasks == ("generate",):
        return "Unconditional. The picture shows samples 0 to 63 of seed 0, none chosen."
    return "The picture shows examples that training never saw, none chosen, and what the model makes of them."


def _directions(manifest: Manifest) -> str:
    if not manifest.directions:
        return ""
    rows = [_line(["direction", "found", "from", "to"]), "|---|---|---|---|"]
    for direction in manifest.directions:
        ends = [f"{end:g}" for end in direction.range]
        rows.append(_line([f"`{direction.name}`", _FOUND[direction.kind], *ends]))
    return "\n\n".join(
        [
            "## Directions",
            f"![directions]({DIRECTIONS})",
            "Ways through the latent space along which pictures change. Each row of the picture is one, and moves the "
            "same samples of seed 0, in even steps from the least to the most amount; the middle one is untouched. "
            "Amounts are standard deviations of the prior. A name with a number says how a direction was found, and "
            "its rank there; people gave the others.",
            "\n".join(rows),
        ]
    )


def _numbers(manifest: Manifest) -> str:
    if not manifest.metrics:
        return ""
    beside = any(metric.others for metric in manifest.metrics)
    head = ["measure", "model", "real against real", *(["beside"] if beside else [])]
    rows = [_line(head), "|" + "---|" * len(head), *(_line(_cells(m, beside=beside)) for m in manifest.metrics)]
    protocols = dict.fromkeys(metric.protocol for metric in manifest.metrics)
    listed = "\n".join(f"* {protocol}" for protocol in protocols)
    return "## Numbers\n\n" + "\n".join(rows) + "\n\nHow they were measured, with `ganymede evaluate`:\n\n" + listed


def _cells(metric: Metric, *, beside: bool) -> list[str]:
    floor = "" if metric.floor is None else f"{metric.floor:.4g}"
    others = ", ".join(f"{name} {value:.4g}" for name, value in metric.others.items())
    return [metric.name, f"{metric.value:.4g}", floor, *([others] if beside else [])]


def _line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _provenance(manifest: Manifest) -> str:
    """Where the weights come from."""
    if manifest.training:
        return _trained(manifest, manifest.training)
    return _added(manifest, manifest.origin) if manifest.origin else ""


def _added(manifest: Manifest, origin: Origin) -> str:
    """Of a graph that was made elsewhere: all that is known of it."""
    by = f", written by {origin.producer}" if origin.producer else ""
    source = f" It comes from {origin.source}." if origin.source else ""
    generator = manifest.graphs["generator"]
    held = [
        _line(["tensor", "means", "held as", "layout", "range"]),
        "|" + "---|" * 5,
        *(_line(_held(tensor)) for tensor in (*generator.inputs, *generator.outputs)),
    ]
    own = "The graph draws noise of its own: the same seed gives other pictures each time." if generator.random else ""
    return "\n\n".join(
        filter(
            None,
            [
                "## Origin",
                f"Made elsewhere and added as `{origin.file}`{by} on {origin.date}.{source} How it was trained isn't "
                "known here.",
                "\n".join(held),
                own,
            ],
        )
    )


def _held(tensor: Tensor) -> list[str]:
    held = tensor.foreign or tensor
    values = "" if held.range is None else f"{held.range[0]:g} to {held.range[1]:g}"
    shape = ", ".join(map(str, held.shape))
    return [tensor.name, tensor.meaning, f"{held.dtype} [{shape}]", held.layout or "", values]


def _trained(manifest: Manifest, training: Training) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in sorted(training.settings.items()))
    return "\n\n".join(
        [
            "## Training",
            f"Recipe `{training.recipe}` on {training.data}: {training.images:,} real {_seen(manifest)} seen in "
            f"{training.seconds / 60:.0f} minutes on {training.device}, seed {training.seed}, exported "
            f"{training.date} by code {training.revision}.",
            f"Settings: {settings}.",
        ]
    )


def _seen(manifest: Manifest) -> str:
    return "clips" if {"enhance", "predict"} & set(manifest.tasks) else "pictures"


def _notes(manifest: Manifest) -> str:
    return manifest.notes


def _limits(manifest: Manifest) -> str:
    kind = "sound" if "enhance" in manifest.tasks else "pictures"
    return "\n\n".join(
        [
            "## Limits and licence",
            _LIMITS["elsewhere" if manifest.origin else kind],
            f"Data: {manifest.licence.data}. Weights: {manifest.licence.weights}.",
        ]
    )
