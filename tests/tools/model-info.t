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

printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a > "$(printf 'vocab\033[31m.txt')"
echo '{"model_type": "distilbert", "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 12}' > config.json
model-init --config config.json --vocab vocab*.txt --out made
model-info made > table
is 'special tokens are shown where there is a tokenizer' "$(grep '^\[MASK\]' table | tr -s ' ')" '[MASK] 4'
is 'control characters in a lineage are not passed on' "$(tail -n 1 table | grep -c 'vocab?\[31m.txt')" 1

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

# Comparing: as diff does, 0 for the same, 1 for others.
status 'a model and itself' 0 model-info --diff "$models/bert" "$models/bert"
is 'nothing differs' "$out_text" ''
status 'a model and its halves' 1 model-info --diff "$models/bert" "$models/bert-bf16-shards"
is 'differ in the dtype that config.json tells alone' "$out_text" 'config.json: dtype: "float32" | "bfloat16"'
cp -r "$models/distilbert" other
sed -i 's/"activation": "gelu"/"activation": "relu"/; s/"qa_dropout".*/"extra": null,/' other/config.json
# the last number of the file, 0 in one and 2 in the other
head -c -4 "$models/distilbert/model.safetensors" > other/model.safetensors
cp -r other zero
printf '\0\0\0\0' >> zero/model.safetensors
printf '\0\0\0\100' >> other/model.safetensors
status 'a model and one changed' 1 model-info zero --diff other
last=$(tail -n 1 <<< "$out_text")
is 'one number differs' "$(wc -l <<< "$out_text")" 2
like 'the largest difference, the mean and the shape' "$(tr -s ' ' <<< "$last")" '^[a-z_.0-9]+ 2 0\.[0-9]+ \[[0-9, ]+\]$'
is 'the mean is over all elements' "$(tr -d '[],' <<< "$last" | awk '{ n = $4 * (NF > 4 ? $5 : 1)
	printf "%d", $3 * n + 0.5 }')" 2
status 'keys of config.json' 1 model-info --diff "$models/distilbert" zero
like 'that differ' "$out_text" '^config.json: activation: "gelu" \| "relu"$'
like 'that one has not' "$out_text" '^config.json: qa_dropout: 0.1 \| absent$'
like 'that the other has not' "$out_text" '^config.json: extra: absent \| null$'
printf '\0\0\300\177' > nan
head -c -4 other/model.safetensors | cat - nan > zero/model.safetensors
status 'a number that is none' 1 model-info --diff zero other
like 'is shown' "$(tr -s ' ' <<< "$out_text")" ' nan nan \['
status 'but equals itself' 0 model-info --diff zero zero
echo '{"model_type": "distilbert", "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "vocab_size": 24,
	"max_position_embeddings": 8}' > wider.json
model-init --config wider.json --out wider
status 'shapes' 1 model-info --diff "$models/distilbert" wider
like 'that differ' "$(tr -s ' ' <<< "$out_text")" \
	'^distilbert.transformer.layer.1.ffn.lin2.weight \[8, 12\] \| \[8, 16\]$'
status 'models of two families' 1 model-info --diff "$models/distilbert" "$models/bert"
like 'have their parameters alone' "$(tr -s ' ' <<< "$out_text")" \
	'^distilbert.embeddings.word_embeddings.weight \[24, 8\] \| absent$'
like 'one and the other' "$(tr -s ' ' <<< "$out_text")" '^cls.predictions.bias absent \| \[24\]$'
if command -v jq > /dev/null; then
	is 'the same as JSON' "$(model-info --json --diff "$models/bert" "$models/bert" | jq -c .)" \
		'{"same":true,"config":[],"parameters":[]}'
	is 'others as JSON' "$(model-info --json --diff "$models/distilbert" wider | jq -c '[.same, (.config | map(.key)
		| index("hidden_dim") != null), (.parameters[] | select(.name | endswith("1.ffn.lin2.weight")))]')" \
		'[false,true,{"name":"distilbert.transformer.layer.1.ffn.lin2.weight","left":[8,12],"right":[8,16]}]'
fi
status '--diff with one folder' 64 model-info --diff "$models/bert"
status '--diff with a folder that is not there' 66 model-info --diff "$models/bert" none

# The counts of whole models, without their numbers: a file that is a hole after its header.
if [ -n "$torch" ]; then
	"$torch" - <<- 'END' > counts
		import json, os, torch
		from transformers import BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM
		for name, config, model_class in ("bert", BertConfig(), BertForMaskedLM), \
		        ("distilbert", DistilBertConfig(), DistilBertForMaskedLM):
		    with torch.device("meta"):
		        model = model_class(config)
		    model.tie_weights()
		    os.mkdir("whole-" + name)
		    config.to_json_file(f"whole-{name}/config.json")
		    header, end = {}, 0
		    for key, tensor in model.named_parameters():
		        header[key] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + 4 * tensor.numel()]}
		        end += 4 * tensor.numel()
		    text = json.dumps(header).encode()
		    with open(f"whole-{name}/model.safetensors", "wb") as file:
		        file.write(len(text).to_bytes(8, "little") + text)
		        file.truncate(8 + len(text) + end)
		    print(name, model.num_parameters(), end)
	END
	is 'counts as transformers counts, 110 M and 67 M' "$(for name in bert distilbert; do
		echo $name "$(model-info whole-$name | awk '$1 == "total" || $1 == "stored_bytes" { print $2 }' | xargs)"
	done)" "$(cat counts)"
	like 'which are 109,514,298 and 66,985,530' "$(xargs < counts)" ' 109514298 .* 66985530 '
	if bash -c 'ulimit -d 60000 && model-info --version' > /dev/null 2>&1; then
		status 'without reading them' 0 bash -c 'ulimit -d 60000 && model-info whole-bert'
	else
		skip 'without reading them' 'built so that the program alone takes more memory than that'
	fi
else
	skip 'counts as transformers counts' 'no Python with PyTorch and transformers'
fi

if [ -n "$shared" ]; then
	is 'a model of the reference' "$(model-info "$shared/golden/distilbert-tiny" | awk '$1 == "total" { print $2 }')" 443456
	status 'an encoder without a head' 0 model-info "$shared/data/minilm-l6"
	like 'names what is new, in one line' "$err_text" '^model-info: [^ ]+: not in the file, initialized from seed 0: cls\.'
	is 'and marks it' "$(grep -c '  new$' <<< "$out_text")" 5
else
	skip 'models of the reference' 'no ../shared'
fi

finish
