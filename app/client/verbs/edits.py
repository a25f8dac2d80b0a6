"""Samples and pictures, changed along directions of a model's latent space."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from .. import answers, payloads
from ..answers import Edited
from ..calls import JSON, Call, Priority, given
from ..payloads import Picture
from ..stops import Class, class_text

Amount = float | tuple[float, float]
"""How far along a direction, in standard deviations of the prior; two are from where to where a sequence goes."""


def edit(
    directions: Mapping[str, Amount],
    class_: Class | None = None,
    *,
    picture: Picture | None = None,
    latents: ArrayLike | None = None,
    model: str | None = None,
    n: int | None = None,
    seed: int | None = None,
    index: int | None = None,
    truncation: float | None = None,
    steps: int | None = None,
    timeout: float | None = None,
    priority: Priority | None = None,
) -> Call[list[Edited]]:
    """Move samples of a seed, drawn as `generate` does, along directions that the model lists, each by its amount.

    Of two amounts, or with `steps`, each sample comes in a sequence of so many pictures: from the first amount to the
    second, or from 0 to the only one. In place of a seed there may be a `picture`, where the model has an encoder, or
    `latents`, [n, size] or one of [size]: not both. `ValueError` for what is no array of numbers, and for both.
    """
    if picture is not None and latents is not None:
        raise ValueError("an edit begins at a picture or at latents, not at both")
    parameters = given(
        model=model,
        directions=",".join(f"{name}:{_text(amount)}" for name, amount in directions.items()),
        class_=class_text(class_),
        n=n,
        seed=seed,
        index=index,
        truncation=truncation,
        steps=steps,
        timeout=timeout,
        priority=priority,
        latents=None if latents is None else payloads.numbers(latents).tolist(),
        format="json",
    )
    file = None if picture is None else payloads.picture(picture)
    return Call("POST", "/edit", JSON, answers.edited, parameters, file)


def _text(amount: Amount) -> str:
    """One amount, or two, as a text."""
    return "..".join(map(str, amount)) if isinstance(amount, tuple) else str(amount)
