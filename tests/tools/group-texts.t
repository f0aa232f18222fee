#!/bin/bash
# group-texts.t: documents are concatenated and cut into chunks; dropped remainders, and refused input.
. "$(dirname "$0")/../tap.sh"

cat > "$scratch/tokens.jsonl" <<'END'
{"input_ids": [2, 10, 11, 3], "word_ids": [null, 0, 0, null], "label": 1}
{"input_ids": [2, 12, 3], "word_ids": [null, 0, null], "label": 0}
{"input_ids": [], "word_ids": [], "label": 0}
{"input_ids": [2, 13, 14, 15, 16, 3], "word_ids": [null, 0, 1, 1, 2, null], "label": 0}
END
rec-load --type tokens "$scratch/tokens.jsonl" > "$scratch/tokens.arrows"

# The chunks' input_ids, a chunk a line.
chunks() {
	group-texts "$@" < "$scratch/tokens.arrows" | rec-dump | sed -E 's/.*"input_ids": ?\[([^]]*)\].*/\1/; s/,  */,/g'
}

is 'one batch: cut without regard to documents, remainder dropped' "$(chunks --chunk-size 4)" '2,10,11,3
2,12,3,2
13,14,15,16'
is 'a remainder is dropped at the end of each batch of documents' "$(chunks --chunk-size 4 --batch-size 2)" '2,10,11,3
2,13,14,15'
is 'batch size 0 drops at the end only' "$(chunks --chunk-size 5 --batch-size 0)" '2,10,11,3,2
12,3,2,13,14'
is 'a remainder that is kept' "$(chunks --chunk-size 5 --batch-size 0 --keep-remainder)" '2,10,11,3,2
12,3,2,13,14
15,16,3'
is 'kept remainders of batches, none empty' "$(chunks --chunk-size 3 --batch-size 3 --keep-remainder)" '2,10,11
3,2,12
3
2,13,14
15,16,3'
is 'documents cut one by one' "$(chunks --chunk-size 3 --per-document)" '2,10,11
2,12,3
2,13,14
15,16,3'
is 'documents cut one by one, all of them kept' "$(chunks --chunk-size 4 --per-document --keep-remainder)" '2,10,11,3
2,12,3
2,13,14,15
16,3'
is 'chunks longer than everything: none' "$(chunks)" ''

is 'word ids go with their tokens, null for null, and other columns end here' \
	"$(group-texts --chunk-size 7 < "$scratch/tokens.arrows" | rec-dump | tr -d ' ')" \
	'{"input_ids":[2,10,11,3,2,12,3],"word_ids":[null,0,0,null,null,0,null]}'
sed 's/, "word_ids.*/}/' "$scratch/tokens.jsonl" | rec-load > "$scratch/bare.arrows"
is 'input without word ids gives chunks without' \
	"$(group-texts --chunk-size 7 "$scratch/bare.arrows" | rec-dump | tr -d ' ')" '{"input_ids":[2,10,11,3,2,12,3]}'
jq -c '. + {attention_mask: [.input_ids[] | . % 2], tags: [.input_ids[] | if . > 14 then null else "t\(.)" end], labels: []}' \
	"$scratch/tokens.jsonl" | rec-load > "$scratch/lists.arrows"
is 'other lists are cut with their tokens, but for labels' \
	"$(group-texts --chunk-size 5 --keep-remainder "$scratch/lists.arrows" | rec-dump | jq -c 'del(.input_ids, .word_ids)')" \
	'{"attention_mask":[0,0,1,1,0],"tags":["t2","t10","t11","t3","t2"]}
{"attention_mask":[0,1,0,1,0],"tags":["t12","t3","t2","t13","t14"]}
{"attention_mask":[1,0,1],"tags":[null,null,"t3"]}'
group-texts --chunk-size 7 "$scratch/tokens.arrows" | rec-dump --info > "$scratch/info"
like 'the stream says that these are chunks' "$(tr -d ' \n' < "$scratch/info")" '"type":"chunks"'
like 'and of what size' "$(tr -d ' \n' < "$scratch/info")" '"chunk_size":7'

status 'verbose' 0 group-texts --verbose --chunk-size 5 "$scratch/tokens.arrows"
like 'verbose tells what was dropped' "$err_text" '4 documents, 13 tokens, 2 chunks, 3 tokens dropped'

refused() { # NAME JSON REGULAR_EXPRESSION
	{ cat "$scratch/tokens.jsonl"; echo "$2"; } | sed 's/, "label.*/}/' | rec-load --type tokens > "$scratch/bad.arrows"
	status "$1: refused" 65 group-texts "$scratch/bad.arrows"
	like "$1: says what and where" "$err_text" "$3"
}
refused 'a token without an id' '{"input_ids": [2, null, 3], "word_ids": [null, 0, null]}' 'record 5: input_ids\[1\]'
refused 'a negative id' '{"input_ids": [2, 5, -7], "word_ids": [null, 0, null]}' 'record 5: input_ids\[2\]'
refused 'too few word ids' '{"input_ids": [2, 5, 3], "word_ids": [null, 0]}' 'record 5: 2 word_ids for 3'
jq -c 'if .label == 1 then . + {tags: .input_ids} else . + {tags: [1, 2, 4]} end' "$scratch/tokens.jsonl" |
	rec-load > "$scratch/uneven.arrows"
status 'a list that is as long as the tokens, and then is not, is refused' 65 group-texts "$scratch/uneven.arrows"
like 'and named' "$err_text" 'record 3: 3 tags for 0 input_ids'
jq -c '. + {tags: [1, 2]}' "$scratch/tokens.jsonl" | rec-load > "$scratch/uneven.arrows"
is 'a list of another length is left out' "$(group-texts --chunk-size 7 "$scratch/uneven.arrows" | rec-dump | jq -c 'keys')" \
	'["input_ids","word_ids"]'
echo '{"text": "a"}' | rec-load > "$scratch/text.arrows"
status 'a stream of texts is refused' 65 group-texts "$scratch/text.arrows"
like 'the column it lacks is named' "$err_text" 'input_ids'
head -c -8 "$scratch/tokens.arrows" > "$scratch/cut.arrows"
status 'a stream that was cut short is refused' 65 bash -c "group-texts --chunk-size 4 $scratch/cut.arrows > $scratch/out.arrows"
status 'and what was written of it is no stream' 65 rec-dump "$scratch/out.arrows"
status 'no chunk is empty' 64 group-texts --chunk-size 0

for known in 'train 61292' 'unsupervised 122963'; do
	if [ -n "$shared" ]; then
		imdb-read --split "${known% *}" "$shared/data/aclImdb-train.tar.gz" | wordpiece --vocab "$shared/data/vocab.txt" |
			group-texts --verbose 2>&1 > /dev/null | grep -oE '[0-9]+ chunks' > "$scratch/figures"
		is "the ${known% *} split has as many chunks as the reference makes" "$(cat "$scratch/figures")" "${known#* } chunks"
	else
		skip "the ${known% *} split has as many chunks as the reference makes" 'no ../shared'
	fi
done
if [ -n "$python" ]; then
	ok 'the chunks are those of datasets, map(batched=True)' "$python" "$top/tests/conformance/groups.py"
else
	skip 'the chunks are those of datasets, map(batched=True)' 'no Python with datasets'
fi
finish
