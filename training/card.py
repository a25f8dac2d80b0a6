"""The model card: the manifest, told to people. A pure function of the manifest, so the two can't drift apart."""

from app.contract import Manifest, Metric

_LIMITS = {
    "pictures": "The pictures resemble the training set and inherit its biases and gaps. They are not photographs of "
    "anything, and every one that the service sends is marked as made by a machine.",
    "sound": "The model knows the voices and the noises of its training set; others it may damp or let through.",
}


def render(manifest: Manifest) -> str:
    """The card as Markdown."""
    return (
        "\n\n".join(
            filter(None, [_head(manifest), _numbers(manifest), _training(manifest), manifest.notes, _limits(manifest)])
        )
        + "\n"
    )


def _head(manifest: Manifest) -> str:
    lines = [f"# {manifest.title}", f"`{manifest.reference}` · {', '.join(manifest.tasks)}", "![samples](samples.png)"]
    if manifest.classes:
        lines.append(
            f"Classes: {', '.join(manifest.classes)}. Each row of the picture is a class, each column a latent."
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
    if manifest.tasks == ("generate",):
        return "Unconditional. The picture shows samples 0 to 63 of seed 0, none chosen."
    return "The picture shows examples that training never saw, none chosen, and what the model makes of them."


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


def _training(manifest: Manifest) -> str:
    training = manifest.training
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


def _limits(manifest: Manifest) -> str:
    return "\n\n".join(
        [
            "## Limits and licence",
            _LIMITS["sound" if "enhance" in manifest.tasks else "pictures"],
            f"Data: {manifest.licence.data}. Weights: {manifest.licence.weights}.",
        ]
    )
