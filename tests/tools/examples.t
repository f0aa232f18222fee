#!/bin/bash
# examples.t: stages that are not ours (pipelines/examples) in the place of ours, or between them.
. "$(dirname "$0")/../tap.sh"
examples=$top/pipelines/examples

mkdir -p "$scratch/model" "$scratch/aclImdb/train"/{pos,neg,unsup}
{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'; printf '%s\n' {a..z} '##'{a..z} film good bad br '<' / '>'; } \
	> "$scratch/model/vocab.txt"
for i in $(seq 40); do
	echo "A good film, number $i.<br /><br />Zoe liked it." > "$scratch/aclImdb/train/pos/${i}_9.txt"
	echo "A bad film, seen $((i / 2)) times" > "$scratch/aclImdb/train/neg/${i}_2.txt"
done
imdb-read --split train "$scratch/aclImdb" > "$scratch/text.arrows"
wordpiece --model "$scratch/model" "$scratch/text.arrows" > "$scratch/tokens.arrows"
group-texts --chunk-size 16 "$scratch/tokens.arrows" > "$scratch/chunks.arrows"

for example in "$examples"/*; do
	name=$(basename "$example")
	ok "$name can be run" test -x "$example"
	ok "$name has less than 15 lines" test "$(wc -l < "$example")" -lt 15
	like "$name begins by telling how it is called" "$(sed -n 2p "$example")" "^# .*: .*$name"
done

has() { [ -n "$python" ] && "$python" -c "import $1" 2> /dev/null; }
if has pyarrow; then
	is 'group-texts.py: the same masked records in the end as with group-texts' \
		"$("$python" "$examples/group-texts.py" 16 < "$scratch/tokens.arrows" |
			wwm-mask --seed 1 --model "$scratch/model" | rec-dump)" \
		"$(wwm-mask --seed 1 "$scratch/chunks.arrows" | rec-dump)"
	shuffle-records --epochs 30 "$scratch/tokens.arrows" > "$scratch/many.arrows"
	is 'group-texts.py: batches of 1,000 documents, however the stream is cut' \
		"$("$python" "$examples/group-texts.py" 32 < "$scratch/many.arrows" | rec-dump | cksum)" \
		"$(group-texts --chunk-size 32 "$scratch/many.arrows" | rec-dump | cksum)"
else
	skip 'group-texts.py' 'no Python with pyarrow'
fi
if has duckdb && has pyarrow; then
	is 'query.py: the records asked for, in the order asked for' \
		"$("$python" "$examples/query.py" "FROM records WHERE label = 0 ORDER BY name DESC" < "$scratch/text.arrows" |
			wordpiece --model "$scratch/model" | rec-dump)" \
		"$(rec-dump "$scratch/text.arrows" | grep '"label": *0' | sort -t: -k4r | rec-load | wordpiece --model "$scratch/model" |
			rec-dump)"
else
	skip 'query.py' 'no Python with duckdb'
fi
if command -v jq > /dev/null; then
	"$examples/positive" < "$scratch/text.arrows" > "$scratch/positive.arrows"
	is 'positive: half of the records' "$(rec-dump "$scratch/positive.arrows" | grep -c '"label": *1')" 40
	is 'positive: and no other, no line breaks' "$(rec-dump "$scratch/positive.arrows" | grep -cE '"label": *0|<br')" 0
	is 'positive: a stage can go on with it' \
		"$(wordpiece --model "$scratch/model" "$scratch/positive.arrows" | rec-dump | wc -l | tr -d ' ')" 40
	head -c -8 "$scratch/text.arrows" > "$scratch/cut.arrows"
	status 'positive: a stream that was cut short is refused' 65 "$examples/positive" < "$scratch/cut.arrows"
	"$examples/positive" < "$scratch/cut.arrows" > "$scratch/out.arrows" 2> /dev/null
	status 'positive: and what was written of it is no stream' 65 rec-dump "$scratch/out.arrows"
else
	skip 'positive' 'no jq'
fi

shuffle-records --epochs 2 --seed 3 "$scratch/chunks.arrows" | rec-dump | sed -E 's/, ?"epoch": ?.}/}/' |
	rec-load --type chunks --model "$scratch/model" > "$scratch/twice.arrows"
"$examples/unique" --type chunks --model "$scratch/model" < "$scratch/twice.arrows" > "$scratch/once.arrows"
is 'unique: each record once' "$(rec-dump "$scratch/once.arrows" | sort)" "$(rec-dump "$scratch/chunks.arrows" | sort -u)"
ok 'unique: a stage can go on with it' bash -c "wwm-mask $scratch/once.arrows > /dev/null"
head -c -8 "$scratch/twice.arrows" > "$scratch/cut.arrows"
status 'unique: a stream that was cut short is refused' 65 "$examples/unique" --type chunks < "$scratch/cut.arrows"

"$examples/keep-tokens" "$scratch/aclImdb" "$scratch/model" "$scratch/kept.arrows" > "$scratch/grouped.arrows"
ok 'keep-tokens: the file is the stream that passed, to the byte' cmp "$scratch/kept.arrows" <(
	imdb-read --split all "$scratch/aclImdb" | wordpiece --model "$scratch/model")
is 'keep-tokens: and the chunks are those of the file' "$(rec-dump "$scratch/grouped.arrows" | cksum)" \
	"$(group-texts "$scratch/kept.arrows" | rec-dump | cksum)"
is 'keep-tokens: there are some' "$(rec-dump "$scratch/grouped.arrows" | grep -c input_ids)" 15
status 'keep-tokens: without an archive nothing passes for chunks' 65 "$examples/keep-tokens" "$scratch/none" "$scratch/model" "$scratch/kept.arrows"
finish
