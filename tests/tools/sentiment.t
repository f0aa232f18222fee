#!/bin/bash
# sentiment.t: make sentiment, really run on a small corpus and a tiny model.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit

small_reviews 'a b/aclImdb'
mkdir 'a b/aclImdb/train/unsup'
for i in $(seq 60); do
	echo "A film." > "a b/aclImdb/train/unsup/${i}_0.txt"
done
imdb-read 'a b/aclImdb' | wordpiece-train --vocab-size 200 > vocab.txt
echo '{"model_type": "distilbert", "dim": 16, "n_layers": 4, "n_heads": 2, "hidden_dim": 32,
	"max_position_embeddings": 32}' > config.json
model-init --config config.json --vocab vocab.txt --seed 4 --out 'ba se'
ln -s "$top/pipelines" fragments
printf 'include fragments/%s.mk\n' imdb sentiment > mine.mk
make_imdb() { make --no-print-directory -f mine.mk DATA='a b/aclImdb' MODEL='ba se' CHUNK_SIZE=16 BATCH_SIZE=16 "$@"; }

sentiment=(sentiment TRAIN_REVIEWS=80 TEST_REVIEWS=40 CLASSIFIER_LEARNING_RATE=1e-2 LM_LEARNING_RATE=1e-2)
status 'make sentiment' 0 make_imdb "${sentiment[@]}" SENTIMENT='run/se nt'
first=$out_text
like 'the report has the language model before' "$first" '^language model before: +perplexity [0-9.]+ .*records'
like 'and after' "$first" '^language model after: +perplexity'
like 'the classifier alone' "$first" '^classifier alone: +accuracy [0-9.]+ .*records 40 '
like 'and on the language model' "$first" '^classifier on the language model: +accuracy [0-9.]+ .*records 40 '
folders=$(ls 'run/se nt')
is 'a classifier alone is one that was made by hand' "$(
	wordpiece --model 'ba se' --max-length 128 < "$(echo run/se\ nt/text-*/train.arrows)" | shuffle-records --epochs 3 --seed 1 |
		classify-step --model 'ba se' --out hand --lr 1e-2 --batch-size 32 --labels neg,pos --seed 3 2> /dev/null > metrics.jsonl
	model-info --diff hand run/se\ nt/alone-*/model)" ''
status 'make sentiment-hub' 0 make_imdb "${sentiment[@]}" SENTIMENT='run/se nt' sentiment-hub
classifier=$(echo run/se\ nt/tuned-*/hub)
like 'says where the folder is' "$out_text" '^run/se nt/tuned-[0-9a-f]*/hub is ready'
card=$(cat "$classifier/README.md")
like 'the card of a classifier tells the hub its task' "$card" '^pipeline_tag: text-classification$'
like 'and how to use it' "$card" "^    pipeline\('text-classification', model='NAME'\)\('This is a great film.'\)$"
accuracy=$(cut -d ' ' -f 2 run/se\ nt/tuned-*/accuracy.txt)
is 'and its accuracy' "$(grep -A 1 'type: accuracy' <<< "$card" | tail -n 1)" "      value: $accuracy"
like 'in a table, too' "$card" "^\\| accuracy \\| $accuracy \\|$"
if git lfs version > /dev/null 2>&1; then
	export HOME=$scratch GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
	git init -q --bare -b main bare
	status 'make sentiment-push' 0 make_imdb "${sentiment[@]}" SENTIMENT='run/se nt' sentiment-push REPO="$scratch/bare"
	is 'and the card is there' "$(git -C bare show main:README.md | grep -c '^pipeline_tag: text-classification$')" 1
else
	skip 'make sentiment-push' 'no git-lfs'
fi
if [ -n "$torch" ]; then
	rec-dump run/se\ nt/text-*/test.arrows > texts.jsonl
	wordpiece --model "$classifier" --max-length 30 run/se\ nt/text-*/test.arrows | classify --model "$classifier" |
		rec-dump > classified.jsonl
	is 'pipeline("text-classification") opens its folder, and says the same' "$("$torch" - "$classifier" 2> /dev/null <<- 'END'
		import json, sys
		from transformers import pipeline
		ask = pipeline("text-classification", model=sys.argv[1])
		answers = ask([json.loads(line)["text"] for line in open("texts.jsonl")], truncation=True, max_length=30)
		ours = [json.loads(line) for line in open("classified.jsonl")]
		print(len(ours), all(answer["label"] == ["neg", "pos"][our["prediction"]]
		                     and abs(answer["score"] - max(our["scores"])) < 1e-5
		                     for answer, our in zip(answers, ours, strict=True)))
	END
	)" '40 True'
else
	skip 'pipeline("text-classification") opens its folder' 'no Python with PyTorch and transformers'
fi
status 'a second time there is nothing to do' 0 make_imdb "${sentiment[@]}" SENTIMENT='run/se nt'
is 'but to show the report' "$out_text" "$(grep -A 9 '^80 reviews' <<< "$first")"
make_imdb "${sentiment[@]}" SENTIMENT='run/se nt' CLASSIFIER_EPOCHS=1 > log 2>&1
is 'another classifier takes the language model that is there' \
	"$(ls 'run/se nt' | grep -vxF "$folders" | sed 's/-.*//' | xargs)" 'alone tuned'
is 'and trains no other' "$(grep -c '| train-step' log)" 0
status 'DATA that is not there' 2 make_imdb sentiment DATA=nowhere
like 'is told in words' "$err_text" '^make: DATA=nowhere: no such file or folder'

finish
