#!/usr/bin/env python3
# An SQL query by DuckDB: imdb-read DIR | query.py "FROM records WHERE length(text) < 1000" | wordpiece --model MODEL
import sys
import duckdb
import pyarrow as pa

records = pa.ipc.open_stream(sys.stdin.buffer)  # DuckDB finds the variable by its name
result = duckdb.sql(sys.argv[1]).to_arrow_reader()
with pa.ipc.new_stream(sys.stdout.buffer, result.schema) as out:
    for batch in result:
        out.write_batch(batch)
