# Streams of the tools beside pyarrow, polars and datasets, in both directions: equal values, equal nulls.
import io, json, random, struct, subprocess, sys
import datasets
import polars
import pyarrow as pa

folder = sys.argv[1]
datasets.disable_progress_bars()
random.seed(11)
failures = 0


def check(what, holds, detail=""):
    global failures
    if not holds:
        print(f"{what}: {detail}")
        failures += 1


def run(command, stdin=b"", status=0):
    done = subprocess.run(command, shell=True, cwd=folder, input=stdin, capture_output=True)
    check(command, done.returncode == status, f"exit status {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def write(table, max_rows=None):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches():
            start = 0
            while start < len(batch):
                count = max_rows or random.randrange(1, 700)
                writer.write_batch(batch.slice(start, count))
                start += count
    return sink.getvalue()


def read(stream):
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)
    return table


def batches(stream):
    """The rows and the bytes of each batch."""
    return [(batch.num_rows, batch.serialize().to_pybytes()) for batch in pa.ipc.open_stream(stream)]


def ids(longest=40, nulls=False):
    return [None if nulls and random.random() < 0.2 else random.randrange(5, 31)
            for _ in range(random.randrange(longest))]


def tokens(n, int_type=pa.int32(), list_of=pa.list_):
    rows = [ids() for _ in range(n)]
    words = [[None if random.random() < 0.2 else i // 2 for i in range(len(row))] for row in rows]
    return pa.table({"input_ids": pa.array(rows, list_of(int_type)), "word_ids": pa.array(words, list_of(int_type)),
                     "label": pa.array([random.choice([0, 1, None]) for _ in rows], pa.int64())})


def foreign_readers():
    """What each stage writes, by pyarrow, polars and Dataset.from_file."""
    texts = [random.choice(["a b c", "", "q\0r é 😀", "x " * 50]) for _ in range(1500)]
    text = write(pa.table({"text": texts, "label": pa.array([i % 3 - 1 for i in range(1500)], pa.int64()),
                           "extra": pa.array([[str(i)] if i % 4 else None for i in range(1500)])}))
    stream = text
    for command in ["wordpiece --model model", "group-texts --chunk-size 16", "shuffle-records --epochs 2 --seed 3",
                    "wwm-mask --seed 1"]:
        stream = run(command, stream)
        rows = [json.loads(line) for line in run("rec-dump", stream).splitlines()]
        with open(f"{folder}/stage.arrow", "wb") as file:
            file.write(stream)
        check(f"pyarrow reads {command}", read(stream).to_pylist() == rows)
        check(f"polars reads {command}", polars.read_ipc_stream(io.BytesIO(stream)).to_dicts() == rows)
        check(f"datasets reads {command}", datasets.Dataset.from_file(f"{folder}/stage.arrow").to_list() == rows)
        check(f"{command} writes records", len(rows) > 100)
    check("the text's other columns pass", read(run("wordpiece --model model", text))["extra"].to_pylist()
          == pa.ipc.open_stream(text).read_all()["extra"].to_pylist())


def foreign_writers():
    """Any batching, any width of integers and offsets: the same bytes of data come out."""
    table = tokens(2500)
    for command in ["group-texts --chunk-size 16", "shuffle-records --seed 3",
                    "group-texts --per-document --chunk-size 8"]:
        expected = batches(run(command, write(table, 1000)))
        for max_rows in [1, 7, 100000, None]:
            check(f"{command}, batches of {max_rows}", batches(run(command, write(table, max_rows))) == expected)
    expected = batches(run("group-texts --chunk-size 16", write(table)))
    for int_type in [pa.int64(), pa.uint32(), pa.int16(), pa.uint8()]:
        for list_of in [pa.list_, pa.large_list]:
            cast = table.cast(pa.schema([("input_ids", list_of(int_type)), ("word_ids", list_of(int_type)),
                                         ("label", pa.int64())]))
            check(f"{list_of(int_type)}", batches(run("group-texts --chunk-size 16", write(cast))) == expected)
    texts = [random.choice(["a b", "", "é"]) for _ in range(1200)]
    expected = batches(run("wordpiece --model model", write(pa.table({"text": pa.array(texts)}))))
    large = pa.table({"text": pa.array(texts, pa.large_string())})
    check("large_utf8", batches(run("wordpiece --model model", write(large))) == expected)
    frame = polars.DataFrame({"text": texts})
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compat_level=polars.CompatLevel.oldest())
    check("polars", batches(run("wordpiece --model model", sink.getvalue())) == expected)
    sink = io.BytesIO()
    frame.write_ipc_stream(sink)
    check("polars, string views", batches(run("wordpiece --model model", sink.getvalue())) == expected)
    category = pa.table({"text": pa.array(texts).dictionary_encode()})
    check("a dictionary", batches(run("wordpiece --model model", write(category))) == expected)
    datasets.Dataset.from_dict({"text": texts}).save_to_disk(f"{folder}/saved")
    check("save_to_disk", batches(run("wordpiece --model model saved/data-00000-of-00001.arrow")) == expected)


PYARROW_STAGE = r"""
import sys
import pyarrow as pa
reader = pa.ipc.open_stream(sys.stdin.buffer)
with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as writer:
    for batch in reader:
        writer.write_batch(batch)
"""


def replaced_stage():
    """A stage in the middle that is a pyarrow script gives the same final bytes."""
    with open(f"{folder}/stage.py", "w") as file:
        file.write(PYARROW_STAGE)
    table = write(tokens(3000))
    first, last = "shuffle-records --seed 4", "group-texts --chunk-size 16 | random-mask --seed 9"
    run("rec-load --type tokens --model model > named.arrows", run("rec-dump", table))
    ours = run(f"{first} < named.arrows | {last}")
    theirs = run(f"{first} < named.arrows | '{sys.executable}' stage.py | {last}")
    check("a pyarrow stage", batches(ours) == batches(theirs) and len(batches(ours)) > 2)


def poison():
    """A stage that fails makes foreign readers fail, where the cut is between messages."""
    failed = run("group-texts --chunk-size 2", write(tokens(2500))[:-8], status=65)
    for name, reader in [("pyarrow", lambda: read(failed)),
                         ("polars", lambda: polars.read_ipc_stream(io.BytesIO(failed)))]:
        try:
            reader()
            check(f"{name} on a failed stage's output", False, "no error")
        except Exception:
            pass


def bombs():
    """A few bytes that stand for many are refused, and take no memory: 1 GB of address space is enough for every tool."""
    rows = 2**31 - 1
    nulls = pa.nulls(rows)
    empty = pa.Array.from_buffers(pa.binary(0), rows, [None, pa.py_buffer(b"")])
    fieldless = pa.Array.from_buffers(pa.struct([]), rows, [None])
    listed = pa.Array.from_buffers(pa.large_list(pa.null()), 1, [None, pa.py_buffer(struct.pack("<qq", 0, rows))], children=[nulls])
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0] * 100000, pa.int8()), pa.array(["x" * 100000]))
    offsets = pa.array([0, 100000], pa.int32())
    view = pa.array(["y" * 100000] + [None] * 99999, pa.string_view())
    views = pa.Array.from_buffers(pa.string_view(), 100000, [None, pa.py_buffer(view.buffers()[1].to_pybytes()[:16] * 100000)]
                                  + view.buffers()[2:])
    zeros = pa.array([0] * (2**27), pa.int64())
    columns = {"null": nulls, "empty": empty, "fieldless": fieldless, "listed": listed,
               "dictionary": pa.ListArray.from_arrays(offsets, dictionary), "views": pa.ListArray.from_arrays(offsets, views)}
    streams = {name: (pa.table({"input_ids": column}), None) for name, column in columns.items()}
    streams["zeros"] = pa.table({"input_ids": zeros}), "zstd"
    limited = subprocess.run("ulimit -v 1000000; rec-dump --version", shell=True, capture_output=True).returncode == 0
    for name, (table, compression) in streams.items():
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_batch(table.to_batches()[0])
        check(f"{name} is small", len(sink.getvalue()) < 2**21, len(sink.getvalue()))
        for tool in ["rec-dump > /dev/null", "shuffle-records", "wwm-mask", "group-texts"] if limited else []:
            status = 69 if compression and b"without lib" in subprocess.run(
                "rec-dump", shell=True, input=sink.getvalue(), capture_output=True).stderr else 65
            run(f"ulimit -v 1000000; {tool}", sink.getvalue(), status=status)


foreign_readers()
foreign_writers()
bombs()
replaced_stage()
poison()
sys.exit(failures > 0)
