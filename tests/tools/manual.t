#!/bin/bash
# manual.t: every command in an EXAMPLES section of the manual runs, on small files under the names that the pages use; and
# what the pages, README.md and docs/ call the tools with are options that they have.
. "$(dirname "$0")/../tap.sh"
if ! command -v jq > /dev/null || ! command -v curl > /dev/null; then
	skip 'the examples of the manual' 'no jq or no curl'
	finish
fi
mkdir "$scratch/files" "$scratch/bin"
cd "$scratch/files" || exit

small_reviews aclImdb
cp -r aclImdb/train aclImdb/test
mkdir aclImdb/train/unsup
for i in $(seq 60); do
	echo "A film with music, no more." > aclImdb/train/unsup/${i}_0.txt
done
tar -czf aclImdb_v1.tar.gz aclImdb && rm -r aclImdb
imdb-read aclImdb_v1.tar.gz | wordpiece-train --vocab-size 200 > vocab.txt
sizes='"dim": 16, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 256, "dropout": 0.0, "attention_dropout": 0.0'
echo "{\"model_type\": \"distilbert\", \"n_layers\": 5, $sizes}" > config.json
model-init --config config.json --vocab vocab.txt --seed 1 --out distilbert-base-uncased
cp -r distilbert-base-uncased bert-base-uncased
echo "{\"model_type\": \"distilbert\", \"n_layers\": 2, $sizes}" > config.json
model-init --config config.json --vocab vocab.txt --seed 2 --out tiny
model-init --from tiny --layers 0 --out student
imdb-read --split train aclImdb_v1.tar.gz | select-records --label neg,pos > text.arrows
rec-dump text.arrows | jq -c '{text}' | head -n 4 > reviews.jsonl
{ echo 'review,sentiment'; rec-dump text.arrows | jq -r '"\"" + .text + "\"," + ["negative", "positive"][.label]'; } > 'IMDB Dataset.csv'
rec-dump text.arrows | jq -r '["ham", "spam"][.label] + "\t" + .text' > SMSSpamCollection
wordpiece --model tiny text.arrows > tokens.arrows
cp tokens.arrows labelled.arrows
cp tokens.arrows test.arrows
for _ in $(seq 30); do rec-dump tokens.arrows; done | rec-load --type tokens --model tiny |
	group-texts --chunk-size 16 > chunks.arrows
head -n 8 <(rec-dump chunks.arrows) | rec-load --type chunks --model tiny > train.arrows
wwm-mask train.arrows > masked.arrows
cp masked.arrows eval.arrows
rec-dump masked.arrows | gzip > train.jsonl.gz
teach --model tiny --hidden-states masked.arrows > taught.arrows
imdb-read aclImdb_v1.tar.gz | wordpiece --model distilbert-base-uncased | group-texts --chunk-size 16 | wwm-mask |
	train-step --model distilbert-base-uncased --out imdb-distilbert --max-steps 2 > /dev/null
rec-dump train.arrows | rec-load --type chunks > foreign.arrows
echo 'A line of text.' > notes.txt
classify-step --model tiny --out sentiment --labels neg,pos --max-steps 2 tokens.arrows > /dev/null 2>&1
classify --model sentiment < tokens.arrows > predicted.arrows
# The other machine of an example is this one.
printf '#!/bin/bash\nshift\nexec "$@"\n' > ../bin/ssh
chmod +x ../bin/ssh
export PATH=$scratch/bin:$top/pipelines:$PATH URL=file://$scratch/files/aclImdb_v1.tar.gz

# Each example of a page as one line, with \n where it has several.
examples() {
	awk '/^\.Sh EXAMPLES/ { on = 1; next } /^\.Sh/ { on = 0 }
		on && /^\.Dl / { print substr($0, 5); next }
		on && /^\.Bd/ { block = 1; text = ""; next }
		on && /^\.Ed/ { block = 0; print text; next }
		on && block { text = text (text == "" ? "" : "\\n") $0 }' "$1" | sed 's/\\e/\\\\/g; s/\\(dq/"/g; s/\\&//g'
}

# A stage in Python: what it writes has the records that it reads, and with a teacher's answers distill-step takes them.
stage() {
	local written
	{ echo "import numpy; model = lambda ids: numpy.zeros((len(ids), $(wc -l < vocab.txt)))"; cat command; } > command.py
	"$python" command.py < masked.arrows > written.arrows || return
	written=$(rec-dump written.arrows | jq -c '[.input_ids, .labels]') || return
	[ "$written" = "$(rec-dump masked.arrows | jq -c '[.input_ids, .labels]')" ] || return
	! grep -q teacher command || distill-step --model student --out distilled written.arrows
}

mkdir "$scratch/at"
for page in $(grep -l '^\.Sh EXAMPLES' "$top"/man/*); do
	number=0
	if [ "$(basename "$page")" = run-report.1 ] && ! command -v gnuplot > /dev/null; then
		skip 'the examples of run-report' 'no gnuplot'
		continue
	fi
	while IFS= read -r line; do
		number=$((number + 1))
		name=$(basename "$page")
		rm -rf "$scratch/at" && cp -r "$scratch/files" "$scratch/at" && cd "$scratch/at" || exit
		printf '%b\n' "$line" > command
		run=(bash -o pipefail command)
		if grep -q '^import' command; then
			run=(stage)
			[ -n "$python" ] || { skip "$name: example $number" 'no Python with pyarrow' && continue; }
		fi
		# What a command is to make is not there before.
		grep -oE -- '--out [a-z0-9-]+' command | while read -r _ out; do rm -rf "$out"; done
		got=0
		"${run[@]}" > output 2> error || got=$?
		# 141: head has read enough; 1 of --diff: the models differ
		case $got in
		0 | 141) report ok "$name: example $number" ;;
		1) is "$name: example $number" "$(grep -c -- --diff command)" 1 ;;
		*) is "$name: example $number" "exit status $got: $(cat command) $(head -n 2 error)" '' ;;
		esac
	done < <(examples "$page")
	ok "$(basename "$page"): has examples" test "$number" -gt 0
done
is 'every tool has them' "$(grep -L '^\.Sh EXAMPLES' "$top"/man/*.1)" ''

# Options in README.md and docs/, by the tool whose command they are in.
cat "$top"/README.md "$top"/docs/*.md | sed -e ':again' -e '/\\$/ { N; s/\\\n//; b again' -e '}' | tr '|`' '\n\n' > segments
unknown=$(while read -r tool rest; do
	tool=${tool#\$ }
	[ -x "${CLOZE_BIN:-$top/bin}/$tool" ] || continue
	for option in $(grep -oE -- '--[a-z][a-z0-9-]*' <<< "$rest"); do
		"$tool" --help | grep -qE -- "^  $option( |\$)" || echo "$tool $option"
	done
done < <(sed 's/^[ $]*//' segments))
is 'README.md and docs/ call tools with options that they have' "$unknown" ''
finish
