"""What a picture says of itself: the recipe that makes it again, and that a machine made it.

Written as XMP, the one metadata block that PNG, JPEG and WebP share; `recipe_of` reads it back from any of them.
"""

from functools import cached_property
from importlib.metadata import version
from io import BytesIO
from typing import Annotated
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.errors import Problem
from app.media import headers

SOFTWARE = f"Ganymede {version('ganymede')}"
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model; search engines and platforms label pictures by it."""

NAMESPACE = "urn:ganymede:xmp#"

# The packet's wrapper and its id are fixed by the XMP specification, part 1, section 7.3.2.
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    f' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:ganymede="{NAMESPACE}">'
    f"<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    "<xmp:CreatorTool>%s</xmp:CreatorTool><ganymede:recipe>%s</ganymede:recipe>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
"""The packet, with places for the software and the recipe."""


LARGEST = 2_000_000
"""Bytes of a packet that are read; those of the service are far shorter."""


class RecipeError(ValueError):
    """A file that no recipe can be read from; the message says whether it is no picture or carries none."""


class Provenance(BaseModel):
    """Which model made something, and with what: the base of what stands in a file that the service made.

    `digest` is the SHA-256 of the model, so that a recipe can't silently be followed with other weights. Fields that
    this version doesn't know are left out on reading: pictures outlive versions.
    """

    model_config = ConfigDict(frozen=True, validate_by_name=True, serialize_by_alias=True)

    model: str
    version: int
    digest: str
    software: str = SOFTWARE

    @cached_property
    def json_text(self) -> str:
        """The recipe as one line of ASCII JSON: safe in XML, in headers and in every text chunk."""
        return self.model_dump_json(exclude_none=True, ensure_ascii=True)

    @cached_property
    def xmp(self) -> bytes:
        """The XMP packet of a generated picture: its recipe, its software and its digital source type."""
        return (PACKET % (escape(self.software), escape(self.json_text))).encode()


class Recipe(Provenance):
    """What it takes to draw a picture again, or a sheet of `n` pictures in `columns`.

    With `best_of`, those are the best of so many times `n`, by the model's critic.
    """

    seed: int
    index: int = 0
    n: int = 1
    columns: int | None = None
    class_: Annotated[str | None, Field(alias="class")] = None
    truncation: float = 1
    best_of: int | None = None
    stage: int | None = None


class Derivation(Provenance):
    """What it takes to make something again that is no sample of a seed: the verb and its parameters.

    `source` is the SHA-256 of the file that was sent with the request; it takes that file, too.
    """

    verb: str
    source: str | None = None
    parameters: dict[str, str | int | float] = {}


KINDS: TypeAdapter[Recipe | Derivation] = TypeAdapter(Recipe | Derivation)
"""What a file's metadata may hold; the fields that each must have tell them apart."""


def recipe_of(data: bytes) -> Recipe | Derivation:
    """The recipe in a PNG, JPEG or WebP file.

    Reads headers only, never pixels. Raises `RecipeError` if the bytes are no such picture, or carry no recipe.
    """
    try:
        headers.read(data)
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            packet = picture.info.get("xmp")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Problem) as error:
        raise RecipeError("not a PNG, JPEG or WebP picture") from error
    if not packet:
        raise RecipeError("the picture carries no metadata (XMP), so no recipe; was it edited or converted?")
    try:
        return KINDS.validate_json(_text(packet))
    except ValidationError as error:
        raise RecipeError("the picture carries a recipe that can't be read") from error


def _text(packet: bytes) -> str:
    """The recipe's JSON in an XMP packet, be it an element, as we write it, or an attribute, as some editors do."""
    if len(packet) > LARGEST:
        raise RecipeError(f"the picture's metadata (XMP) has {len(packet)} bytes; {LARGEST} are read")
    try:
        xml = packet.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError("the picture's metadata (XMP) is no UTF-8") from error
    # Entities are the one way in which a small XML text can grow without bound, and no XMP packet declares any.
    if "<!" in xml:
        raise RecipeError("the picture's metadata (XMP) declares a document type, which XMP never does")
    try:
        root = ElementTree.fromstring(xml.rstrip("\0 "))  # noqa: S314
    except ElementTree.ParseError as error:
        raise RecipeError(f"the picture's metadata (XMP) is broken: {error}") from error
    key = f"{{{NAMESPACE}}}recipe"
    for element in root.iter():
        if text := element.get(key) or (element.text if element.tag == key else None):
            return text
    raise RecipeError("the picture's metadata (XMP) holds no recipe; was it made by this service?")
