# The chunks of group-texts beside those of datasets, Dataset.map(group_texts, batched=True), on documents that datasets
# saved and on the same ones as pyarrow streams with other integer and list types and other batches.
import glob, io, os, random, subprocess, sys, tempfile
import datasets
import pyarrow as pa

datasets.disable_progress_bars()
random.seed(4)


def document():
    words = random.choice([0, 1, 1, 5, 40, 200])
    word_ids = [None] + [w for w in range(words) for _ in range(random.choice([1, 1, 2, 3]))] + [None]
    return {"input_ids": [random.randrange(30000) for _ in word_ids], "word_ids": word_ids,
            "attention_mask": [1 for _ in word_ids], "token_type_ids": [random.randrange(2) for _ in word_ids],
            "tags": [None if w is None else f"tag {w}" for w in word_ids]}


def reference(documents, size, batch_size):
    def group(rows):
        cat = {k: sum(rows[k], []) for k in rows}
        n = len(cat["input_ids"]) // size * size
        return {k: [v[i:i + size] for i in range(0, n, size)] for k, v in cat.items()}
    return documents.map(group, batched=True, batch_size=batch_size).to_list()


def ours(stream, *options):
    out = subprocess.run(["group-texts", *options], input=stream, stdout=subprocess.PIPE, check=True).stdout
    return pa.ipc.open_stream(out).read_all(), out


def as_stream(table, rows):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


failures = 0
with tempfile.TemporaryDirectory() as folder:
    datasets.config.HF_DATASETS_CACHE = folder
    documents = datasets.Dataset.from_list([document() for _ in range(2500)])
    documents.save_to_disk(folder + "/saved")
    saved = open(glob.glob(folder + "/saved/data-*.arrow")[0], "rb").read()
    for size, batch_size in [(128, 1000), (128, 300), (7, 64), (1, 1000), (500, 7), (128, 2500)]:
        expected = reference(documents, size, batch_size)
        found, _ = ours(saved, "--chunk-size", str(size), "--batch-size", str(batch_size))
        if found.to_pylist() != expected:
            print(f"chunk size {size}, batch size {batch_size}: {found.num_rows} chunks, expected {len(expected)}")
            failures += 1

    table = documents.data.table.combine_chunks()
    outputs = set()
    for rows in 1, 37, 5000:
        for ids, kind in (pa.int32(), pa.list_), (pa.int64(), pa.large_list), (pa.uint16(), pa.list_):
            types = pa.schema([("input_ids", kind(ids)), ("word_ids", kind(pa.int64()))])
            cast = table.select(types.names).cast(types)
            for name in table.column_names[2:]:
                cast = cast.append_column(name, table[name])
            outputs.add(ours(as_stream(cast, rows))[1])
    if len(outputs) != 1:
        print(f"{len(outputs)} outputs of one input in several types and batches")
        failures += 1

    path = folder + "/chunks.arrow"
    open(path, "wb").write(outputs.pop())
    if datasets.Dataset.from_file(path).to_list() != reference(documents, 128, 1000):
        print("Dataset.from_file reads other chunks")
        failures += 1
sys.exit(failures > 0)
