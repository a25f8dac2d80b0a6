"""What is the unpaired systems' own: content and domain measured together, a pool, a cycle, layers in common."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from torch import Tensor, nn

from app import contract
from tests.training import networks, runs, sources
from training import content, evaluation, features, graphs, runtime
from training.data import DataError
from training.evaluation import EvaluationError, Request
from training.nets.pool import Pool
from training.nets.translators import Couple, Crossing, Translator
from training.recipes import Batch
from training.recipes.cyclegan import CycleGan
from training.recipes.direct import Direct
from training.recipes.unit import HERE, THERE
from training.unpaired import distinct

RECIPES = ["cyclegan", "direct", "embedding", "unit"]


class Paint(nn.Module):
    """A translator that gives each picture one plain colour."""

    def __init__(self, colour: float) -> None:
        super().__init__()
        self.colour = colour

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.full_like(pictures, self.colour)


class Plus(nn.Module):
    """A translator that makes pictures lighter."""

    def __init__(self, light: float) -> None:
        super().__init__()
        self.light = light

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures + self.light


class Instead(nn.Module):
    """A translator that answers with other pictures."""

    def __init__(self, pictures: Tensor) -> None:
        super().__init__()
        self.pictures = pictures

    def forward(self, pictures: Tensor) -> Tensor:
        return self.pictures


class Colours(features.Features):
    """A network that sees pictures as they are, at an eighth of their size."""

    name, sha, channels = "colours", "0", (3, 3, 3, 3)

    def seen(self, side: int) -> int:
        return side

    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images + 1.1, 8)] * 4


def batch(count: int = 40) -> Batch:
    """Patches, dark ones to translate and lighter ones to resemble."""
    generator = torch.Generator().manual_seed(0)
    dark, light = (torch.randn(count, 3, 8, 8, generator=generator) * 0.3 + level for level in (-0.1, 0.1))
    real, given = (nn.functional.interpolate(patches, scale_factor=4) for patches in (light, dark))
    return Batch(real, None, given, step=0, progress=torch.zeros(()))


def test_a_translator_takes_any_multiple_of_four_and_each_picture_is_translated_alone() -> None:
    translator = Translator(size=32, channels=3, width=4, blocks=2).eval()
    pictures = torch.randn(3, 3, 20, 36)
    drawn = translator(pictures)
    assert drawn.shape == pictures.shape
    assert drawn.abs().max() <= 1
    torch.testing.assert_close(translator(pictures[1:2]), drawn[1:2])


@pytest.mark.parametrize(("sharing", "inner"), [(True, 1), (False, 2)])
def test_the_two_vaes_have_inner_blocks_in_common_or_each_its_own(sharing: bool, inner: int) -> None:
    couple = Couple(size=32, channels=3, width=4, blocks=1, sharing=sharing)
    for start in (HERE, THERE):
        couple.zero_grad()
        couple.decode(start, couple.encode(start, torch.randn(2, 3, 32, 32))).square().sum().backward()
        for blocks in (couple.last_encoders, couple.first_decoders):
            assert [block[0].conv1.weight.grad is not None for block in blocks] == [
                sharing or place == start for place in range(inner)
            ]
        for outer in (couple.downs, couple.ups):
            moved = [any(p.grad is not None for p in part.parameters()) for part in outer]
            assert moved == [place == start for place in (HERE, THERE)]


def test_encoders_and_decoders_cross_at_the_common_code() -> None:
    couple = Couple(size=32, channels=3, width=4, blocks=1, sharing=True).eval()
    pictures = torch.randn(2, 3, 32, 32)
    code = couple.encode(THERE, pictures)
    assert code.shape == (2, 8, 16, 16)
    assert torch.equal(Crossing(couple, THERE)(pictures), couple.decode(HERE, code))
    assert torch.equal(couple(pictures), couple.decode(THERE, couple.encode(HERE, pictures)))


def test_a_pool_shows_what_comes_until_it_is_full_and_older_pictures_half_of_the_time_then() -> None:
    torch.manual_seed(0)
    pool = Pool(8, 1, 2)
    numbered = torch.arange(400.0)[:, None, None, None].expand(-1, 1, 2, 2)
    assert torch.equal(pool(numbered[:8]), numbered[:8])
    shown = torch.cat([pool(part) for part in torch.split(numbered[8:], 4)])[:, 0, 0, 0]
    older = shown < torch.arange(8, 400)
    assert 0.4 < older.float().mean() < 0.6
    assert len(set(shown[older].tolist())) == older.sum()  # what was shown has left the pool


def test_a_pool_goes_on_from_its_state() -> None:
    first, second = Pool(4, 1, 2), Pool(4, 1, 2)
    first(torch.randn(6, 1, 2, 2))
    second.load_state_dict(first.state_dict())
    after = []
    for pool in (first, second):
        torch.manual_seed(1)
        after.append(pool(torch.ones(6, 1, 2, 2)))
    assert torch.equal(*after)


def test_content_that_stays_has_moved_by_nothing_and_that_of_other_pictures_by_one(tmp_path: Path) -> None:
    network = features.load(networks.squeezenet(tmp_path))
    pictures = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for by in (network, None):
        assert content.moved(pictures, pictures, by) < 1e-4
        assert content.moved(pictures, pictures.roll(8, 0), by) == pytest.approx(1, abs=1e-4)
        slightly = content.moved(pictures, pictures + 0.1 * torch.randn_like(pictures), by)
        assert 0 < slightly < 0.9


def test_each_picture_is_measured_once_and_those_that_are_left_out_are_any() -> None:
    shades = torch.linspace(-1, 1, 40).view(40, 1, 1, 1).expand(40, 1, 4, 4)
    once = distinct(shades.repeat(3, 1, 1, 1))
    assert torch.equal(once.sort(dim=0).values, shades)
    assert abs(float(once[:20].mean())) < 0.3
    assert torch.equal(once, distinct(shades))


def test_not_to_move_is_measured_as_bad_as_to_lose_all_content_and_both_as_worse_than_both_kept() -> None:
    given = batch()

    def measured(translate: nn.Module) -> float:
        return Direct().measure({"generator": translate}, given).value

    assert measured(nn.Identity()) == pytest.approx(1, abs=1e-3)
    assert measured(Instead(given.real)) == pytest.approx(1, abs=0.2)
    assert measured(Plus(0.2)) < 0.6
    assert measured(Paint(0.1)) > 0.8


@pytest.mark.parametrize("name", RECIPES)
def test_the_constraint_is_all_that_tells_the_systems_apart(name: str, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path / "run")
    told = set(run.recipe.terms("generator", run.networks, run.fetch(np.arange(4))))
    constraints = {
        "direct": set(),
        "embedding": {"keep"},
        "cyclegan": {"cycle", "identity", "inverse fool"},
        "unit": {"cycle", "reconstruct", "divergence", "inverse fool"},
    }
    assert told == {"fool"} | constraints[name]


def test_what_a_frozen_network_sees_is_kept_and_the_rest_is_free(tmp_path: Path) -> None:
    weights = networks.squeezenet(tmp_path)
    run = runs.run("embedding", tmp_path / "run", features=weights, size=64, batch=4)
    given = run.fetch(np.arange(4))
    kept = run.recipe.terms("generator", {**run.networks, "generator": nn.Identity()}, given)["keep"]
    lost = run.recipe.terms("generator", {**run.networks, "generator": Paint(0.0)}, given)["keep"]
    assert kept < 1e-4 < lost


def test_translators_that_undo_each_other_pay_nothing_for_the_cycle() -> None:
    class Negative(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return -pictures

    class Anything(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.mean((1, 2, 3))

    critics = {"critic": Anything(), "inverse_critic": Anything()}
    recipe, given = CycleGan(identity=2), batch(4)
    both = recipe.terms("generator", {"generator": Negative(), "inverse": Negative(), **critics}, given)
    one = recipe.terms("generator", {"generator": Negative(), "inverse": nn.Identity(), **critics}, given)
    assert both["cycle"] == 0
    assert one["cycle"] > 1
    untouched = recipe.terms("generator", {"generator": nn.Identity(), "inverse": nn.Identity(), **critics}, given)
    assert untouched["identity"] == 0 < both["identity"]


def test_the_discriminators_of_a_cycle_are_shown_pictures_of_the_pool_and_the_translators_their_own(
    tmp_path: Path,
) -> None:
    run = runs.run("cyclegan", tmp_path / "run", batch=4, pool=4)
    given = run.fetch(np.arange(4))
    run.recipe.terms("critic", run.networks, given)
    for name, pictures in (("pool", given.given), ("inverse_pool", given.real)):
        translator = run.networks["generator" if name == "pool" else "inverse"]
        torch.testing.assert_close(run.networks[name].pictures, translator(pictures), atol=1e-4, rtol=1e-3)
    before = {name: run.networks[name].pictures.clone() for name in ("pool", "inverse_pool")}
    run.recipe.terms("generator", run.networks, given)
    assert all(torch.equal(run.networks[name].pictures, kept) for name, kept in before.items())


@pytest.mark.parametrize("name", ["cyclegan", "unit"])
def test_both_ways_are_served_each_under_the_style_that_it_leads_to(name: str, tmp_path: Path) -> None:
    run = runs.run(name, tmp_path / "run")
    assert run.recipe.styles() == {"monet": "generator", "photo": "inverse"}
    made = {export.role: export for export in run.recipe.exports(run.served)}
    assert set(made) == {"generator", "inverse"}
    labels = [panel.label for panel in run.observe(run.recipe.preview, 8)]
    assert labels == ["photo", "as monet", "and back", "monet", "as photo", "and back"]
    given = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    there, back = (made[role].module.eval()(given) for role in ("generator", "inverse"))
    assert not torch.equal(there, back)


def test_a_style_has_the_name_of_its_folder_in_the_letters_that_are_served() -> None:
    assert Direct(target="Claude Monet (1890)").styles() == {"claude-monet-1890": "generator"}
    assert list(CycleGan(source="_Photos.JPG", target="Ukiyo_e").styles()) == ["ukiyo_e", "photos-jpg"]
    (long,) = Direct(target=100 * "x").styles()
    assert long == 64 * "x"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("photo", "--", "'--' can't name a style: rename the folder"),
        ("Monet", "monet", "'Monet' and 'monet' would both be the style 'monet': rename a folder"),
    ],
)
def test_folders_that_name_no_styles_are_an_error_before_the_first_step(
    source: str, target: str, said: str, tmp_path: Path
) -> None:
    sources.domains(tmp_path / "made")
    (tmp_path / "data").mkdir()
    for made, name in (("photo", source), ("monet", target)):
        (tmp_path / "made" / made).rename(tmp_path / "data" / name)
    with pytest.raises(DataError, match=said):
        runs.run("unit", tmp_path / "run", data=str(tmp_path / "data"), source=source, target=target)


def test_a_served_translator_takes_other_sizes_too_and_says_which(tmp_path: Path) -> None:
    run = runs.run("unit", tmp_path / "run")
    made = next(export for export in run.recipe.exports(run.served) if export.role == "inverse")
    graph = graphs.write(made, tmp_path, 0, half=True)
    assert (graph.inputs[0].multiple, graph.inputs[0].sample) == (4, (32, 32, 3))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 20, 44, 3), np.uint8)
    (image,) = runtime.load((tmp_path / graph.file).read_bytes()).run(["image"], {"picture": pictures})
    assert (image.shape, image.dtype) == (pictures.shape, np.uint8)
    with torch.no_grad():
        expected = made.module.eval()(torch.from_numpy(pictures)).numpy()
    assert np.abs(image.astype(int) - expected).max() <= 2  # the graph's weights are rounded to half precision


def model(folder: Path, data: Path, roles: dict[str, str], **settings: str) -> Request:
    """A model whose graphs are single operators of a picture, to be measured on `data`."""
    names = ("picture", "image")
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in names]
    picture, image = (
        contract.Tensor(name=name, meaning="image", dtype="uint8", shape=("n", "h", "w", 3), usual=(32, 32, 3))
        for name in names
    )
    files = {}
    for role, operator in roles.items():
        node = helper.make_node(operator, ["picture"], ["image"])
        graph = helper.make_graph([node], role, ends[:1], ends[1:])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
        (folder / f"{role}.onnx").write_bytes(made)
        files[f"{role}.onnx"] = contract.digest(made)
    trained = {"recipe": "", "data": "", "images": 0, "seed": 0, "revision": "", "device": "", "seconds": 0, "date": ""}
    manifest = contract.Manifest.model_construct(
        name="operators",
        version=1,
        tasks=("style",),
        graphs={role: contract.Graph(file=f"{role}.onnx", inputs=(picture,), outputs=(image,)) for role in roles},
        training=contract.Training(**trained, settings=settings),
        files=files,
    )
    return Request(folder, manifest, str(data), features=[Colours()])


def inverted(folder: Path) -> Path:
    """Noise called photos, and other noise's negative called Monet: BitwiseNot is the perfect translation."""
    rng = np.random.default_rng(0)
    for name in ("photo", "monet"):
        (folder / name).mkdir(parents=True)
        for index in range(60):
            base = rng.integers(0, 80, (1, 1, 3)) + rng.integers(0, 40, (36, 36, 3))
            pixels = base.astype(np.uint8) if name == "photo" else 255 - base.astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:02}.png")
    return folder


def test_a_perfect_translation_closes_the_distance_and_its_own_inverse_loses_nothing(tmp_path: Path) -> None:
    data = inverted(tmp_path / "data")
    roles = {"generator": "BitwiseNot", "inverse": "BitwiseNot"}
    told = evaluation.evaluate(model(tmp_path, data, roles, source="photo", target="monet"))
    metrics = {metric.name: metric for metric in told}
    for way in ("photo → monet", "monet → photo"):
        distance = metrics[f"kernel distance, {way} on colours-0"]
        assert distance.floor is not None
        assert distance.value < 0.1 * distance.others["untouched"]
        assert metrics[f"distance closed, {way} on colours-0"].value > 0.9
        assert metrics[f"content moved, {way} on colours-0"].value > 0
    assert "12 held-out pictures of photo and 12 of monet at 32 px; real: 48 of monet" in distance_protocol(metrics)
    cycles = [metric for metric in told if metric.name.startswith("cycle L1")]
    assert [metric.value for metric in cycles] == [0, 0]
    assert all(metric.others["without the way back"] > 100 for metric in cycles)


def distance_protocol(metrics: dict[str, Any]) -> str:
    """How the distance to the target was measured."""
    told: str = metrics["kernel distance, photo → monet on colours-0"].protocol
    return told


def test_untouched_pictures_close_nothing_and_keep_all(tmp_path: Path) -> None:
    data = inverted(tmp_path / "data")
    told = evaluation.evaluate(model(tmp_path, data, {"generator": "Identity"}, source="photo", target="monet"))
    distance, closed, moved = told
    assert distance.value == distance.others["untouched"] > 0
    assert closed.value == 0
    assert moved.value == pytest.approx(0, abs=1e-4)


def test_what_can_not_be_measured_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="operators@1 doesn't say between which domains it translates"):
        evaluation.evaluate(model(tmp_path, tmp_path, {"generator": "Identity"}))
    data = tmp_path / "data"
    sources.domains(data, count=20)
    with pytest.raises(EvaluationError, match="there are 4 pictures of photo test to compare, at least 10 are needed"):
        evaluation.evaluate(model(tmp_path, data, {"generator": "Identity"}, source="photo", target="monet"))
