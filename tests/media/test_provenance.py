"""A picture carries what is needed to make it again, in every format, and says that a machine made it."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.media import images
from app.media.provenance import DIGITAL_SOURCE_TYPE, NAMESPACE, SOFTWARE, Recipe, RecipeError, recipe_of

FORMATS: list[images.Format] = ["png", "jpeg", "webp"]
RECIPE = Recipe(
    model="toy", version=3, digest="ab" * 32, seed=2**53 - 1, index=5, class_="Füße & <paws> 🐾", truncation=0.7
)
PIXELS = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_recipe_comes_back_from_every_format(file_format: images.Format) -> None:
    assert recipe_of(images.encode(PIXELS, file_format, RECIPE)) == RECIPE


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_names_the_iptc_digital_source_type(file_format: images.Format) -> None:
    with Image.open(BytesIO(images.encode(PIXELS, file_format, RECIPE))) as picture:
        packet = picture.info["xmp"]
    element = f"<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    assert element.encode() in packet


def test_a_png_shows_its_recipe_as_readable_text() -> None:
    with Image.open(BytesIO(images.encode(PIXELS, "png", RECIPE))) as picture:
        text = picture.info
    assert json.loads(text["Recipe"])["class"] == "Füße & <paws> 🐾"
    assert text["Software"] == SOFTWARE


def test_a_recipe_names_only_what_matters() -> None:
    recipe = Recipe(model="toy", version=1, digest="0" * 64, seed=7)
    assert set(json.loads(recipe.json_text)) == {
        "model", "version", "digest", "seed", "index", "n", "truncation", "software",
    }  # fmt: skip


def test_a_recipe_with_fields_of_a_later_version_is_read() -> None:
    later = json.loads(RECIPE.json_text) | {"style": "later"}
    packet = RECIPE.xmp.replace(xmp_json(RECIPE), json.dumps(later).replace("&", "&amp;").replace("<", "&lt;").encode())
    assert recipe_of(jpeg_with(packet)) == RECIPE


def test_a_recipe_that_an_editor_rewrote_as_an_attribute_is_read() -> None:
    value = xmp_json(RECIPE).replace(b'"', b"&quot;").decode()
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:g="{NAMESPACE}" g:recipe="{value}"/></rdf:RDF></x:xmpmeta>'
    )
    assert recipe_of(jpeg_with(packet.encode())) == RECIPE


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (b"", "carries no metadata"),
        (b"<a/>", "holds no recipe"),
        (b"<a>", "is broken"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares a document type"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"), "is no UTF-8"),
        (f'<a xmlns:g="{NAMESPACE}"><g:recipe>[]</g:recipe></a>'.encode(), "recipe that can't be read"),
    ],
)
def test_a_picture_without_a_recipe_says_why(packet: bytes, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe_of(jpeg_with(packet))


def test_more_metadata_than_any_recipe_takes_is_not_read() -> None:
    out = BytesIO()
    Image.new("RGB", (8, 8)).save(out, "webp", xmp=b"<a>" + b"<b/>" * 500_000 + b"</a>")
    with pytest.raises(RecipeError, match=r"\(XMP\) has 2000007 bytes; 2000000 are read"):
        recipe_of(out.getvalue())


def test_a_file_that_would_keep_a_decoder_busy_is_not_opened() -> None:
    data = jpeg_with(RECIPE.xmp)
    with pytest.raises(RecipeError, match="not a PNG, JPEG or WebP picture"):
        recipe_of(data[:2] + b"\xff\xe2\x00\x02" * 2000 + data[2:])


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\nnonsense", b"\xff\xd8\xff\xe0\x00"])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(RecipeError, match="not a PNG, JPEG or WebP picture"):
        recipe_of(data)


def xmp_json(recipe: Recipe) -> bytes:
    return recipe.xmp.split(b"<ganymede:recipe>")[1].split(b"</ganymede:recipe>")[0]


def jpeg_with(packet: bytes) -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 4)).save(out, "JPEG", xmp=packet)
    return out.getvalue()
