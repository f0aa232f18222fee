#!/bin/bash
# resume.t: after a fault in any file operation of train-step, or between two, the last checkpoint loads, and --resume ends
# with the model of an undisturbed run. A sample of the operations; with TORTURE=1, every one (`make torture`).
. "$(dirname "$0")/../tap.sh"

faults=${CLOZE_BUILD:-$top/build}/tests/fault/faults.so
model=$fixtures/train/distilbert
cd "$scratch" || exit 1
sed 's/}$/, "epoch": 1}/' "$model/train.jsonl" | rec-load --type masked > train.arrows
rec-load --type masked "$model/eval.jsonl" > eval.arrows

# Every run is made by the same command line, in a folder of its own, since the model's lineage holds it.
exec_train() {
	exec train-step --model "$model" --out out --batch-size 2 --max-steps "$steps" --lr 1e-3 --dropout 0.2 --threads 1 \
		--save-steps 2 --save-total-limit 1 "$@" ../train.arrows > /dev/null 2> errors
}
train() { (exec_train "$@"); }
steps=6
with_fault() { # KIND NUMBER OPTION...
	local kind=$1 number=$2
	shift 2
	rm -rf grave
	mkdir grave
	(
		export FAULT_PATH=out FAULT_KIND=$kind FAULT_AT=$number FAULT_GRAVE=grave FAULT_LOG=operations
		export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$faults
		train "$@"
	)
}
enter() {
	rm -rf "$scratch/$1"
	mkdir "$scratch/$1"
	cd "$scratch/$1" || exit 1
}
newest_loads() { # the newest checkpoint that has all its files is a model
	local checkpoint
	for checkpoint in $(find out -maxdepth 1 -name 'checkpoint-*[0-9]' 2> /dev/null | sort -t - -k 2 -rn); do
		! perplexity --model "$checkpoint" ../eval.arrows > /dev/null 2>&1 || return 0
	done
	return 1
}

enter whole
with_fault none 0
is 'the run without a fault' "$?" 0
operations=$(wc -l < operations)
# The first checkpoint is there for good when the folder above is synced, right after this one gets its name.
first=$(awk '$2 == "rename" && $3 == "out" { print $1; exit }' operations)
ok 'its operations are seen' test "$operations" -gt 50 -a "${first:-0}" -gt 10
[ "$failed" = 0 ] || finish
whole=$scratch/whole/out/model.safetensors

# survives KIND NUMBER...: on failure, tells what did not hold.
survives() {
	local kind=$1 number got lost=
	shift
	for number; do
		enter case
		got=0
		with_fault "$kind" "$number" || got=$?
		case $kind:$got in
		full:73 | full:74 | full:0 | error:73 | error:74 | error:0) ;;
		kill:137 | early:137 | mixed:137 | late:137) ;;
		*) lost+="operation $number: ended with $got; " ;;
		esac
		[ "$number" -le $((first + 1)) ] || newest_loads || lost+="operation $number: no checkpoint loads; "
		train --resume || lost+="operation $number: --resume ended with $?: $(tail -n 1 errors); "
		cmp -s out/model.safetensors "$whole" || lost+="operation $number: another model; "
		[ -z "$(find . -name '*.unfinished-*')" ] || lost+="operation $number: something unfinished stays; "
	done
	is "$kind at $# operations of $operations: nothing is lost" "$lost" ''
}

sample=8
RANDOM=42
for kind in kill full error early mixed late; do
	every=$((${TORTURE:-0} ? 1 : operations / sample))
	# shellcheck disable=SC2046
	survives $kind $(seq $((every > 1 ? 1 + RANDOM % every : 1)) $every "$operations")
done

# Killed at any moment, again and again: a longer run, until it ends by itself.
if [ "${TORTURE:-0}" != 0 ]; then
	steps=600
	for _ in $(seq 60); do sed 's/}$/, "epoch": 1}/' "$model/train.jsonl"; done | rec-load --type masked > "$scratch/train.arrows"
	enter long
	train
	is 'a long run' "$?" 0
	enter killed
	kills=0
	while [ $kills -lt 40 ]; do
		exec_train --resume &
		sleep "0.$((RANDOM % 300 + 100))"
		kill -KILL $! 2> /dev/null
		wait $! 2> /dev/null
		[ $? = 137 ] || break
		kills=$((kills + 1))
	done
	echo "# $kills kills, the last at $(cd out && echo checkpoint-*)"
	ok 'it was killed often' test $kills -ge 5
	train --resume
	is '--resume after all kills' "$?" 0
	ok 'it ends bit-identical' cmp out/model.safetensors "$scratch/long/out/model.safetensors"
fi
finish
