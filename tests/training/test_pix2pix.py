"""What is pix2pix's own: patches of a stated size, a U-Net for any size, and ablations that are flags."""

import pytest
import torch

from training.nets.blocks import Pair
from training.nets.patchgan import PatchDiscriminator, patch_depth


@pytest.mark.parametrize(("size", "field"), [(32, 16), (64, 16), (128, 34), (256, 70), (512, 142)])
def test_a_logit_sees_the_patch_that_the_receptive_field_states_and_no_pixel_beyond(size: int, field: int) -> None:
    critic = PatchDiscriminator(channels=3, width=4, depth=patch_depth(size)).eval()
    assert critic.receptive_field == field
    pictures = torch.randn(1, 3, size, size, requires_grad=True)
    logits = critic(pictures)
    middle = logits.shape[2] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], pictures)
    rows, columns = gradient[0].abs().sum(0).nonzero().unbind(1)
    for seen in (rows, columns):
        assert int(seen.max() - seen.min()) + 1 == field


def test_the_discriminator_judges_candidate_and_condition_together() -> None:
    critic = PatchDiscriminator(channels=3, given=1, width=4).eval()
    candidate, condition = torch.randn(2, 3, 64, 48), torch.randn(2, 1, 64, 48)
    logits = critic(Pair(candidate, condition))
    assert logits.shape == (2, 1, 14, 10)
    assert logits.dtype == torch.float32
    assert not torch.allclose(logits, critic(Pair(candidate, -condition)))


def test_a_patch_is_judged_by_nothing_beyond_it_in_its_picture_or_in_another() -> None:
    critic = PatchDiscriminator(channels=3, width=4).eval()
    pictures = torch.randn(2, 3, 128, 128)
    altered = pictures.clone()
    altered[0, :, :, 64:] = 0
    altered[1] = 0
    before, after = critic(pictures), critic(altered)
    left = (64 - critic.receptive_field) // 4
    assert torch.equal(before[0, :, :, :left], after[0, :, :, :left])
    assert not torch.equal(before[0, :, :, -left:], after[0, :, :, -left:])


@pytest.mark.parametrize("given", [0, 3])
def test_a_pair_where_a_picture_is_expected_is_refused_and_the_other_way_round(given: int) -> None:
    critic = PatchDiscriminator(channels=3, given=given, width=4)
    picture = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ValueError, match="judges pairs" if given else "judges pictures alone"):
        critic(picture if given else Pair(picture, picture))
