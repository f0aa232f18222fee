#!/bin/bash
# classify.t: classify-step, classify and accuracy: training, options, and refused input.
. "$(dirname "$0")/../tap.sh"
set -o pipefail
cd "$scratch" || exit 1

# labelled SEED COUNT: records of 3 to 22 tokens; those of label 1 have many 40s, those of label 0 many 50s.
labelled() {
	awk -v seed="$1" -v count="$2" 'BEGIN { srand(seed)
		for (i = 0; i < count; i++) {
			label = rand() < 0.5; printf "{\"label\": %d, \"input_ids\": [2", label
			for (length_ = 1 + int(20 * rand()); length_ > 0; length_--)
				printf ", %d", rand() < 0.3 ? (label ? 40 : 50) + int(3 * rand()) : 5 + int(80 * rand())
			print ", 3]}" } }'
}
labelled 1 400 > train.jsonl
labelled 2 60 > test.jsonl
rec-load --type tokens train.jsonl > train.arrows
rec-load --type tokens test.jsonl > test.arrows
number() { sed -E "s/.*\"$1\": ([^,}]*).*/\1/" "$2"; }
options=(--lr 3e-3 --batch-size 8 --lr-scheduler-type constant)

for family in distilbert bert; do
	for pooling in cls concat; do
		name=$family-$pooling
		status "$name trains" 0 classify-step --model "$fixtures/train/$family" --out "$name" --pooling "$pooling" \
			"${options[@]}" --eval test.arrows train.arrows
		printf '%s\n' "$out_text" > "$name.jsonl"
		like "$name: the new head is told" "$err_text" 'not in the file, initialized from seed 42: '
		is "$name: only that is told" "$(wc -l <<< "$err_text")" 1
		ok "$name learns" jq -se 'last.eval_accuracy > 0.65' "$name.jsonl"
		is "$name: the fields of an evaluation" "$(tail -n 1 "$name.jsonl" | grep -o '"[a-z_]*"' | tr -d '"' | xargs)" \
			'step epoch eval_loss eval_accuracy'
		is "$name: no field too many in a step" "$(head -n 1 "$name.jsonl" | grep -o '"[a-z_]*"' | tr -d '"' | xargs)" \
			'step epoch loss learning_rate grad_norm tokens_per_second'
		status "$name classifies" 0 classify --model "$name" --threads 1 test.arrows
		cp .out "$name.arrows"
		is "$name: its accuracy is that of the evaluation" \
			"$(accuracy --json "$name.arrows" | jq .accuracy | xargs printf %.6f)" \
			"$(tail -n 1 "$name.jsonl" | number eval_accuracy - | xargs printf %.6f)"
		is "$name: threads change no byte" "$(classify --model "$name" --threads 3 test.arrows | rec-dump | cksum)" \
			"$(rec-dump "$name.arrows" | cksum)"
		ok "$name: the batch size changes nothing but rounding" bash -c "set -o pipefail
			classify --model $name --batch-size 23 test.arrows | rec-dump |
			jq -s --slurpfile other <(rec-dump $name.arrows) -e '[range(length) as \$i
				| .[\$i].scores[0] - \$other[\$i].scores[0] | . * .] | max < 1e-10'"
		is "$name: the head is known by its tensors" "$(model-info --json "$name" 2>&1 | jq '[.. | .name? // empty
			| select(startswith("ulmfit.") or startswith("classifier."))] | length > 0')" true
		status "$name: model-info has nothing to warn of" 0 model-info "$name"
		is "$name: not a line" "$err_text" ''
	done
done

# What classify writes.
is 'predictions and scores come first, the rest is carried' \
	"$(rec-dump bert-cls.arrows | head -n 1 | jq -c 'keys_unsorted')" \
	'["prediction","scores","label","input_ids"]'
is 'the records are those of the input' "$(rec-dump bert-cls.arrows | jq -c '[.label, .input_ids]' | cksum)" \
	"$(jq -c '[.label, .input_ids]' test.jsonl | cksum)"
is 'scores are probabilities, and the prediction is the likeliest' "$(rec-dump bert-cls.arrows |
	jq -s 'all((.scores | length == 2) and (.scores | add - 1 | . * . < 1e-10)
	and .scores[.prediction] == (.scores | max))')" true
is 'what it wrote can be classified again' \
	"$(classify --model distilbert-cls bert-cls.arrows | rec-dump | jq -c 'del(.label)' | cksum)" \
	"$(rec-dump distilbert-cls.arrows | jq -c 'del(.label)' | cksum)"
is 'records need no label' "$(jq -c 'del(.label)' test.jsonl | rec-load --type tokens | classify --model bert-cls |
	rec-dump | jq -c .scores | cksum)" "$(rec-dump bert-cls.arrows | jq -c .scores | cksum)"
padded='map(.attention_mask = [.input_ids[] | 1] + [0, 0, 0]) | map(.input_ids += [0, 7, 89])'
for model in bert-cls distilbert-concat; do
	is "$model: what is not attended to changes nothing" \
		"$(jq -cs "$padded | map(.input_ids |= .[:24] | .attention_mask |= .[:24])[]" test.jsonl | rec-load --type tokens | classify --model $model | rec-dump | jq -c .scores | cksum)" \
		"$(rec-dump $model.arrows | jq -c .scores | cksum)"
done
for words in bf16 auto; do
	status "--dtype $words" 0 classify --model bert-cls --dtype $words test.arrows
	is "--dtype $words: as many records" "$(rec-dump .out | wc -l)" 60
done

# A record that arrives alone is answered before the next one: what a stage sends at once is a message and the first
# bytes of the next one.
head -n 1 test.jsonl | rec-load --type tokens > one.arrows
marker() { LC_ALL=C grep -obUaP '\xff\xff\xff\xff' "$1" | LC_ALL=C sed -n "$2s/:.*//p"; }
classify --model bert-cls < one.arrows > answered.arrows
third=$(marker one.arrows 3) early=$(($(marker answered.arrows 3) + 4))
mkfifo in answer
classify --model bert-cls < in > answer 2> slow.err &
exec 3> in 4< answer
head -c $((third + 4)) one.arrows >&3
timeout 60 head -c "$early" <&4 > early.bytes
is 'a record that comes alone is answered at once' "$(wc -c < early.bytes)" "$early"
tail -c +$((third + 5)) one.arrows >&3
exec 3>&-
cat early.bytes - <&4 > slow.arrows
wait
is 'and the stream is whole' "$(rec-dump slow.arrows)" "$(rec-dump bert-cls.arrows | head -n 1)"

# Labels and the loss.
tiny=$fixtures/train/bert
classify-step --model "$tiny" --out named --labels neg,pos,mixed "${options[@]}" --max-steps 1 train.arrows \
	> /dev/null 2>&1
is '--labels names them' "$(jq -c '[.id2label, .label2id, .architectures]' named/config.json)" \
	'[{"0":"neg","1":"pos","2":"mixed"},{"mixed":2,"neg":0,"pos":1},["BertForSequenceClassification"]]'
is 'their number is that of the scores' \
	"$(classify --model named test.arrows | rec-dump | head -n 1 | jq '.scores | length')" 3
is 'the stream has their names' \
	"$(classify --model named test.arrows | rec-dump --info | jq -c '.. | .labels? // empty')" \
	'["neg","pos","mixed"]'
is 'without --labels the file has no names' "$(jq -c '[.id2label, .num_labels]' bert-cls/config.json)" '[null,null]'
status 'a classifier learns more' 0 classify-step --model named --out more "${options[@]}" --max-steps 1 train.arrows
is 'and is whole' "$err_text" ''
status 'a classifier of another number of labels is refused' 65 \
	classify-step --model named --out other --labels neg,pos train.arrows
like 'with both shapes' "$err_text" '^classify-step: named: tensor classifier.weight: has shape \[3, 20\], .* \[2, 20\]'
status 'its head has the other pooling' 0 classify-step --model bert-concat --out other --max-steps 1 train.arrows
like 'so it gets a new one' "$err_text" 'ignored 12 tensors that a classifier does not have; the first is ulmfit\.'
first() { # OPTION...: the loss of a step
	classify-step --model named --out once --force --dropout 0 --batch-size 32 --max-steps 1 "$@" train.arrows |
		number loss -
}
is 'weights of 1 and no smoothing are the default' "$(first --class-weights 1,1,1 --label-smoothing 0)" "$(first)"
is 'weights all alike change nothing' "$(first --class-weights 2,2,2 | xargs printf %.6f)" \
	"$(first | xargs printf %.6f)"
is 'other weights do' "$([ "$(first --class-weights 1,5,1)" = "$(first)" ]; echo $?)" 1
is 'smoothing does' "$([ "$(first --label-smoothing 0.1)" = "$(first)" ]; echo $?)" 1
for wrong in 1,x 1,-1,1 '' 1,,1 1,1,1, 1e99,1,1 nan,1,1; do
	status "--class-weights '$wrong' is refused" 64 \
		classify-step --model named --out other2 --class-weights "$wrong" train.arrows
done
status 'as are too few' 64 classify-step --model named --out other2 --class-weights 1,1 train.arrows
like 'by name' "$err_text" '^classify-step: --class-weights: 2 weights for 3 labels'
status 'a label named twice is refused' 64 classify-step --model "$tiny" --out other2 --labels neg,neg train.arrows
status 'a single label is none' 65 classify-step --model "$tiny" --out other2 --labels pos train.arrows

# Runs.
head -n 96 train.jsonl | rec-load --type tokens > runs.arrows
for pooling in cls concat; do
	train() { # FOLDER OPTION...
		local out=$1
		shift
		classify-step --model "$fixtures/train/distilbert" --pooling $pooling --out "$out" --batch-size 4 \
			--gradient-accumulation-steps 2 --dropout 0.2 --lr 1e-3 --lr-scheduler-type constant --max-steps 12 \
			--save-steps 3 "$@"
	}
	train $pooling-whole --threads 1 runs.arrows 2> /dev/null | metrics > $pooling-whole.jsonl
	is "$pooling: threads change no bit" \
		"$(train $pooling-threads --threads 3 runs.arrows 2> /dev/null | metrics | cksum)" \
		"$(cksum < $pooling-whole.jsonl)"
	is "$pooling: not one of a weight" "$(weights $pooling-threads)" "$(weights $pooling-whole)"
	head -c "$(($(wc -c < runs.arrows) - 8))" runs.arrows > cut.arrows
	status "$pooling: a cut input is 65" 65 train $pooling-cut cut.arrows
	status "$pooling: --resume goes on" 0 train $pooling-cut --resume runs.arrows
	is "$pooling: and ends bit-identical" "$(weights $pooling-cut)" "$(weights $pooling-whole)"
	rm -rf $pooling-killed && mkdir $pooling-killed && cp -r $pooling-whole/checkpoint-6 $pooling-killed
	status "$pooling: from a checkpoint in the middle too" 0 train $pooling-killed --resume --threads 2 runs.arrows
	is "$pooling: bit-identical" "$(weights $pooling-killed)" "$(weights $pooling-whole)"
	status "$pooling: another seed is another run" 64 train $pooling-killed --resume --seed 3 runs.arrows
done
is 'frozen steps train the head alone' "$(classify-step --model "$tiny" --pooling concat --out frozen \
	--unfreeze-every 4 --max-steps 4 --batch-size 8 train.arrows 2> /dev/null | tail -n 1 |
	jq -c '.learning_rates | [.head > 0, .["layer.1"] + 0, .embeddings + 0]')" \
	'[true,0,0]'

# The manual's example.
mkdir manual
ln -s "$tiny" manual/tiny
cp train.arrows manual/labelled.arrows
awk -v RS='[.](Bd|Ed)[^\n]*\n' '/^classify-step.*--unfreeze-every/' "$top/man/classify-step.1" |
	sed 's/\\e$/\\/' > manual/example
ok "the manual's example is found" test -s manual/example
status "the manual's example runs" 0 bash -c 'cd manual && bash -o pipefail example'
is 'all groups have thawed in the end' "$(tail -n 1 <<< "$out_text" | jq '[.learning_rates[]] | all(. > 0)')" true

# What is refused.
refused() { # NAME STATUS PATTERN RECORDS OPTION...
	local name=$1 expected=$2 pattern=$3 records=$4
	shift 4
	rm -rf refused
	rec-load --type tokens <<< "$records" > refused.arrows
	status "$name is refused" "$expected" \
		classify-step --model "$tiny" --out refused --lr-scheduler-type constant "$@" refused.arrows
	like "$name: the message" "$(tail -n 1 <<< "$err_text")" "$pattern"
}
good='{"label": 1, "input_ids": [2, 5, 3]}'
refused 'label -1' 65 'record 2: label is -1, .*select-records --label' "$good
{\"label\": -1, \"input_ids\": [2, 5, 3]}"
refused 'a label that the model lacks' 65 'record 1: label is 2, .* 0 to 1 .*--labels' \
	'{"label": 2, "input_ids": [2, 5, 3]}'
refused 'a null label' 65 'record 2: label is -1' "$good
{\"label\": null, \"input_ids\": [2, 5, 3]}"
refused 'a stream without labels' 65 'no column label' '{"input_ids": [2, 5, 3]}'
refused 'a record without tokens' 65 'record 2 has no tokens' "$good
{\"label\": 1, \"input_ids\": []}"
refused 'an id that the model lacks' 65 'outside the vocabulary of 90' '{"label": 1, "input_ids": [2, 90]}'
refused 'a record that is too long' 65 'record 1 has 25 tokens, .*--max-length in wordpiece' \
	"{\"label\": 1, \"input_ids\": [$(seq -s, 25)]}"
refused 'a batch norm with one record' 65 'step 2: a batch of 1 record, but a batch norm must have 2' "$good
$good
$good" --pooling concat --batch-size 2
refused 'a batch norm with batches of one' 64 '--batch-size 1: a batch norm must have 2' "$good
$good" --pooling concat --batch-size 1
status 'a masked language model is no classifier' 65 classify --model "$tiny" test.arrows
like 'with a hint' "$err_text" 'has no classifier of records .*classify-step'
cp -r named regression
jq 'del(.id2label) | .num_labels = 1' named/config.json > regression/config.json
status 'a regression is none either' 65 classify-step --model regression --out refused2 train.arrows
like 'by its number of labels' "$err_text" 'two labels at least, not 1'
jq '.problem_type = "multi_label_classification"' named/config.json > regression/config.json
status 'nor labels that are independent' 65 classify-step --model regression --out refused2 train.arrows
like 'by the name of the problem' "$err_text" 'problem_type multi_label_classification'
status 'classify computes no other problem either' 65 classify --model regression test.arrows
like 'and says so' "$err_text" '^classify: regression: problem_type multi_label_classification'

# From texts to figures.
for i in $(seq 12); do
	printf '{"text": "this is a great film, number %d", "label": "pos"}\n{"text": "so bad %d", "label": "neg"}\n' "$i" "$i"
done > texts.jsonl
texts() { imdb-read --format jsonl "$@" | wordpiece --model "$fixtures/train/distilbert" --max-length 12; }
learn() { classify-step --model "$fixtures/train/distilbert" --out of-texts --force --labels neg,pos --lr 1e-2 "$@"; }
status 'texts go straight to a classifier' 0 learn --lr-scheduler-type constant < <(texts texts.jsonl)
is 'and to figures' "$(texts texts.jsonl | classify --model of-texts | accuracy | cut -d' ' -f1-2)" 'accuracy 1.000000'
echo '{"text": "a film"}' >> texts.jsonl
status 'a text without a label is refused' 65 learn --lr-scheduler-type constant < <(texts texts.jsonl)
like 'with a hint' "$err_text" 'record 25: label is -1, .*select-records --label'
status 'and left out by select-records' 0 learn --lr-scheduler-type constant \
	< <(texts texts.jsonl | select-records --label 0,1)

# A line that somebody types is answered before the next one is typed.
if script -qec true /dev/null < /dev/null > /dev/null 2>&1; then
	mkfifo typed
	script -qec "imdb-read --format lines | wordpiece --model of-texts | classify --model of-texts | rec-dump" \
		/dev/null < typed > shown &
	exec 3> typed
	for line in 'a film' 'so bad'; do
		echo "$line" >&3
		answers=$((answers + 1))
		for _ in {1..600}; do
			[ "$(grep -c '"prediction"' shown)" -lt $answers ] || break
			sleep 0.1
		done
		is "a typed line is answered at once: $line" "$(grep -c '"prediction"' shown)" $answers
	done
	printf '\004' >&3 # the end of what is typed
	exec 3>&-
	wait
else
	skip 'a typed line is answered at once' 'needs script and a pseudo-terminal'
fi

# accuracy.
cat > counted.jsonl <<- 'END'
	{"label": 0, "prediction": 0}
	{"label": 0, "prediction": 2}
	{"label": 2, "prediction": 2}
	{"label": 4, "prediction": 2}
	{"label": 0, "prediction": 0}
END
rec-load counted.jsonl > counted.arrows
is 'accuracy prints a line' "$(accuracy counted.arrows)" \
	'accuracy 0.600000 f1 0.433333 records 5 accuracy_low 0.230724 accuracy_high 0.882379'
is 'and an object' "$(accuracy --json < counted.arrows | jq -c '[.accuracy, .records, .confusion]')" \
	'[0.6,5,[[2,0,1,0,0],[0,0,0,0,0],[0,0,1,0,0],[0,0,0,0,0],[0,0,1,0,0]]]'
is 'all right' "$(echo '{"label": 3, "prediction": 3}' | rec-load | accuracy | cut -d' ' -f1-6,10)" \
	'accuracy 1.000000 f1 1.000000 records 1 1.000000'
is 'all wrong' "$(echo '{"label": 3, "prediction": 0}' | rec-load | accuracy | cut -d' ' -f1-6,8)" \
	'accuracy 0.000000 f1 0.000000 records 1 0.000000'
status 'unlabelled records are refused' 65 accuracy < <(echo '{"label": -1, "prediction": 0}' | rec-load)
like 'with a hint' "$err_text" 'record 1: label is -1 .*select-records --label'
status 'so is a label past the matrix' 65 accuracy < <(echo '{"label": 4096, "prediction": 0}' | rec-load)
status 'and a stream without predictions' 65 accuracy test.arrows
like 'by the column' "$err_text" 'no column prediction .*classify'
status 'no records have no accuracy' 65 accuracy < <(head -n 0 counted.jsonl | rec-load --type tokens)

if [ -n "$torch" ]; then
	mkdir reference
	ok 'the reference agrees' "$torch" "$top/tests/conformance/classifiers.py" "$top/../shared" reference
else
	skip 'the reference agrees' 'no Python with PyTorch and transformers'
fi
[ -n "$shared" ] || skip 'the goldens of classifiers' 'no ../shared'
[ -n "${CLOZE_REVIEWS-}" ] || skip 'MiniLM on 1,600 reviews' 'no CLOZE_REVIEWS (tests/conformance/classifiers.py)'
finish
