#!/bin/bash
# model-init.t: a new model folder appears whole or not at all.
. "$(dirname "$0")/../tap.sh"

cd "$scratch" || exit 1
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a film '##s' > vocab.txt
size='"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 8'
echo "{\"model_type\": \"bert\", $size}" > bert.json
echo "{\"model_type\": \"bert\", $size, \"vocab_size\": 9}" > nine.json
echo '{"model_type": "gpt2"}' > gpt2.json
mkdir one same other

for folder in one same; do
	(cd "$folder" && model-init --config ../bert.json --vocab ../vocab.txt --seed 4 --out m)
done
(cd other && model-init --config ../bert.json --vocab ../vocab.txt --seed 5 --out m)
is 'it writes the files that the reference looks for' \
	"$(cd one/m && echo config.json model.safetensors vocab.txt tokenizer_config.json | xargs ls | sort | tr '\n' ' ')" \
	'config.json model.safetensors tokenizer_config.json vocab.txt '
ok 'the same seed gives the same bytes' cmp one/m/model.safetensors same/m/model.safetensors
status 'another seed gives other weights' 1 cmp -s one/m/model.safetensors other/m/model.safetensors
ok 'the vocabulary is copied' cmp vocab.txt one/m/vocab.txt
like 'a vocab_size left out is taken from the vocabulary' "$(cat one/m/config.json)" '"vocab_size": 8'
like 'the architecture is named' "$(cat one/m/config.json)" 'BertForMaskedLM'
is 'nothing else is left beside it' "$(ls one)" m
is 'the model tells how it was made' "$(model-info one/m | sed -n '/^lineage/,$p' | tail -n +2)" \
	"  model-init $(model-init --version | awk '{ print $3 }') --config ../bert.json --vocab ../vocab.txt --seed 4"

model-init --config bert.json --vocab vocab.txt --cased --out cased
like 'the tokenizer lower-cases' "$(tr -d ' \n' < one/m/tokenizer_config.json)" '"do_lower_case":true'
like 'but not with --cased' "$(tr -d ' \n' < cased/tokenizer_config.json)" '"do_lower_case":false'
model-init --config nine.json --out bare
is 'without a vocabulary there is no tokenizer' "$(ls bare | tr '\n' ' ')" 'config.json model.safetensors '

status 'a vocabulary of another size is refused' 65 model-init --config nine.json --vocab vocab.txt --out m
like 'with both sizes' "$err_text" 'nine.json: vocab_size is 9, but vocab.txt has 8 tokens'
status 'a model of another kind is refused' 65 model-init --config gpt2.json --out m
like 'by name' "$err_text" 'gpt2'
status 'a config that is not there' 66 model-init --config none.json --out m
status 'a vocabulary that is not there' 66 model-init --config bert.json --vocab none.txt --out m
status 'no --config' 64 model-init --out m

# Students: layers of a teacher, its embeddings, head and tokenizer.
for family in distilbert bert; do
	teacher=$fixtures/train/$family
	model-init --from "$teacher" --layers 1 --out "top-$family"
	model-init --from "$teacher" --layers 1,0 --out "turned-$family"
	model-init --from "top-$family" --layers 0 --out "again-$family"
	is "$family: the student has the layers asked for" \
		"$(model-info --json "top-$family" | jq -c '[.parameters[].name | capture("layer\\.(?<i>[0-9]+)").i] | unique')" '["0"]'
	is "$family: its configuration says so" "$(jq '.n_layers // .num_hidden_layers' "top-$family/config.json")" 1
	is "$family: and nothing else is another" "$(jq -S 'del(.n_layers, .num_hidden_layers)' "top-$family/config.json")" \
		"$(jq -S 'del(.n_layers, .num_hidden_layers)' "again-$family/config.json")"
	data() { tail -c +"$(($(od -An -tu8 -N8 "$1/model.safetensors" | tr -d ' ') + 9))" "$1/model.safetensors" | cksum; }
	is "$family: weights are copied" "$(data "again-$family")" "$(data "top-$family")"
	is "$family: layers come in the order asked for" \
		"$(model-init --from "turned-$family" --layers 1,0 --out "back-$family" && data "back-$family")" \
		"$(model-init --from "$teacher" --layers 0,1 --out "whole-$family" && data "whole-$family")"
	is "$family: and another order is another model" "$([ "$(data "turned-$family")" = "$(data "whole-$family")" ]; echo $?)" 1
	rec-load --type masked "$teacher/eval.jsonl" > eval.arrows
	is "$family: all layers are the teacher" "$(perplexity --model "whole-$family" eval.arrows)" \
		"$(perplexity --model "$teacher" eval.arrows)"
done
ok 'the tokenizer comes with the student' cmp "$fixtures/train/distilbert/tokenizer.json" top-distilbert/tokenizer.json
like 'the lineage begins with the teacher' "$(model-info again-distilbert | sed -n '/^lineage/,$p' | grep -c model-init)" '^2$'
for wrong in '--from t --config bert.json' '--from t' '--layers 0' '--from t --layers 0 --vocab vocab.txt' \
	"--from $fixtures/train/bert --layers 0,2" "--from $fixtures/train/bert --layers 0,0" "--from $fixtures/train/bert --layers 0," \
	"--from $fixtures/train/bert --layers -1" "--from $fixtures/train/bert --layers 99999999999999999999"; do
	# shellcheck disable=SC2086
	status "refused: $wrong" 64 model-init $wrong --out m
done
status 'a teacher that is not there' 66 model-init --from none --layers 0 --out m
is 'and nothing is left of them' "$(ls -d m 2> /dev/null)" ''
status 'no --out' 64 model-init --config bert.json
status 'an operand' 64 model-init --config bert.json --out m bert.json
status 'a folder in one that is not there' 73 model-init --config bert.json --out none/m
is 'nothing is left of what failed' "$(ls -d m* none* 2> /dev/null)" ''

before=$(cksum < bare/model.safetensors)
status 'a folder that is there is refused' 73 model-init --config nine.json --seed 9 --out bare
is 'and left as it was' "$(cksum < bare/model.safetensors)" "$before"
touch bare/old
ok 'unless --force is given' model-init --config nine.json --seed 9 --force --out bare
status 'which replaces the weights' 1 test "$(cksum < bare/model.safetensors)" = "$before"
status 'and everything else' 1 test -e bare/old

status 'a file that cannot be written whole' 153 bash -c 'ulimit -f 1; model-init --config bert.json --out m; exit $?'
like 'says so in one line' "$(sed 1q <<< "$err_text")" '^model-init: m[^ ]*: File too large$'
is 'leaves nothing' "$(ls -d m* 2> /dev/null)" ''

finish
