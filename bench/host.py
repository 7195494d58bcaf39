"""The groups that are measured on the host."""

from bench.cases import Case, Group, entries, over

FEW, MORE = (32, 10), (65536, 10)
IMAGES, BATCH = (1024, 1000), (4096, 1000)
WORDS, VOCABULARY = (512, 32000), (256, 128256)
SHAPES = (FEW, MORE, IMAGES, BATCH, WORDS, VOCABULARY)

OURS = "ours_numpy ours_torch ours_torch_autograd ours_jax ours_jax_autograd"
COMPILED = "ours_torch_compiled ours_torch_compiled_autograd"
PEERS = "torch torch_compiled timm optax scipy one_hot"

LOSS_AND_GRADIENT = (
    *entries(f"{OURS} ours_numpy_out {COMPILED} {PEERS} limit_copy_exp limit_copy"),
    *entries("ours_numpy ours_torch_autograd torch optax sklearn", "hard"),
)
FORWARD = entries(
    "ours_numpy ours_torch ours_torch_compiled ours_jax torch torch_compiled timm optax scipy "
    "one_hot limit_exp"
)
DTYPES = entries("ours_numpy ours_torch_autograd ours_jax torch optax")
KINDS = (
    *entries("ours_numpy ours_torch_autograd torch optax", "hard"),
    *entries("ours_numpy ours_torch_autograd torch optax", "smoothed"),
    *entries("ours_numpy ours_torch_autograd torch optax", "per_row"),
    *entries("ours_numpy ours_torch_autograd torch optax", "mixup"),
    *entries("ours_numpy ours_torch_autograd torch optax", "dense"),
)
OPTIONS = (
    *entries("ours_numpy ours_numpy_out ours_torch"),
    *entries("ours_numpy ours_torch", option="1 thread"),
    *entries("ours_numpy", option="mask"),
    *entries("ours_numpy", option="class weights"),
    *entries("ours_numpy", "hard"),
    *entries("ours_numpy", "per_row"),
    *entries("ours_numpy", "mixup"),
)
ONE_THREAD = entries("ours_numpy ours_numpy_out ours_torch_autograd torch scipy one_hot")

LINEAR = (
    *entries("ours_numpy ours_torch ours_torch_autograd ours_jax torch"),
    *entries("ours_numpy ours_torch torch_chunked", "hard"),
    *entries("limit_products_numpy limit_products_torch"),
)
LINEAR_SMALL = (
    *entries("ours_numpy ours_torch ours_torch_autograd ours_jax ours_jax_autograd"),
    *entries("torch torch_two_steps limit_products_numpy limit_products_torch"),
    *entries("ours_numpy ours_torch ours_torch_autograd ours_jax torch torch_chunked", "hard"),
    *entries("ours_numpy ours_torch", "per_row"),
    *entries("ours_numpy ours_torch", "mixup"),
    *entries("ours_numpy ours_torch", "dense"),
)

MEMORY_ROWS = (128, 512, 2048)
MEMORY = entries(
    "ours_numpy ours_numpy_out ours_torch_autograd torch torch_compiled optax scipy one_hot"
)
LINEAR_MEMORY = (
    *entries("ours_numpy ours_torch_autograd torch"),
    *entries("ours_numpy torch_chunked", "hard"),
)

#: Bytes of logits in a file; where there is no room for the larger one it is left out.
FILE_BYTES = (2**28, 2**32)
FILES = tuple(
    Case(size // 4 // classes, classes, gradient=False, stored=True)
    for size in FILE_BYTES
    for classes in (10, 100, 1000)
)
REPORT = (
    *entries("ours_report limit_read_exp", "hard"),
    *entries("limit_read_exp", "hard", option="1 thread"),
)

GROUPS = (
    Group("loss_gradient", over(SHAPES, LOSS_AND_GRADIENT)),
    Group("forward", over(SHAPES, FORWARD, gradient=False)),
    Group(
        "dtypes",
        tuple(
            contest
            for dtype in ("float64", "float16", "bfloat16")
            for contest in over((IMAGES, WORDS), DTYPES, dtype=dtype)
        ),
    ),
    Group("targets", over((MORE, IMAGES, WORDS), KINDS)),
    Group("options", over((FEW, MORE, IMAGES, WORDS), OPTIONS)),
    Group("one_thread", over((IMAGES, WORDS), ONE_THREAD), threads=1),
    Group(
        "memory",
        (*over(tuple((rows, 32000) for rows in MEMORY_ROWS), MEMORY), (Case(*MORE), MEMORY)),
        measures="memory",
    ),
    Group("linear_small", ((Case(256, 2000, features=64, bias=True), LINEAR_SMALL),)),
    Group("linear", ((Case(2048, 64000, features=512), LINEAR),), fewest_rounds=3),
    Group("linear_memory", ((Case(2048, 64000, features=512), LINEAR_MEMORY),), measures="memory"),
    # The logits of a million rows would take 4 GB, several times over.
    Group(
        "million_rows",
        tuple(
            (Case(rows, 1000, features=64), entries("ours_numpy ours_torch"))
            for rows in (10_000, 100_000, 1_000_000)
        ),
        measures="memory",
    ),
    Group("report", tuple((case, REPORT) for case in FILES), fewest_rounds=3),
    Group(
        "report_memory",
        tuple((case, entries("ours_report", "hard")) for case in FILES),
        measures="memory",
    ),
    Group(
        "linear_large",
        ((Case(4096, 128256, features=512), LINEAR),),
        fewest_rounds=3,
        default=False,
    ),
    Group(
        "linear_large_memory",
        ((Case(4096, 128256, features=512), LINEAR_MEMORY),),
        measures="memory",
        default=False,
    ),
)
