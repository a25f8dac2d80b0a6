"""Keys and their files, for tests of a service that asks for them."""

from pathlib import Path

from app.access.keys import Key, Keys, Quota, new_token


def key(name: str, *scopes: str, **quota: float) -> tuple[str, Key]:
    """A token and its key."""
    token, kept = new_token()
    return token, Key(name=name, scopes=scopes, tokens=(kept,), quota=Quota(**quota))


def written(file: Path, *keys: Key) -> Path:
    """The file, with these keys."""
    file.write_text(Keys(keys=keys).model_dump_json())
    return file
