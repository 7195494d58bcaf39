"""The modules of `softtargets.torch`: signatures, state, text, copies, devices and dtypes."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import softtargets as st  # noqa: E402
from softtargets import torch as ours  # noqa: E402
from tests.frameworks.agreement import generator, numbers, one_thread  # noqa: E402, F401

F, nn = torch.nn.functional, torch.nn
W = torch.tensor([1.0, 0.5, 2.0])
X = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
Y = torch.tensor([0, 2])
Q = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
CLASSES = ("CrossEntropyLoss", "BCEWithLogitsLoss", "KLDivLoss", "LinearCrossEntropyLoss")
FUNCTIONS = ("cross_entropy", "binary_cross_entropy_with_logits", "kl_div", "linear_cross_entropy")


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Return name, kind and default of each parameter."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in found]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        *((getattr(ours, n).__init__, getattr(nn, n).__init__) for n in CLASSES if hasattr(nn, n)),
        *((getattr(ours, n), getattr(F, n)) for n in FUNCTIONS if hasattr(F, n)),
    ],
)
def test_signatures(mine: Any, theirs: Any) -> None:
    """Torch's parameters come first, in its order and with its defaults, ours by keyword only."""
    got, want = parameters(mine), parameters(theirs)
    if want[-1][1] is not inspect.Parameter.KEYWORD_ONLY:
        assert got[: len(want)] == want
    assert set(want) <= set(got)
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in got[len(want) :])


def pairs() -> list[tuple[Any, Any, tuple[Any, Any]]]:
    """Return modules of ours and of torch with the same settings, and what they are called with."""
    words = {"weight": W, "label_smoothing": 0.1, "reduction": "sum", "ignore_index": 2}
    more = {"weight": W[:1], "pos_weight": W, "reduction": "none"}
    return [
        (ours.CrossEntropyLoss(), nn.CrossEntropyLoss(), (X, Y)),
        (ours.CrossEntropyLoss(**words), nn.CrossEntropyLoss(**words), (X, Y)),
        (ours.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss(), (X, Q)),
        (ours.BCEWithLogitsLoss(**more), nn.BCEWithLogitsLoss(**more), (X, Q)),
        (ours.KLDivLoss(reduction="batchmean"), nn.KLDivLoss(reduction="batchmean"), (X, Q)),
        (
            ours.KLDivLoss(reduction="sum", log_target=True),
            nn.KLDivLoss(reduction="sum", log_target=True),
            (X, Q),
        ),
    ]


@pytest.mark.parametrize("number", range(len(pairs())))
def test_as_torch_has_them(number: int) -> None:
    """State, text and class are torch's; copies, pickles, dtypes and state dicts work as there."""
    mine, theirs, inputs = pairs()[number]
    assert isinstance(mine, type(theirs))
    assert str(mine) == str(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    want = theirs(*inputs)
    mine.load_state_dict(theirs.state_dict())
    for module in (mine, copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        torch.testing.assert_close(module(*inputs), want)
    for dtype in (torch.float16, torch.float64):
        there = [x.to(dtype) if x.is_floating_point() else x for x in inputs]
        for module in (mine, theirs):
            module.to(dtype)
        got, want = mine(*there), theirs(*there)
        assert got.dtype == dtype
        torch.testing.assert_close(got, want, rtol=4 * torch.finfo(dtype).eps, atol=0)
    with pytest.warns(UserWarning, match="size_average and reduce"):
        assert type(mine)(reduce=False).reduction == "none"


def test_settings_are_no_state() -> None:
    """What torch's class does not have is printed and moves along, but is not in the state dict."""
    prior, mask = W / W.sum(), torch.tensor([True, True, False])
    module = ours.CrossEntropyLoss(
        W, prior=prior, class_mask=mask, z_loss=torch.tensor(0.1), confidence_penalty=0.2,
        entropy_threshold=1.0,
    )  # fmt: skip
    assert list(module.state_dict()) == ["weight"]
    assert str(module) == (
        "CrossEntropyLoss(prior=Tensor(3,), class_mask=Tensor(3,), z_loss=0.10000000149011612, "
        "confidence_penalty=0.2, entropy_threshold=1.0)"
    )
    module.double()
    assert module.prior.dtype == torch.float64
    assert module.class_mask.dtype == torch.bool
    with pytest.raises(RuntimeError):
        module(X.double(), torch.tensor([0, 5]))


def test_what_a_call_may_say() -> None:
    """Smoothing, masks, weights and denominators of one batch are keywords of the call."""
    e, where = torch.tensor([0.1, 0.5]), torch.tensor([True, False])
    words = {"label_smoothing": e, "where": where, "sample_weight": e, "denominator": 3.0}
    prior = W / W.sum()
    module = ours.CrossEntropyLoss(label_smoothing=0.3, prior=prior)
    got = module(X, Y, **words)
    torch.testing.assert_close(got, st.cross_entropy(X, Y, prior=prior, **words), rtol=0, atol=0)
    assert module(X, Y) == st.cross_entropy(X, Y, prior=prior, label_smoothing=0.3)
    words = {"label_smoothing": e[:, None], "where": where[:, None], "denominator": 3.0}
    binary = ours.BCEWithLogitsLoss(pos_weight=W, label_smoothing=0.3, prior=0.25)
    torch.testing.assert_close(
        binary(X, Q, sample_weight=W, **words),
        ours.binary_cross_entropy_with_logits(
            X, Q, pos_weight=W, prior=0.25, sample_weight=W, **words
        ),
    )
    divergence = ours.KLDivLoss(reduction="sum", label_smoothing=0.3, prior=prior)
    x = X.log_softmax(1)
    torch.testing.assert_close(
        divergence(x, Q), F.kl_div(x, 0.7 * Q + 0.3 * prior, reduction="sum")
    )
    assert divergence(x, Q, label_smoothing=0.0) == ours.kl_div(x, Q, reduction="sum")
    assert divergence(x, Q, where=torch.tensor([False])) == 0


def test_mixup_is_the_core_s() -> None:
    """The generator's state decides what is drawn; targets stay a few numbers per row."""
    images, labels = numbers(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    for words, box in (
        ({"alpha": 0.3, "per": "row"}, False),
        ({"alpha": 0.0, "cutmix_alpha": 1.0, "pairing": "flip", "axes": (1, 2)}, True),
    ):
        source = generator(3)
        state = source.get_state()
        mix = ours.Mixup(3, generator=source, **words)
        first, targets = mix(images, labels)
        assert first.shape == images.shape
        second, _ = mix(images, labels)
        assert not torch.equal(first, second)
        source.set_state(state)
        again, same = mix(images, labels)
        assert torch.equal(first, again)
        q = targets.to_dense()
        assert torch.equal(q, same.to_dense())
        torch.testing.assert_close(q.sum(1), torch.ones(6, dtype=q.dtype))
        kept = (first[:, :, None] == images[:, :, None]).float().mean(dim=(1, 2, 3, 4))
        own = q[torch.arange(6), labels]
        assert box == bool((kept[own < 1] > 0).all())
        assert repr(targets) == "Targets(shape=(6, 3): labels, labels)"
        assert not mix.state_dict()
    mix.eval()
    same_images, plain = mix(images, labels)
    assert same_images is images
    assert torch.equal(plain.to_dense(), F.one_hot(labels).double())


def test_both_kinds_of_mixing() -> None:
    """Of many batches about the given share gets cutmix; torch's own seed sets the draws."""
    mix = ours.Mixup(2, alpha=1.0, cutmix_alpha=1.0, cutmix_share=0.25)
    assert str(mix) == (
        "Mixup(num_classes=2, alpha=1.0, cutmix_alpha=1.0, cutmix_share=0.25, per=batch, "
        "pairing=permutation)"
    )
    torch.manual_seed(0)
    batch = torch.arange(8.0).reshape(2, 2, 2), torch.tensor([0, 1])
    whole = [bool((mix(*batch)[0] % 1 == 0).all()) for _ in range(200)]
    # A permutation of two rows leaves every second batch of mixup as it is, too.
    assert 0.4 < sum(whole) / 200 < 0.85
    torch.manual_seed(0)
    assert whole == [bool((mix(*batch)[0] % 1 == 0).all()) for _ in range(200)]


def test_mixup_in_a_loader() -> None:
    """It joins the rows that a data loader collates."""
    data = torch.utils.data.TensorDataset(numbers(8, 4), torch.arange(8) % 3)
    mix = ours.Mixup(3, generator=generator(1))
    collate = torch.utils.data.default_collate
    loader = torch.utils.data.DataLoader(data, 4, collate_fn=lambda rows: mix(*collate(rows)))
    for x, targets in loader:
        assert ours.CrossEntropyLoss()(x[:, :3], targets).isfinite()
