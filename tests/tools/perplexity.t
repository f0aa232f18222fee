#!/bin/bash
# perplexity as a process: the reference's numbers on fixtures, whatever the batches, and what it refuses.
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
	'perplexity N loss N masked_tokens N records 30'
is 'the fields of JSON' "$(grep -o '"[a-z_]*"' <<< "$json" | tr -d '"' | xargs)" \
	'loss perplexity masked_tokens records batch_mean_loss batch_mean_perplexity batch_size'

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

# What is refused.
echo '{"input_ids": [5, 6], "labels": [-100, -100]}' | rec-load --type masked > "$scratch/bare.arrows"
status 'no masked tokens' 65 perplexity --model "$folder" "$scratch/bare.arrows"
like 'says so' "$err_text" 'no masked tokens'
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
