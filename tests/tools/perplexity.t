#!/bin/bash
# perplexity.t: the numbers equal the reference's on fixtures, for every batch size; refused input.
. "$(dirname "$0")/../tap.sh"

field() { awk -v name="$2" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }' <<< "$1"; }
json_number() { grep -o "\"$2\": [^,}]*" <<< "$1" | sed 's/.*: //'; }
rounded() { printf '%.4f' "$1"; }

for family in distilbert bert; do
	folder=$fixtures/train/$family
	rec-load --type masked "$folder/eval.jsonl" > "$scratch/$family.arrows"
	read -r _ loss mean < <(grep '^before' "$folder/expected.tsv")
	line=$(perplexity --model "$folder" < "$scratch/$family.arrows")
	json=$(perplexity --model "$folder" --json "$scratch/$family.arrows")
	is "$family: the reference's loss" "$(rounded "$(field "$line" loss)")" "$(rounded "$loss")"
	is "$family: the same as JSON" "$(rounded "$(json_number "$json" loss)")" "$(rounded "$loss")"
	is "$family: the reference's mean of batch means" "$(rounded "$(json_number "$json" batch_mean_loss)")" \
		"$(rounded "$mean")"
	is "$family: perplexity is exp(loss)" "$(awk -v a="$(field "$line" perplexity)" -v b="$(field "$line" loss)" \
		'BEGIN { r = a / exp(b); print (r > 0.9999 && r < 1.0001) }')" 1
done
is 'one line' "$(perplexity --model "$folder" "$scratch/bert.arrows" | sed 's/[0-9.]\{3,\}/N/g')" \
	'perplexity N loss N masked_tokens N records 30 perplexity_low N perplexity_high N'
is 'without an interval' "$(perplexity --model "$folder" --resamples 0 "$scratch/bert.arrows" \
	| sed 's/[0-9.]\{3,\}/N/g')" 'perplexity N loss N masked_tokens N records 30'
is 'the fields of JSON' "$(grep -o '"[a-z_]*"' <<< "$json" | tr -d '"' | xargs)" \
	'loss perplexity masked_tokens records batch_mean_loss batch_mean_perplexity batch_size loss_interval perplexity_interval'
is 'and those of options' "$(perplexity --model "$folder" --json --resamples 0 --top-k-accuracy 3 "$scratch/bert.arrows" \
	| grep -o '"[a-z_]*"' | tr -d '"' | tail -n +8 | xargs)" 'top_k top_k_accuracy'

masked=$(grep -o 'labels.*' "$folder/eval.jsonl" | grep -o '[ [][0-9]\+' | wc -l)
is 'counts the labels' "$(json_number "$json" masked_tokens)" "$masked"
for size in 1 7 1000; do
	is "batches of $size do not change the loss" "$(field "$(perplexity --model "$folder" --batch-size $size \
		"$scratch/bert.arrows")" loss | xargs printf %.5f)" "$(printf %.5f "$(json_number "$json" loss)")"
	is "threads do not change it either ($size)" "$(perplexity --model "$folder" --threads $size --json \
		"$scratch/bert.arrows")" "$json"
done
is 'batches change the reference'\''s mean' "$(perplexity --model "$folder" --batch-size 7 --json "$scratch/bert.arrows" \
	| grep -c "$(json_number "$json" batch_mean_loss)")" 0

# Record by record, the interval and the accuracy: against numpy, whose generator draws the records, and transformers.
distilbert=$fixtures/train/distilbert
perplexity --model "$distilbert" --per-record --top-k-accuracy 9 --resamples 300 --seed 5 "$scratch/distilbert.arrows" \
	> "$scratch/records.jsonl"
is 'a line a record, and one for all' "$(cut -d '"' -f 2 "$scratch/records.jsonl" | uniq -c | xargs)" '30 record 1 loss'
perplexity --model "$distilbert" --per-record --top-k-accuracy 9 --threads 3 --batch-size 30 "$scratch/distilbert.arrows" \
	> "$scratch/others.jsonl"
# shellcheck disable=SC2016
is 'threads and batches change no record' "$(jq -ns --slurpfile one "$scratch/records.jsonl" \
	--slurpfile other "$scratch/others.jsonl" '[$one, $other | .[:30]] | transpose |
	map(map(del(.loss)) as [$a, $b] | $a == $b and (.[0].loss - .[1].loss | fabs) < 1e-5) | [length, all]' | tr -d ' \n')" \
	'[30,true]'
if [ -n "$torch" ]; then
	# shellcheck disable=SC2016
	is 'the losses, the interval and the accuracy are the reference'\''s' "$("$torch" - "$distilbert" "$scratch/records.jsonl" \
		2>&1 <<- 'END'
		import json, os, sys
		os.environ["HF_HUB_OFFLINE"] = "1"
		import numpy, torch
		from transformers import AutoModelForMaskedLM, logging
		logging.disable_progress_bar()
		folder, path = sys.argv[1:]
		model = AutoModelForMaskedLM.from_pretrained(folder).eval()
		*lines, total = map(json.loads, open(path))
		losses, tokens, hits = [], [], 0
		for number, record in enumerate(map(json.loads, open(folder + "/eval.jsonl")), 1):
		    labels = torch.tensor(record["labels"])
		    with torch.no_grad():
		        logits = model(torch.tensor([record["input_ids"]])).logits[0]
		    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
		    top = logits.topk(9).indices
		    hits += sum(label in row for label, row in zip(labels.tolist(), top.tolist()))
		    losses.append(loss), tokens.append((labels >= 0).sum().item())
		    line = lines[number - 1]
		    expected = loss / tokens[-1] if tokens[-1] else None
		    if line["record"] != number or line["masked_tokens"] != tokens[-1] or (line["loss"] is None) != (not tokens[-1]) \
		            or expected and abs(line["loss"] - expected) > 1e-5:
		        print(line, number, expected, tokens[-1])
		draws = numpy.random.default_rng(5).bit_generator.random_raw(300 * 30).reshape(300, 30)
		rows = ((draws >> 32) * 30 >> 32).astype(int)
		resampled = numpy.array(losses)[rows].sum(1) / numpy.array(tokens)[rows].sum(1)
		interval = numpy.percentile(resampled, [2.5, 97.5])
		if abs(interval - total["loss_interval"]).max() > 1e-5:
		    print("interval", interval, total["loss_interval"])
		if abs(numpy.exp(total["loss_interval"]) / total["perplexity_interval"] - 1).max() > 1e-9:
		    print("not the same interval", total)
		if total["top_k_accuracy"] != float("%.12g" % (hits / sum(tokens))):
		    print("accuracy", hits / sum(tokens), total)
	END
	)" ''
else
	skip 'the losses, the interval and the accuracy are the reference'\''s' 'no Python with PyTorch and transformers'
fi
is 'token types are read by a BERT alone' "$(for model in "$folder" "$distilbert"; do
	for types in 0 1; do
		echo "{\"input_ids\": [5], \"labels\": [7], \"token_type_ids\": [$types]}" | rec-load --type masked \
			| perplexity --model "$model" --resamples 0
	done | uniq | wc -l
done | xargs)" '2 1'
printf '%s\n' '{"input_ids": [5, 6], "labels": [-100, -100]}' '{"input_ids": [5, 6], "labels": [7, -100]}' \
	| rec-load --type masked > "$scratch/two.arrows"
is 'a record without a masked token has no loss' "$(perplexity --model "$folder" --per-record "$scratch/two.arrows" \
	| head -n 1)" '{"record": 1, "loss": null, "masked_tokens": 0}'
line=$(perplexity --model "$folder" "$scratch/two.arrows")
is 'the interval of one masked token is a point' "$(field "$line" perplexity_low) $(field "$line" perplexity_high)" \
	"$(field "$line" perplexity) $(field "$line" perplexity)"
is 'the seed decides the interval' "$(for seed in 1 1 2; do perplexity --model "$folder" --seed $seed --json \
	"$scratch/bert.arrows"; done | uniq -c | awk '{ print $1 }' | xargs)" '2 1'
is 'every label is among all tokens' "$(field "$(perplexity --model "$folder" --top-k-accuracy 90 "$scratch/bert.arrows")" \
	top_k_accuracy)" 1.000000

# What is refused.
echo '{"input_ids": [5, 6], "labels": [-100, -100]}' | rec-load --type masked > "$scratch/bare.arrows"
status 'no masked tokens' 65 perplexity --model "$folder" "$scratch/bare.arrows"
like 'says so' "$err_text" 'no masked tokens'
like 'with the number of records' "$err_text" 'in 1 records'
echo '{"input_ids": [5, 6], "labels": [-100, -99]}' | cat <(echo '{"input_ids": [5], "labels": [5]}') - \
	| rec-load --type masked > "$scratch/negative.arrows"
status 'a negative label other than -100' 65 perplexity --model "$folder" "$scratch/negative.arrows"
like 'names the record and the position' "$err_text" 'record 2: labels\[1\] is -99'
printf '{"input_ids": [5, 6], "labels": [-100, 7], "token_type_ids": [1, %d]}\n' 1 2 \
	| rec-load --type masked > "$scratch/types.arrows"
status 'a token type that the model lacks' 65 perplexity --model "$folder" "$scratch/types.arrows"
like 'names the record and the position of it' "$err_text" 'record 2: token_type_ids\[1\] is 2'
status 'more than the vocabulary' 64 perplexity --model "$folder" --top-k-accuracy 91 "$scratch/bert.arrows"
like 'names the option' "$err_text" '--top-k-accuracy'
rec-load --type masked < /dev/null > "$scratch/empty.arrows"
status 'no records' 65 perplexity --model "$folder" "$scratch/empty.arrows"
head -c 2000 "$scratch/bert.arrows" > "$scratch/cut.arrows"
status 'a stream that is cut' 65 perplexity --model "$folder" "$scratch/cut.arrows"
is 'nothing was printed of it' "$out_text" ''
status 'no model' 64 perplexity "$scratch/bert.arrows"
status 'a model that is not there' 66 perplexity --model "$scratch/nowhere" "$scratch/bert.arrows"
status 'a stream that is not there' 66 perplexity --model "$folder" "$scratch/nowhere.arrows"
if [ -w /dev/full ]; then
	for form in '' --json; do
		# shellcheck disable=SC2016,SC2086
		status "a full disk $form" 73 bash -c 'perplexity "$@" > /dev/full' - --model "$folder" $form \
			"$scratch/bert.arrows"
	done
else
	skip 'a full disk' 'no /dev/full'
fi

# Products in bfloat16 give another loss, but not by much.
fp32=$(perplexity --model "$folder" "$scratch/bert.arrows" | cut -d' ' -f4)
bf16=$(perplexity --dtype bf16 --model "$folder" "$scratch/bert.arrows" | cut -d' ' -f4)
is 'bf16 is near fp32, and another number' "$(jq -n "$bf16 != $fp32 and ($bf16 / $fp32 - 1 | fabs) < 0.01")" true
status 'another --dtype' 64 perplexity --dtype fp16 --model "$folder" "$scratch/bert.arrows"

# A missing head is told of once, and depends on the seed.
if [ -n "$shared" ] && [ -d "$shared/data/minilm-l6" ]; then
	printf '%s\n' '{"input_ids": [101, 103, 2003, 102], "labels": [-100, 2023, -100, -100]}' \
		| rec-load --type masked > "$scratch/one.arrows"
	status 'a model without a head' 0 perplexity --model "$shared/data/minilm-l6" "$scratch/one.arrows"
	is 'says so in one line' "$(wc -l <<< "$err_text")" 1
	first=$out_text
	status 'another seed' 0 perplexity --model "$shared/data/minilm-l6" --seed 43 "$scratch/one.arrows"
	is 'gives another head' "$([ "$out_text" = "$first" ]; echo $?)" 1
else
	skip 'a model without a head' 'no ../shared/data/minilm-l6'
fi
finish
