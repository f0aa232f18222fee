#!/bin/bash
# split-records.t: the same records as datasets selects, two whole streams or none, sizes that do not fit.
. "$(dirname "$0")/../tap.sh"

seq 0 9 | sed 's/.*/{"i": &, "name": "n&"}/' | rec-load > "$scratch/ten.arrows"
numbers() { rec-dump | sed -E 's/.*"i": ?([0-9]+).*/\1/' | paste -sd ' ' -; }
test=$scratch/test.arrows

# split NAME EXPECTED_TRAIN EXPECTED_TEST OPTION...
split() {
	local name=$1 train=$2 expected=$3
	shift 3
	rm -f "$test"
	is "$name: train" "$(split-records "$@" --test-out "$test" "$scratch/ten.arrows" | numbers)" "$train"
	is "$name: test" "$(numbers < "$test")" "$expected"
}

# Dataset.train_test_split(...) of datasets 5.2 on ten records
split 'two counts' '7 3 2 4 9 1' '5 6 0' --train-size 6 --test-size 3 --seed 42
split 'two fractions' '1 3 6 2 4' '8 0 7' --train-size 0.55 --test-size 0.25 --seed 7
split 'a count and a fraction' '7 1 3 6 2' '8 0' --train-size .5 --test-size 2 --seed 7
split 'only a train size' '0 8 1' '4 6 2 7 3 5 9' --train-size 0.31
split 'only a test size' '1 3 8 7 6 0 4 2 5' '9' --test-size 1 --seed 4294967296
split 'no sizes' '0 1 2 5 9 6 3' '8 4 7' --seed 1
split 'unshuffled' '0 1 2 3 4 5' '6 7 8' --train-size 6 --test-size 3 --no-shuffle

split-records --train-size 6 --test-size 3 --test-out "$test" "$scratch/ten.arrows" > "$scratch/train.arrows"
is 'columns are carried' "$(rec-dump "$test" | tr -d ' ' | grep -cE '^\{"i":([0-9]),"name":"n\1"\}$')" 3
like 'the train stream tells how many records it holds' "$(rec-dump --info "$scratch/train.arrows" | tr -d ' \n')" '"records":6'
like 'the test stream too' "$(rec-dump --info "$test" | tr -d ' \n')" '"records":3'
ok 'records kept in a file: the same splits' bash -c "
	split-records --memory 50 --train-size 6 --test-size 3 --test-out $scratch/test2.arrows $scratch/ten.arrows | rec-dump |
		cmp - <(rec-dump $scratch/train.arrows) && cmp <(rec-dump $scratch/test2.arrows) <(rec-dump $test)"
ok 'a stream can be split into the file that it comes from' bash -c "
	cp $scratch/ten.arrows $scratch/self.arrows
	split-records --test-size 3 --test-out $scratch/self.arrows $scratch/self.arrows > /dev/null
	[ \$(rec-dump $scratch/self.arrows | wc -l) = 3 ]"

rec-load --type tokens < /dev/null > "$scratch/none.arrows"
is 'no records: an empty train stream' "$(split-records --test-out "$test" "$scratch/none.arrows" | rec-dump)" ''
is 'no records: an empty test stream' "$(rec-dump "$test")" ''

echo kept > "$scratch/kept"
refused() { # NAME STATUS REGULAR_EXPRESSION OPTION...
	local name=$1 expected=$2 pattern=$3
	shift 3
	status "$name: refused" "$expected" split-records --test-out "$scratch/kept" "$@" "$scratch/ten.arrows"
	like "$name: says why" "$err_text" "$pattern"
}
refused 'a count of 0' 64 '--test-size: 0 is out of range' --test-size 0
refused 'a negative count' 64 '--train-size: -1 is out of range' --train-size -1
refused 'a fraction of 1' 64 '--train-size: 1.0 is out of range' --train-size 1.0
refused 'not a number' 64 '--test-size: ten is neither' --test-size ten
refused 'no number at all' 64 '--test-size: nan is out of range' --test-size nan
refused 'a memory that is no size' 64 '--memory: much is no size' --memory much
refused 'fractions above 1' 64 'sum to more than 1' --train-size 0.6 --test-size 0.5
refused 'all records for the test' 65 '--test-size: 10 is not less than the 10' --test-size 10
refused 'more than all to train on' 65 '--train-size: 11 is not less than the 10' --train-size 11
refused 'too many together' 65 '6 and 5 records are more than the 10' --train-size 6 --test-size 5
refused 'nothing to train on' 65 'no train records are left' --train-size 0.01
head -c -8 "$scratch/ten.arrows" > "$scratch/cut.arrows"
status 'a stream that was cut short is refused' 65 split-records --test-out "$scratch/kept" "$scratch/cut.arrows"
is 'a failure leaves the old test file' "$(cat "$scratch/kept")" kept
is 'and nothing beside it' "$(echo "$scratch"/kept*)" "$scratch/kept"
status 'a test file is required' 64 split-records --test-size 1 "$scratch/ten.arrows"
like 'the option is named' "$err_text" '--test-out'
status 'a test file that cannot be created' 73 bash -c \
	"split-records --test-out $scratch/no-folder/test $scratch/ten.arrows > $scratch/out.arrows"
status 'then the train stream is no stream' 65 rec-dump "$scratch/out.arrows"

# ---- strata
for i in $(seq 20); do echo "{\"i\": $i, \"label\": $((i % 4 == 0))}"; done | rec-load > "$scratch/strata.arrows"
split-records --test-size 8 --stratify label --test-out "$test" "$scratch/strata.arrows" > "$scratch/train.arrows"
is 'both parts have the shares of the whole' \
	"$(for part in "$test" "$scratch/train.arrows"; do rec-dump "$part" | grep -c '"label": 1'; done | paste -sd ' ')" '2 3'
is 'and all records' "$(cat <(rec-dump "$test") <(rec-dump "$scratch/train.arrows") | sort | cksum)" \
	"$(rec-dump "$scratch/strata.arrows" | sort | cksum)"
refused 'a column that is not there' 65 'no column label' --stratify label
refused 'strata without chance' 64 '--stratify, --no-shuffle' --stratify i --no-shuffle
refused 'a value with one record' 65 'only one record has the i 0' --stratify i
status 'fewer test records than values' 65 split-records --test-size 1 --stratify label --test-out "$scratch/kept" "$scratch/strata.arrows"
like 'says so' "$err_text" '19 and 1 records for the 2 values of label'

# ---- shards
mkdir "$scratch/shards"
seq 0 2499 | sed 's/.*/{"i": &}/' | rec-load > "$scratch/many.arrows"
status 'shards' 0 split-records --shards 4 --out "$scratch/shards/part" "$scratch/many.arrows"
is 'their names' "$(cd "$scratch/shards" && echo *)" "$(echo part-0000{0..3}-of-00004.arrows)"
is 'each ends with a thousand' "$(for i in 0 1 2 3; do rec-dump "$scratch/shards/part-0000$i-of-00004.arrows" | wc -l; done |
	paste -sd ' ')" '0 1000 1000 500'
is 'all records in order' "$(for i in 0 1 2 3; do rec-dump "$scratch/shards/part-0000$i-of-00004.arrows"; done | cksum)" \
	"$(rec-dump "$scratch/many.arrows" | cksum)"
status 'shards without a name' 64 split-records --shards 4 "$scratch/many.arrows"
like 'which is asked for' "$err_text" '--out is missing'
status 'a name without shards' 64 split-records --out x --test-out "$scratch/kept" "$scratch/many.arrows"
status 'shards and a test set' 64 split-records --shards 4 --out x --test-out "$scratch/kept" "$scratch/many.arrows"
head -c -8 "$scratch/many.arrows" > "$scratch/cut.arrows"
status 'shards of a stream cut short' 65 split-records --shards 4 --out "$scratch/shards/cut" "$scratch/cut.arrows"
is 'are not there' "$(ls "$scratch/shards" | grep -c cut)" 0

if [ -n "$python" ]; then
	ok 'splits and shuffles are those of datasets and numpy' "$python" "$top/tests/conformance/splits.py"
else
	skip 'splits and shuffles are those of datasets and numpy' 'no Python with datasets'
fi
finish
