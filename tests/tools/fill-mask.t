#!/bin/bash
# fill-mask.t: the predictions equal those of the reference's pipeline and come line by line; refused input.
. "$(dirname "$0")/../tap.sh"

folder=$fixtures/train/distilbert

# Everything but the scores is the same text; the scores are to 4 digits.
without_scores() { sed -E 's/"score": [^,]*, //g'; }
scores() { grep -o '"score": [^,]*' | awk '{ printf "%.4f\n", $2 }'; }
fill-mask --model "$folder" --top-k 3 --json < "$folder/lines.txt" > "$scratch/filled.jsonl"
is 'the tokens and sequences of the pipeline' "$(without_scores < "$scratch/filled.jsonl")" \
	"$(without_scores < "$folder/filled.jsonl")"
is 'the scores of the pipeline' "$(scores < "$scratch/filled.jsonl")" "$(scores < "$folder/filled.jsonl")"

is 'plain: score, token, sequence' "$(fill-mask --model "$folder" --top-k 1 "$folder/lines.txt" | head -n 1)" \
	"$(printf '0.038168\to\tthis is a great o.')"
is 'plain: a group for each mask' "$(fill-mask --model "$folder" --top-k 2 "$folder/lines.txt" | wc -l)" 10
is '--top-k is 5 by default' "$(head -n 1 "$folder/lines.txt" | fill-mask --model "$folder" | wc -l)" 5
is '--top-k of the whole vocabulary adds up to 1' "$(head -n 1 "$folder/lines.txt" \
	| fill-mask --model "$folder" --top-k 90 | awk '{ s += $1 } END { printf "%.3f %d", s, NR }')" '1.000 90'
is 'threads change no score' "$(fill-mask --model "$folder" --threads 3 --json "$folder/lines.txt" | cksum)" \
	"$(fill-mask --model "$folder" --threads 1 --json "$folder/lines.txt" | cksum)"
is 'a last line without a newline' "$(printf 'a [MASK]' | fill-mask --model "$folder" --top-k 1 | wc -l)" 1

# A conversation: the answer is there before the next question.
coproc talk { fill-mask --model "$folder" --top-k 1; }
for text in 'a great [MASK]' 'the [MASK] is'; do
	echo "$text" >&"${talk[1]}"
	read -r -t 20 answer <&"${talk[0]}" || answer=
	like "answers '$text' at once" "$answer" '^0\.[0-9]{6}'
done
eval "exec ${talk[1]}>&-"

# The pipeline itself, on texts of every kind, all tokens ranked; with targets, and with texts cut to the model's length.
compare() { # FOLDER...: prints what differs
	"$torch" - "$@" <<- 'END'
		import json, os, subprocess, sys
		os.environ["HF_HUB_OFFLINE"] = "1"
		from transformers import logging, pipeline
		logging.set_verbosity_error()
		logging.disable_progress_bar()
		texts = ["This is a great [MASK].", "[MASK]", "  [MASK] \t a  [MASK]", "[MASK][MASK][MASK]!", "don't [MASK] n't, 's",
		         "[SEP] a [MASK] [PAD] [CLS] film", "[PAD] [MASK] [MASK] [UNK]", "[mask] [MASK] [Mask]", "caf\u00e9 \u4e2d\u6587[MASK]\u3002",
		         "\U0001f600 [MASK] \u00a0\u200b zzz\u0301", "it's \"[MASK]\" - (really?) ... [MASK]\u2026", "un[MASK]able . , : ; [MASK] ' re"]
		words = ["movie", "film", "Great", "show", "wonderfully", "", "[MASK]", "zebra", "film", "."]

		def ours(folder, texts, *options):
		    out = subprocess.run(["fill-mask", "--model", folder, "--json", *options], input="".join(
		        json.dumps({"text": text}) + "\n" for text in texts), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
		        text=True, check=True)
		    return [json.loads(line) for line in out.stdout.splitlines()]

		def compare(text, ours, theirs):
		    ours, theirs = [[rows] if isinstance(rows[0], dict) else rows for rows in (ours, theirs)]
		    if [len(rows) for rows in ours] != [len(rows) for rows in theirs]:
		        return print("numbers of answers:", text, [len(r) for r in ours], [len(r) for r in theirs])
		    for a, b in zip(ours, theirs):
		        expected = {answer["token"]: answer for answer in b}
		        for answer, other in zip(a, b):
		            match = expected.get(answer["token"])
		            if match is None or any(answer[key] != match[key] for key in ("token_str", "sequence")) \
		                    or any(abs(x["score"] - answer["score"]) > 2e-5 * answer["score"] + 1e-9 for x in (match, other)):
		                print(repr(text), answer, match, other)

		for folder in sys.argv[1:]:
		    pipe = pipeline("fill-mask", model=folder, device="cpu")
		    for options in ({"top_k": min(len(pipe.tokenizer), 300)}, {"top_k": 3, "targets": words},
		                    {"top_k": 20, "targets": words}):
		        targets = ["--targets", ",".join(words)] if "targets" in options else []
		        answers = ours(folder, texts, "--top-k", str(options["top_k"]), *targets)
		        for text, answer in zip(texts, answers, strict=True):
		            compare(text, answer, pipe(text, **options))
		    long = "[MASK] a film " * 300
		    cut = {"truncation": True, "max_length": pipe.model.config.max_position_embeddings}
		    compare("cut", ours(folder, [long], "--truncate")[0], pipe(long, tokenizer_kwargs=cut))
		print("compared", len(sys.argv) - 1)
	END
}
if [ -n "$torch" ]; then
	folders=("$folder")
	if [ -n "$shared" ] && [ -f "$shared/data/vocab.txt" ]; then
		echo '{"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
			"intermediate_size": 64, "initializer_range": 0.3, "max_position_embeddings": 512}' > "$scratch/config.json"
		model-init --config "$scratch/config.json" --vocab "$shared/data/vocab.txt" --out "$scratch/bert"
		folders+=("$scratch/bert")
	else
		skip 'as the pipeline answers with 30,522 tokens' 'no ../shared/data/vocab.txt'
	fi
	is 'as the pipeline answers' "$(compare "${folders[@]}" 2>&1)" "compared ${#folders[@]}"
else
	skip 'as the pipeline answers' 'no Python with PyTorch and transformers'
fi

# Lines, JSON lines and records of the same texts have the same answers.
fill-mask --model "$folder" --json "$folder/lines.txt" > "$scratch/lines.out"
sed 's/"/\\"/g; s/.*/{"name": "x", "text": "&"}/' "$folder/lines.txt" > "$scratch/lines.jsonl"
is 'JSON lines' "$(fill-mask --model "$folder" --json < "$scratch/lines.jsonl" | cksum)" "$(cksum < "$scratch/lines.out")"
rec-load --type text "$scratch/lines.jsonl" > "$scratch/lines.arrows"
is 'text records' "$(fill-mask --model "$folder" --json "$scratch/lines.arrows" | cksum)" "$(cksum < "$scratch/lines.out")"
# shellcheck disable=SC2002
is 'text records from a pipe' "$(cat "$scratch/lines.arrows" | fill-mask --model "$folder" --json | cksum)" \
	"$(cksum < "$scratch/lines.out")"
is 'a line that only begins with a brace is text' "$(echo '{[MASK]}' | fill-mask --model "$folder" --top-k 1 | wc -l)" 1
is 'no lines, no answers' "$(fill-mask --model "$folder" < /dev/null | wc -l)" 0
printf '\357\273\277[\n {"text": "a [MASK] film", "n": NaN},\n {"text": "\\ud800 [MASK]"}]\n' > "$scratch/array.json"
status 'an array of JSON after a byte order mark' 0 fill-mask --model "$folder" --top-k 1 "$scratch/array.json"
like 'its texts are read' "$out_text" '	a [^ ]+ film$'
is 'half of a surrogate pair is told' "$err_text" "fill-mask: $scratch/array.json: 1 halves of surrogate pairs became U+FFFD"
is 'a byte order mark is no text' "$(printf '\357\273\277a [MASK] film\n' | fill-mask --model "$folder" --top-k 1)" \
	"$(echo 'a [MASK] film' | fill-mask --model "$folder" --top-k 1)"
coproc conversation { fill-mask --model "$folder" --top-k 1; }
echo 'a [MASK] film' >&"${conversation[1]}"
ok 'a line is answered before the next one is written' read -r -t 20 -u "${conversation[0]}"
echo '[MASK] film' >&"${conversation[1]}"
ok 'and the next one' read -r -t 20 -u "${conversation[0]}"
eval "exec ${conversation[1]}>&-"
head -c 20000000 /dev/zero | tr '\0' x > "$scratch/long.txt"
status 'a line of 20 MB' 65 fill-mask --model "$folder" "$scratch/long.txt"
like 'is refused, not taken for the end' "$err_text" 'line 1: more than 16777216 bytes'
status 'JSON that ends too soon' 65 fill-mask --model "$folder" --top-k 1 < <(head -n 1 "$scratch/lines.jsonl"; echo '{"text": "a')
like 'names the line' "$err_text" 'standard input: line 2: '
is 'after the answer to the first' "$(wc -l <<< "$out_text")" 1
status 'JSON without a text' 65 fill-mask --model "$folder" < <(echo '{"review": "[MASK]"}')
like 'names what is missing' "$err_text" 'line 1: has no string "text"'
head -c -8 "$scratch/lines.arrows" > "$scratch/cut.arrows"
status 'a stream that is cut' 65 fill-mask --model "$folder" "$scratch/cut.arrows"
echo '{"text": "nothing"}' | rec-load --type text > "$scratch/bare.arrows"
status 'a record without a mask' 65 fill-mask --model "$folder" "$scratch/bare.arrows"
like 'names the record' "$err_text" 'bare.arrows: record 1: no mask'
status 'a stream without texts' 65 fill-mask --model "$folder" \
	<(echo '{"input_ids": [5], "labels": [5]}' | rec-load --type masked)
like 'names the column' "$err_text" 'text'

# Targets.
status 'a target that is not in the vocabulary' 0 fill-mask --model "$folder" --top-k 9 --targets movie,Films,film \
	<<< 'a [MASK]'
is 'is its first piece, counted once' "$(cut -f 2 <<< "$out_text" | sort | xargs)" 'film movie'
is 'and is told of, in one line' "$err_text" 'fill-mask: --targets: Films: not in the vocabulary, replaced by film'
status 'targets that are nothing' 64 fill-mask --model "$folder" --targets ', ,' <<< 'a [MASK]'
like 'are named' "$err_text" '--targets: none of'

# Long texts.
status 'a text cut before its mask' 65 fill-mask --model "$folder" --truncate \
	< <(echo "$(yes film | head -n 30 | xargs) [MASK]")
like 'is named' "$err_text" 'line 1: no mask in its first tokens'
is '--truncate answers the masks that are left' "$(yes '[MASK]' | head -n 30 | xargs \
	| fill-mask --model "$folder" --truncate --top-k 1 | wc -l)" 22

# A model's numbers.
cp -r "$folder" "$scratch/damaged"
head -c -4 "$folder/model.safetensors" > "$scratch/damaged/model.safetensors"
printf '\0\0\300\177' >> "$scratch/damaged/model.safetensors"
status 'a weight that is not a number' 65 fill-mask --model "$scratch/damaged" "$folder/lines.txt"
like 'names the tensor' "$err_text" "damaged: tensor [a-z_.]+: element [0-9]+ is nan"

# What is refused: earlier lines have been answered.
status 'a line without a mask' 65 fill-mask --model "$folder" --top-k 1 < <(printf 'a [MASK]\nnothing here\n')
like 'names the line' "$err_text" 'line 2: no mask.*\[MASK\]'
is 'after the answer to the first' "$(wc -l <<< "$out_text")" 1
status 'a line that is too long' 65 fill-mask --model "$folder" < <(yes '[MASK]' | head -n 30 | xargs)
like 'names the limit' "$err_text" 'line 1: 32 tokens.*max_position_embeddings is 24'
status 'more than the vocabulary' 64 fill-mask --model "$folder" --top-k 91 < "$folder/lines.txt"
like 'names the option' "$err_text" '--top-k'
cp -r "$folder" "$scratch/large"
# the last tensor's data become 2e38 each: products of them are infinite
perl -0777 -pi -e 'my $n = 8 + unpack("Q<", $_); my ($from, $to) = /"distilbert.embeddings.LayerNorm.weight":[^\[]*\[[^\[]*\[(\d+), ?(\d+)/
	or die "no such tensor"; substr($_, $n + $from, $to - $from) = pack("f<", 2e38) x (($to - $from) / 4)' "$scratch/large/model.safetensors"
for format in '' --json; do
	status "scores that are not finite $format" 65 fill-mask --model "$scratch/large" $format "$folder/lines.txt"
	is 'are not printed' "$out_text" ''
	like 'but told' "$err_text" 'the scores are not finite'
done
status 'no model' 64 fill-mask < "$folder/lines.txt"
status 'a model without a tokenizer' 66 fill-mask --model "$fixtures/train/bert" < "$folder/lines.txt"
status 'a file that is not there' 66 fill-mask --model "$folder" "$scratch/nowhere"
if [ -w /dev/full ]; then
	# shellcheck disable=SC2016
	status 'a full disk' 73 bash -c 'fill-mask "$@" > /dev/full' - --model "$folder" "$folder/lines.txt"
else
	skip 'a full disk' 'no /dev/full'
fi
finish
