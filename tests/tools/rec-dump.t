#!/bin/bash
# rec-dump.t: streams from pyarrow, polars and datasets as JSON lines; what is refused, and why.
. "$(dirname "$0")/../tap.sh"

for stream in "$fixtures"/arrow/read/*.arrows; do
	name=$(basename "$stream" .arrows)
	status "reads $name" 0 rec-dump "$stream"
	ok "$name has the expected rows" diff "$scratch/.out" "${stream%.arrows}.jsonl"
done
for stream in "$fixtures"/arrow/compressed/*.arrows; do
	name=$(basename "$stream" .arrows)
	if ldd "$(command -v rec-dump)" | grep -q "lib${name#polars-}"; then
		status "reads $name" 0 rec-dump "$stream"
		ok "$name has the expected rows" diff "$scratch/.out" "${stream%.arrows}.jsonl"
	else
		status "refuses $name, for want of a library" 69 rec-dump "$stream"
		like "tells how to do without" "$err_text" "^rec-dump: .*after record 0: compressed .*without lib.*compression=None"
	fi
done
stream=$fixtures/arrow/read/pyarrow.arrows
is 'reads a pipe' "$(cat "$stream" | rec-dump)" "$(cat "${stream%.arrows}.jsonl")"
is 'reads standard input as -' "$(rec-dump - < "$stream")" "$(cat "${stream%.arrows}.jsonl")"

for stream in "$fixtures"/arrow/refused/*.arrows; do
	name=$(basename "$stream" .arrows)
	status "refuses $name" 65 rec-dump "$stream"
	like "tells why $name is refused" "$err_text" "^rec-dump: .*$(cat "${stream%.arrows}.reason")"
done

stream=$fixtures/arrow/read/pyarrow.arrows
is '--limit stops' "$(rec-dump --limit 2 "$stream")" "$(head -n 2 "${stream%.arrows}.jsonl")"
is '--limit 0 prints nothing' "$(rec-dump --limit 0 "$stream")" ''
is '--info tells the columns, and counts a file' "$(rec-dump --info "$stream" | tr -d ' \n')" \
	"$(tr -d ' \n' <<'END' | sed "s/ROWS/$(wc -l < "${stream%.arrows}.jsonl")/"
{"columns":[{"name":"text","type":"utf8"},{"name":"large_text","type":"large_utf8"},{"name":"label","type":"int64"},
{"name":"input_ids","type":"list<int64>"},{"name":"word_ids","type":"large_list<int32>"},
{"name":"pair","type":"fixed_size_list<int16>[2]"}],"records":ROWS,"cloze":{},"metadata":{}}
END
)"

is '--info shows a name that is not UTF-8' "$(LC_ALL=C sed 's/large_text/large\xfftext/' "$stream" |
	rec-dump --info | jq -r '.columns[1].name')" 'large?text'
is '--info does not count a pipe' "$(cat "$stream" | rec-dump --info | grep -c '"records"')" 0
head -c -20 "$stream" > "$scratch/short.arrows"
status '--info of a file that is cut short shows the rest' 0 rec-dump --info "$scratch/short.arrows"

if [ -n "$python" ]; then
	"$python" - > "$scratch/floats.arrows" <<'END'
import sys, pyarrow as pa
t = pa.table({"x": [5e-324, 4.2653749046806e-310, 0.1, 1e22, -2.5e-323], "y": pa.array([1e-45, 3e-42, 0.1, 16777216, -7e-45], pa.float32())})
with pa.ipc.new_stream(sys.stdout.buffer, t.schema) as w: w.write_table(t)
END
	is 'floats have the fewest digits, subnormal ones too' "$(rec-dump "$scratch/floats.arrows")" '{"x": 5e-324, "y": 1e-45}
{"x": 4.2653749046806e-310, "y": 3e-42}
{"x": 0.1, "y": 0.1}
{"x": 1e+22, "y": 16777216.0}
{"x": -2.5e-323, "y": -7e-45}'
else
	skip 'floats have the fewest digits, subnormal ones too' 'no Python with pyarrow'
fi

if script -qec true /dev/null < /dev/null > /dev/null 2>&1; then
	printf '{"a\\u009b": "x\\u0085\\u202ey\\u007f é"}\n' | rec-load > "$scratch/controls.arrows"
	is 'on a terminal no control character is shown' \
		"$(script -qec "rec-dump $scratch/controls.arrows" /dev/null < /dev/null | tr -d '\r')" \
		'{"a\u009b": "x\u0085\u202ey\u007f é"}'
	is 'a terminal is no input' "$(script -qec 'rec-dump; echo $?' /dev/null < /dev/null | tr -d '\r' |
		sed 's/(.*//' | paste -sd ' ')" 'rec-dump: standard input: a terminal gives no binary records  64'
else
	skip 'terminals' 'needs script and a pseudo-terminal'
fi

status 'a missing file' 66 rec-dump "$scratch/none.arrows"
status 'two files' 64 rec-dump "$stream" "$stream"
status 'a full disk' 73 bash -c "rec-dump '$stream' > /dev/full"

# What arrived before the cut is shown.
for i in $(seq 1500); do echo "{\"i\": $i}"; done | rec-load > "$scratch/long.arrows"
head -c 10000 "$scratch/long.arrows" > "$scratch/cut.arrows"
status 'a cut stream' 65 rec-dump "$scratch/cut.arrows"
like 'tells where it was cut' "$err_text" 'cut short after record 1000: no end-of-stream marker'
is 'shows the records before the cut' "$(tail -n 1 "$scratch/.out")" '{"i": 1000}'
seq 20000 | sed 's/.*/{"i": &}/' | rec-load > "$scratch/long.arrows"
rec-dump "$scratch/long.arrows" 2> "$scratch/.err" | head -n 1 > /dev/null
is 'a closed pipe ends it' "${PIPESTATUS[0]}" 141
is 'quietly' "$(cat "$scratch/.err")" ''

echo '{"a": 1}' | rec-load > "$scratch/one.arrows"
is 'a whole stream' "$(rec-dump "$scratch/one.arrows")" '{"a": 1}'
size=$(stat -c %s "$scratch/one.arrows")
accepted=
for ((cut = 0; cut < size; cut++)); do
	head -c "$cut" "$scratch/one.arrows" | rec-dump > /dev/null 2>&1
	[ $? = 65 ] || accepted="$accepted $cut"
done
is "a stream cut at any of its $size bytes exits 65" "$accepted" ''


# Tokens as text, with what was masked.
hub=$fixtures/hub/distilbert-base-uncased
printf '%s\n' '{"input_ids": [101, 103, 142, 148, 107, 102], "labels": [-100, 136, -100, -100, 140, -100]}' \
	'{"input_ids": [], "labels": []}' > "$scratch/masked.jsonl"
rec-load --type masked "$scratch/masked.jsonl" > "$scratch/masked.arrows"
is '--text shows what was masked in braces' "$(rec-dump --text --model "$hub" "$scratch/masked.arrows" | head -n 1)" \
	'[CLS] [MASK]{the} is good -{was} [SEP]'
is 'a record without tokens is an empty line' "$(rec-dump --text --model "$hub" "$scratch/masked.arrows" | wc -l)" 2
is '--limit bounds it' "$(rec-dump --text --limit 1 --model "$hub" "$scratch/masked.arrows" | wc -l)" 1
printf 'The great film, and a bad movie!\n' | imdb-read --format lines | wordpiece --model "$hub" > "$scratch/tokens.arrows"
is '--text decodes tokens' "$(rec-dump --text --model "$hub" "$scratch/tokens.arrows")" \
	'[CLS] the great film, and a bad movie! [SEP]'
is 'of chunks without their copy in labels' \
	"$(group-texts --chunk-size 5 < "$scratch/tokens.arrows" | rec-dump --text --model "$hub" | head -n 1)" \
	'[CLS] the great film,'
status '--text needs --model' 64 rec-dump --text "$scratch/tokens.arrows"
status '--model needs --text' 64 rec-dump --model "$hub" "$scratch/tokens.arrows"
status '--text and --info' 64 rec-dump --text --info --model "$hub" "$scratch/tokens.arrows"
status 'a model with another vocabulary' 65 rec-dump --text --model "$fixtures/hub/bert-base-cased" "$scratch/tokens.arrows"
like 'is told' "$err_text" 'made with vocabulary'
printf '{"text": "a"}\n' | rec-load --type text > "$scratch/plain.arrows"
status 'a stream without tokens' 65 rec-dump --text --model "$hub" "$scratch/plain.arrows"
echo '{"input_ids": [101, 102], "labels": [-100]}' | rec-load > "$scratch/uneven.arrows"
status 'fewer labels than ids' 65 rec-dump --text --model "$hub" "$scratch/uneven.arrows"
like 'are told with the record' "$err_text" 'record 1: 2 input_ids and 1 labels'

finish
