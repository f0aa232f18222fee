# split-records beside Dataset.train_test_split, shuffle-records beside Dataset.shuffle and numpy's permutations.
import io, random, subprocess, sys, tempfile
import datasets
import numpy as np
import pyarrow as pa

datasets.disable_progress_bars()
random.seed(5)
failures = 0


def stream(n):
    table = pa.table({"i": pa.array(range(n), pa.int64())})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=random.choice([1000, 777, 100000]))
    return sink.getvalue()


def column(source, name="i"):
    return pa.ipc.open_stream(source).read_all()[name].to_pylist()


def differ(what, found, expected):
    global failures
    if found != expected:
        print(f"{what}: {found[:8]}..., expected {expected[:8]}...")
        failures += 1


def sizes(n):
    return random.choice([None, round(random.uniform(0.01, 0.6), random.choice([1, 2, 6])), random.randrange(1, n)])


def split(n, train_size, test_size, seed, folder):
    what = f"n {n}, train_size {train_size}, test_size {test_size}, seed {seed}"
    shuffle = random.random() < 0.8
    try:
        both = datasets.Dataset.from_dict({"i": range(n)}).train_test_split(
            train_size=train_size, test_size=test_size, seed=seed, shuffle=shuffle)
    except ValueError:
        both = None
    options = ["--seed", str(seed), "--test-out", folder + "/test"] + ([] if shuffle else ["--no-shuffle"])
    options += ["--train-size", str(train_size)] if train_size is not None else []
    options += ["--test-size", str(test_size)] if test_size is not None else []
    run = subprocess.run(["split-records", *options], input=stream(n), capture_output=True)
    if both is None:
        differ(what + ", refused", [run.returncode in (64, 65)], [True])
    elif run.returncode != 0:
        differ(what + ", " + run.stderr.decode(), [run.returncode], [0])
    else:
        differ(what + ", train", column(run.stdout), list(both["train"]["i"]))
        differ(what + ", test", column(open(folder + "/test", "rb")), list(both["test"]["i"]))


def shuffle(n, epochs, seed):
    run = subprocess.run(["shuffle-records", "--seed", str(seed), "--epochs", str(epochs)], input=stream(n),
                         stdout=subprocess.PIPE, check=True)
    generator = np.random.default_rng(seed)
    expected = [int(i) for _ in range(epochs) for i in generator.permutation(n)]
    differ(f"shuffle, n {n}, seed {seed}", column(run.stdout), expected)
    differ(f"epochs, n {n}", column(run.stdout, "epoch"), [e for e in range(1, epochs + 1) for _ in range(n)])
    once = list(datasets.Dataset.from_dict({"i": range(n)}).shuffle(seed=seed)["i"])
    differ(f"Dataset.shuffle, n {n}, seed {seed}", column(run.stdout)[:n], once)


def stratify(classes, sizes, train_size, test_size, seed, folder):
    labels = [int(c) for c, n in zip(classes, sizes) for _ in range(n)]
    random.shuffle(labels)
    what = f"stratify {sizes}, train_size {train_size}, test_size {test_size}, seed {seed}"
    features = datasets.Features({"i": datasets.Value("int64"), "label": datasets.ClassLabel(num_classes=len(classes))})
    data = datasets.Dataset.from_dict({"i": range(len(labels)), "label": labels}, features=features)
    try:
        both = data.train_test_split(train_size=train_size, test_size=test_size, seed=seed, stratify_by_column="label")
    except ValueError:
        both = None
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, data.data.table.schema) as writer:
        writer.write_table(data.data.table)
    options = ["--train-size", str(train_size)] if train_size is not None else []
    options += ["--test-size", str(test_size)] if test_size is not None else []
    run = subprocess.run(["split-records", "--seed", str(seed), "--stratify", "label", "--test-out", folder + "/test", *options],
                         input=sink.getvalue(), capture_output=True)
    if both is None:
        differ(what + ", refused", [run.returncode in (64, 65)], [True])
        return 0
    differ(what + ", " + run.stderr.decode(), [run.returncode], [0])
    if run.returncode == 0:
        differ(what + ", train", column(run.stdout), list(both["train"]["i"]))
        differ(what + ", test", column(open(folder + "/test", "rb")), list(both["test"]["i"]))
    return 1


def strata(folder):
    taken = stratify([0, 1], [12500, 12500], 20000, 2500, 42, folder) + stratify([0, 1, 2], [2, 1, 9], None, 3, 0, folder)
    for _ in range(40):
        count = random.choice([1, 2, 3, 7, 50])
        sizes_of = random.choice([lambda: random.randrange(1, 60), lambda: random.choice([10, 10, 10, 3])])
        counts = [sizes_of() for _ in range(count)]
        n = sum(counts)
        if n > 1:
            taken += stratify(range(count), counts, sizes(n), sizes(n), random.choice([0, 1, random.randrange(2**53)]), folder)
    differ("enough strata that can be split", [taken > 10], [True])


with tempfile.TemporaryDirectory() as folder:
    strata(folder)
    split(61292, 1000, 100, 42, folder)
    for _ in range(30):
        n = random.choice([2, 3, 10, 101, 4096])
        split(n, sizes(n), sizes(n), random.choice([0, 1, 42, random.randrange(2**53)]), folder)
for n, epochs, seed in (0, 2, 1), (1, 2, 1), (2, 3, 9), (1100, 3, 42), (65537, 2, 2**53):
    shuffle(n, epochs, seed)
sys.exit(failures > 0)
