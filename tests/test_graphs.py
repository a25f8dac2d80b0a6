"""The graphs beside the generator: what an encoder, a critic and a first stage must be, or the model is refused."""

from pathlib import Path

import pytest

from app import contract
from app.contract import ContractError, Graph, Tensor
from app.engine import model, providers
from tests import toy, toy_parts

WORD = Tensor(name="word", meaning="label", dtype="int64", shape=("n",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_parts.add(toy.build(tmp_path), "variational", "critic", "stage1")


def test_a_model_of_all_graphs_is_proven_with_each(folder: Path) -> None:
    manifest, graphs = model.prove(folder, providers.device("cpu"), max_batch=4)
    assert manifest.tasks == ("generate", "reconstruct")
    assert sorted(graphs) == ["critic", "encoder", "generator", "stage1"]


def flaw(folder: Path, role: str, **update: object) -> str:
    """What is wrong with the folder where the graph of that role is described otherwise."""
    before = (folder / contract.MANIFEST).read_bytes()
    graphs = contract.read(folder).graphs
    toy.rewrite(folder, graphs={**graphs, role: graphs[role].model_copy(update=update)})
    with pytest.raises(ContractError) as refused:
        contract.read(folder)
    (folder / contract.MANIFEST).write_bytes(before)
    return str(refused.value)


def outputs(graph: Graph, **update: object) -> tuple[Tensor, ...]:
    return tuple(tensor.model_copy(update=update) for tensor in graph.outputs)


def test_an_encoder_leads_from_a_picture_to_one_code(folder: Path) -> None:
    encoder = contract.read(folder).graphs["encoder"]
    message = "an encoder takes an image and answers with a latent, and at most one deviation"
    assert message in flaw(folder, "encoder", inputs=(WORD,))
    assert message in flaw(folder, "encoder", outputs=outputs(encoder, meaning="latent"))
    assert message in flaw(folder, "encoder", outputs=outputs(encoder, meaning="deviation"))


def test_a_code_has_the_size_of_the_latent(folder: Path) -> None:
    longer = outputs(contract.read(folder).graphs["encoder"], shape=("n", 9))
    message = "the encoder's code and spread must be of shape [n, 8], as the latent is"
    assert message in flaw(folder, "encoder", outputs=longer)


def test_a_critic_judges_what_the_generator_draws(folder: Path) -> None:
    critic = contract.read(folder).graphs["critic"]
    picture, label = critic.inputs
    message = "a critic takes an image and answers with realness, and match if it can"
    assert message in flaw(folder, "critic", outputs=critic.outputs[1:])
    assert message in flaw(folder, "critic", inputs=(label,))
    smaller = picture.model_copy(update={"shape": ("n", 9, 9, 3)})
    message = "a critic judges pictures as the generator draws them, of 16×16×3 values"
    assert message in flaw(folder, "critic", inputs=(smaller, label))
    weights = label.model_copy(update={"dtype": "float32", "shape": ("n", 2)})
    message = "a critic's label is the index, int64 [n], of one of the model's classes"
    assert message in flaw(folder, "critic", inputs=(picture, weights))


def test_a_first_stage_takes_what_the_generator_takes(folder: Path) -> None:
    stage1 = contract.read(folder).graphs["stage1"]
    message = "a graph 'stage1' must take what the generator takes, and draw an image"
    assert message in flaw(folder, "stage1", inputs=stage1.inputs[:1])
    assert message in flaw(folder, "stage1", outputs=outputs(stage1, meaning="score"))
