#!/bin/bash
# digests.t: what cloze wrote is compared with its digests, by training and by model-info --verify always, and by the
# other tools where a CRC-32 is cheap.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1

# flip BIT FILE: in place
flip() {
	local byte=$(($1 / 8))
	local old=0x$(od -An -tx1 -j $byte -N 1 "$2" | tr -d ' ')
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((old ^ 1 << $1 % 8)))" | dd of="$2" bs=1 seek=$byte conv=notrunc status=none
}

refusals() { # FILE COMMAND...: flips bits all over the file FOLDER/NAME; how many were flipped, and which did not end with 65
	local file=$1 bits bit seen=0 unlike= got
	shift
	cp "$file" whole.copy
	bits=$(($(wc -c < "$file") * 8))
	for ((bit = 5; bit < bits; bit += bits / flips + 1)); do
		flip $bit "$file"
		got=0
		"$@" > out 2> err < train.arrows || got=$?
		[ "$got $(wc -l < err) $(wc -c < out)" = '65 1 0' ] || unlike="$unlike $bit"
		cp whole.copy "$file"
		seen=$((seen + 1))
	done
	echo "$seen refused${unlike:+, but not bits$unlike}"
}

folder=$fixtures/train/distilbert
rec-load --type masked < "$folder/train.jsonl" > train.arrows
status 'a model of another program' 65 model-info --verify "$folder"
like 'has no digests' "$err_text" 'distilbert: its weights have no digests'
status 'and is trained' 0 train-step --model "$folder" --out trained --save-steps 2 --max-steps 4 train.arrows
status 'to one that has them' 0 model-info --verify trained
is 'which are counted' "$out_text" "trained: $(model-info trained | grep -cE '^(distilbert|vocab)[._].*\]') tensors and $(
	find trained -maxdepth 1 -type f ! -name trainer_state.json | wc -l) files are as they were written"
status 'a checkpoint has them' 0 model-info --verify trained/checkpoint-2
for with in --json --diff --commands; do
	status "--verify and $with" 64 model-info --verify $with trained trained
done

flips=60
is '--verify sees a flipped bit of the weights or their header' \
	"$(refusals trained/model.safetensors model-info --verify trained)" '60 refused'
flips=8
is 'training refuses it' "$(refusals trained/model.safetensors train-step --model trained --out again)" '8 refused'
ok 'and leaves no folder' test ! -e again
if ldd "$(command -v fill-mask)" | grep -q libisal; then
	echo '[MASK]' > masks.txt
	is 'fill-mask refuses it' "$(refusals trained/model.safetensors fill-mask --model trained masks.txt)" '8 refused'
	is 'perplexity refuses it' "$(refusals trained/model.safetensors perplexity --model trained)" '8 refused'
else
	skip 'fill-mask refuses it' 'built without ISA-L: a CRC-32 of the weights would take too long'
fi
for file in config.json tokenizer.json trainer_state.json; do
	is "--verify sees a flipped bit of $file" "$(refusals trained/$file model-info --verify trained)" '8 refused'
done
is '--verify sees a flipped bit of the optimizer' \
	"$(refusals trained/checkpoint-2/optimizer.safetensors model-info --verify trained/checkpoint-2)" '8 refused'
finish
