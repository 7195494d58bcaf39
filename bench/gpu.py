"""The groups that are measured on a GPU."""

from bench.cases import Case, Group, entries, over

SHAPES = ((4096, 32000), (16384, 50257), (8192, 128256))
#: They fit into the second-level cache: launches decide, not bandwidth.
SMALL = ((1024, 1000), (4096, 1000))
MANY_ROWS = ((131072, 1000),)

TORCH = "ours_torch ours_torch_autograd ours_torch_compiled ours_torch_compiled_autograd"
PEERS = "torch torch_compiled liger flash_attention"
LOSS_AND_GRADIENT = (
    *entries(f"{TORCH} ours_cupy ours_cupy_out {PEERS} limit_copy"),
    *entries("ours_torch_autograd ours_torch_compiled_autograd torch torch_compiled liger", "hard"),
    *entries(
        "ours_torch_autograd ours_torch_compiled_autograd torch liger flash_attention",
        option="upstream 2",
    ),
)
FORWARD = entries("ours_torch ours_torch_compiled ours_cupy torch torch_compiled limit_read")

LINEAR_SHAPES = (
    (4096, 4096, 32000),
    (4096, 4096, 128256),
    (8192, 4096, 128256),
    (8192, 2304, 256000),
)
LINEAR = (
    *entries("ours_torch ours_torch_autograd torch liger"),
    *entries("ours_torch ours_torch_autograd torch_chunked liger", "hard"),
    *entries("limit_products_torch"),
)
LINEAR_CASES = tuple(
    Case(rows, classes, features=features, dtype="bfloat16", device="cuda")
    for rows, features, classes in LINEAR_SHAPES
)
MEMORY = entries("ours_torch_autograd ours_torch_compiled_autograd ours_cupy torch liger")
LINEAR_MEMORY = (
    *entries("ours_torch_autograd torch liger"),
    *entries("ours_torch_autograd torch_chunked", "hard"),
)

GROUPS = (
    *(
        Group(f"loss_gradient_{dtype}", over(SHAPES, LOSS_AND_GRADIENT, dtype=dtype, device="cuda"))
        for dtype in ("bfloat16", "float32")
    ),
    Group("small", over((*SMALL, *MANY_ROWS), LOSS_AND_GRADIENT, device="cuda")),
    Group("forward", over(SHAPES, FORWARD, dtype="bfloat16", gradient=False, device="cuda")),
    Group(
        "memory",
        over(((1024, 32000), (4096, 32000), (16384, 32000)), MEMORY, device="cuda"),
        measures="memory",
    ),
    Group("linear", tuple((case, LINEAR) for case in LINEAR_CASES), fewest_rounds=5),
    Group(
        "linear_memory",
        tuple((case, LINEAR_MEMORY) for case in LINEAR_CASES),
        measures="memory",
    ),
)
