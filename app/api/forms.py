"""The form of an answer that holds pictures: a picture, a sheet of them, files apart, or bare numbers."""

from dataclasses import dataclass
from typing import Annotated, get_args

from pydantic import Field

from app.api.schemas import Format
from app.contract import Tensor
from app.errors import InvalidParameter
from app.media import images

PICTURES: tuple[images.Format, ...] = get_args(images.Format)
ALBUMS: tuple[Format, ...] = ("json", "zip", "ndjson", "multipart")
"""Formats that hold pictures apart, each a file."""
STREAMS: tuple[Format, ...] = ("ndjson", "multipart")
"""Albums whose pictures are sent as they are done."""

PictureForm = Annotated[
    images.Format | None, Field(description="form of each picture in json and zip; png if not given")
]


@dataclass(frozen=True)
class Form:
    """`format` is that of the answer, `picture` that of each picture, be it the answer or in it.

    `columns` is set when several pictures are laid in a sheet.
    """

    format: Format
    picture: images.Format
    columns: int | None


def form_of(file_format: Format, n: int, picture: images.Format | None, grid: int | None) -> Form:
    """The form in which `n` pictures are answered, where a form of each and a number of columns may be asked for.

    Raises `InvalidParameter` where the format has no place for what is asked for.
    """
    if picture is not None and file_format not in ALBUMS:
        message = f"only {', '.join(ALBUMS)} hold pictures of a form of their own, not {file_format}; leave picture out"
        raise InvalidParameter.of("picture", message)
    if file_format in PICTURES:
        columns = None if n == 1 else min(grid or images.square(n), n)
        return Form(file_format, file_format, columns)
    if grid is not None:
        message = f"only png, jpeg and webp are laid in a sheet, not {file_format}; leave grid out"
        raise InvalidParameter.of("grid", message)
    return Form(file_format, picture or "png", None)


def require_room(form: Form, n: int, image: Tensor, field: str = "grid") -> None:
    """Refuses a sheet of so many pictures that is too long a side for its format, before it is drawn in vain."""
    limit = images.LONGEST_SIDE.get(form.picture)
    if form.columns is None or limit is None:
        return
    _, height, width, _ = image.shape
    rows = -(-n // form.columns)
    sides = ((rows, height), (form.columns, width))
    longest = max((cells * side for cells, side in sides if isinstance(side, int)), default=0)
    if longest > limit:
        message = f"makes a sheet of {longest} pixels a side, {form.format} holds {limit}; use png, or fewer samples"
        raise InvalidParameter.of(field, message)


def require_short(said: int, picture: images.Format, field: str, fewer: str) -> None:
    """Refuses what takes more bytes of metadata than the format of its pictures holds, before it is drawn in vain."""
    longest = images.LONGEST_RECIPE.get(picture)
    if longest is not None and said > longest:
        message = f"take {said} bytes of metadata, {picture} holds {longest}; use png, or {fewer}"
        raise InvalidParameter.of(field, message)
