#!/bin/bash
# shards.t: the text side by shards (pipelines/shards.mk), by make, GNU parallel and Slurm's job array: one process's bytes.
. "$(dirname "$0")/../tap.sh"
set -o pipefail
pipelines=$top/pipelines

cd "$scratch" || exit 1
mkdir model
{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'; printf '%s\n' {a..z} '##'{a..z} film good {0..9} '##'{0..9}; } \
	> model/vocab.txt
seq 2500 | awk '{ printf "{\"text\": \"a good film %s", $1; for (i = $1 % 7; i > 0; i--) printf " good"; print "\"}" }' |
	rec-load --type text > text.arrows
wordpiece --model model < text.arrows | group-texts --chunk-size 16 > whole.arrows
settings=(TEXT=text.arrows MODEL=model CHUNK_SIZE=16 SHARDS=3)
# make of the tests is not to hand its jobs down.
unset MAKEFLAGS MFLAGS MAKELEVEL
by_make() { make -s -f "$pipelines/shards.mk" "${settings[@]}" "$@"; }

status 'make with -j' 0 by_make -j 4 OUT=made.arrows
ok 'writes the bytes of one process' cmp made.arrows whole.arrows
is 'of as many shards as were asked for' "$(cd made.arrows.shards && echo chunks-*)" \
	'chunks-00000-of-00003.arrows chunks-00001-of-00003.arrows chunks-00002-of-00003.arrows'
is 'and does nothing again' "$(make -f "$pipelines/shards.mk" "${settings[@]}" OUT=made.arrows | grep -c split-records)" 0
status 'a stage that fails ends make' 2 by_make -j 2 MODEL=nowhere OUT=failed.arrows
is 'and leaves no stream' "$(ls failed.arrows failed.arrows.shards/chunks* 2> /dev/null)" ''
touch -d '1 hour' text.arrows
rm made.arrows
status 'a younger text' 0 by_make -n OUT=made.arrows
like 'is cut anew' "$out_text" split-records
touch -d '1 hour ago' text.arrows

# The job array as Slurm starts it, task by task.
by_make shards OUT=array.arrows
for task in 0 1 2; do
	ok "task $task of the job array" env SHARD="$pipelines/shard" SHARDS=3 MODEL=model CHUNK_SIZE=16 OUT=array.arrows \
		SLURM_ARRAY_TASK_ID=$task sh "$pipelines/shards.sbatch"
done
touch array.arrows.shards/marker
by_make OUT=array.arrows
ok 'makes the shards that make joins' cmp array.arrows whole.arrows
is 'and does not make again' "$(find array.arrows.shards -newer array.arrows.shards/marker)" ''
if command -v sbatch > /dev/null && sinfo > /dev/null 2>&1; then
	by_make shards OUT=queued.arrows
	ok 'a job array of Slurm' sbatch --wait --array=0-2 \
		--export=ALL,SHARDS=3,CHUNK_SIZE=16,MODEL=model,OUT=queued.arrows,SHARD="$pipelines/shard" "$pipelines/shards.sbatch"
	by_make OUT=queued.arrows
	ok 'writes the bytes of one process' cmp queued.arrows whole.arrows
else
	skip 'a job array of Slurm' 'no Slurm'
fi

# The host `:` of GNU parallel is this machine, without ssh.
if [[ $(parallel --version 2> /dev/null) == *'GNU parallel'* ]]; then
	by_make shards OUT=parallel.arrows
	ls parallel.arrows.shards/text-*.arrows | MODEL=model CHUNK_SIZE=16 parallel --will-cite --sshlogin 2/: --workdir . \
		--env PATH --env MODEL --env CHUNK_SIZE "$pipelines/shard" {} '{=s:/text-:/chunks-:=}' > out 2>&1
	is 'GNU parallel' "$? $(cat out)" '0 '
	by_make OUT=parallel.arrows
	ok 'writes the bytes of one process' cmp parallel.arrows whole.arrows
else
	skip 'GNU parallel' 'no GNU parallel'
fi
finish
