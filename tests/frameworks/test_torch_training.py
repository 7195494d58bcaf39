"""Training with `softtargets.torch`: the runs of torch, and what trainers do around a loss."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import softtargets as st  # noqa: E402
from softtargets import torch as ours  # noqa: E402
from tests.frameworks.agreement import (  # noqa: E402
    distributions,
    labels,
    numbers,
    one_thread,  # noqa: F401
)

F, nn = torch.nn.functional, torch.nn
K = 5
X, Y = numbers(48, 8, dtype=torch.float32), labels(K, 48, seed=1)
Q, W = distributions(48, K, dtype=torch.float32), distributions(K, axis=0, seed=2)


def make_model(dtype: Any = torch.float32) -> Any:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, K)).to(dtype)


def train(criterion: Any, inputs: Any, targets: Any, steps: int = 30) -> tuple[list[float], Any]:
    """Return the losses and the final parameters of a training run."""
    model = make_model(torch.float64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for step in range(steps):
        rows = slice(step % 3 * 16, step % 3 * 16 + 16)
        optimizer.zero_grad()
        loss = criterion(model(inputs[rows].double()), targets[rows])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, torch.nn.utils.parameters_to_vector(model.parameters()).detach()


IGNORED = torch.where(torch.arange(48) % 5 == 0, -100, Y)
IGNORED[:16] = -100  # a batch of nothing
RUNS = [
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, Y),
    ("CrossEntropyLoss", {"weight": W, "label_smoothing": 0.1}, IGNORED),
    ("CrossEntropyLoss", {"weight": W}, Q.double()),
    ("BCEWithLogitsLoss", {"pos_weight": W}, Q.double()),
]


@pytest.mark.parametrize(("name", "words", "targets"), RUNS)
def test_one_line_changes_no_run(name: str, words: dict[str, Any], targets: Any) -> None:
    """A model that is trained with torch's class and with ours is the same, up to rounding."""
    want_losses, want = train(getattr(nn, name)(**words), X, targets)
    losses, got = train(getattr(ours, name)(**words), X, targets)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(losses, want_losses, rtol=1e-9, atol=0, equal_nan=True)


def test_distilled_run() -> None:
    """So is one that is trained with a divergence from a teacher."""
    runs = [
        train(lambda x, t, c=c: c(x.log_softmax(1), t), X, Q.double())
        for c in (nn.KLDivLoss(reduction="batchmean"), ours.KLDivLoss(reduction="batchmean"))
    ]
    torch.testing.assert_close(*(run[1] for run in runs), rtol=1e-9, atol=1e-12)


def gradients(model: Any) -> Any:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_accumulated_gradients() -> None:
    """With one `denominator` micro-batches of unequal numbers of labels add up to the batch."""
    criterion = ours.CrossEntropyLoss(label_smoothing=0.1)
    whole, parts = make_model(), make_model()
    criterion(whole(X), IGNORED).backward()
    count = (IGNORED != -100).sum()
    losses = []
    for x, y in zip(X.split(10), IGNORED.split(10), strict=True):
        loss = criterion(parts(x), y, denominator=count)
        loss.backward()
        losses.append(loss.detach())
    torch.testing.assert_close(gradients(parts), gradients(whole), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(sum(losses), criterion(whole(X), IGNORED).detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_autocast(dtype: Any) -> None:
    """Under autocast losses of half precision are float32, as those of torch are."""
    x, w = (numbers(6, K) * 2).to(dtype), W.float()
    y, q = Y[:6], Q[:6].to(dtype)
    tolerance = {"rtol": 1e-2, "atol": 1e-3}
    with torch.autocast("cpu", torch.bfloat16):
        for mine, theirs, arguments in (
            (ours.cross_entropy, F.cross_entropy, (x, y)),
            (ours.cross_entropy, F.cross_entropy, (x, y, w.to(dtype))),
            (ours.cross_entropy, F.cross_entropy, (x, q)),
            (
                ours.binary_cross_entropy_with_logits,
                F.binary_cross_entropy_with_logits,
                (x, q),
            ),
        ):
            got, want = mine(*arguments), theirs(*arguments)
            assert got.dtype == want.dtype
            torch.testing.assert_close(got, want, **tolerance)
        got = ours.kl_div(x, q, reduction="sum")
        assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        if dtype != torch.float64:
            got = ours.cross_entropy(x, y, w)  # whatever dtype the weights have
            torch.testing.assert_close(got, F.cross_entropy(x, y, w), **tolerance)
    if not hasattr(F, "linear_cross_entropy"):
        return
    layer, bias = numbers(K, K).to(dtype), numbers(K, seed=1).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        got = ours.linear_cross_entropy(x, layer, y, linear_bias=bias)
        want = F.linear_cross_entropy(x, layer, y, linear_bias=bias)
    assert got.dtype == want.dtype
    torch.testing.assert_close(got, want, **tolerance)


def test_scaled_gradients() -> None:
    """With autocast and a gradient scaler a step is torch's, and gradients are in float32."""
    steps = []
    for criterion in (nn.CrossEntropyLoss(), ours.CrossEntropyLoss()):
        model = make_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
        with torch.autocast("cpu", torch.float16):
            loss = criterion(model(X), Y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        steps.append(gradients(model))
        scaler.step(optimizer)
        scaler.update()
        assert scaler.get_scale() == 2.0**16
    torch.testing.assert_close(*steps, rtol=1e-2, atol=1e-4)


def test_compiled_step() -> None:
    """A step with the module, mixed targets and a schedule is one graph, with the same numbers."""
    from torch._dynamo import reset
    from torch._dynamo.testing import CompileCounter

    reset()
    model, counter = make_model(), CompileCounter()
    criterion = ours.CrossEntropyLoss(W.float(), z_loss=1e-3)

    def step(x: Any, y: Any, e: Any, permutation: Any) -> Any:
        targets = st.Targets.from_labels(y, K)
        mixed = targets.mix(targets[permutation], 0.7)
        plain = criterion(model(x), y, label_smoothing=e)
        binary = ours.binary_cross_entropy_with_logits(model(x), Q)
        return plain + criterion(model(x), mixed, label_smoothing=e) + binary

    compiled = torch.compile(step, fullgraph=True, backend=counter)
    permutation = torch.arange(48).flip(0)
    for e in (0.1, 0.2):
        found = []
        for function in (compiled, step):
            model.zero_grad()
            loss = function(X, Y, torch.tensor(e), permutation)
            loss.backward()
            found.append((loss.detach(), gradients(model)))
        for got, want in zip(*found, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    assert counter.frame_count == 1
    reset()


DOUBLE, HALVES = numbers(3, K), distributions(3, K, seed=1)
DIFFERENTIABLE = [
    ("cross_entropy", torch.tensor([0, 1, 3]), {"weight": W - 0.1, "label_smoothing": 0.1}),
    ("cross_entropy", HALVES, {"label_smoothing": 0.1}),
    ("binary_cross_entropy_with_logits", HALVES, {"pos_weight": HALVES}),
    ("kl_div", HALVES, {"reduction": "sum"}),
    ("kl_div", HALVES.log(), {"reduction": "sum", "log_target": True}),
]


@pytest.mark.parametrize(("name", "target", "words"), DIFFERENTIABLE)
# Of torch's forward mode, and of its own kl_div.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_transforms(name: str, target: Any, words: dict[str, Any]) -> None:
    """`torch.func`, forward mode, second derivatives and compilation see what torch's loss has."""

    def of(module: Any, x: Any) -> Any:
        return getattr(module, name)(x, target, **words)

    for seen in (
        lambda loss: torch.func.grad(loss)(DOUBLE),
        lambda loss: torch.func.vmap(loss)(torch.stack([DOUBLE, 2 * DOUBLE])),
        lambda loss: torch.func.jvp(loss, (DOUBLE,), (HALVES,))[1],
        lambda loss: torch.autograd.functional.hessian(loss, DOUBLE),
    ):
        got, want = (seen(functools.partial(of, module)) for module in (ours, F))
        torch.testing.assert_close(got, want)
    torch.compiler.reset()
    compiled = torch.compile(functools.partial(of, ours), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(DOUBLE), of(F, DOUBLE))
    torch.compiler.reset()


WORLD = 2


def one_of_two(rank: int, folder: str) -> None:
    """Train one step on every second row, with the labels that count in all processes."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=WORLD)
    model = DistributedDataParallel(make_model())
    x, y = X[rank::WORLD], IGNORED[rank::WORLD]
    count = (y != -100).sum()
    dist.all_reduce(count)
    # DDP takes the mean over the processes.
    loss = ours.CrossEntropyLoss(label_smoothing=0.1)(model(x), y, denominator=count / WORLD)
    loss.backward()
    if rank == 0:
        torch.save(gradients(model), f"{folder}/gradients")
    dist.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without processes")
def test_two_processes(tmp_path: Path) -> None:
    """DDP with unequal numbers of labels per process has the gradient of the whole batch."""
    torch.multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=WORLD)
    model = make_model()
    nn.CrossEntropyLoss(label_smoothing=0.1)(model(X), IGNORED).backward()
    got = torch.load(tmp_path / "gradients")
    torch.testing.assert_close(got, gradients(model), rtol=1e-5, atol=1e-6)
