#!/bin/bash
# shuffle-records.t: numpy's orders, the epoch column, whole streams only.
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

seq 0 4999 | sed 's/.*/{"i": &}/' | rec-load > "$scratch/many.arrows"
shuffle-records --epochs 2 --seed 3 "$scratch/many.arrows" > "$scratch/shuffled.arrows"
is 'each record comes once an epoch' \
	"$(rec-dump "$scratch/shuffled.arrows" | grep '"epoch": *2' | tr -dc '0-9,\n' | cut -d, -f1 | sort -n | cksum)" \
	"$(seq 0 4999 | cksum)"
ok 'the same seed gives the same bytes' \
	bash -c "shuffle-records --epochs 2 --seed 3 $scratch/many.arrows | cmp - $scratch/shuffled.arrows"
is 'another seed gives another order' \
	"$(shuffle-records --seed 4 "$scratch/many.arrows" | numbers | cksum | cmp - <(shuffle-records --seed 3 "$scratch/many.arrows" | numbers | cksum) > /dev/null; echo $?)" 1

rec-load < /dev/null --type tokens > "$scratch/none.arrows"
is 'no records, none out' "$(shuffle-records "$scratch/none.arrows" | rec-dump)" ''
head -c -8 "$scratch/ten.arrows" > "$scratch/cut.arrows"
status 'a stream that was cut short is refused' 65 bash -c "shuffle-records < $scratch/cut.arrows > $scratch/out.arrows"
is 'and nothing is written' "$(wc -c < "$scratch/out.arrows" | tr -d ' ')" 0
status 'no epochs' 64 shuffle-records --epochs 0 "$scratch/ten.arrows"
finish
