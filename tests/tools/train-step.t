#!/bin/bash
# train-step.t: the numbers equal the reference's; options, and refused input.
. "$(dirname "$0")/../tap.sh"
set -o pipefail

stream() { rec-load --type masked < "$1"; }

# close FILE METRICS: the metrics' losses and gradient norms are the expected ones to 1e-4.
close() {
	awk -F'[:,}\t ]+' 'NR == FNR { if ($1 ~ /^[0-9]+$/) { loss[$1] = $2; norm[$1] = $3; steps++ } next }
		function off(got, expected) { return got / expected > 1.0001 || got / expected < 0.9999 }
		{ for (i = 1; i < NF; i++) { if ($i ~ /"step"/) s = $(i + 1); if ($i ~ /"loss"/) l = $(i + 1)
			if ($i ~ /"grad_norm"/) n = $(i + 1) }
		  seen++; if (off(l, loss[s]) || off(n, norm[s])) { print "step", s, l, n; bad = 1 } }
		END { exit bad || seen != steps }' "$1" "$2"
}

# number NAME FILE: the field's value in each line of metrics.
number() { sed -E "s/.*\"$1\": ([^,}]*).*/\1/" "$2"; }

reference="--lr 3e-3 --batch-size 4 --warmup-steps 2 --lr-scheduler-type cosine"
for family in distilbert bert; do
	folder=$fixtures/train/$family
	stream "$folder/train.jsonl" > "$scratch/train.arrows"
	stream "$folder/eval.jsonl" > "$scratch/eval.arrows"
	# shellcheck disable=SC2086
	status "$family trains" 0 train-step --model "$folder" --out "$scratch/$family" $reference \
		< "$scratch/train.arrows"
	printf '%s\n' "$out_text" > "$scratch/metrics"
	ok "$family: the reference's losses and gradient norms" close "$folder/expected.tsv" "$scratch/metrics"
	after=$(awk '$1 == "after" { printf "%.4f", $2 }' "$folder/expected.tsv")
	is "$family: the reference's loss after" "$after" \
		"$(perplexity --model "$scratch/$family" "$scratch/eval.arrows" | awk '{ printf "%.4f", $4 }')"
done
is 'the fields of a line' "$(head -n 1 "$scratch/metrics" | grep -o '"[a-z_]*"' | tr -d '"' | xargs)" \
	'step epoch loss learning_rate grad_norm tokens_per_second'

# The rest on distilbert.
folder=$fixtures/train/distilbert
stream "$folder/train.jsonl" > "$scratch/train.arrows"
stream "$folder/eval.jsonl" > "$scratch/eval.arrows"
train() { train-step --model "$folder" --out "$scratch/out" --force "$@" < "$scratch/train.arrows"; }

ok 'the tokenizer goes with the model' cmp "$folder/tokenizer.json" "$scratch/distilbert/tokenizer.json"
ok 'the lineage tells this stage and its arguments' grep -aq 'train-step.*--lr.*0.003' \
	"$scratch/distilbert/model.safetensors"

train --dropout 0.1 --seed 3 --threads 1 | metrics > "$scratch/one"
mv "$scratch/out" "$scratch/one-thread"
train --dropout 0.1 --seed 3 --threads 3 | metrics > "$scratch/three"
ok 'threads change no number' cmp "$scratch/one" "$scratch/three"
is 'threads change no weight' "$(weights "$scratch/out")" "$(weights "$scratch/one-thread")"
train --dropout 0.1 --seed 4 | metrics > "$scratch/four"
is 'the seed changes dropout' "$(cmp -s "$scratch/one" "$scratch/four"; echo $?)" 1

is 'steps by records: the last batch is short' "$(train --batch-size 8 | wc -l)" 4
is '--max-steps stops' "$(train --batch-size 8 --max-steps 3 | wc -l)" 3
is '--max-steps is the schedule too' "$(train --batch-size 8 --max-steps 4 --lr 1 | number learning_rate - | xargs)" \
	'1.0 0.75 0.5 0.25'
train --batch-size 8 > "$scratch/each"
train --batch-size 8 --logging-steps 2 > "$scratch/second"
is '--logging-steps 2' "$(number step "$scratch/second" | xargs)" '2 4'
is 'a logged loss is the mean since the last line' "$(number loss "$scratch/second" | xargs printf '%.5f ')" \
	"$(number loss "$scratch/each" | awk '{ s += $1 } NR % 2 == 0 { printf "%.5f ", s / 2; s = 0 }')"
is 'the last step is logged' "$(train --batch-size 8 --logging-steps 3 | number step - | xargs)" '3 4'
is '--max-grad-norm 0 and 1e30 are one' "$(train --max-grad-norm 0 | number loss - | cksum)" \
	"$(train --max-grad-norm 1e30 | number loss - | cksum)"
train --weight-decay 10 --lr 1e-2 | number loss - > "$scratch/some"
train --weight-decay 10 --lr 1e-2 --decay-all | number loss - > "$scratch/all"
is '--decay-all changes what is learned' "$(cmp -s "$scratch/some" "$scratch/all"; echo $?)" 1

# Several batches a step are one large batch; the mean of their means is another thing.
sed 's/, -100\]/, 7]/' "$folder/train.jsonl" | head -n 7 > "$scratch/uneven.jsonl"
sed -n '8,16p' "$folder/train.jsonl" >> "$scratch/uneven.jsonl"
rec-load --type masked "$scratch/uneven.jsonl" > "$scratch/uneven.arrows"
once() { train-step --model "$folder" --out "$scratch/out" --force --dropout 0 --lr 1e-2 "$@" "$scratch/uneven.arrows" |
	number loss - | xargs printf '%.5f '; }
large=$(once --batch-size 8)
is 'accumulated gradients are those of one large batch' "$(once --batch-size 2 --gradient-accumulation-steps 4)" "$large"
is 'the mean of means is not' \
	"$([ "$(once --batch-size 2 --gradient-accumulation-steps 4 --reference-accumulation)" = "$large" ]; echo $?)" 1

train --batch-size 8 --lr 1e-3 | number loss - > "$scratch/fp32"
train --batch-size 8 --lr 1e-3 --dtype bf16 2> /dev/null | number loss - > "$scratch/bf16"
ok '--dtype bf16 learns what fp32 learns' awk 'NR == FNR { fp32[FNR] = $1; next }
	{ off = $1 / fp32[FNR] - 1; if (off * off > 1e-4) bad = 1; if ($1 != fp32[FNR]) differs = 1 }
	END { exit bad || !differs }' "$scratch/fp32" "$scratch/bf16"
train --batch-size 8 --freeze '*' > /dev/null
is '--freeze "*" learns nothing' "$(weights "$scratch/out")" \
	"$(train --batch-size 8 --lr 0 --weight-decay 0 > /dev/null; weights "$scratch/out")"
ok '--freeze leaves some as they are' bash -c "train-step --model $folder --out $scratch/frozen --batch-size 8 \
	--freeze '*.embeddings.*' $scratch/train.arrows > $scratch/metrics"
rates() { train --batch-size 8 --max-steps 4 --lr 1 "$@" | number learning_rate - | xargs printf '%.4g '; }
is '--warmup-ratio' "$(rates --warmup-ratio 0.3)" '0 0.5 1 0.5 '
is 'cosine_with_restarts' "$(rates --lr-scheduler-type cosine_with_restarts --num-cycles 2)" '1 0.5 1 0.5 '
is 'polynomial' "$(rates --lr-scheduler-type polynomial --power 2 --lr-end 0.5)" '1 0.7812 0.625 0.5312 '
is 'constant_with_warmup' "$(rates --lr-scheduler-type constant_with_warmup --warmup-steps 2)" '0 0.5 1 1 '
is 'slanted_triangular' "$(rates --lr-scheduler-type slanted_triangular --cut-fraction 0.25 --ratio 8)" '0.125 1 0.7083 0.4167 '
is 'inverse_sqrt' "$(rates --lr-scheduler-type inverse_sqrt --warmup-steps 1)" '0 1 0.7071 0.5774 '
is 'inverse_sqrt, with a time scale' "$(rates --lr-scheduler-type inverse_sqrt --timescale 1)" '1 0.7071 0.5774 0.5 '
is 'cosine_with_min_lr' "$(rates --lr-scheduler-type cosine_with_min_lr --min-lr 0.2)" '1 0.8828 0.6 0.3172 '
is 'warmup_stable_decay' "$(rates --lr-scheduler-type warmup_stable_decay --num-decay-steps 2 --min-lr 0.2)" '1 1 1 0.6 '
# The manual's example: the tutorial's figure.
mkdir "$scratch/manual"
rec-load --type masked > "$scratch/manual/masked.arrows" < <(yes "$(head -n 1 "$folder/train.jsonl")" | head -n 1600)
sed -n '/slanted triangle of 200 steps/,/^\.Ed/{s/\\e$/\\/;/^\.\|slanted triangle of/!p}' "$top/man/train-step.1" > "$scratch/manual/example"
ln -s "$folder" "$scratch/manual/tiny"
(cd "$scratch/manual" && bash -o pipefail example) > "$scratch/triangle"
is "the manual's slanted triangle is run" "$(wc -l < "$scratch/triangle")" 200
ok 'it rises from 0.002 to 0.01 in 20 steps and falls to 0.002' awk '
	{ expected = NR <= 20 ? 0.002 + 0.008 * (NR - 1) / 20 : 0.01 - 0.008 * (NR - 21) / 180; off = $1 - expected }
	off > 1e-12 || off < -1e-12 { print NR, $1, expected; bad = 1 }
	END { exit bad || NR != 200 }' "$scratch/triangle"

# Epochs, and evaluation at the end of each.
{ sed 's/}$/, "epoch": 1}/' "$folder/train.jsonl"; sed 's/}$/, "epoch": 2}/' "$folder/train.jsonl"; } \
	| rec-load --type masked > "$scratch/two.arrows"
status '--eval evaluates' 0 train-step --model "$folder" --out "$scratch/eval" --batch-size 15 --lr 1e-3 \
	--eval "$scratch/eval.arrows" "$scratch/two.arrows"
printf '%s\n' "$out_text" > "$scratch/metrics"
is 'an evaluation an epoch' "$(grep eval_loss "$scratch/metrics" | sed 's/, "eval_p.*//; s/"eval_loss.*//')" \
	'{"step": 2, "epoch": 1, 
{"step": 4, "epoch": 2, '
is 'the last evaluation is of the model written' "$(tail -n 1 "$scratch/metrics" | number eval_loss - | xargs printf %.6f)" \
	"$(perplexity --model "$scratch/eval" "$scratch/eval.arrows" | cut -d' ' -f4)"
is 'with its interval' "$(tail -n 1 "$scratch/metrics" | grep -o '"eval_perplexity_interval.*' | grep -oE '[0-9.]+' |
	xargs printf '%.6g ')" "$(perplexity --model "$scratch/eval" "$scratch/eval.arrows" | cut -d' ' -f10,12) "

# A batch never crosses an epoch: 1,000 records, 3 epochs, batches of 64 are 48 steps, known from the start.
yes '{"input_ids": [5, 6, 7], "labels": [-100, 8, -100]}' | head -n 1000 | rec-load --type masked > "$scratch/thousand.arrows"
is 'steps end with epochs' "$(shuffle-records --epochs 3 "$scratch/thousand.arrows" \
	| train-step --model "$folder" --out "$scratch/epochs" --batch-size 64 --logging-steps 100 --lr 48 --adam-epsilon 1 \
	| jq -c '[.step, .epoch, .learning_rate + 0]' | xargs)" '[16,1,33] [32,2,17] [48,3,1]'
status '--max-steps past the end' 0 train-step --model "$folder" --out "$scratch/past" --batch-size 15 --max-steps 9 \
	"$scratch/train.arrows"
like 'says that the input ended' "$err_text" 'train.arrows: ended after step 2, before --max-steps 9$'
status 'an evaluation that cannot be read twice' 64 train-step --model "$folder" --out "$scratch/new" \
	--eval <(cat "$scratch/eval.arrows") "$scratch/train.arrows"

evaluations() { # OPTION...: steps evaluated
	train-step --model "$folder" --out "$scratch/eval" --force --batch-size 5 --eval "$scratch/eval.arrows" "$@" \
		"$scratch/two.arrows" 2> "$scratch/.err" | grep eval_loss | number step - | xargs
}
is '--eval-steps, and the last step' "$(evaluations --eval-steps 5)" '5 10 12'
is '--eval-epochs' "$(evaluations --eval-epochs 2)" '12'
is 'before each checkpoint' "$(evaluations --eval-epochs 2 --save-steps 5)" '5 10 12'
is '--early-stopping-patience' "$(evaluations --eval-steps 1 --lr 0 --early-stopping-patience 2)" '1 2 3'
like 'says why it stopped early' "$(cat "$scratch/.err")" 'stopped after step 3: no evaluation since step 1'
# A learning rate that ruins what the first step gained: the first evaluation is the best.
evaluations --eval-steps 1 --lr 0.3 --lr-scheduler-type constant --load-best-model-at-end > /dev/null
best=$(jq .best_metric "$scratch/eval/trainer_state.json")
is '--load-best-model-at-end writes the best' "$(printf %.6f "$best")" \
	"$(perplexity --model "$scratch/eval" "$scratch/eval.arrows" | cut -d' ' -f4)"
is 'the log is in trainer_state.json' "$(jq '.log_history | length' "$scratch/eval/trainer_state.json")" 24

# A batch without a label is a loss of 0.
{ head -n 4 "$folder/train.jsonl"; echo '{"input_ids": [5, 6, 7], "labels": [-100, -100, -100]}'; } \
	| rec-load --type masked > "$scratch/bare.arrows"
is 'no label, no loss' "$(train-step --model "$folder" --out "$scratch/bare" --batch-size 4 "$scratch/bare.arrows" \
	| tail -n 1 | grep -o '"loss": 0.0, \|"grad_norm": 0.0, ' | xargs)" 'loss: 0.0, grad_norm: 0.0,'

# What is refused leaves no folder.
refuses() { # NAME STATUS WORDS COMMAND...
	local name=$1 expected=$2 words=$3
	shift 3
	status "refuses $name" "$expected" "$@"
	like "says $name" "$err_text" "$words"
	is "leaves nothing of $name" "$(find "$scratch" -maxdepth 1 -name 'new*')" ''
}
new="train-step --model $folder --out $scratch/new"
size=$(wc -c < "$scratch/train.arrows")
head -c $((size / 2)) "$scratch/train.arrows" > "$scratch/half.arrows"
head -c $((size - 8)) "$scratch/train.arrows" > "$scratch/unmarked.arrows"
refuses 'half a stream' 65 'half.arrows' $new "$scratch/half.arrows"
refuses 'a stream without its end marker' 65 'unmarked.arrows' $new "$scratch/unmarked.arrows"
status 'refuses a loss that is not finite' 65 train-step --model "$folder" --out "$scratch/infinite" --lr 1000 --adam-epsilon 1e-30 \
	--max-grad-norm 0 --weight-decay 1000 --lr-scheduler-type constant "$scratch/two.arrows"
like 'says where' "$err_text" 'step [0-9]+: the (loss|gradient) is not finite, first in the gradient of [a-z]+\.'
is 'has saved the step before' "$(cd "$scratch/infinite" && echo checkpoint-*)" "checkpoint-$(grep -c '"loss"' <<< "$out_text")"
refuses 'an existing folder' 73 'train: ' train-step --model "$folder" --out "$fixtures/train" "$scratch/train.arrows"
refuses 'no model' 64 '--model' train-step --out "$scratch/new" "$scratch/train.arrows"
refuses 'a model that is not there' 66 'nowhere' train-step --model "$scratch/nowhere" --out "$scratch/new" \
	"$scratch/train.arrows"
mkdir "$scratch/other"
{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'; seq 5 89; } > "$scratch/other/vocab.txt"
rec-load --type masked --model "$scratch/other" "$folder/train.jsonl" > "$scratch/other.arrows"
refuses 'another vocabulary' 65 'vocabulary crc32:[0-9a-f]{8}.* crc32:[0-9a-f]{8}' $new "$scratch/other.arrows"
seq 90 100 >> "$scratch/other/vocab.txt"
rec-load --type masked --model "$scratch/other" "$folder/train.jsonl" > "$scratch/more.arrows"
refuses 'a larger vocabulary, by a model without one' 65 '101 tokens.* 90' train-step \
	--model "$fixtures/train/bert" --out "$scratch/new" "$scratch/more.arrows"
echo '{"input_ids": [5, 6], "labels": [-100, 90]}' | rec-load --type masked > "$scratch/label.arrows"
refuses 'a label past the vocabulary' 65 '90' $new "$scratch/label.arrows"
printf '{"input_ids": [5, 6], "labels": [-100, 7], "token_type_ids": [0, %d]}\n' 1 2 \
	| rec-load --type masked > "$scratch/types.arrows"
refuses 'a token type that the model lacks' 65 'record 2: token_type_ids\[1\] is 2' train-step \
	--model "$fixtures/train/bert" --out "$scratch/new" "$scratch/types.arrows"
printf '{"input_ids": [%s5], "labels": [%s6]}\n' "$(yes 5, | head -n 24 | tr -d '\n')" \
	"$(yes 6, | head -n 24 | tr -d '\n')" | rec-load --type masked > "$scratch/long.arrows"
refuses 'a record past max_position_embeddings' 65 'record 1 has 25 .*max_position_embeddings is 24' $new "$scratch/long.arrows"
echo '{"input_ids": [5, 6], "word_ids": [0, 1]}' | rec-load --type tokens | group-texts --chunk-size 25 --keep-remainder \
	| random-mask --model "$folder" > "$scratch/chunks.arrows"
refuses 'chunks that could be past it, before any is read' 65 'chunks are of 25 .*max_position_embeddings is 24' $new \
	"$scratch/chunks.arrows"
rec-load --type masked < /dev/null > "$scratch/empty.arrows"
yes '{"input_ids": [5, 6, 7], "labels": [-100, -100, -100]}' | head -n 9 | rec-load --type masked > "$scratch/unmasked.arrows"
refuses 'a stream without any label' 65 'no masked tokens in 9 records' $new "$scratch/unmasked.arrows"
refuses 'a warm-up of constant' 64 'constant_with_warmup' $new --lr-scheduler-type constant --warmup-steps 1 \
	"$scratch/train.arrows"
refuses 'cosine_with_min_lr without a lowest rate' 64 '--min-lr' $new --lr-scheduler-type cosine_with_min_lr "$scratch/train.arrows"
refuses 'warmup_stable_decay without an end' 64 '--num-decay-steps' $new --lr-scheduler-type warmup_stable_decay \
	"$scratch/train.arrows"
refuses 'a pattern that matches nothing' 64 'nothing' $new --freeze nothing "$scratch/train.arrows"
refuses 'patience without evaluations' 64 '--early-stopping-patience' $new --early-stopping-patience 1 \
	"$scratch/train.arrows"
refuses 'an empty stream' 65 'no records' $new "$scratch/empty.arrows"
refuses 'an evaluation that shows nothing' 65 '--eval' $new --eval "$scratch/empty.arrows" "$scratch/train.arrows"
refuses 'an evaluation that is cut' 65 'half.arrows' $new --eval "$scratch/half.arrows" "$scratch/train.arrows"
refuses 'a schedule of unknown length' 64 '--max-steps' $new <(cat "$scratch/train.arrows")
status 'a constant schedule needs no length' 0 $new --lr-scheduler-type constant <(cat "$scratch/train.arrows")

if [ -n "$torch" ]; then
	ok 'the reference agrees' "$torch" "$top/tests/conformance/training.py" "$top/../shared" "$scratch"
else
	skip 'the reference agrees' 'no Python with PyTorch and transformers'
fi
finish
