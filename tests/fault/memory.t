#!/bin/bash
# memory.t: with little memory or without threads, a tool ends as usual, whatever the libraries (OpenBLAS, oneDNN) do.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1
model=$fixtures/train/distilbert
rec-load --type masked "$model/eval.jsonl" > eval.arrows
perplexity --threads 1 --model "$model" eval.arrows > whole
loss() { # of a line of perplexity's, in thousandths: the libraries differ in the last digits
	awk '{ printf "%.3f", $4 }' "$1"
}

# With AVX2 alone, OpenBLAS multiplies; with AVX-512, oneDNN does where there is one (common/math/matrix.c).
if bash -c 'ulimit -v 400000; perplexity --version' > /dev/null 2>&1; then
	wrong= right=0 short=0
	for isa in AVX2 DEFAULT; do
		for megabytes in $(seq 88 12 244) 400; do
			got=0
			(ulimit -v $((megabytes * 1024)); ONEDNN_MAX_CPU_ISA=$isa exec timeout 60 perplexity --threads 1 --model "$model" \
				eval.arrows > out 2> err) || got=$?
			case $got in
			0) right=$((right + 1)); [ "$(loss whole)" = "$(loss out)" ] || wrong+="$isa $megabytes: another loss; " ;;
			71) short=$((short + 1)); [ "$(wc -l < err)$(cat out)" = 1 ] || wrong+="$isa $megabytes: $(head -n 2 err); " ;;
			127) ;; # the loader's: not even the libraries fit
			*) wrong+="$isa $megabytes: ended with $got; " ;;
			esac
		done
	done
	is 'little memory: right, or one line and 71' "$wrong" ''
	ok 'both happen' test $right -gt 1 -a $short -gt 1
else
	skip 'little memory' 'the tools take more address space than that here, as under a sanitizer'
fi

# root has no limit of processes. This user is no other test's, whose processes would count, too.
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=65533 --regid=65533 --clear-groups)
chmod 755 .
chmod 644 eval.arrows
if [ ${#as[@]} = 0 ] || "${as[@]}" bash -c 'exec perplexity --version' > /dev/null 2>&1; then
	for tool in "$top"/tools/*.c; do
		tool=$(basename "$tool" .c)
		status "$tool starts without a second thread" 0 "${as[@]}" bash -c "ulimit -u 1; exec $tool --version"
		is "$tool says nothing of it" "$err_text" ''
	done
	status 'computing in one thread' 0 "${as[@]}" bash -c \
		"ulimit -u 1; exec perplexity --threads 1 --model $model $scratch/eval.arrows"
	status 'computing in two, where there is one' 71 "${as[@]}" bash -c \
		"ulimit -u 1; exec perplexity --threads 2 --model $model $scratch/eval.arrows"
	is 'is told in one line' "$(wc -l <<< "$err_text")" 1
else
	skip 'no second thread' 'no setpriv, or files that only root can read'
fi
ok 'all cores are computed on afterwards' bash -c \
	"perplexity --verbose --model $model eval.arrows 2>&1 > /dev/null | grep -qx \"perplexity: \$(nproc) threads\""
finish
