#!/bin/bash
# run-report.t: the page of a run and of several, its charts, and text on it that would be markup.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit
PATH=$top/pipelines:$PATH

status 'no run' 64 run-report
like 'says so in one line' "$err_text" '^run-report: no run is named \(see --help\)$'
status 'an unknown option' 64 run-report --no-such
status 'too many runs' 64 run-report 1 2 3 4 5 6 7
status '--help' 0 run-report --help
like 'begins with its usage' "$out_text" '^usage: run-report RUN...$'
status '--version' 0 run-report --version
like 'is that of the tools' "$out_text" '^run-report \(cloze\) [0-9.]+$'
if ! command -v gnuplot > /dev/null || ! command -v jq > /dev/null; then
	skip 'the page' 'no gnuplot or no jq'
	finish
fi
status 'a folder that is not there' 66 run-report none
like 'is told' "$err_text" '^run-report: none: not the folder of a run \(it has no trainer_state.json\)$'
mkdir bad
for text in '{' '{"log_history": 1}' '{"log_history": [1]}' '{"log_history": [{"step": "<b>"}]}'; do
	echo "$text" > bad/trainer_state.json
	status "a state of $text" 65 run-report bad
	is "nothing is written of $text" "$out_text" ''
done
mkdir programs
for program in bash jq model-info mktemp rm; do
	ln -s "$(command -v $program)" programs
done
status 'no gnuplot' 69 env PATH="$scratch/programs" "$BASH" "$top/pipelines/run-report" bad
like 'is told with the package' "$err_text" '^run-report: gnuplot: not found \(Debian: .*gnuplot-nox'

# Two runs of 2 and 3 epochs, the first one with evaluations and under a name that would be markup.
small_reviews aclImdb
tar -czf '<i>.tar.gz' aclImdb
small_bert '<i>.tar.gz' base
imdb-read '<i>.tar.gz' | wordpiece --model base | group-texts --chunk-size 16 |
	split-records --train-size 32 --test-size 8 --seed 1 --test-out test.arrows > train.arrows
wwm-mask --seed 7 < test.arrows > eval.arrows
markup='<script>alert("1")</script>&'
mkdir -p "${markup%/*}" plain
shuffle-records --epochs 2 train.arrows | wwm-mask | train-step --model base --out "$markup" --batch-size 8 --lr 1e-2 \
	--eval eval.arrows > "${markup%/*}/metrics.jsonl"
shuffle-records --epochs 3 train.arrows | wwm-mask | train-step --model base --out plain/run --batch-size 8 --lr 1e-2 \
	> plain/metrics.jsonl

# points PAGE TITLE RUN: how many points the line of a run has in a chart
points() {
	sed -n "/<figcaption[^>]*>$2 by/,/<\/figure>/p" "$1" | sed -n "/<g class=\"run$3 linespoints\">/,/<\/g>/p" |
		grep -oE "[ML][0-9.]+,[0-9.]+" | wc -l
}
# bars PAGE RUN: how many intervals a run has in the chart of the perplexity: three strokes each
bars() {
	sed -n "/<figcaption[^>]*>Perplexity by/,/<\/figure>/p" "$1" | sed -n "/<g class=\"run$2 yerrorbars\">/,/<\/g>/p" |
		grep -o 'M[0-9]' | awk 'END { print NR / 3 }'
}
# left PAGE: what a reader would load or run
left() {
	grep -oiE '<(script|img|link|iframe|object|embed)[^>]*>|[ "](on[a-z]+|src)=|href=.[^#]|url\(|@import' "$1" | sort -u
}

status 'a run alone' 0 run-report "$markup"
cp .out one.html
is 'nothing is said beside' "$err_text" ''
is 'it loads nothing and has no script' "$(left one.html)" ''
is 'no two parts have the same name' "$(grep -oE " id=[\"'][^\"']+" one.html | sort | uniq -d)" ''
is 'the name of the run is text' \
	"$(grep -c '<h1>Training of &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;</h1>' one.html)" 1
like 'so is the name of the archive' "$(cat one.html)" 'imdb-read .*&lt;i&gt;.tar.gz'
steps=$(jq '.global_step' "$markup/trainer_state.json")
is 'the loss has a point a step' "$(points one.html 'Training loss' 1)" "$steps"
is 'so has the rate' "$(points one.html 'Learning rate' 1)" "$steps"
is 'so have the tokens a second' "$(points one.html 'Tokens a second' 1)" "$steps"
is 'the perplexity has a point an epoch' "$(points one.html Perplexity 1)" 2
is 'and an interval' "$(bars one.html 1)" 2
like 'which its title tells' "$(cat one.html)" '>Perplexity by epoch, with its 95 % interval<'
perplexity=$(jq '[.log_history[].eval_perplexity | values] | last' "$markup/trainer_state.json")
like 'the last figure is there' "$(cat one.html)" "Perplexity</th><td>${perplexity:0:8}"
like 'the sizes are there' "$(cat one.html)" "Parameters</th><td>$(model-info --json "$markup" | jq .total)</td>"
commands=$(sed -n '/<pre>/,/<\/pre>/p' one.html |
	sed -E "s/<\/?pre>//; s/&lt;/</g; s/&gt;/>/g; s/&(#39|apos);/'/g; s/&quot;/\"/g; s/&amp;/\&/g")
is 'the commands are there' "$commands" "$(model-info --commands "$markup")"
is 'a run alone needs no legend' "$(grep -c 'class="legend"' one.html)" 0

is 'of what nobody kept there is nothing' "$(grep -cE '<h2>(Data|Answers)' one.html)" 0
cat > "${markup%/*}/report.json" <<- 'END'
	{"data": {"chunks": 40, "train": 32, "<b>": 7, "names": ["x"]}, "perplexity_before": [150.5, 140.25, 160],
	 "answers": {"text": "A <i> [MASK].", "before": [{"token_str": "<u>", "score": 0.25}, {"token_str": "no", "score": 0.125}],
	  "after": [{"token_str": "film", "score": 0.5}, {"token_str": "&", "score": 0.0625}]}}
END
run-report "$markup" > kept.html
like 'counts of the data that a pipeline kept are there' "$(cat kept.html)" '>Records to train on</th><td>32</td>'
like 'one of an unknown name as well' "$(cat kept.html)" '>&lt;b&gt;</th><td>7</td>'
like 'the perplexity before' "$(cat kept.html)" '>Perplexity before</th><td>150.5 \(95 %: 140.25 to 160\)</td>'
like 'the text that was asked' "$(cat kept.html)" '<p>A &lt;i&gt; \[MASK\].</p>'
is 'the answers before beside those after' "$(grep -A 9 '>Before<.*>After<' kept.html | grep -E '^<tr><td>')" \
	'<tr><td>&lt;u&gt;</td><td>0.25</td><td>film</td><td>0.5</td></tr>
<tr><td>no</td><td>0.125</td><td>&amp;</td><td>0.0625</td></tr>'
for text in '[1]' '{"data": 3, "perplexity_before": "x", "answers": {"before": [1], "after": 2}}' '{'; do
	echo "$text" > "${markup%/*}/report.json"
	run-report "$markup" > damaged.html
	ok "a report.json of $text changes nothing" cmp one.html damaged.html
done
rm "${markup%/*}/report.json"

status 'two runs' 0 run-report "$markup" plain/run
cp .out two.html
is 'they load nothing and have no script' "$(left two.html)" ''
is 'no two parts have the same name in it' "$(grep -oE " id=[\"'][^\"']+" two.html | sort | uniq -d)" ''
is 'a chart has a line for the first' "$(points two.html 'Training loss' 1)" "$steps"
is 'and one for the second' "$(points two.html 'Training loss' 2)" "$((steps * 3 / 2))"
is 'a run without evaluations has no line of them' "$(points two.html Perplexity 2)" 0
status 'in the other order' 0 run-report plain/run "$markup"
cp .out other.html
is 'a line keeps the colour of its run' "$(points other.html Perplexity 1) $(points other.html Perplexity 2)" '0 2'

mv plain/metrics.jsonl kept.jsonl
status 'no metrics' 0 run-report plain/run
is 'are no tokens a second' "$(grep -c 'Tokens a second' .out)" 0
jq -c 'select(.loss) | .loss += 0.001' kept.jsonl > plain/metrics.jsonl
run-report plain/run > foreign.html
is 'nor are those of another run' "$(grep -c 'Tokens a second' foreign.html)" 0
is 'the losses stay' "$(points foreign.html 'Training loss' 1)" "$((steps * 3 / 2))"
{
	cat plain/metrics.jsonl kept.jsonl
	printf '{"step": 1, "loss": "x", "tokens_per_second": 1}\n{"step": 1, "lo'
} > mixed && mv mixed plain/metrics.jsonl
run-report plain/run > mixed.html
is 'those of the run are found among others, and a line that was cut is left' \
	"$(points mixed.html 'Tokens a second' 1)" \
	"$((steps * 3 / 2))"

jq '.log_history = [{step: 1, epoch: 1, eval_accuracy: 0.5, "<b>\n\t$(date)`": 3, eval_loss: null, names: ["x"]}]' \
	plain/run/trainer_state.json > bad/trainer_state.json
status 'one evaluation, an unknown number, and no model' 0 run-report bad
cp .out bad.html
is 'where no interval is told there is none' "$(grep -c yerrorbars\" bad.html)" 0
is 'the accuracy is a point' "$(points bad.html Accuracy 1)" 1
is 'the unknown number has a chart under its name' "$(grep -c 'chart1">&lt;b&gt;  $(date)` by step' bad.html)" 1
is 'what is no number has none' "$(grep -c '<figure>' bad.html)" 2
like 'why there are no commands is told' "$(sed -n '/<pre>/,/<\/pre>/p' bad.html)" '<pre>model-info: bad.*: '
jq '.log_history = []' plain/run/trainer_state.json > bad/trainer_state.json
status 'a run without metrics' 0 run-report bad
is 'has no chart' "$(grep -c '<figure>' .out)" 0

# The contrast of each colour and the page, as the Web Content Accessibility Guidelines 2 (1.4.3, 1.4.11) compute it:
# text has 4.5 at least, and all lines have 3, in light and dark.
contrasts() {
	grep -oE -- '--(text|page|code|run[1-6]): #[0-9a-f]{6}' one.html | tr -d ':-' | awk '
		BEGIN { digits = "123456789abcdef" }
		function channel(text, at, value) {
			value = index(digits, substr(text, at, 1)) * 16 + index(digits, substr(text, at + 1, 1))
			value /= 255
			return value <= 0.03928 ? value / 12.92 : exp(2.4 * log((value + 0.055) / 1.055))
		}
		function contrast(one, other) {
			return one > other ? (one + 0.05) / (other + 0.05) : (other + 0.05) / (one + 0.05)
		}
		{ light = 0.2126 * channel($2, 2) + 0.7152 * channel($2, 4) + 0.0722 * channel($2, 6); of[$1] = light }
		$1 == "page" || $1 == "code" { print $1, (contrast(of["text"], light) >= 4.5) }
		$1 ~ /run/ { print $1, (contrast(of["page"], light) >= 3) }'
}
is 'every colour stands out' "$(contrasts | awk '{ count += $2 } END { print count "/" NR }')" 16/16

status 'a full disk' 73 bash -c "run-report plain/run > /dev/full"
like 'is told in one line' "$err_text" '^run-report: standard output: the page cannot be written \(is the disk full\?\)$'
finish
