#!/bin/bash
# model-info.t: the table of parameters, as text and as JSON.
. "$(dirname "$0")/../tap.sh"

models=$fixtures/model
cd "$scratch" || exit 1

model-info "$models/bert-bf16-shards" > table 2> error
is 'a folder with every tensor and no tokenizer needs no comment' "$(cat error)" ''
like 'the sizes come first' "$(head -n 2 table | tr -s ' ')" '^model_type bert'
is 'a matrix' "$(grep -F 'bert.encoder.layer.1.intermediate.dense.weight ' table | tr -s ' ')" \
	'bert.encoder.layer.1.intermediate.dense.weight [12, 8] BF16 96'
is 'a vector' "$(grep -F 'cls.predictions.bias ' table | tr -s ' ')" 'cls.predictions.bias [24] BF16 24'
total=$(awk '$1 == "total" { print $2 }' table)
is 'the counts add up to the total' "$(awk '/^(bert|cls)\./ { sum += $NF } END { print sum }' table)" "$total"
is 'four bytes a number' "$(awk '$1 == "bytes" { print $2 }' table)" $((4 * total))
is 'two in the file' "$(awk '$1 == "stored_bytes" { print $2 }' table)" $((2 * total))
is 'the columns line up' "$(grep -E '^(name|bert|cls)' table | awk '{ print length }' | sort -u | wc -l)" 1

json=$(model-info --json "$models/distilbert")
if command -v jq > /dev/null; then
	is 'JSON is one object' "$(jq -c 'keys' <<< "$json")" \
		'["architecture","bytes","lineage","model_type","parameters","special_tokens","stored_bytes","total"]'
	is 'JSON has the parameters' "$(jq -c '.parameters[0]' <<< "$json")" \
		'{"name":"distilbert.embeddings.word_embeddings.weight","shape":[24,8],"dtype":"F32","count":192,"initialized":false}'
	is 'JSON has the sizes under names of both families' "$(jq -c '.architecture' <<< "$json")" \
		'{"vocab_size":24,"max_position_embeddings":8,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":12,"tie_word_embeddings":true}'
	is 'null for what is not there' "$(jq -c '[.special_tokens, .lineage]' <<< "$json")" '[null,null]'
	is 'JSON counts add up' "$(jq '([.parameters[].count] | add) == .total' <<< "$json")" true
else
	skip 'JSON' 'no jq'
fi

printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a > vocab.txt
echo '{"model_type": "distilbert", "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 12}' > config.json
model-init --config config.json --vocab vocab.txt --out "$(printf 'made\033[31m')"
model-info made* > table
is 'special tokens are shown where there is a tokenizer' "$(grep '^\[MASK\]' table | tr -s ' ')" '[MASK] 4'
is 'control characters in a lineage are not passed on' "$(tail -n 1 table | grep -c "made?\[31m")" 1

mkdir empty old
cp "$models/bert/config.json" old
touch old/pytorch_model.bin
status 'a folder that is not there' 66 model-info none
status 'an empty folder' 66 model-info empty
status 'a folder of the old format' 65 model-info old
like 'which says how to convert it' "$err_text" 'save_pretrained'
status 'no operand' 64 model-info
status 'two operands' 64 model-info old old
cp -r "$models/bert" cut
truncate -s -1 cut/model.safetensors
status 'a file cut short' 65 model-info cut
like 'names the tensor' "$err_text" '^model-info: cut/model.safetensors: tensor [a-zA-Z.]+: its data end at byte'
is 'and prints nothing' "$out_text" ''

if [ -n "$shared" ]; then
	is 'a model of the reference' "$(model-info "$shared/golden/distilbert-tiny" | awk '$1 == "total" { print $2 }')" 443456
	status 'an encoder without a head' 0 model-info "$shared/data/minilm-l6"
	like 'names what is new, in one line' "$err_text" '^model-info: [^ ]+: not in the file, initialized from seed 0: cls\.'
	is 'and marks it' "$(grep -c '  new$' <<< "$out_text")" 5
else
	skip 'models of the reference' 'no shared folder'
fi

finish
