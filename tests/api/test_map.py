"""`/models/{reference}/map` draws what a generator makes of a plane of its latent space."""

from io import BytesIO
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from starlette.testclient import TestClient

from app import contract, latents
from app.engine import providers
from app.media.provenance import recipe_of
from tests import toy
from tests.api.conftest import Serve, count
from tests.api.test_generate import pixels
from tests.toy import LATENT, SIDE

MAP = "/models/codes@1/map"


def at(studio_dir: Path, **values: float) -> np.ndarray:
    """What `codes` draws where some values of the latent are given and all others 0."""
    latent = np.zeros((1, LATENT), np.float32)
    for name, value in values.items():
        latent[0, int(name[1:])] = value
    [image] = providers.load((studio_dir / "codes" / "1" / "generator.onnx").read_bytes()).run(["image"], {"z": latent})
    return image[0]


def test_a_map_is_a_sheet_of_the_plane_through_the_mean(studio: TestClient, studio_dir: Path) -> None:
    answer = studio.get(f"{MAP}?rows=3&columns=5&extent=2")
    sheet = pixels(answer.content)
    assert answer.headers["content-type"] == "image/png"
    assert sheet.shape == (3 * SIDE, 5 * SIDE, 3)
    cells = sheet.reshape(3, SIDE, 5, SIDE, 3).swapaxes(1, 2)
    np.testing.assert_array_equal(cells[1, 2], at(studio_dir))
    np.testing.assert_array_equal(cells[1, 4], at(studio_dir, z0=2))
    np.testing.assert_array_equal(cells[1, 1], at(studio_dir, z0=-1))
    np.testing.assert_array_equal(cells[0, 2], at(studio_dir, z1=2))
    np.testing.assert_array_equal(cells[2, 0], at(studio_dir, z0=-2, z1=-2))


def test_without_an_extent_each_picture_stands_for_an_equal_share(studio: TestClient, studio_dir: Path) -> None:
    cells = np.load(BytesIO(studio.get(f"{MAP}?rows=2&columns=4&format=npy").content))
    assert cells.shape == (2, 4, SIDE, SIDE, 3)
    share = NormalDist().inv_cdf
    np.testing.assert_array_equal(cells[1, 0], at(studio_dir, z0=share(1 / 8), z1=share(1 / 4)))
    np.testing.assert_array_equal(cells[0, 2], at(studio_dir, z0=share(5 / 8), z1=share(3 / 4)))


def test_other_dimensions_are_chosen_by_number(studio: TestClient, studio_dir: Path) -> None:
    cells = np.load(BytesIO(studio.get(f"{MAP}?rows=1&columns=3&extent=1&dimensions=7,2&format=npy").content))
    np.testing.assert_array_equal(cells[0, 2], at(studio_dir, z7=1))
    cells = np.load(BytesIO(studio.get(f"{MAP}?rows=3&columns=1&extent=1&dimensions=7,2&format=npy").content))
    np.testing.assert_array_equal(cells[0, 0], at(studio_dir, z2=1))


def test_as_many_pictures_as_fit_up_to_eight_by_eight(studio: TestClient, serve: Serve, studio_dir: Path) -> None:
    assert pixels(studio.get(MAP).content).shape == (8 * SIDE, 8 * SIDE, 3)
    assert pixels(serve(models=studio_dir, max_samples=30).get(MAP).content).shape == (5 * SIDE, 5 * SIDE, 3)


def test_every_place_is_the_nearest_to_as_many_samples() -> None:
    quantiles = latents.quantiles(64)
    drawn = latents.noise(0, range(10_000), 2)
    for axis in drawn.T:
        counts = np.histogram(axis, np.concatenate([[-np.inf], (quantiles[1:] + quantiles[:-1]) / 2, [np.inf]]))[0]
        assert 0.5 < counts.min() / counts.mean() < counts.max() / counts.mean() < 1.5


def test_a_class_is_drawn_all_over_the_map(studio: TestClient, studio_dir: Path) -> None:
    answer = studio.get("/models/mixing/map?rows=1&columns=1&class=owl:1,cat:1")
    folder = studio_dir / "mixing" / "1"
    label = contract.read(folder).graphs["generator"].input("label").labels([{0: 1.0, 2: 1.0}])
    given = {"z": np.zeros((1, LATENT), np.float32), "label": label}
    [image] = providers.load((folder / "generator.onnx").read_bytes()).run(["image"], given)
    np.testing.assert_array_equal(pixels(answer.content), image[0])
    assert answer.headers["x-class"] == "cat:1,owl:1"


def test_a_pinned_map_may_be_kept_for_ever(studio: TestClient) -> None:
    same = {"X-Request-ID": "same"}
    answer = studio.get(f"{MAP}?rows=2&columns=2", headers=same)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    location = answer.headers["content-location"]
    assert location == "/models/codes@1/map?rows=2&columns=2&dimensions=0,1&format=png"
    drawn = count(studio, "ganymede_images_total", model="codes@1")
    assert studio.get(location, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    head = studio.head(f"{MAP}?rows=2&columns=2", headers=same)
    assert dict(head.headers).items() <= dict(answer.headers).items()
    assert count(studio, "ganymede_images_total", model="codes@1") == drawn
    assert studio.get(location).content == answer.content


def test_a_map_of_the_newest_version_is_asked_for_again(studio: TestClient) -> None:
    answer = studio.get("/models/judged/map?class=2&rows=1&columns=2&extent=0.5&format=webp")
    assert answer.headers["cache-control"] == "public, no-cache"
    location = answer.headers["content-location"]
    assert location == "/models/judged@1/map?class=owl&rows=1&columns=2&dimensions=0,1&extent=0.5&format=webp"
    assert studio.get(location).content == answer.content


@pytest.mark.parametrize("change", ["&rows=3", "&columns=3", "&dimensions=1,0", "&extent=1", "&format=webp"])
def test_every_parameter_has_a_tag_of_its_own(studio: TestClient, change: str) -> None:
    assert studio.head(f"{MAP}?timeout=3{change}").headers["etag"] != studio.head(MAP).headers["etag"]


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_a_map_says_how_it_was_drawn(studio: TestClient, file_format: str) -> None:
    answer = studio.get(f"/models/judged/map?class=owl&rows=1&columns=2&extent=0.5&format={file_format}")
    recipe = recipe_of(answer.content)
    assert (recipe.verb, recipe.model, recipe.version) == ("map", "judged", 1)
    again = studio.get("/models/judged@1/map", params={**recipe.parameters, "format": file_format})
    assert again.content == answer.content
    assert answer.headers["content-disposition"] == f'inline; filename="judged-1_map.{file_format}"'


def test_a_model_links_to_its_map(studio: TestClient) -> None:
    assert studio.get(studio.get("/models/codes").json()["links"]["map"]).status_code == 200


TWO = "dimensions: must be two different ones of 0 to 7, such as 0,1, not"


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("codes/map?dimensions=0,8", 422, f"{TWO} '0,8'"),
        ("codes/map?dimensions=0,0", 422, f"{TWO} '0,0'"),
        ("codes/map?dimensions=0", 422, f"{TWO} '0'"),
        ("codes/map?dimensions=0,1,2", 422, f"{TWO} '0,1,2'"),
        ("codes/map?dimensions=-1,2", 422, f"{TWO} '-1,2'"),
        ("codes/map?dimensions=a,b", 422, f"{TWO} 'a,b'"),
        ("codes/map?dimensions=", 422, f"{TWO} ''"),
        ("codes/map?rows=0", 422, 'rows: must be an integer from 1 to 64, not "0"'),
        ("codes/map?columns=65", 422, 'columns: must be an integer from 1 to 64, not "65"'),
        (
            "codes/map?rows=8&columns=9",
            422,
            "rows: 8 rows × 9 columns = 72 pictures would be drawn, and 64 may be; ask for fewer rows or columns",
        ),
        ("codes/map?extent=0", 422, 'extent: must be a number above 0 and up to 100, not "0"'),
        ("codes/map?extent=nan", 422, 'extent: must be a number above 0 and up to 100, not "nan"'),
        ("codes/map?format=json", 422, 'format: must be one of png, jpeg, webp, npy, not "json"'),
        ("codes/map?model=clouds", 422, "model: is named by the path; leave it out of the query"),
        ("judged/map", 422, "class: is missing: judged@1 draws by class; known: cat, dog, owl"),
        ("judged/map?class=cow", 404, "judged@1 has no class 'cow'; known: cat, dog, owl."),
        ("nobody/map", 404, "There is no model 'nobody'; known: clouds@1, codes@1, judged@1, mixing@1."),
    ],
)
def test_what_can_not_be_mapped_is_refused_in_words(studio: TestClient, path: str, status: int, message: str) -> None:
    answer = studio.get(f"/models/{path}")
    assert (answer.status_code, answer.json()["detail"]) == (status, message)


def test_a_sheet_that_its_format_can_not_hold_is_refused_before_it_is_drawn(serve: Serve, tmp_path: Path) -> None:
    toy.build(tmp_path, "codes", classes=())
    client = serve(models=tmp_path, max_samples=4096)
    drawn = count(client, "ganymede_images_total", model="codes@1")
    answer = client.get(f"{MAP}?rows=1&columns=1024&format=webp")
    message = "columns: makes a sheet of 16384 pixels a side, webp holds 16383; use png, or fewer samples"
    assert (answer.status_code, answer.json()["detail"]) == (422, message)
    assert count(client, "ganymede_images_total", model="codes@1") == drawn
