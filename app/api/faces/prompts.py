"""What a prompt means to models that know classes, not language: the model and the class that it names.

Names are found in a prompt word by word, whatever the case, in the singular or a simple plural; all else in it is
passed over, `not` included. Used by the OpenAI face.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

from app.contract import Manifest
from app.engine.model import LiveModel
from app.errors import InvalidParameter

Word = frozenset[str]
"""What a word may be the plural of, itself included: two words are the same if these have something in common."""

WORD = re.compile(r"[^\W_]+")

ENDINGS = (("s", ""), ("es", ""), ("ies", "y"))
"""English plurals, from the plural's ending to the singular's."""

SHORT = 3
"""Letters of words that are taken as they are: "is" and "gas" are no plurals."""

LISTED = 40
"""Classes that an error shows."""


class Prompt:
    """The words of a prompt, and where each stands."""

    def __init__(self, text: str) -> None:
        self._words = _words(text)
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self._words):
            for form in word:
                self._places[form].append(place)

    def place(self, name: str) -> int | None:
        """Where the words of a name stand in the prompt for the first time, one after the other; None if nowhere."""
        words = _name(name)
        starts = {start for form in words[0] for start in self._places.get(form, ())} if words else ()
        return next((start for start in sorted(starts) if self._has(words, start)), None)

    def first(self, names: Iterable[str]) -> str | None:
        """The name that comes first in the prompt, of several at one place the longest; None if it has none."""
        found = [(place, -len(_name(name)), name) for name in names if (place := self.place(name)) is not None]
        return min(found)[-1] if found else None

    def named(self, manifest: Manifest) -> int:
        """In how many words the prompt names a model: by its name, its title, or what its title has before a comma or
        colon; 0 if it doesn't.
        """
        names = (manifest.name, manifest.title, re.split("[,:]", manifest.title)[0])
        return max(len(_name(name)) if self.place(name) is not None else 0 for name in names)

    def _has(self, words: Sequence[Word], start: int) -> bool:
        there = self._words[start : start + len(words)]
        return len(there) == len(words) and all(one & other for one, other in zip(words, there, strict=True))


def meant(prompt: str, models: Sequence[LiveModel]) -> tuple[LiveModel, str | None]:
    """Which of one or more models a prompt means, and which class; None where any class will do.

    That is the first model with a class that the prompt names, rather one that it names itself, too; or else the one
    that it names. Where there is one only, and it has no classes, it means that, whatever it says.
    Raises `InvalidParameter` with the names that there are.
    """
    if len(models) == 1 and not models[0].manifest.classes:
        return models[0], None
    asked = Prompt(prompt)
    found = [(live, asked.first(live.manifest.classes), asked.named(live.manifest)) for live in models]
    live, class_name, words = max(found, key=lambda one: (one[1] is not None, one[2]))
    if class_name is None and not words:
        raise InvalidParameter.of("prompt", _nothing_named(models))
    return live, class_name


def _nothing_named(models: Sequence[LiveModel]) -> str:
    manifests = [live.manifest for live in models]
    classes = list(dict.fromkeys(name for manifest in manifests for name in manifest.classes))
    known = ", ".join(classes[:LISTED]) + (f" and {len(classes) - LISTED} more" if len(classes) > LISTED else "")
    if len(manifests) == 1:
        only = manifests[0]
        return f"must name a class of {only.reference}, which has {known}; or the model, {only.name}, for any of them"
    names = ", ".join(dict.fromkeys(manifest.name for manifest in manifests))
    return f"must name a class or a model; classes: {known or 'none'}; models: {names}"


def _words(text: str) -> tuple[Word, ...]:
    return tuple(map(_forms, WORD.findall(text.casefold())))


# Of names only, which are few: prompts are the clients'.
_name = lru_cache(maxsize=4096)(_words)


def _forms(word: str) -> Word:
    plurals = ENDINGS if len(word) > SHORT else ()
    return frozenset([word, *(word.removesuffix(end) + singular for end, singular in plurals if word.endswith(end))])
