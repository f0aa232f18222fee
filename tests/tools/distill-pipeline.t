#!/bin/bash
# distill-pipeline.t: pipelines/distill.mk with a teacher of two layers: from texts to the table of teacher and student.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1

mkdir -p aclImdb/train/pos
for i in $(seq 60); do
	echo "a good film number $i , and a bad one that nobody saw ." > "aclImdb/train/pos/${i}_9.txt"
done
cat > Makefile <<END
include $top/pipelines/imdb.mk
include $top/pipelines/distill.mk
END
run() { make --no-print-directory DATA=aclImdb MODEL="$fixtures/train/distilbert" CHUNK_SIZE=12 TRAIN_SIZE=20 \
	TEST_SIZE=8 EPOCHS=2 BATCH_SIZE=4 LAYERS=1 "$@"; }
status 'make distill' 0 run distill
table=$(tail -n 3 <<< "$out_text")
folder=$(echo run/imdb/latest/distill-*)
models=(run/imdb/latest/model "$folder/untaught" "$folder/model")
is 'the models' "$(cut -c 1-16 <<< "$table" | sed 's/ *$//')" $'teacher\nstudent untaught\nstudent taught'
is 'their parameters' "$(cut -c 17-29 <<< "$table" | xargs)" "$(for model in "${models[@]}"; do
	model-info --json "$model" | jq '[.parameters[].count] | add'
done | xargs)"
is 'their perplexity' "$(cut -c 41-51 <<< "$table" | xargs)" "$(for model in "${models[@]}"; do
	perplexity --model "$model" run/imdb/eval-*.arrows | cut -d ' ' -f 2
done | xargs)"
before=$(cksum "$folder/report.txt")
run distill > /dev/null
is 'what is made is not made again' "$(cksum "$folder/report.txt")" "$before"
status 'make distill-hub' 0 run distill-hub
is 'the figure of its card is that of the table' "$(sed -n 's/^      value: //p' "$folder/hub/README.md")" \
	"$(awk '/^student taught/ { print $5 }' "$folder/report.txt")"
is 'its tensors are those of the student' "$(model-info --diff "$folder/hub" "$folder/model")" ''
run distill LAYERS=0 > /dev/null
is 'other layers are another student' "$(find run/imdb/latest/ -name 'distill-*' | wc -l)" 2
finish
