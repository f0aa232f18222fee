# rows.sh: the rows of `make bench`, a function for each group; tests/bench/run sources it, and has row() and measure().
# shellcheck shell=bash disable=SC2154

# ---- from archive to masks -----------------------------------------------------------------------------------------

need_text() {
	[ ! -e "$scratch/text" ] || return 0
	imdb-read --split train "$data" > "$scratch/text"
	rec-dump "$scratch/text" > "$scratch/text.jsonl"
}

# tokenize THREADS
tokenize() { echo "wordpiece --model $model --threads $1 < $scratch/text > /dev/null; echo '{\"bytes\": $size}'"; }

rows_text() {
	need_text
	local size
	size=$(jq -s 'map(.text | utf8bytelength) | add' "$scratch/text.jsonl")
	head -c 0 /dev/null | rec-load --type text > "$scratch/empty"
	row 'tokenize, one thread' "$(tokenize 1)" "$(reference tokenize "$model" "$scratch/text.jsonl")"
	! has nanotoken || quick_row 'tokenize, one thread, beside nanotoken (ids only)' "$(tokenize 1)" \
		"$(reference nanotoken "$model" "$scratch/text.jsonl")"
	quick_row 'tokenize, two threads, beside one of our own' "$(tokenize 2)" "$(tokenize 1)"
	row 'start wordpiece 100 times' "for i in {1..100}; do wordpiece --model $model < $scratch/empty > /dev/null; done"
	row 'learn a vocabulary of 30,522 tokens' "wordpiece-train --vocab-size 30522 < $scratch/text > /dev/null" \
		"$(reference learn "$scratch/text.jsonl")"
	row 'archive to chunks, beside datasets' \
		"imdb-read --split train $data | wordpiece --model $model | group-texts > /dev/null" \
		"$(reference text "$data" "$model")"
	quick_row 'archive to masked chunks, beside gzip -dc' \
		"imdb-read --split train $data | wordpiece --model $model | group-texts | wwm-mask > /dev/null" \
		"gzip -dc $data > /dev/null"
}

# stage TIMES TOOL [OPTION]...: a stage of a pipeline whose memory is noted
stage() {
	/usr/bin/time -a -o "$scratch/stages" -f "{\"stage\": \"$2\", \"times\": $1, \"kilobytes\": %M}" "${@:2}"
}

# The stages of the text's pipeline, on the data once and a hundred times over.
rows_memory() {
	need_text
	local times
	for times in 1 100; do
		echo "bench: memory on $times times the data" >&2
		for _ in $(seq $times); do cat "$scratch/text.jsonl"; done | stage $times imdb-read --format jsonl |
			stage $times wordpiece --model "$model" | stage $times group-texts | stage $times wwm-mask > /dev/null
	done
}

# ---- masked language models ----------------------------------------------------------------------------------------

batch=${BATCH_SIZE:-64} steps=${STEPS:-3}

need_chunks() {
	[ ! -e "$scratch/eval" ] || return 0
	need_text
	wordpiece --model "$model" < "$scratch/text" | group-texts |
		split-records --train-size $((steps * batch)) --test-size 128 --seed 42 --test-out "$scratch/test" |
		wwm-mask --seed 2 > "$scratch/train"
	rec-dump "$scratch/train" > "$scratch/train.jsonl"
	wwm-mask --seed 7 < "$scratch/test" > "$scratch/eval"
	rec-dump "$scratch/eval" > "$scratch/eval.jsonl"
}

# Lines of metrics to figures: of each step but the first, which waits for memory that is new, and for compilers.
rate='jq -c "select(.step > 1 and .tokens_per_second) | {tokens_per_second}"'

# Dropout is on, as the model's configuration has it, for all. A loop of plain PyTorch is what most people run.
rows_train() {
	need_chunks
	local dtype
	for dtype in fp32 bf16; do
		row "train --dtype $dtype, batch $batch x 128" \
			"train-step --model $model --out $scratch/model --force --dtype $dtype --batch-size $batch < $scratch/train | $rate" \
			"$(reference train "$model" "$scratch/train.jsonl" "$batch" "$steps" $dtype)" \
			"$(reference expert "$model" "$scratch/train.jsonl" "$batch" "$steps" $dtype)"
	done
}

# evaluation DTYPE: of the records six times over, so that the start of the process, which is no part of the peers'
# figures, counts for little
evaluation() {
	echo "rec-cat$(printf " $scratch/eval%.0s" {1..6}) |
		perplexity --model $model --dtype $1 --batch-size $batch --resamples 0 > /dev/null; echo '{\"tokens\": $((6 * tokens))}'"
}

rows_evaluate() {
	need_chunks
	local tokens
	tokens=$(jq -s 'map(.input_ids | length) | add' "$scratch/eval.jsonl")
	row 'evaluate' "$(evaluation fp32)" "$(reference evaluate "$model" "$scratch/eval.jsonl" "$batch")" \
		"$(reference expert_evaluate "$model" "$scratch/eval.jsonl" "$batch" fp32)"
	row 'evaluate --dtype bf16' "$(evaluation bf16)" \
		"$(reference expert_evaluate "$model" "$scratch/eval.jsonl" "$batch" bf16)"
	row 'fill-mask, cold' "echo 'This is a great [MASK].' | fill-mask --model $model" "$(reference fill "$model")"
}

# ---- classifiers ---------------------------------------------------------------------------------------------------

reviews=32 review_batch=8

# A classifier of two labels whose head is new, and reviews for it, as long as they are, up to 256 tokens.
need_reviews() {
	[ ! -e "$scratch/classifier" ] || return 0
	review_length=$(jq '[.max_position_embeddings // 512, 256] | min' "$model/config.json")
	imdb-read --split train "$data" | select-records --label 0,1 |
		split-records --train-size $reviews --test-size 1 --seed 42 --test-out "$scratch/other" > "$scratch/review-texts"
	rec-dump "$scratch/review-texts" > "$scratch/review-texts.jsonl"
	wordpiece --model "$model" --max-length "$review_length" < "$scratch/review-texts" > "$scratch/reviews"
	rec-dump "$scratch/reviews" > "$scratch/reviews.jsonl"
	classify-step --model "$model" --out "$scratch/classifier" --labels neg,pos --max-steps 1 "$scratch/reviews" > /dev/null
}

# classifying [OPTION]...: training, in reviews a second, at the reviews' mean length
classifying() {
	echo "classify-step --model $scratch/classifier --out $scratch/model --force --batch-size $review_batch $* < $scratch/reviews |
		$rate | jq -c --slurpfile reviews $scratch/reviews.jsonl '(\$reviews | length / (map(.input_ids | length) | add)) as \$share |
			{reviews_per_second: (.tokens_per_second * \$share)}'"
}

rows_classify() {
	need_reviews
	local what="$review_batch reviews of at most $review_length tokens"
	row "classify-step, $what" "$(classifying)" \
		"$(reference classify_train "$scratch/classifier" "$scratch/reviews.jsonl" $review_batch eager)" \
		"$(reference classify_train "$scratch/classifier" "$scratch/reviews.jsonl" $review_batch compile)"
	row 'classify-step, the head alone trains (--unfreeze-every), beside all of our own' \
		"$(classifying --unfreeze-every 1000)" "$(classifying)"
	row 'classify-step, embeddings and lower layers frozen (--freeze), beside all of our own' \
		"$(classifying --freeze "'*.@(embeddings|layer.@(0|1|2)).*'")" "$(classifying)"
	row "classify, $what" \
		"wordpiece --model $model --max-length $review_length < $scratch/review-texts |
			classify --model $scratch/classifier --batch-size $review_batch > /dev/null; echo '{\"reviews\": $reviews}'" \
		"$(reference classify_pipeline "$scratch/classifier" "$scratch/review-texts.jsonl" "$review_length" 1)" \
		"$(reference classify_pipeline "$scratch/classifier" "$scratch/review-texts.jsonl" "$review_length" $review_batch)" \
		"$(reference classify "$scratch/classifier" "$scratch/reviews.jsonl" $review_batch eager)" \
		"$(reference classify "$scratch/classifier" "$scratch/reviews.jsonl" $review_batch compile)"
}

# ---- a teacher and a student ---------------------------------------------------------------------------------------

distill_batch=8

# distilling [STAGE]: with a stage between teacher and student
distilling() {
	echo "teach --model $model --hidden-states --batch-size $distill_batch < $scratch/untaught ${1-} |
		distill-step --model $scratch/student --out $scratch/model --force --batch-size $distill_batch | $rate"
}

rows_distill() {
	need_text
	model-init --from "$model" --layers "$(jq -r '[range(0; .num_hidden_layers // .n_layers; 2)] | join(",")' \
		"$model/config.json")" --out "$scratch/student"
	wordpiece --model "$model" < "$scratch/text" | group-texts |
		split-records --train-size $((6 * distill_batch)) --test-size 1 --seed 42 --test-out "$scratch/other" |
		wwm-mask --seed 2 > "$scratch/untaught"
	rec-dump "$scratch/untaught" > "$scratch/untaught.jsonl"
	row "teach into distill-step, $distill_batch x 128, half the layers" "$(distilling)" \
		"$(reference distill "$model" "$scratch/student" "$scratch/untaught.jsonl" $distill_batch eager)" \
		"$(reference distill "$model" "$scratch/student" "$scratch/untaught.jsonl" $distill_batch compile)"
	row 'teach into distill-step, beside the same by way of one more stage' "$(distilling)" "$(distilling '| rec-cat')"
}

# ---- single sentences ----------------------------------------------------------------------------------------------

# sentences TOOL MODEL: beside ONNX Runtime, which has no bf16 for processors
sentences() {
	local dtype threads
	for threads in 1 2; do
		for dtype in fp32 bf16; do
			row "$1 a sentence, --threads $threads --dtype $dtype" "tests/bench/sentences $1 $2 $scratch $threads $dtype" \
				"$([ ! -e "$scratch/$1.onnx" ] || echo "BENCH_THREADS=$threads $(reference sentences "$scratch/$1.onnx")")"
		done
	done
}

rows_sentences() {
	need_reviews
	local tokens words
	for tokens in 8 16 64; do
		words=$(printf ' the%.0s' $(seq 4 $tokens))
		for _ in {0..60}; do echo "[MASK]$words"; done > "$scratch/sentences-$tokens"
	done
	if has onnxruntime && has onnx; then
		echo 'bench: exporting models for ONNX Runtime' >&2
		"$python" tests/bench/reference.py export "$model" masked "$scratch/fill-mask.onnx" > /dev/null 2>&1
		"$python" tests/bench/reference.py export "$scratch/classifier" classifier "$scratch/classify.onnx" > /dev/null 2>&1
	fi
	sentences fill-mask "$model"
	sentences classify "$scratch/classifier"
}
