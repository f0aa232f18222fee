#!/bin/bash
# limits.t: the shortest and the longest records, very many empty ones, the smallest and a large vocabulary, many threads, and
# little memory: a right result, or one line and 71. `make torture` tries a document of 1 GiB, too.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit

awk 'BEGIN { printf "{\"input_ids\": [0"; for (i = 1; i < 1048576; i++) printf ",%d", i % 30000; print "]}" }' |
	rec-load > long.arrows
echo '{"input_ids": [7]}' | rec-load > one.arrows
yes '{"input_ids": []}' | head -n 1000000 | rec-load --type tokens > empty.arrows

records() {
	rec-dump | wc -l | tr -d ' '
}
is 'a record of 2^20 tokens is cut into chunks of one' "$(group-texts --chunk-size 1 long.arrows | records)" 1048576
is 'and is a chunk' "$(group-texts --chunk-size 1048576 long.arrows | rec-dump | jq -c '.input_ids | [length, .[-1]]')" \
	'[1048576,28575]'
is 'and is shuffled' "$(shuffle-records --epochs 2 --memory 1M long.arrows | rec-dump | jq -c '.input_ids | [length, .[-1]]')" \
	'[1048576,28575]
[1048576,28575]'
is 'a record of one token is a chunk' "$(group-texts --chunk-size 1 one.arrows | rec-dump | tr -d ' ')" '{"input_ids":[7]}'
is 'a million empty documents are no chunk' "$(group-texts --keep-remainder empty.arrows | records)" 0
is 'and are shuffled' "$(shuffle-records empty.arrows | records)" 1000000

{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'; seq -f 'w%.0f' 6 1000000; } > million.txt
echo '{"text": "w6 w1000000 w1000001"}' | rec-load | wordpiece --vocab million.txt > tokens.arrows
is 'a vocabulary of a million tokens' "$(rec-dump tokens.arrows | jq -c .input_ids)" '[2,5,999999,1,3]'
echo '[UNK]' > single.txt
status 'a vocabulary of one token' 65 wordpiece --vocab single.txt < /dev/null
is 'which lacks those that encoding needs' "$err_text" 'wordpiece: single.txt: no token [CLS] (encoding needs it)'

seq 20000 | sed 's/.*/{"text": "w&, or w6"}/' | rec-load > texts.arrows
is 'sixty-four threads tokenize as one does' "$(wordpiece --threads 64 --vocab million.txt texts.arrows | cksum)" \
	"$(wordpiece --threads 1 --vocab million.txt texts.arrows | cksum)"
model=$fixtures/train/distilbert
rec-load --type masked "$model/train.jsonl" > masked.arrows
for threads in 1 64; do
	train-step --threads $threads --max-steps 2 --model "$model" --out trained-$threads masked.arrows > report-$threads
done
is 'and train as one does' "$(model-info --diff trained-1 trained-64 2>&1)" ''
is 'and evaluate as one does' "$(perplexity --threads 64 --model trained-1 masked.arrows)" \
	"$(perplexity --threads 1 --model trained-1 masked.arrows)"

# try_in MEBIBYTES INPUT TOOL...: in so much memory the tool takes the input to its end, or says in one line that it is short.
try_in() {
	local mebibytes=$1 input=$2 got=0
	shift 2
	(ulimit -v $((mebibytes * 1024)); exec "$@" < "$input" > /dev/null 2> err) || got=$?
	is "$* < $input in $mebibytes MiB: done, or one line and 71" "$got $(wc -l < err | tr -d ' ')" \
		"$([ $got = 0 ] && echo 0 0 || echo 71 1)"
}
limited=
if bash -c 'ulimit -v 65536; rec-dump --version' > /dev/null 2>&1; then limited=yes; fi
if [ -n "$limited" ]; then
	for mebibytes in 16 64 96 256; do
		for file in long one empty; do
			try_in $mebibytes $file.arrows shuffle-records --epochs 2
			try_in $mebibytes $file.arrows group-texts --chunk-size 1
			try_in $mebibytes $file.arrows group-texts --chunk-size 1048576
		done
	done
else
	skip 'little memory' 'the tools take more address space than that here, as under a sanitizer'
fi

if [ "${TORTURE:-0}" = 0 ]; then
	skip 'a document of 1 GiB' 'it takes minutes, and 2 GiB of the disk (make torture)'
elif [ -n "$limited" ]; then
	printf '%s\n' '[UNK]' '[CLS]' '[SEP]' one word and another > vocabulary.txt
	{
		printf '{"text": "'
		yes 'one word and another ' | tr -d '\n' | head -c $((1 << 30))
		printf '"}\n{"text": "one word"}\n'
	} > document.jsonl
	status 'a document of 1 GiB becomes a record' 0 bash -c 'rec-load document.jsonl > document.arrows'
	for mebibytes in 2048 8192; do
		try_in $mebibytes document.jsonl rec-load
		try_in $mebibytes document.arrows imdb-read --format arrow
		try_in $mebibytes document.arrows rec-dump
		try_in $mebibytes document.arrows rec-cat
		try_in $mebibytes document.arrows wordpiece --vocab vocabulary.txt
		try_in $mebibytes document.arrows wordpiece-train --vocab-size 100
		try_in $mebibytes document.arrows select-records --match another
		try_in $mebibytes document.arrows shuffle-records
		try_in $mebibytes document.arrows split-records --test-size 1 --test-out test.arrows
	done
else
	skip 'a document of 1 GiB' 'the tools take more address space than that here, as under a sanitizer'
fi
finish
