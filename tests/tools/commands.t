#!/bin/bash
# commands.t: what model-info --commands prints is run, and makes the same tensors.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit

# What the script knows of the tools' options, against what they say themselves: a flag takes no value.
flags=$(sed -n '/^static const char \*const flags/,/NULL };/p' "$top/common/record/commands.c" | grep -oE '"--[a-z-]+"' | tr -d '"')
named=$(sed -n '/^static const char \*const tools/,/NULL };/p' "$top/common/record/commands.c" | grep -oE '"[a-z-]+"' | tr -d '"')
like 'the tools that it knows are found' "$named" '^train-step$'
for tool in $named; do
	# What changes nothing that is written is in no lineage.
	is "$tool: its options without a value are known as such" "$("$tool" --help |
		awk '/^  --[a-z0-9-]+(  .*)?$/ { print $1 }' |
		grep -vxE -e '--(resume|force|no-sandbox|progress|verbose|help|version)' | grep -vxF -e "$flags")" ''
	is "$tool: and those with a value are not" "$("$tool" --help | awk '/^  --[a-z0-9-]+ [^ ]/ { print $1 }' |
		grep -xF -e "$flags")" ''
done

small_reviews 'a b/aclImdb'
tar -C 'a b' -czf "it's.tar.gz" aclImdb
small_bert "it's.tar.gz" base
cp -r base 'my model'

# again NAME MODEL: prints the commands of a model, runs them, and compares.
again() {
	status "$1: the commands are printed" 0 model-info --commands "$2"
	printf '%s\n' "$out_text" > again.sh
	rm -rf again
	status "$1: they run" 0 bash again.sh again
	ok "$1: to the same tensors" model-info --diff "$2" again
}

again 'a model of model-init' base
ls > before
imdb-read --split train "it's.tar.gz" > text.arrows
wordpiece --model 'my model' text.arrows | group-texts --chunk-size 16 --batch-size 0 > chunks.arrows
split-records --test-size 20 --seed 1 --test-out test.arrows chunks.arrows > train.arrows
shuffle-records --epochs 2 --seed 1 train.arrows | random-mask --seed 3 --at-least-one |
	train-step --model 'my model' --out tuned --batch-size 8 --lr 1e-2 --dropout 0.1 > metrics.jsonl
rm -f ./*.arrows
again 'files between the stages' tuned
is 'nothing else was written' "$(ls)" "$(printf '%s\n' $(cat before | tr ' ' '?') metrics.jsonl tuned | sort -u | tr '?' ' ')"
ok 'another seed makes another model' bash -c "sed 's/--seed 3/--seed 5/' again.sh > other.sh && bash other.sh other &&
	! model-info --diff tuned other > /dev/null"

imdb-read "it's.tar.gz" | wordpiece --model tuned | group-texts --chunk-size 16 |
	split-records --train-size 60 --test-size 20 --test-out test.arrows > train.arrows
wwm-mask --seed 7 < test.arrows > eval.arrows
shuffle-records --epochs 4 train.arrows | wwm-mask |
	train-step --model tuned --out best --batch-size 8 --lr 5e-2 --eval eval.arrows --load-best-model-at-end > metrics.jsonl
is 'four evaluations' "$(grep -c eval_loss metrics.jsonl)" 4
rm -f ./*.arrows
again 'the best of a run on a run' best

imdb-read < "it's.tar.gz" | wordpiece --model base | group-texts --chunk-size 16 | wwm-mask |
	train-step --model base --out piped --max-steps 2 > metrics.jsonl
model-info --commands piped > again.sh
rm -rf again
status 'an archive on standard input' 0 bash again.sh again < "it's.tar.gz"
ok 'to the same tensors' model-info --diff piped again

imdb-read "it's.tar.gz" | wordpiece --model base | group-texts --chunk-size 16 | rec-dump > chunks.jsonl
rec-load --type chunks --model base chunks.jsonl > chunks.arrows
wwm-mask chunks.arrows > masked.arrows
train-step --model base --out loaded masked.arrows > metrics.jsonl
rm -f ./*.arrows
again 'records that nobody counted' loaded

status 'the folder to make has to be named' 1 bash again.sh
status 'a model of elsewhere has no lineage' 65 model-info --commands "$fixtures/model/bert"
like 'which is said' "$err_text" 'it has no lineage, so nothing tells how it was made'
status 'one thing at a time' 64 model-info --commands --json base
cp -r base evil
# The digests go by other names, so that they are not missed.
sed -i 's/model-init/model-ruin/; s/cloze_\(header\|tensors\)_crc32/other_\1_crc32/g' evil/model.safetensors
status 'a lineage that names another program' 65 model-info --commands evil
like 'is refused' "$err_text" '"model-ruin" is none of the tools'
is 'and nothing is printed' "$out_text" ''
finish
