#!/bin/bash
# distill-step.t: a student that learns from a teacher's answers: the reference's numbers, where the answers come from, resuming,
# and columns that are refused.
. "$(dirname "$0")/../tap.sh"
set -o pipefail

for family in distilbert bert; do
	set=$shared/golden/distill-$family
	if [ -z "$shared" ]; then
		skip "$family: the reference's losses and gradient norms" 'no ../shared'
		skip "$family: the reference's loss after" 'no ../shared'
		continue
	fi
	option() { jq -r ".options.$1" "$set/expected.json"; }
	for part in train eval; do gzip -dc "$set/$part.jsonl.gz" | rec-load --type masked > "$scratch/$part.arrows"; done
	teach --model "$set/teacher" --hidden-states "$scratch/train.arrows" |
		distill-step --model "$set/student" --out "$scratch/$family" --lr "$(option lr)" --warmup-steps "$(option warmup)" \
			--max-steps "$(option steps)" --batch-size "$(option batch)" --weight-decay "$(option weight_decay)" \
			--max-grad-norm "$(option max_grad_norm)" --temperature "$(option temperature)" --alpha-ce "$(option alpha_ce)" \
			--alpha-mlm "$(option alpha_mlm)" --alpha-cos "$(option alpha_cos)" > "$scratch/metrics.jsonl"
	# loss_ce falls to 0.01 and is a difference of greater numbers; the printed rate has 12 digits.
	is "$family: the reference's losses and gradient norms" "$(jq -sr --slurpfile all "$set/expected.json" '
		def off($name; $tolerance): .[$name] as $got | $all[0][$name][.step - 1] as $right |
			if ($got - $right | fabs) <= $tolerance * $right then empty else "step \(.step): \($name) \($got), not \($right)" end;
		(.[] | off("loss"; 1e-5), off("loss_ce"; 3e-4), off("loss_mlm"; 1e-5), off("loss_cos"; 1e-5), off("grad_norm"; 3e-5),
			off("learning_rate"; 1e-11)), (select(length != ($all[0].loss | length)) | "\(length) steps")' "$scratch/metrics.jsonl")" ''
	is "$family: the reference's loss after" "$(jq -n "$(perplexity --model "$scratch/$family" --json "$scratch/eval.arrows" |
		jq .loss) / $(jq .after.token_loss "$set/expected.json") - 1 | fabs < 1e-5")" true
	model-init --from "$set/teacher" --layers "$(option kept)" --out "$scratch/student-$family"
	is "$family: model-init makes the set's student" "$(perplexity --model "$scratch/student-$family" --json "$scratch/eval.arrows")" \
		"$(perplexity --model "$set/student" --json "$scratch/eval.arrows")"
done

# The rest with small models: 90 tokens, 24 wide, the student one layer of two.
cd "$scratch" || exit 1
teacher=$fixtures/train/distilbert
rec-load --type masked "$teacher/train.jsonl" > masked.arrows
rec-load --type masked "$teacher/eval.jsonl" > eval.arrows
model-init --from "$teacher" --layers 1 --out student
teach --model "$teacher" --hidden-states masked.arrows > taught.arrows
distill() { # FOLDER OPTION...
	local out=$1
	shift
	distill-step --model student --out "$out" --lr 1e-3 --batch-size 4 --lr-scheduler-type constant "$@"
}

distill whole taught.arrows > whole.jsonl
is 'the fields of a line' "$(head -n 1 whole.jsonl | grep -o '"[a-z_]*"' | tr -d '"' | xargs)" \
	'step epoch loss loss_ce loss_mlm loss_cos learning_rate grad_norm tokens_per_second'
is 'the loss is the weighted sum of its parts' "$(jq -s 'all(.loss - 5 * .loss_ce - 2 * .loss_mlm - .loss_cos | fabs < 1e-9)' whole.jsonl)" true
is 'weights are options' "$(distill other --alpha-ce 1 --alpha-mlm 0 --alpha-cos 3 taught.arrows |
	jq -s 'all(.loss - .loss_ce - 3 * .loss_cos | fabs < 1e-9)')" true
shuffle-records --epochs 20 taught.arrows | distill long --alpha-mlm 0 --logging-steps 100 > long.jsonl
ok 'the student comes near its teacher' jq -es '.[0].loss_ce > 1.5 * .[-1].loss_ce and .[0].loss_cos > 1.5 * .[-1].loss_cos' \
	long.jsonl
is 'the temperature is an option' "$(distill warm --temperature 4 taught.arrows | cmp -s - whole.jsonl; echo $?)" 1
ok 'the tokenizer goes with the student' cmp "$teacher/tokenizer.json" whole/tokenizer.json
ok 'the lineage tells this stage' grep -aq 'distill-step.*--lr.*0.001' whole/model.safetensors
like 'the student is a masked language model' "$(cat whole/config.json)" 'DistilBertForMaskedLM'

# A pipe, a file that tee kept and each epoch uses again, and a teacher in each epoch are one.
teach --model "$teacher" --hidden-states masked.arrows | tee kept.arrows | distill piped > piped.jsonl
is 'a pipe is a file' "$(metrics piped.jsonl)" "$(metrics whole.jsonl)"
is 'to the last bit' "$(weights piped)" "$(weights whole)"
ok 'tee kept the answers' cmp kept.arrows taught.arrows
shuffle-records --epochs 2 --seed 3 kept.arrows | distill used > used.jsonl
shuffle-records --epochs 2 --seed 3 masked.arrows | teach --model "$teacher" --hidden-states --batch-size 1 | distill anew > anew.jsonl
ok 'kept answers in each epoch are as good as new ones' jq -en --slurpfile a used.jsonl --slurpfile b anew.jsonl \
	'[$a, $b | map(.loss)] | transpose | length == 16 and all(.[0] / .[1] - 1 | fabs < 1e-4)'
teach --model "$teacher" --hidden-states --half masked.arrows | distill half > half.jsonl
ok '--half teaches the same' jq -en --slurpfile a whole.jsonl --slurpfile b half.jsonl \
	'[$a, $b | map(.loss)] | transpose | all(.[0] / .[1] - 1 | fabs < 1e-2)'
teach --model "$teacher" --hidden-states --top-k 89 masked.arrows | distill top > top.jsonl
ok 'all logits but one teach what all do' jq -en --slurpfile a whole.jsonl --slurpfile b top.jsonl \
	'[$a, $b | map(.loss)] | transpose | all(.[0] / .[1] - 1 | fabs < 1e-4)'
teach --model "$teacher" --hidden-states --top-k 5 masked.arrows | distill five > five.jsonl
ok 'five logits and the rest tell less' jq -en --slurpfile a whole.jsonl --slurpfile b five.jsonl \
	'$b[0].loss_ce < $a[0].loss_ce and $b[0].loss_mlm == $a[0].loss_mlm'

distill one --threads 1 --dropout 0.1 taught.arrows > one.jsonl
distill three --threads 3 --dropout 0.1 taught.arrows > three.jsonl
is 'threads change no number' "$(metrics three.jsonl)" "$(metrics one.jsonl)"
is 'threads change no weight' "$(weights three)" "$(weights one)"
distill seed --seed 7 --dropout 0.1 taught.arrows > seed.jsonl
is 'the seed changes dropout' "$(cmp -s <(metrics seed.jsonl) <(metrics one.jsonl); echo $?)" 1
once() { distill once --force --dropout 0 "$@" taught.arrows | jq .loss | xargs printf '%.5f '; }
is 'accumulated gradients are those of one large batch' "$(once --batch-size 2 --gradient-accumulation-steps 4)" \
	"$(once --batch-size 8)"
distill bf16 --dtype bf16 taught.arrows > bf16.jsonl 2> /dev/null
ok '--dtype bf16 learns what fp32 learns' jq -en --slurpfile a whole.jsonl --slurpfile b bf16.jsonl \
	'[$a, $b | map(.loss)] | transpose | all(.[0] / .[1] - 1 | fabs < 2e-2) and any(.[0] != .[1])'

# A student that is its teacher has nothing to learn, of records with tokens that are not attended to, labelled or not, as well.
jq -c '.attention_mask = [.input_ids | keys[] | if . % 5 == 2 then 0 else 1 end]' "$teacher/train.jsonl" |
	rec-load --type masked | teach --model "$teacher" --hidden-states |
	distill-step --model "$teacher" --out same --lr 0 --batch-size 4 --lr-scheduler-type constant > same.jsonl
ok 'of its own answers a model has nothing to learn' jq -es 'length == 8 and all((.loss_ce | fabs) < 1e-6 and (.loss_cos | fabs) < 1e-6)' \
	same.jsonl

# Hidden states that are not there, or are not asked for.
teach --model "$teacher" masked.arrows > logits.arrows
is 'without hidden states loss_cos is 0' "$(distill logits logits.arrows | jq -s 'all(.loss_cos == 0)')" true
distill a --alpha-cos 0 taught.arrows > a.jsonl
distill b --alpha-cos 0 logits.arrows > b.jsonl
ok '--alpha-cos 0 makes no use of them' jq -en --slurpfile a a.jsonl --slurpfile b b.jsonl \
	'[$a, $b | map(.loss)] | transpose | all(.[0] / .[1] - 1 | fabs < 1e-5) and all($a[]; .loss_cos == 0)'
wide=$fixtures/train/bert # 90 tokens as well, 20 wide
rec-dump masked.arrows | rec-load --type masked > plain.arrows
is 'a teacher of another width teaches' "$(teach --model "$wide" plain.arrows | distill c | jq -s length)" 8
teach --model "$wide" --hidden-states plain.arrows > wide.arrows
status 'but for its hidden states' 65 distill d wide.arrows
like 'which the message says' "$err_text" 'record 1: [0-9]+ numbers in teacher_hidden_states, .*hidden_size is 24'
status 'unless they do not count' 0 distill d --alpha-cos 0 wide.arrows

# Evaluation is that of a masked language model, and needs no teacher.
status '--eval takes masked records' 0 distill e --eval eval.arrows taught.arrows
is 'eval_loss is what perplexity says' "$(jq -r 'select(.eval_loss).eval_loss' <<< "$out_text" | xargs printf %.6f)" \
	"$(perplexity --model e eval.arrows | cut -d' ' -f4)"

# Resuming.
head -c "$(($(wc -c < taught.arrows) - 8))" taught.arrows > cut.arrows
distill complete --dropout 0.2 --max-steps 8 --save-steps 3 taught.arrows > complete.jsonl
status 'a cut input is 65' 65 distill cut --dropout 0.2 --max-steps 8 --save-steps 3 cut.arrows
metrics <<< "$out_text" > part.jsonl
status '--resume goes on' 0 distill cut --resume --dropout 0.2 --max-steps 8 --save-steps 3 taught.arrows
is 'and ends bit-identical' "$(weights cut)" "$(weights complete)"
is 'with the same metrics' "$(metrics <<< "$out_text" | cat part.jsonl - | grep .)" "$(metrics complete.jsonl)"
rm -rf cut/model.safetensors
rm -rf again && mkdir again && cp -r complete/checkpoint-3 again
status '--resume with another temperature' 64 distill again --resume --dropout 0.2 --max-steps 8 --save-steps 3 --temperature 3 taught.arrows
like 'is refused by name' "$err_text" '--temperature: the run in again used 2'
teach --model "$wide" plain.arrows > strange.arrows
status '--resume with the answers of another teacher' 65 distill again --resume --dropout 0.2 --max-steps 8 --save-steps 3 strange.arrows

# Refusals. rec-load makes lists of doubles, which are read too.
refused() { # NAME REGULAR_EXPRESSION JSON [OPTION...]
	local name=$1 expression=$2 json=$3
	shift 3
	echo "$json" | rec-load --type masked > bad.arrows
	status "$name" 65 distill bad --force "$@" bad.arrows
	like "$name: the message" "$err_text" "$expression"
}
row=$(jq -nc '[range(90) | 0.5]')
record() { jq -nc --argjson row "$row" "{input_ids: [5, 6], labels: [-100, 7], teacher_logits: \$row} | $1"; }
status 'whole rows from elsewhere are taken' 0 distill fine --max-steps 1 <(record . | rec-load --type masked)
status 'some logits and the rest, too' 0 distill few --max-steps 1 \
	<(record '.teacher_logits = [1.5, 2.5] | .teacher_ids = [3, 89] | .teacher_rest = [0.5, 1.5, 2.5]' | rec-load --type masked)
status 'records without answers' 65 distill bad masked.arrows
like 'and what makes them' "$err_text" 'no column teacher_logits \(teach adds it'
refused 'too few logits' 'record 1: 89 numbers a token in teacher_logits, but the model.s vocabulary has 90' \
	"$(record '.teacher_logits |= .[1:]')"
refused 'logits for no label' '90 numbers in teacher_logits, but 0 labelled tokens' "$(record '.labels[1] = -100')"
refused 'logits for half a label' '3 numbers in teacher_logits, but 2 labelled' \
	"$(record '.labels[0] = 5 | .teacher_logits = [1.5, 2.5, 3.5]')"
refused 'no logits' 'record 2: 0 numbers in teacher_logits, but 1 labelled' "$(record .; record '.teacher_logits = []')"
refused 'a null' 'teacher_logits has a null' "$(record '.teacher_logits[3] = null')"
refused 'a number that is no float' 'teacher_logits\[4\] is not a finite' "$(record '.teacher_logits[4] = 1e300')"
refused 'integers' 'column teacher_logits is list<int.*, not a list of floats' "$(record '.teacher_logits = [1, 2]')"
some='.teacher_logits = [1.5, 2.5] | .teacher_ids = [3, 4] | .teacher_rest = [0.5, 1.5, 2.5]'
refused 'an id outside the vocabulary' 'teacher_ids has an id, outside the vocabulary of 90' "$(record "$some | .teacher_ids[1] = 90")"
refused 'a negative id' 'teacher_ids has an id, outside' "$(record "$some | .teacher_ids[1] = -1")"
refused 'an id that is null' 'teacher_ids has a null' "$(record "$some | .teacher_ids[1] = null")"
refused 'an id twice' 'teacher_ids has 3 twice' "$(record "$some | .teacher_ids[1] = 3")"
refused 'too many ids' '3 teacher_ids, but 2 numbers in teacher_logits' "$(record "$some | .teacher_ids[2] = 5")"
refused 'no rest' 'no column teacher_rest' "$(record "$some | del(.teacher_rest)")"
refused 'too short a rest' '2 numbers in teacher_rest, not 3' "$(record "$some | .teacher_rest |= .[1:]")"
refused 'a whole row with ids' 'a whole row goes without teacher_ids' \
	"$(record '.teacher_ids = [range(90)] | .teacher_rest = [0.5, 1.5, 2.5]')"
refused 'other numbers of logits' 'record 2: 1 numbers a token in teacher_logits, but 2 before' \
	"$(record "$some"; record "$some | .teacher_logits = [0.5] | .teacher_ids = [3]")"
refused 'too few states' '2 numbers in teacher_hidden_states, but 2 attended tokens' "$(record '.teacher_hidden_states = [0.5, 0.5]')"
rec-dump taught.arrows | sed 's/^{/{"x": 1, /' | rec-load --type masked > bare.arrows
ok 'answers need no metadata' distill bare bare.arrows

# A teacher of another vocabulary, by the metadata, which teach writes, and by the rows.
jq '.vocab_size = 95' "$teacher/config.json" > more.json
model-init --config more.json --out more
status 'a teacher of another vocabulary' 65 distill bad --force < <(teach --model more --top-k 2 plain.arrows)
like 'is refused with both sizes' "$err_text" "the teacher's vocabulary has 95 tokens, the model's 90"
sed 's/"the"/"zzz"/' "$teacher/tokenizer.json" > renamed.json
cp -r "$teacher" renamed && cp renamed.json renamed/tokenizer.json
if cmp -s renamed.json "$teacher/tokenizer.json"; then
	report 'not ok' 'the fixture has the word that is renamed'
fi
status 'a vocabulary of the same size' 65 distill bad --force < <(teach --model renamed --top-k 2 plain.arrows)
like 'is refused by its fingerprint' "$err_text" "made with vocabulary crc32:[0-9a-f]+, but the model's is crc32:"
status 'no weight at all' 64 distill bad --force --alpha-ce 0 --alpha-mlm 0 --alpha-cos 0 taught.arrows

if [ -n "$torch" ]; then
	"$torch" "$top/tests/conformance/teach.py" "$teacher" masked.arrows foreign.arrows
	distill foreign foreign.arrows > foreign.jsonl
	ok "a teacher in Python teaches the same" jq -en --slurpfile a whole.jsonl --slurpfile b foreign.jsonl \
		'[$a, $b | map(.loss)] | transpose | all(.[0] / .[1] - 1 | fabs < 1e-5)'
else
	skip 'a teacher in Python teaches the same' 'no Python with PyTorch'
fi
finish
