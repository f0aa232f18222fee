#!/bin/bash
# shuffle-records.t: numpy's orders, the epoch column, whole streams only, bounded memory.
. "$(dirname "$0")/../tap.sh"

seq 0 9 | sed 's/.*/{"i": &, "name": "n&"}/' | rec-load > "$scratch/ten.arrows"
numbers() { rec-dump | sed -E 's/.*"i": ?([0-9]+).*/\1/' | paste -sd ' ' -; }

# default_rng(1).permutation(10), twice
is 'an epoch in the order of numpy' "$(shuffle-records --seed 1 "$scratch/ten.arrows" | numbers)" '8 4 7 0 1 2 5 9 6 3'
is 'a second epoch goes on with the generator' \
	"$(shuffle-records --seed 1 --epochs 2 "$scratch/ten.arrows" | numbers)" '8 4 7 0 1 2 5 9 6 3 0 1 8 6 5 7 9 2 3 4'
is 'columns are carried, and the epoch counted from 1' \
	"$(shuffle-records --seed 1 --epochs 2 "$scratch/ten.arrows" | rec-dump | sed -n '1p;11p' | tr -d ' ')" \
	'{"i":8,"name":"n8","epoch":1}
{"i":0,"name":"n0","epoch":2}'
is 'an epoch column that was there is replaced' "$(shuffle-records --seed 1 --epochs 2 "$scratch/ten.arrows" |
	shuffle-records --seed 5 | rec-dump | grep -c '"epoch": *1}$')" 20
like 'the stream tells how many records it holds' \
	"$(shuffle-records --epochs 3 "$scratch/ten.arrows" | rec-dump --info | tr -d ' \n')" '"records":30'
mkdir "$scratch/model"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} > "$scratch/model/vocab.txt"
for stage in wwm-mask random-mask; do
	like "$stage passes on what the stream tells of epochs" "$(seq 5 14 |
		sed 's/.*/{"input_ids": [2, &, 3], "word_ids": [null, 0, null]}/' | rec-load --type chunks --model "$scratch/model" |
		shuffle-records --epochs 3 | $stage | head -c 1000 | tr -d '\0 ')" '"epochs":3,"records_per_epoch":10,'
done
is 'a stage that writes other records does not' "$(shuffle-records --epochs 2 "$scratch/ten.arrows" |
	split-records --test-size 5 --test-out "$scratch/test.arrows" | cat - "$scratch/test.arrows" | grep -ac records_per_epoch)" 0

seq 0 4999 | sed 's/.*/{"i": &}/' | rec-load > "$scratch/many.arrows"
shuffle-records --epochs 2 --seed 3 "$scratch/many.arrows" > "$scratch/shuffled.arrows"
is 'each record comes once an epoch' \
	"$(rec-dump "$scratch/shuffled.arrows" | grep '"epoch": *2' | tr -dc '0-9,\n' | cut -d, -f1 | sort -n | cksum)" \
	"$(seq 0 4999 | cksum)"
ok 'the same seed gives the same bytes' \
	bash -c "shuffle-records --epochs 2 --seed 3 $scratch/many.arrows | cmp - $scratch/shuffled.arrows"
is 'another seed gives another order' \
	"$(shuffle-records --seed 4 "$scratch/many.arrows" | numbers | cksum | cmp - <(shuffle-records --seed 3 "$scratch/many.arrows" | numbers | cksum) > /dev/null; echo $?)" 1

# Rows in memory and in a file: the same data, of every type that passes through.
for stream in "$fixtures"/arrow/read/*.arrows "$scratch/many.arrows"; do
	name=$(basename "$stream" .arrows)
	shuffle-records --epochs 2 --seed 7 "$stream" | rec-dump > "$scratch/expected.jsonl"
	for memory in 0 700 1K; do
		is "$name: the same records with --memory $memory" "$(shuffle-records --epochs 2 --seed 7 --memory "$memory" "$stream" |
			rec-dump | cksum)" "$(cksum < "$scratch/expected.jsonl")"
	done
	is "$name: the records are those that came, twice" "$(sed -E 's/,? ?"epoch": ?[12]}$/}/' "$scratch/expected.jsonl" | sort)" \
		"$(for _ in 1 2; do rec-dump "$stream"; done | sort)"
done
mkdir "$scratch/tmp"
status 'verbose' 0 env TMPDIR="$scratch/tmp" shuffle-records --verbose --memory 100 "$scratch/many.arrows"
like 'verbose tells where the records are' "$err_text" '^shuffle-records: 5000 records, [0-9]+ bytes in memory, [0-9]+ in a file$'
is 'nothing is left of the file' "$(ls "$scratch/tmp")" ''
status 'a folder for the file that is not there' 73 env TMPDIR="$scratch/none" shuffle-records --memory 1K "$scratch/many.arrows"
like 'is named, with what to do' "$err_text" "$scratch/none .*set TMPDIR"
status 'a folder without room is an error' 73 bash -c "
	ulimit -f 64; trap '' XFSZ; shuffle-records --memory 1K $scratch/many.arrows | cat > /dev/null; exit \${PIPESTATUS[0]}"
like 'and said' "$err_text" 'temporary file'
status 'a size that is none' 64 shuffle-records --memory 12X "$scratch/many.arrows"

seq 30000 | awk '{ printf "{\"text\": \"%01000d\"}\n", $1 }' | rec-load > "$scratch/large.arrows"
if bash -c "ulimit -v 24000; shuffle-records --memory 1M $scratch/ten.arrows" > /dev/null 2>&1; then
	status 'memory: 30 MB of records in 24 MB of address space' 0 bash -c "
		ulimit -v 24000; shuffle-records --epochs 2 --memory 1M $scratch/large.arrows > $scratch/shuffled.arrows"
	is 'memory: none is missing' "$(rec-dump "$scratch/shuffled.arrows" | sort -u | wc -l | tr -d ' ')" 60000
	status 'memory: too much of it to be had is said' 71 bash -c "
		ulimit -v 24000; shuffle-records --memory 1G $scratch/large.arrows | cat > /dev/null; exit \${PIPESTATUS[0]}"
else
	skip 'memory: bounded' 'the tools take more address space than that here, as under a sanitizer'
fi

rec-load < /dev/null --type tokens > "$scratch/none.arrows"
is 'no records, none out' "$(shuffle-records "$scratch/none.arrows" | rec-dump)" ''
head -c -8 "$scratch/ten.arrows" > "$scratch/cut.arrows"
status 'a stream that was cut short is refused' 65 bash -c "shuffle-records < $scratch/cut.arrows > $scratch/out.arrows"
is 'and nothing is written' "$(wc -c < "$scratch/out.arrows" | tr -d ' ')" 0
status 'no epochs' 64 shuffle-records --epochs 0 "$scratch/ten.arrows"
finish
