#!/bin/bash
# teach.t: a teacher's answers beside masked records, and what is refused.
. "$(dirname "$0")/../tap.sh"
set -o pipefail

teacher=$fixtures/train/distilbert # 90 tokens, 24 wide
jq -c '. + {name: "\(.input_ids[0])", labels, attention_mask: [.input_ids | keys[] | if . == 1 then 0 else 1 end]}' \
	"$teacher/train.jsonl" > "$scratch/train.jsonl"
rec-load --type masked "$scratch/train.jsonl" > "$scratch/train.arrows"
taught() { teach --model "$teacher" "$@" "$scratch/train.arrows"; }
columns() { rec-dump --info | jq -r '.columns[] | "\(.name):\(.type)"' | xargs; }

taught --hidden-states > "$scratch/taught.arrows"
rec-dump "$scratch/taught.arrows" > "$scratch/taught.jsonl"
is 'all columns of the input go on' \
	"$(jq -c 'del(.teacher_logits, .teacher_hidden_states)' "$scratch/taught.jsonl" | cksum)" \
	"$(rec-dump "$scratch/train.arrows" | jq -c . | cksum)"
is 'a row of the vocabulary for each label, a state for each attended token' \
	"$(jq -c '[(.teacher_logits | length) / 90, (.teacher_hidden_states | length) / 24]' "$scratch/taught.jsonl" | xargs)" \
	"$(jq -c '[([.labels[] | select(. != -100)] | length), (.attention_mask | add)]' "$scratch/train.jsonl" | xargs)"
is 'the columns' "$(columns < "$scratch/taught.arrows" | grep -o 'teacher.*')" \
	'teacher_logits:list<float32> teacher_hidden_states:list<float32>'
is 'in half the bytes with --half' "$(taught --half --hidden-states --top-k 3 | columns | grep -o 'teacher.*')" \
	'teacher_logits:list<float16> teacher_ids:list<int32> teacher_rest:list<float32> teacher_hidden_states:list<float16>'
is 'the metadata tells the size of the vocabulary' "$(rec-dump --info "$scratch/taught.arrows" | jq .cloze.teacher_vocab_size)" 90

# The best logits, and what the others add up to, out of whole rows.
best='def rows: . as $r | [range(0; $r | length; 90) | $r[.:. + 90]];
	.teacher_logits | rows | map(to_entries | sort_by(-.value, .key) | {ids: [.[:3][].key], logits: [.[:3][].value],
		rest: [(1, 2, 4) as $t | ([.[3:][] | .value / $t | exp] | add | log)]})'
jq -c "$best | [.[].ids[]], (map([.logits, .rest]) | flatten)" "$scratch/taught.jsonl" > "$scratch/expected"
taught --top-k 3 | rec-dump | jq -c '.teacher_ids, (. as $r | [range(0; .teacher_rest | length; 3)
	| $r.teacher_logits[.:. + 3], $r.teacher_rest[.:. + 3]] | flatten)' > "$scratch/got"
near() { # GOT EXPECTED TOLERANCE: files of arrays
	jq -en --slurpfile got "$1" --slurpfile expected "$2" "[\$got, \$expected] | map(flatten)
		| (.[0] | length) == (.[1] | length) and (transpose | all((.[0] - .[1]) | fabs <= $3))"
}
ok '--top-k 3: the best three, and the sum of the rest at three temperatures' near "$scratch/got" "$scratch/expected" 2e-5
is '--top-k of the whole vocabulary is all of it' "$(taught --top-k 90 | columns | grep -o 'teacher.*')" \
	'teacher_logits:list<float32>'
jq -c .teacher_logits "$scratch/taught.jsonl" > "$scratch/whole"
taught --half | rec-dump | jq -c .teacher_logits > "$scratch/half"
ok '--half rounds' near "$scratch/half" "$scratch/whole" 4e-3
is '--half does round' "$(cmp -s "$scratch/half" "$scratch/whole"; echo $?)" 1

for type in bf16 auto; do
	taught --dtype $type --hidden-states | rec-dump | jq -c '.teacher_logits, .teacher_hidden_states' > "$scratch/$type"
done
jq -c '.teacher_logits, .teacher_hidden_states' "$scratch/taught.jsonl" > "$scratch/both"
ok '--dtype bf16: the answers of fp32, rounded' near "$scratch/bf16" "$scratch/both" 0.05
is '--dtype bf16 does round' "$(cmp -s "$scratch/bf16" "$scratch/both"; echo $?)" 1
either() { cmp -s "$1" "$2" || cmp -s "$1" "$3"; }
ok '--dtype auto is one of the two' either "$scratch/auto" "$scratch/bf16" "$scratch/both"

# The loss at the labels by these logits is what perplexity says.
mean=$(jq -s '[.[] | ([.labels[] | select(. != -100)]) as $l | range($l | length) as $m
	| .teacher_logits[$m * 90:$m * 90 + 90] as $z | ([$z[] | exp] | add | log) - $z[$l[$m]]] | add / length' "$scratch/taught.jsonl")
is 'they are the logits that perplexity takes' "$(printf %.4f "$mean")" \
	"$(perplexity --model "$teacher" --json "$scratch/train.arrows" | jq -r .loss | xargs printf %.4f)"

data() { cmp <(rec-dump "$1") <(rec-dump "$2"); }
taught --hidden-states --threads 1 > "$scratch/one.arrows"
taught --hidden-states --threads 3 > "$scratch/three.arrows"
ok 'threads change nothing' cmp "$scratch/one.arrows" "$scratch/three.arrows"
taught --hidden-states --batch-size 1 | rec-dump | jq -c .teacher_logits > "$scratch/single"
ok 'batches change no more than rounding' near "$scratch/single" "$scratch/whole" 2e-5
teach --model "$teacher" --top-k 2 "$scratch/taught.arrows" > "$scratch/again.arrows"
taught --top-k 2 > "$scratch/first.arrows"
ok 'answers of an earlier teacher are replaced' data "$scratch/again.arrows" "$scratch/first.arrows"
shuffle-records --epochs 2 "$scratch/train.arrows" | teach --model "$teacher" --batch-size 7 --top-k 2 > "$scratch/two.arrows"
is 'epochs go on' "$(rec-dump "$scratch/two.arrows" | jq .epoch | uniq -c | xargs)" '30 1 30 2'
is 'records without a label have no logits' "$(echo '{"input_ids": [5, 6], "labels": [-100, -100]}' | rec-load --type masked |
	teach --model "$teacher" --top-k 2 --hidden-states | rec-dump |
	jq -c '[.teacher_logits, .teacher_ids, .teacher_rest, (.teacher_hidden_states | length)]')" '[[],[],[],48]'
is 'nothing comes of nothing' "$(rec-load --type masked < /dev/null | teach --model "$teacher" | rec-dump)" ''

status 'a record longer than the model' 65 teach --model "$teacher" \
	< <(jq -nc '{input_ids: [range(99) | 5], labels: [range(99) | 5]}' | rec-load --type masked)
status 'ids of another vocabulary' 65 teach --model "$teacher" \
	< <(echo '{"input_ids": [95], "labels": [5]}' | rec-load --type masked)
status 'records that are not masked' 65 teach --model "$teacher" < <(echo '{"input_ids": [5]}' | rec-load)
like 'say what is missing' "$err_text" 'no column labels'
head -c -8 "$scratch/train.arrows" > "$scratch/cut.arrows"
status 'a stream that is cut short' 65 teach --model "$teacher" "$scratch/cut.arrows"
teach --model "$teacher" "$scratch/cut.arrows" > "$scratch/out.arrows" 2> /dev/null
status 'what was written of it is no stream' 65 rec-dump "$scratch/out.arrows"
status 'a folder that is not there' 66 teach --model "$scratch/none" "$scratch/train.arrows"

if [ -n "$torch" ]; then
	ok "the reference's logits and states" "$torch" "$top/tests/conformance/teach.py" "$teacher" "$scratch/taught.arrows"
	"$torch" "$top/tests/conformance/teach.py" "$teacher" "$scratch/train.arrows" "$scratch/foreign.arrows"
	ok 'a teacher in Python writes what teach writes' near <(rec-dump "$scratch/foreign.arrows" | jq -c .teacher_logits) \
		"$scratch/whole" 2e-5
else
	skip "the reference's logits and states" 'no Python with PyTorch'
	skip 'a teacher in Python writes what teach writes' 'no Python with PyTorch'
fi
finish
