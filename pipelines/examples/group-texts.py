#!/usr/bin/env python3
# group-texts in pyarrow: wordpiece --model DIR text.arrows | group-texts.py 128 | wwm-mask --model DIR
import sys
import pyarrow as pa

size = int(sys.argv[1])
tokens = pa.ipc.open_stream(sys.stdin.buffer).read_all().select(["input_ids", "word_ids"])
with pa.ipc.new_stream(sys.stdout.buffer, schema := tokens.schema.remove_metadata()) as out:
    for first in range(0, len(tokens), 1000):
        flat = [column.combine_chunks().flatten() for column in tokens[first:first + 1000].columns]
        starts = pa.array(range(0, len(flat[0]) + 1, size), pa.int32())
        out.write(pa.record_batch([pa.ListArray.from_arrays(starts, column) for column in flat], schema))
