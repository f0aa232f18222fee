#!/bin/bash
# rec-load.t: JSON lines to streams and back; columns and types; bad lines.
. "$(dirname "$0")/../tap.sh"

# The columns of a stream: name:type name:type
columns() {
	rec-dump --info "$@" | tr -d ' \n' | grep -o '"name":"[^"]*","type":"[^"]*"' |
		sed 's/"name":"\([^"]*\)","type":"\([^"]*\)"/\1:\2/' | paste -sd ' '
}

cat > "$scratch/text.jsonl" <<'END'
{"text": "one", "label": 1, "name": "train/pos/0_9.txt"}
{"text": "NUL \u0000 quote \" backslash \\ newline \n tab \t bell \u0007 é 😀", "label": 0, "name": null}
{"text": null, "label": -1, "name": ""}
END
cat > "$scratch/tokens.jsonl" <<'END'
{"input_ids": [101, 7, 102], "word_ids": [null, 0, null], "label": 1}
{"input_ids": [], "word_ids": [], "label": null}
{"input_ids": null, "word_ids": null, "label": 0}
END
cat > "$scratch/chunks.jsonl" <<'END'
{"input_ids": [101, 7], "word_ids": [null, 0]}
{"input_ids": [8, 9], "word_ids": [1, 1]}
END
cat > "$scratch/masked.jsonl" <<'END'
{"input_ids": [101, 103], "labels": [-100, 7], "epoch": 1, "note": {"by": "me", "tags": ["a", null]}, "score": 0.5}
{"input_ids": [], "labels": [], "epoch": 2, "note": null, "score": 1e+30}
{"input_ids": [2147483647], "labels": [-100], "epoch": 2, "note": {"by": null, "tags": []}, "score": 3.0}
END
for type in text tokens chunks masked; do
	status "--type $type" 0 bash -c "rec-load --type $type '$scratch/$type.jsonl' > '$scratch/$type.arrows'"
	is "$type comes back" "$(rec-dump "$scratch/$type.arrows")" "$(cat "$scratch/$type.jsonl")"
	is "$type comes back a second time" "$(rec-dump "$scratch/$type.arrows" | rec-load --type $type | rec-dump)" \
		"$(cat "$scratch/$type.jsonl")"
	is "$type without --type" "$(rec-load "$scratch/$type.jsonl" | rec-dump)" "$(cat "$scratch/$type.jsonl")"
	like "$type is in the metadata" "$(rec-dump --info "$scratch/$type.arrows")" "\"type\": \"$type\""
done
is 'columns of text' "$(columns "$scratch/text.arrows")" 'text:utf8 label:int64 name:utf8'
is 'columns of tokens' "$(columns "$scratch/tokens.arrows")" 'input_ids:list<int32> word_ids:list<int32> label:int64'
is 'columns of chunks' "$(columns "$scratch/chunks.arrows")" 'input_ids:list<int32> word_ids:list<int32>'
is 'columns of masked records, and of others' "$(columns "$scratch/masked.arrows")" \
	'input_ids:list<int32> labels:list<int32> epoch:int32 note:struct<by:utf8,tags:list<utf8>> score:float64'
like 'its lineage' "$(rec-dump --info "$scratch/masked.arrows" | tr -d ' \n')" \
	'"lineage":\[\{"tool":"rec-load","version":"[0-9.]+","arguments":\["--type","masked",'

is 'a word id of -1 is null' "$(echo '{"input_ids": [5, 6], "word_ids": [-1, 0]}' | rec-load --type tokens | rec-dump)" \
	'{"input_ids": [5, 6], "word_ids": [null, 0]}'
is 'without --type it stays' "$(echo '{"word_ids": [-1, 0]}' | rec-load | rec-dump)" '{"word_ids": [-1, 0]}'
is 'types are told from all of the first lines' \
	"$(printf '%s\n' '{"a": null, "b": 1}' '{"b": 2.5, "c": [3000000000]}' '{"a": true, "c": [1], "d": [[1]]}' |
		rec-load | columns)" 'a:bool b:float64 c:list<int64> d:list<list<int32>>'
is 'a missing key is null' "$(printf '%s\n' '{"a": 1}' '{"b": 2}' | rec-load | rec-dump)" \
	$'{"a": 1, "b": null}\n{"a": null, "b": 2}'
is 'blank lines, and none at the end' "$(printf '\n{"a": 1}\n \n{"a": 2}' | rec-load | rec-dump)" $'{"a": 1}\n{"a": 2}'
is 'lists that may be missing, with --type' "$(echo '{"input_ids": [5], "labels": [5], "attention_mask": [],
	"token_type_ids": [1]}' | tr -d '\n' | rec-load --type masked | columns)" \
	'input_ids:list<int32> labels:list<int32> attention_mask:list<int32> token_type_ids:list<int32>'
is 'tokens without word_ids, from an array' "$(echo '[{"input_ids": [5]},
	{"input_ids": [6, 7]}]' | rec-load --type tokens | rec-dump)" $'{"input_ids": [5]}\n{"input_ids": [6, 7]}'
is 'uint64 comes back' "$(printf '{"id": 18446744073709551615, "ids": [1, 9223372036854775808]}\n{"id": 0, "ids": []}\n' | rec-load |
	tee "$scratch/uint64.arrows" | rec-dump)" '{"id": 18446744073709551615, "ids": [1, 9223372036854775808]}
{"id": 0, "ids": []}'
is 'as uint64' "$(columns "$scratch/uint64.arrows")" 'id:uint64 ids:list<uint64>'
is 'NaN and infinity are floats' "$(echo '{"a": [1.5, NaN, -Infinity]}' | rec-load | rec-dump)" '{"a": [1.5, null, null]}'
status 'half of a surrogate pair' 0 bash -c "printf '{\"a\": 1}\n{\"a\": 2, \"b\": \"x\\\\ud800\"}\n' | rec-load > '$scratch/lone.arrows'"
is 'is told' "$err_text" 'rec-load: standard input: 1 halves of surrogate pairs became U+FFFD, first in line 2'
is 'and becomes U+FFFD' "$(rec-dump "$scratch/lone.arrows" | tail -n 1)" '{"a": 2, "b": "x�"}'
is 'a byte order mark' "$(printf '\357\273\277{"a": 1}' | rec-load | rec-dump)" '{"a": 1}'
is 'records over several lines' "$(sed 's/, "/,\n  "/g' "$scratch/text.jsonl" | rec-load | rec-dump)" \
	"$(cat "$scratch/text.jsonl")"

# A line that memory cannot hold is an error, and not the end of the input.
if (ulimit -v 500000; rec-dump "$scratch/text.arrows" > /dev/null 2>&1); then
	large() { echo '{"text": "one"}'; printf '{"text": "'; head -c 100000000 /dev/zero | tr '\0' x; printf '"}\n{"text": "two"}\n'; }
	large > "$scratch/large.jsonl"
	status 'a line beyond the memory' 71 bash -c "ulimit -v 200000; rec-load '$scratch/large.jsonl' > '$scratch/large.arrows'"
	like 'is told in a line' "$err_text" '^rec-load: memory: exhausted .*$'
	is 'and with enough of it, read' "$(rec-load "$scratch/large.jsonl" | rec-dump | wc -l)" 3
	rm "$scratch/large.jsonl"
else
	skip 'a line beyond the memory' 'an instrumented build'
fi
is 'no lines, with --type' "$(rec-load --type masked < /dev/null | columns)" 'input_ids:list<int32> labels:list<int32>'

refused() { # NAME REASON LINES...
	local name=$1 reason=$2
	shift 2
	printf '%s\n' "$@" > "$scratch/bad.jsonl"
	status "$name" 65 bash -c "rec-load ${options-} '$scratch/bad.jsonl' > '$scratch/bad.arrows'"
	like "$name: the reason" "$err_text" "$reason"
}
refused 'not JSON' 'line 2: not JSON' '{"a": 1}' '{"a": }'
refused 'not an object' 'line 1: not a JSON object' '1'
refused 'not an object in an array' 'line 1: an element of the array is not a JSON object' '[1]'
refused 'a key twice' 'line 1: the key "a" is there twice' '{"a": 1, "a": 2}'
refused 'a key twice, deep' 'line 2: the key "c" is there twice' '{"a": [{"c": 1}]}' '{"a": [{"c": 1, "b": 1, "c": 2}]}'
refused 'too large a number' 'line 1: "a" is an integer of more than 64 bits' '{"a": 99999999999999999999}'
refused 'beyond int64 and negative' 'line 2: "a" is no uint64' '{"a": 18446744073709551615}' '{"a": -1}'
refused 'too large a float' 'line 1: "a" is no float64' '{"a": 1e999}'
refused 'two types' 'line 2: "a" is of another type' '{"a": 1}' '{"a": "x"}'
refused 'no lines' 'no line to tell the columns from' ''
many=$(for _ in $(seq 100); do echo '{"a": [1]}'; done)
refused 'another type later' 'line 101: "a" is no list<int32>' "$many" '{"a": [1.5]}'
refused 'more than 32 bits later' 'line 101: "a" is no list<int32>' "$many" '{"a": [3000000000]}'
refused 'a new key later' 'line 101: "b" is in none of the first 100 lines' "$many" '{"a": [1], "b": 2}'
many=$(for _ in $(seq 1500); do echo '{"a": [1]}'; done)
refused 'a bad line after a batch' 'line 1501' "$many" '{'
status 'what was written then is refused' 65 rec-dump "$scratch/bad.arrows"
like 'as made by a stage that failed' "$err_text" 'the stage that writes it failed after record 1000'
deep=$(printf '[%.0s' $(seq 70))1$(printf ']%.0s' $(seq 70))
refused 'too deep a nesting' 'column a is nested deeper than 64' "{\"a\": $deep}"
is 'as deep as can be' "$(echo "{\"a\": ${deep:6:129}}" | rec-load | rec-dump)" "{\"a\": ${deep:6:129}}"
options='--type masked'
refused 'a required key is missing' 'line 1: no "labels"' '{"input_ids": [1]}'
refused 'a list of strings for ids' 'line 1: "input_ids" is no list<int32>' '{"input_ids": ["a"], "labels": [1]}'
refused 'ids that do not fit' 'line 1: "input_ids" is no list<int32>' '{"input_ids": [2147483648], "labels": [1]}'
status 'a type that is none' 64 rec-load --type words
status 'a missing file' 66 rec-load "$scratch/none.jsonl"
status 'a full disk' 73 bash -c "rec-load '$scratch/text.jsonl' > /dev/full"

mkdir "$scratch/model"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' film > "$scratch/model/vocab.txt"
is '--model puts the vocabulary into the metadata' \
	"$(rec-load --type masked --model "$scratch/model" "$scratch/masked.jsonl" | rec-dump --info | tr -d ' \n' |
		grep -o '"vocab_size":.*"mask":4}')" \
	'"vocab_size":6,"vocab_fingerprint":"crc32:'"$(gzip -c "$scratch/model/vocab.txt" | tail -c 8 | od -An -tx4 -N4 |
		tr -d ' ')"'","special_ids":{"pad":0,"unk":1,"cls":2,"sep":3,"mask":4}'
status '--model without a model' 66 rec-load --model "$scratch/none" "$scratch/masked.jsonl"

for model in bert-tiny distilbert-tiny; do
	if [ -z "$shared" ]; then
		skip "the masked records of $model" 'no ../shared'
		continue
	fi
	gzip -dc "$shared/golden/$model/train.jsonl.gz" > "$scratch/golden.jsonl"
	rec-load --type masked "$scratch/golden.jsonl" > "$scratch/golden.arrows"
	is "the columns of $model" "$(columns "$scratch/golden.arrows")" 'input_ids:list<int32> labels:list<int32>'
	ok "the masked records of $model come back byte for byte" \
		bash -c "rec-dump '$scratch/golden.arrows' | cmp - '$scratch/golden.jsonl'"
done

finish
