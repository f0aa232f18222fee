#!/bin/bash
# hub-folders.t: the README's flow, from reviews to a fine-tuned model's answers, on folders shaped as the hub's are
# (tests/fixtures/hub, made by its make.py).
. "$(dirname "$0")/../tap.sh"

cd "$scratch" || exit 1
for i in $(seq 1 40); do
	printf '%s\n' 'This is a great film, and the story is good.' 'It was a bad movie!' '这是一部很好的电影。' "Été $i of the movie"
done > reviews.txt

# flow MODEL: everything of the README's shell block, at a small size
flow() {
	set -e -o pipefail
	imdb-read --format lines reviews.txt | wordpiece --model "$1" | group-texts --chunk-size 16 \
		| split-records --train-size 30 --test-size 10 --seed 42 --test-out test.arrows > train.arrows
	wwm-mask --seed 7 < test.arrows > eval.arrows
	perplexity --model "$1" --json < eval.arrows > before.json
	shuffle-records --epochs 3 --seed 1 < train.arrows | wwm-mask --seed 2 \
		| train-step --model "$1" --out trained --batch-size 8 --lr 1e-2 > metrics.jsonl
	perplexity --model trained --json < eval.arrows > after.json
	echo 'This is a great [MASK].' | fill-mask --model trained --top-k 3 > answers
}

for model in "$fixtures"/hub/*/; do
	name=$(basename "$model")
	rm -rf trained
	status "$name: the flow runs" 0 bash -c "$(declare -f flow); flow '$model'"
	is "$name: nothing is warned of" "$err_text" ''
	is "$name: the model learns" \
		"$(awk -F'"loss": ' '{ split($2, part, ","); loss[NR] = part[1] } END { print (loss[2] < loss[1] - 0.5) }' \
			before.json after.json)" 1
	is "$name: three answers" "$(wc -l < answers)" 3
	for file in tokenizer.json tokenizer_config.json vocab.txt; do
		ok "$name: the result has its $file" cmp "$model/$file" "trained/$file"
	done
done

if [ -n "$torch" ]; then
	for model in "$fixtures"/hub/*/; do
		name=$(basename "$model")
		wordpiece --model "$model" <(imdb-read --format lines reviews.txt) | rec-dump > tokens.jsonl
		is "$name: transformers has the same ids" "$("$python" - "$model" 2> /dev/null <<'PYTHON'
import json, sys
from transformers import AutoTokenizer, AutoModelForMaskedLM
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
AutoModelForMaskedLM.from_pretrained(sys.argv[1])
with open("reviews.txt") as texts, open("tokens.jsonl") as tokens:
    print(sum(tokenizer(text.rstrip("\n"))["input_ids"] != json.loads(line)["input_ids"]
              for text, line in zip(texts, tokens, strict=True)), "differ")
PYTHON
)" '0 differ'
	done
else
	skip 'transformers has the same ids' 'no Python with PyTorch and transformers'
fi
finish
