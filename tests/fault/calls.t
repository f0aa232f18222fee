#!/bin/bash
# calls.t: whatever call of a tool fails (an allocation, reading, writing, a thread, ...), the tool ends with the right output,
# or with one line and a status of sysexits.h and nothing half-written; so with little memory. A sample of the calls of each kind, drawn by SEED;
# with TORTURE=1, every one (`make torture`), and for memory once more with all the calls after it failing too.
. "$(dirname "$0")/../tap.sh"
calls=${CLOZE_BUILD:-$top/build}/tests/fault/calls.so
cd "$scratch" || exit 1

if ! LD_PRELOAD=$calls true 2> /dev/null || [ -n "$(ldd "$(command -v rec-dump)" | grep asan)" ]; then
	skip 'calls that fail' 'no library to preload, or a sanitizer that must come first'
	finish
fi

# ---- small inputs --------------------------------------------------------------------------------------

model=$fixtures/train/distilbert
bert=$fixtures/train/bert
head -n 3 "$model/train.jsonl" | sed 's/}$/, "epoch": 1}/' | rec-load --type masked > masked.arrows
for i in 1 2 3 4 5 6; do echo "{\"text\": \"a film of number $i, été\", \"label\": $((i % 2)), \"name\": \"$i\"}"; done > lines.jsonl
gzip -k lines.jsonl
rec-load --type text lines.jsonl > text.arrows
wordpiece-train --vocab-size 60 text.arrows > vocab.txt
wordpiece --vocab vocab.txt text.arrows > tokens.arrows
group-texts --chunk-size 4 tokens.arrows > chunks.arrows
teach --model "$model" --top-k 2 masked.arrows > taught.arrows 2> /dev/null
wordpiece --model "$model" text.arrows | shuffle-records > labeled.arrows
classify-step --model "$model" --out sentiment --max-steps 1 labeled.arrows > /dev/null 2>&1
classify --model sentiment labeled.arrows > predicted.arrows
cp "$model/config.json" .
grep -v '^ *$' "$model/lines.txt" | head -n 2 > masks.txt
mkdir -p reviews/train/{pos,neg} texts
for i in 1 2; do
	echo "a film of number $i" | tee reviews/train/pos/${i}_8.txt texts/$i.txt > reviews/train/neg/${i}_3.txt
done
mkdir aclImdb && cp -r reviews/* aclImdb && tar -czf reviews.tar.gz aclImdb

commands() {
	cat << END
imdb-read ../lines.jsonl.gz
imdb-read --split train ../reviews.tar.gz
imdb-read --split train --order archive ../reviews
imdb-read ../texts
imdb-read $fixtures/corpus/kaggle.csv
imdb-read ../text.arrows
rec-load --type text ../lines.jsonl
rec-dump ../text.arrows
rec-dump --info ../text.arrows
rec-dump --text --model $model ../masked.arrows
rec-dump $fixtures/arrow/read/polars-default.arrows
rec-cat ../tokens.arrows ../tokens.arrows
wordpiece-train --vocab-size 60 ../text.arrows
wordpiece --threads 2 --vocab ../vocab.txt ../text.arrows
wordpiece --threads 2 --model $fixtures/hub/bert-base-cased ../text.arrows
group-texts --chunk-size 4 ../tokens.arrows
select-records --sample 2 ../tokens.arrows
select-records --label pos --match n.*[2-5],[[:blank:]].t.$ ../text.arrows
shuffle-records --epochs 2 --memory 100 ../chunks.arrows
split-records --test-size 2 --test-out test.arrows ../tokens.arrows
split-records --test-size 2 --stratify label --test-out test.arrows ../tokens.arrows
split-records --shards 2 --out part- ../tokens.arrows
random-mask ../chunks.arrows
wwm-mask ../chunks.arrows
perplexity --threads 2 --model $model ../masked.arrows
perplexity --threads 2 --json --model $model ../masked.arrows
fill-mask --threads 2 --model $model ../masks.txt
fill-mask --threads 2 --json --model $model ../masks.txt
model-init --config ../config.json --out new
model-init --from $model --layers 0 --out new
model-info --json $bert
model-info $bert
model-info --verify ../sentiment
model-info --commands ../sentiment
train-step --threads 2 --max-steps 1 --save-steps 1 --model $model --out out ../masked.arrows
train-step --threads 2 --batch-size 1 --max-steps 2 --save-steps 1 --save-total-limit 1 --eval ../masked.arrows --eval-steps 1 --load-best-model-at-end --model $model --out out ../masked.arrows
teach --threads 2 --top-k 2 --model $model ../masked.arrows
distill-step --threads 2 --max-steps 1 --model $model --out out ../taught.arrows
classify-step --threads 2 --max-steps 1 --model ../sentiment --out out ../labeled.arrows
classify --threads 2 --model ../sentiment ../labeled.arrows
accuracy --json ../predicted.arrows
END
}
is 'every tool is tried' "$(commands | awk '{ print $1 }' | sort -u)" "$(basename -s .c "$top"/tools/*.c | sort)"

# ---- one case ------------------------------------------------------------------------------------------

# run KIND NUMBER ON COMMAND...: in an empty folder; leaves its status in `got`. The kind `memory` is a limit of so many MiB.
# It and what judges it start few processes,
# since there are tens of thousands of cases.
shopt -s nullglob dotglob
run() {
	local kind=$1 number=$2 on=$3 left
	shift 3
	left=(case/*)
	if [ ${#left[@]} != 0 ] || [ ! -d case ]; then rm -rf case && mkdir case; fi
	cd case || exit 1
	got=0
	if [ "$kind" = memory ]; then
		(ulimit -v $((number * 1024)) && exec env TMPDIR=. "$@" > ../out 2> ../err < /dev/null) || got=$?
	else
		timeout 20 env LD_PRELOAD="$calls" FAULT_CALL="$kind" FAULT_AT="$number" ${on:+FAULT_ON=1} FAULT_LOG=../count TMPDIR=. \
			"$@" > ../out 2> ../err < /dev/null || got=$?
	fi
	cd "$scratch" || exit 1
}

# What a model's report says of time differs from run to run; an old checkpoint stays where it cannot be removed.
same_files() { # FOLDER FOLDER
	local old=()
	[ -e whole/out/checkpoint-1 ] || old=(-x checkpoint-1)
	diff -r -x report.json -x 'metrics*' "${old[@]}" "$1" "$2" > /dev/null 2>&1
}

# judge TOOL: adds what is wrong with the case, if anything, to `wrong`.
judge() {
	local lines most=1 line file files # training says beside the error what it has saved, or why it could not
	case $1 in *-step) most=2 ;; esac
	case $got in
	0) same_output && same_files case whole || wrong+='success, and another output; ' ;;
	65 | 66 | 69 | 71 | 73 | 74)
		mapfile -t lines < err
		[ ${#lines[@]} -ge 1 ] && [ ${#lines[@]} -le $most ] || wrong+="$got and ${#lines[@]} lines: ${lines[*]:0:3}; "
		for line in "${lines[@]}"; do [[ $line == "$1: "* ]] || wrong+="$got and: $line; "; done
		files=(case/*unfinished* case/*/*unfinished*)
		[ ${#files[@]} = 0 ] || wrong+="$got, and left: ${files[*]}; "
		case $1 in
		wordpiece-train) [ ! -s out ] || cmp -s out whole.out || wrong+="$got, half a vocabulary; " ;;
		*-step) ;;
		*) for file in case/*; do same_files "$file" "$(sed 's/^case/whole/; s/\.kept-.*//' <<< "$file")" || wrong+="$got, half of $file; "; done ;;
		esac
		[ ! -s out ] || [ "$(head -c 4 out | od -An -tx4)" != ' ffffffff' ] || ! rec-dump out > /dev/null 2>&1 ||
			cmp -s out whole.out || wrong+="$got, and records that pass for whole; "
		;;
	*)
		mapfile -t lines < err
		wrong+="ended with $got: ${lines[*]:0:2}; "
		;;
	esac
}
same_output() {
	case ${words[*]} in
	*-step\ *) true ;; # lines with times
	*\ --info\ *) [ "$(grep -v '"records"' out)" = "$(grep -v '"records"' whole.out)" ] ;; # told where they could be counted
	*) cmp -s out whole.out ;;
	esac
}

# ---- all cases -----------------------------------------------------------------------------------------

RANDOM=${SEED:-42}
cases=0
try() { # KIND NUMBER ON
	local wrong=
	run "$1" "$2" "$3" "${words[@]}"
	cases=$((cases + 1))
	[ "$1 $got" = 'memory 127' ] || judge "$tool" # the loader's: not even the libraries fit
	[ -z "$wrong" ] || found+="$1 $2${3:+ and on}: $wrong "
}
samples() { # KIND TOTAL
	local number=2 i
	[ "$1" != malloc ] || number=6
	if [ "${TORTURE:-0}" != 0 ] || [ "$2" -le $number ]; then
		seq "$2"
	else
		for ((i = 0; i < number; i++)); do echo $((1 + (RANDOM * 32768 + RANDOM) % $2)); done
	fi
}
while read -r -a words; do
	tool=${words[0]}
	[[ " ${ONLY-$tool} " == *" $tool "* ]] || continue
	found=
	run none 0 '' "${words[@]}"
	is "${words[*]} without a fault" "$got $(cat err)" '0 '
	rm -rf whole && mv case whole && mv out whole.out
	for kind in malloc read write open close folder stat seek mmap fsync rename thread; do
		run $kind 0 '' "${words[@]}"
		total=$(cat count)
		[ -n "$total" ] || found+="$kind: calls were not counted "
		for number in $(samples $kind "${total:-0}"); do
			try $kind "$number" ''
			if [ $kind = malloc ] && [ "${TORTURE:-0}" != 0 ]; then try $kind "$number" on; fi
		done
	done
	for megabytes in 64 96 128 192 256; do
		try memory $megabytes ''
		[[ " 0 71 127 " == *" $got "* ]] || found+="memory $megabytes: ended with $got "
	done
	is "${words[*]}: whatever fails, it is right or says so" "$found" ''
done < <(commands)
echo "# $cases cases"
finish
