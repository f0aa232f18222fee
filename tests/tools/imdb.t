#!/bin/bash
# imdb.t: the pipelines in make, really run on a small corpus and a tiny model: what a changed setting makes anew, runs
# that are stopped, the flows with settings of their own, names with spaces.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit
export no_proxy=127.0.0.1

mkdir 'a b' bin
"$top/pipelines/sample-reviews" corpus
tar -C corpus -czf 'a b/rev iews.tar.gz' aclImdb
imdb-read 'a b/rev iews.tar.gz' | wordpiece-train --vocab-size 300 > vocab.txt
echo '{"model_type": "distilbert", "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 32,
	"dropout": 0.0, "attention_dropout": 0.0}' > config.json
model-init --config config.json --vocab vocab.txt --seed 1 --out 'a b/it'"'"'s'

# As make install leaves them: the tools are those on PATH.
ln -s "$top/pipelines" fragments
small=("DATA=a b/rev iews.tar.gz" "MODEL=a b/it's" CHUNK_SIZE=16 TRAIN_SIZE=90 TEST_SIZE=40 EPOCHS=2 BATCH_SIZE=16)
make_imdb() { make --no-print-directory -f fragments/imdb.mk "$@"; }
made() { (cd "${1:-run/imdb}" && find . -newer "$scratch/mark" \( -name '*.arrows' -o -name '*.txt' -o -name model.safetensors \) |
	sed -E 's/-[0-9a-f]{8}/-X/g' | grep -v vocab.txt | sort | xargs); }

touch mark
status 'make imdb runs' 0 make_imdb imdb "${small[@]}"
first=$out_text
like 'it says which run it is, and with which settings' "$first" '^run/imdb/run-[0-9a-f]{8} begins:.* EPOCHS=2 .*LEARNING_RATE=5e-5'
like 'it ends with a report: perplexity before' "$first" '^before:  perplexity [0-9.]+ '
is 'after each epoch' "$(grep -c eval_perplexity <<< "$first")" 2
like 'after all' "$first" '^after:   perplexity '
is 'everything was made' "$(made)" \
	'./before-X.txt ./chunks-X.arrows ./eval-X.arrows ./run-X/after.txt ./run-X/model/model.safetensors ./run-X/report.txt ./test-X.arrows ./train-X.arrows'
default=$(readlink run/imdb/latest)

sleep 1.1; touch mark
status 'a second time' 0 make_imdb imdb "${small[@]}"
like 'it is done already' "$out_text" "^run/imdb/$default is done already:"
is 'nothing is made' "$(made)" ''
is 'the report is the same' "$(tail -n 5 <<< "$out_text")" "$(tail -n 5 <<< "$first")"

status 'another learning rate' 0 make_imdb imdb "${small[@]}" LEARNING_RATE=1e-2
is 'trains anew, and nothing else' "$(made)" './run-X/after.txt ./run-X/model/model.safetensors ./run-X/report.txt'
like 'with that rate' "$(cat run/imdb/latest/metrics.jsonl)" '"learning_rate": 0.01,'
ok 'and reports otherwise' [ "$(grep ^after: <<< "$out_text")" != "$(grep ^after: <<< "$first")" ]
ok 'the older run is kept' test -e "run/imdb/$default/model/model.safetensors"
status 'back to the first settings' 0 make_imdb imdb "${small[@]}"
is 'the first report comes again' "$(grep ^after: <<< "$out_text")" "$(grep ^after: <<< "$first")"

touch mark
make_imdb imdb "${small[@]}" WWM_PROBABILITY=0.3 > log
is 'another masking leaves the chunks as they are' "$(made)" \
	'./before-X.txt ./eval-X.arrows ./run-X/after.txt ./run-X/model/model.safetensors ./run-X/report.txt'
sleep 1.1; touch mark
make_imdb imdb "${small[@]}" MLM_PROBABILITY=0.3 > log
is 'a setting that nothing uses changes nothing' "$(made)" ''
touch -d '2001-01-01' 'a b/rev iews.tar.gz'
make_imdb imdb "${small[@]}" > log
like 'another file under the name of the data is read' "$(made)" '^./before-X.txt ./chunks-X.arrows'

# The settings of a run are a file that can be used again, whatever is in them.
cp 'a b/rev iews.tar.gz' 'a b/#$&.gz'
make_imdb imdb "${small[@]}" DATA='a b/#$$&.gz' LEARNING_RATE=3e-3 > log
odd=$(readlink run/imdb/latest)
status 'the settings that a run has kept' 0 make_imdb imdb "SETTINGS=run/imdb/$odd/settings.mk"
like 'are those of that run' "$out_text" "^run/imdb/$odd is done already"

# A run that stops: this train-step cannot write the metrics of its first step.
printf '#!/bin/bash\nPATH=${PATH#*:*:}\ntrain-step "$@" > /dev/full\n' > bin/train-step
chmod +x bin/train-step
status 'a run that is stopped' 2 env PATH="$scratch/bin:$PATH" make --no-print-directory -f fragments/imdb.mk \
	imdb "${small[@]}" LEARNING_RATE=2e-2
stopped=$(sed -nE 's,^run/imdb/(run-[0-9a-f]*) begins.*,\1,p' <<< "$out_text")
ok 'has left a checkpoint' ls -d "run/imdb/$stopped"/model/checkpoint-*
status 'while other settings' 0 make_imdb imdb "${small[@]}"
like 'tell of it' "$out_text" "^run/imdb/$stopped is not finished \\(make imdb SETTINGS='run/imdb/$stopped/settings.mk' goes on"
status 'its own' 0 make_imdb imdb "SETTINGS=run/imdb/$stopped/settings.mk"
like 'go on with it' "$out_text" "^run/imdb/$stopped goes on where it stopped"
make_imdb imdb "${small[@]}" LEARNING_RATE=2e-2 IMDB='who le' > log
ok 'to the model of a run that was never stopped' \
	model-info --diff "run/imdb/$stopped/model" 'who le/latest/model'
later() { metrics "$1" | sed '/"step": 1,/d'; }
is 'and to the same metrics' "$(later "run/imdb/$stopped/metrics.jsonl")" "$(later 'who le/latest/metrics.jsonl')"

status 'DATA that is not there' 2 make_imdb imdb "${small[@]}" DATA='no where'
like 'is told in words' "$err_text" '^make: DATA=no where: no such file or folder \(.*without DATA'
status 'MODEL that is not there' 2 make_imdb imdb "${small[@]}" MODEL='no where'
like 'is told in words, too' "$err_text" '^make: MODEL=no where: no such folder \(make fetch MODEL=NAME'
status 'SETTINGS that are not there' 2 make_imdb imdb SETTINGS='no where'
like 'are told in words' "$err_text" 'SETTINGS=no where: no such file \(copy one of'
status 'MASK that is none' 2 make_imdb imdb "${small[@]}" MASK=words
like 'is told in words as well' "$err_text" 'MASK=words: it is wwm or random'

# The flows of the reference.
status 'make trainer' 0 make_imdb trainer "${small[@]}"
like 'learns from random masks' "$out_text" 'random-mask --mlm-probability 0.15 --seed 2'
like 'at its rate' "$out_text" '--lr 2e-5 --weight-decay 0.01'
status 'make accelerate' 0 make_imdb accelerate "${small[@]}"
like 'decays everything' "$out_text" '--lr 5e-5 .*--decay-all --lr-scheduler-type linear --load-best-model-at-end'
is 'keeps the model after each epoch' "$(cd run/accelerate/latest/model && echo checkpoint-*)" 'checkpoint-12 checkpoint-6'
best=$(grep -o '"eval_loss": [0-9.]*' run/accelerate/latest/metrics.jsonl | sort -k 2 -g | head -n 1 | cut -c 14-19)
like 'and ends with the best' "$out_text" "^after: .* loss $best"
status 'make whole-imdb' 0 make_imdb whole-imdb "${small[@]}" TRAIN_SIZE=0.05 TEST_SIZE=0.01 ESTIMATE_STEPS=2 EPOCHS=1
like 'reads everything' "$out_text" 'imdb-read --split all'
like 'estimates the hours first' "$out_text" '^estimate: [0-9.]+ hours of training, for [0-9]+ chunks in 1 epochs at [0-9.]+ tokens a second$'

{ echo body,tag; for i in $(seq 200); do echo "\"The film no. $i is good, and its story, too.\",$i"; done; } > 'my texts.csv'
status 'make own-text without a text' 2 make_imdb own-text
like 'says what is missing' "$err_text" 'TEXT=FILE: the file or folder with the texts is missing'
status 'make own-text' 0 make_imdb own-text TEXT='my texts.csv' "MODEL=a b/it's" READ_OPTIONS='--text-column body' CHUNK_SIZE=16
like 'is a run as any other' "$out_text" '^after:   perplexity '
cp "$top/pipelines/own-text.mk" 'my settings.mk'
sed -i "s,^DATA.*,DATA = my texts.csv,; \$a MODEL = a b/it's\nREAD_OPTIONS = --text-column body\nCHUNK_SIZE = 16" 'my settings.mk'
status 'the settings copied and changed' 0 make_imdb imdb SETTINGS='my settings.mk'
like 'are the same run' "$out_text" '^run/own-text/run-[0-9a-f]* is done already'
finish
