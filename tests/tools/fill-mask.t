#!/bin/bash
# fill-mask as a process: the answers of the reference's pipeline, a line at a time, and what it refuses.
. "$(dirname "$0")/../tap.sh"

folder=$fixtures/train/distilbert

# Everything but the scores is the same text; the scores are to 4 digits.
without_scores() { sed -E 's/"score": [^,]*, //g'; }
scores() { grep -o '"score": [^,]*' | awk '{ printf "%.4f\n", $2 }'; }
fill-mask --model "$folder" --top-k 3 --json < "$folder/lines.txt" > "$scratch/filled.jsonl"
is 'the tokens and sequences of the pipeline' "$(without_scores < "$scratch/filled.jsonl")" \
	"$(without_scores < "$folder/filled.jsonl")"
is 'the scores of the pipeline' "$(scores < "$scratch/filled.jsonl")" "$(scores < "$folder/filled.jsonl")"

is 'plain: score, token, sequence' "$(fill-mask --model "$folder" --top-k 1 "$folder/lines.txt" | head -n 1)" \
	"$(printf '0.038168\to\tthis is a great o.')"
is 'plain: a group for each mask' "$(fill-mask --model "$folder" --top-k 2 "$folder/lines.txt" | wc -l)" 10
is '--top-k is 5 by default' "$(head -n 1 "$folder/lines.txt" | fill-mask --model "$folder" | wc -l)" 5
is '--top-k of the whole vocabulary adds up to 1' "$(head -n 1 "$folder/lines.txt" \
	| fill-mask --model "$folder" --top-k 90 | awk '{ s += $1 } END { printf "%.3f %d", s, NR }')" '1.000 90'
is 'threads change no score' "$(fill-mask --model "$folder" --threads 3 --json "$folder/lines.txt" | cksum)" \
	"$(fill-mask --model "$folder" --threads 1 --json "$folder/lines.txt" | cksum)"
is 'a last line without a newline' "$(printf 'a [MASK]' | fill-mask --model "$folder" --top-k 1 | wc -l)" 1

# A conversation: the answer is there before the next question.
coproc talk { fill-mask --model "$folder" --top-k 1; }
for text in 'a great [MASK]' 'the [MASK] is'; do
	echo "$text" >&"${talk[1]}"
	read -r -t 20 answer <&"${talk[0]}" || answer=
	like "answers '$text' at once" "$answer" '^0\.[0-9]{6}'
done
eval "exec ${talk[1]}>&-"

# What is refused: earlier lines have been answered.
status 'a line without a mask' 65 fill-mask --model "$folder" --top-k 1 < <(printf 'a [MASK]\nnothing here\n')
like 'names the line' "$err_text" 'line 2: no mask.*\[MASK\]'
is 'after the answer to the first' "$(wc -l <<< "$out_text")" 1
status 'a line that is too long' 65 fill-mask --model "$folder" < <(yes '[MASK]' | head -n 30 | xargs)
like 'names the limit' "$err_text" 'line 1: 32 tokens.*max_position_embeddings is 24'
status 'more than the vocabulary' 64 fill-mask --model "$folder" --top-k 91 < "$folder/lines.txt"
like 'names the option' "$err_text" '--top-k'
status 'no model' 64 fill-mask < "$folder/lines.txt"
status 'a model without a tokenizer' 66 fill-mask --model "$fixtures/train/bert" < "$folder/lines.txt"
status 'a file that is not there' 66 fill-mask --model "$folder" "$scratch/nowhere"
if [ -w /dev/full ]; then
	# shellcheck disable=SC2016
	status 'a full disk' 73 bash -c 'fill-mask "$@" > /dev/full' - --model "$folder" "$folder/lines.txt"
else
	skip 'a full disk' 'no /dev/full'
fi
finish
