#!/bin/bash
# imdb-read-formats.t: CSV, tab-separated values, JSON lines, lines, paragraphs and Arrow streams: told apart, plain and
# compressed, by name and from a pipe.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1

# dumps NAME EXPECTED ARGUMENT...
dumps() {
	local name=$1 expected=$2
	shift 2
	is "$name" "$(imdb-read "$@" | rec-dump)" "$expected"
}

cp "$fixtures/corpus/kaggle.csv" 'IMDB Dataset.csv'
kaggle='{"text": "A wonderful little production. <br /><br />It said \"more, please\".", "label": 1, "name": "NAME:2"}
{"text": "Not\nmy taste,\r\n\r\nat all.", "label": 0, "name": "NAME:3"}
{"text": "Short café", "label": 1, "name": "NAME:8"}'
dumps 'the CSV file of Kaggle' "${kaggle//NAME/IMDB Dataset.csv}" 'IMDB Dataset.csv'
gzip -k 'IMDB Dataset.csv'
dumps 'compressed' "${kaggle//NAME/IMDB Dataset.csv.gz}" 'IMDB Dataset.csv.gz'
is 'from a pipe' "$(imdb-read < 'IMDB Dataset.csv.gz' | rec-dump)" "${kaggle//NAME/-}"
is 'under another name, told by its header' "$(imdb-read - < 'IMDB Dataset.csv' | rec-dump)" "${kaggle//NAME/-}"
dumps 'a limit' "$(sed -n '1s/NAME/IMDB Dataset.csv/p' <<< "$kaggle")" --limit 1 'IMDB Dataset.csv'
status 'CSV has no splits' 64 imdb-read --split train 'IMDB Dataset.csv'
like 'says so' "$err_text" '^imdb-read: --split: IMDB Dataset.csv has no splits'
head -c 90 'IMDB Dataset.csv' > cut.csv
rec-load --type text <<< '{"text": "x"}' > split.arrows
status 'neither has an Arrow stream' 64 imdb-read --split train split.arrows
status 'CSV cut short in quotes' 65 imdb-read cut.csv
like 'says where' "$err_text" '^imdb-read: cut.csv: line 2: a quote that is never closed'
status 'a column that is not there' 65 imdb-read --text-column body 'IMDB Dataset.csv'
is 'says which are' "$err_text" \
	'imdb-read: IMDB Dataset.csv: no column body (the header has review, sentiment; --text-column names it)'

printf 'id\tstars\tbody\n7\t4\ta, b\n8\t\tc\n' > stars.tsv
dumps 'columns by name' '{"text": "a, b", "label": 4, "name": "stars.tsv:2"}
{"text": "c", "label": -1, "name": "stars.tsv:3"}' --text-column body --label-column stars stars.tsv

printf '{"text": "a\\u0000b", "label": "neg"}\n\n{"review": "c", "name": "n"}\n' > some.jsonl
lines='{"text": "a\u0000b", "label": 0, "name": "NAME:1"}
{"text": "c", "label": -1, "name": "n"}'
dumps 'JSON lines' "${lines/NAME/some.jsonl}" some.jsonl
is 'from a pipe' "$(gzip < some.jsonl | imdb-read | rec-dump)" "${lines/NAME/-}"

printf 'one\n\ntwo \377\r\nthree' > some.txt
status 'lines that are no UTF-8' 0 imdb-read some.txt
is 'are counted' "$err_text" \
	'imdb-read: some.txt: 1 invalid UTF-8 sequences became U+FFFD, in 1 of 4 documents, first in some.txt:3'
is 'lines' "$(imdb-read some.txt 2> /dev/null | rec-dump)" '{"text": "one", "label": -1, "name": "some.txt:1"}
{"text": "", "label": -1, "name": "some.txt:2"}
{"text": "two �", "label": -1, "name": "some.txt:3"}
{"text": "three", "label": -1, "name": "some.txt:4"}'
is 'paragraphs' "$(printf '\none\nmore\n\n\ntwo\n' | imdb-read --format paragraphs | rec-dump)" \
'{"text": "one\nmore", "label": -1, "name": "-:2"}
{"text": "two", "label": -1, "name": "-:6"}'
is 'lines of nothing' "$(imdb-read --format lines < /dev/null | rec-dump | wc -l)" 0
status 'nothing, of no format' 65 imdb-read /dev/null
status 'a folder is only for imdb' 64 imdb-read --format csv .
status 'a format that is none' 64 imdb-read --format xml some.txt

imdb-read some.jsonl > some.arrows
dumps 'an Arrow stream' "${lines/NAME/some.jsonl}" some.arrows
is 'compressed, from a pipe' "$(gzip < some.arrows | imdb-read | rec-dump)" "${lines/NAME/some.jsonl}"
is 'its lineage goes on' "$(imdb-read some.arrows | rec-dump --info | grep -c '"tool": "imdb-read"')" 2
is 'its number of records is known' "$(imdb-read some.arrows | imdb-read | rec-dump --info | grep -c '"records"')" 0
rec-dump some.arrows | rec-load --type text > known.arrows
is 'where it was before' "$(shuffle-records known.arrows | imdb-read | rec-dump --info | grep '"records"' | tr -d ' ')" '"records":2,'
is 'labels in words' "$(printf '{"review": "x", "sentiment": "positive"}\n{"review": "y"}\n' | rec-load | imdb-read |
	rec-dump)" '{"text": "x", "label": 1, "name": "-:1"}
{"text": "y", "label": -1, "name": "-:2"}'
for i in $(seq 9); do
	echo '{"review": "r'$i'", "stars": '$i', "label": "old", "more": {"a": ['$i', null]}, "name": null, "epoch": '$i'}'
done | rec-load > more.arrows
carried=$(for i in $(seq 9); do
	echo '{"text": "r'$i'", "label": '$i', "name": "more.arrows:'$i'", "more": {"a": ['$i', null]}, "epoch": '$i'}'
done)
dumps 'other columns pass through, of any type' "$carried" --label-column stars more.arrows
status 'a label that is none' 65 bash -c "echo '{\"text\": \"x\", \"label\": \"good\"}' | rec-load | imdb-read"
like 'is named with its record' "$err_text" 'standard input: record 1: the label good is neither'
status 'a text that is null' 65 bash -c "printf '{\"text\": \"x\"}\n{\"text\": null}\n' | rec-load | imdb-read"
like 'is named with its record' "$err_text" 'record 2: no text but null'
status 'a stream with no text' 65 bash -c "echo '{\"body\": \"x\"}' | rec-load | imdb-read"
dumps 'unless it is named' '{"text": "x", "label": -1, "name": "-:1"}' --text-column body \
	< <(echo '{"body": "x"}' | rec-load)
size=$(stat -c %s some.arrows)
head -c $((size - 1)) some.arrows > cut.arrows
status 'a stream cut short' 65 imdb-read cut.arrows
gzip < some.arrows | head -c 100 > cut.arrows.gz
status 'a compressed stream cut short' 65 imdb-read --format arrow cut.arrows.gz
like 'says why' "$err_text" '^imdb-read: cut.arrows.gz: cut short within the gzip data'
gzip < some.arrows | head -c -4 > cut.arrows.gz
status 'a whole stream in a gzip file that is not' 65 imdb-read cut.arrows.gz
like 'says why' "$err_text" '^imdb-read: cut.arrows.gz: cut short within the gzip data'
for file in "$fixtures"/arrow/refused/file.arrows "$fixtures"/arrow/refused/parquet.arrows; do
	status "$(basename "$file") is refused" 65 imdb-read "$file"
done
(cat some.arrows; echo more) > more.arrows
status 'more after the end of the stream' 65 imdb-read more.arrows

# 128 MiB each. An instrumented build, which cannot run in so little address space, needs more memory of its own.
if [ -x /usr/bin/time ] && (ulimit -v 500000; imdb-read some.jsonl > /dev/null 2>&1); then
	line=$(printf 'word%.0s ' $(seq 100))
	peak() { # ARGUMENT...: megabytes
		/usr/bin/time -o peak -f %M imdb-read "$@" > /dev/null
		echo $(($(cat peak) / 1024))
	}
	ok 'lines take less than 64 MiB' test "$(yes "$line" | head -c 134217728 | peak --format lines)" -lt 64
	ok 'CSV as well' test "$( (echo text; yes "\"$line\"" | head -n 250000) | peak)" -lt 64
	ok 'an Arrow stream as well' test "$(yes "$line" | head -n 250000 | imdb-read --format lines | peak)" -lt 64
	ok 'and JSON in one array' test "$( (echo '['; yes "{\"text\": \"$line\"}," | head -n 250000; echo '{"text": ""}]') | peak)" -lt 64
else
	skip 'streaming takes less than 64 MiB' 'no time(1), or an instrumented build'
fi

# ---- JSON that is valid, or nearly
printf '\357\273\277[{"text": "a", "score": NaN, "id": 18446744073709551616, "x": 1, "x": 2},\n {"text": "b"}]\n' > array.json
dumps 'an array of objects, NaN, large numbers and keys twice where nobody reads them' '{"text": "a", "label": -1, "name": "array.json:1"}
{"text": "b", "label": -1, "name": "array.json:2"}' array.json
is 'from a pipe' "$(imdb-read < array.json | rec-dump | wc -l)" 2
printf '{\n  "text": "a",\n  "label": true\n}\n{"text": "b", "label": false}\n' > pretty.json
dumps 'objects over several lines' '{"text": "a", "label": 1, "name": "pretty.json:1"}
{"text": "b", "label": 0, "name": "pretty.json:5"}' pretty.json
printf '{"text": "x\\ud800y"}\n{"text": "fine"}\n' > lone.jsonl
status 'half of a surrogate pair' 0 imdb-read lone.jsonl
is 'is told as bytes that are not UTF-8 are' "$err_text" \
	'imdb-read: lone.jsonl: 1 invalid UTF-8 sequences became U+FFFD, in 1 of 2 documents, first in lone.jsonl:1'
is 'and becomes U+FFFD' "$(imdb-read lone.jsonl 2> /dev/null | rec-dump | head -n 1)" '{"text": "x�y", "label": -1, "name": "lone.jsonl:1"}'

# ---- labels: one rule for every format
printf 'label,text\nham,hello there\nspam,win now\n,none\n' > sms.csv
status 'words that nobody explained' 65 imdb-read sms.csv
like 'are refused by their value' "$err_text" '^imdb-read: sms.csv: line 2: the label ham is neither .*--labels'
dumps 'labels left aside' '{"text": "hello there", "label": -1, "name": "sms.csv:2"}
{"text": "win now", "label": -1, "name": "sms.csv:3"}
{"text": "none", "label": -1, "name": "sms.csv:4"}' --label-column none sms.csv
labeled='{"text": "hello there", "label": 0, "name": "sms.csv:2"}
{"text": "win now", "label": 1, "name": "sms.csv:3"}
{"text": "none", "label": -1, "name": "sms.csv:4"}'
dumps 'labels by name' "$labeled" --labels ham,spam sms.csv
like 'the names travel' "$(imdb-read --labels ham,spam sms.csv | select-records --limit 2 | shuffle-records | rec-dump --info |
	tr -d ' \n')" '"labels":\["ham","spam"\]'
printf 'spam,win now\n' | cat sms.csv - > named.csv
is 'and name those of a stream that is read again' \
	"$(rec-dump <(imdb-read --labels ham,spam sms.csv) | rec-load | imdb-read --labels ham,spam | rec-dump | cut -d , -f 2)" \
	"$(cut -d , -f 2 <<< "$labeled")"
status 'a number that has no name' 65 imdb-read --labels ham,spam --format csv - < <(printf 'text,label\na,2\n')
like 'is refused' "$err_text" 'line 2: the label 2 is neither one of the 2 names of --labels nor a number below 2'
status 'a name twice' 64 imdb-read --labels ham,ham sms.csv
for values in '1.0 -1.0' 'true null' '"1" ""' '1 -1' '"pos" "unsup"'; do
	# shellcheck disable=SC2086
	is "$values in Arrow" "$(printf '{"text": "a", "label": %s}\n' $values | rec-load | imdb-read | rec-dump |
		grep -o '"label": [-0-9]*' | paste -sd ' ')" '"label": 1 "label": -1'
	# shellcheck disable=SC2086
	is "$values in JSON" "$(printf '{"text": "a", "label": %s}\n' $values | imdb-read | rec-dump |
		grep -o '"label": [-0-9]*' | paste -sd ' ')" '"label": 1 "label": -1'
done
for value in 0.5 18446744073709551615 1e300; do
	status "$value in Arrow is no label" 65 imdb-read --format arrow - < <(echo "{\"text\": \"a\", \"label\": $value}" | rec-load)
	like 'and is named' "$err_text" "record 1: the label $(sed 's/1e300/1.*e[+]300/' <<< "$value") is neither"
	status "$value in JSON is no label" 65 imdb-read --format jsonl - < <(echo "{\"text\": \"a\", \"label\": $value}")
	like 'and is named' "$err_text" "line 1: the label $value is neither"
done

# ---- delimited files as they are found
printf 'text;label\na, b;pos\n' > semi.csv
dumps 'another delimiter' '{"text": "a, b", "label": 1, "name": "semi.csv:2"}' --delimiter ';' semi.csv
is 'from a pipe' "$(imdb-read --delimiter ';' < semi.csv | rec-dump)" '{"text": "a, b", "label": 1, "name": "-:2"}'
status 'without it' 65 imdb-read semi.csv
like 'the option is named' "$err_text" 'no column text or review .*--delimiter'
printf 'text\tlabel\nFirst\t1\n"Second\t0\nThird\t1\nFourth said "\t0\nFifth\t1\n' > q.tsv
is 'quotes that quote nothing' "$(imdb-read --quote none q.tsv | rec-dump | grep -o '"label": .' | tr -dc '01')" 10101
is 'told by the header, from a pipe' "$(imdb-read --quote none < q.tsv | rec-dump | wc -l)" 5
printf 'ham\thello\nspam\twin\n' > SMSSpamCollection.txt
dumps 'no header' '{"text": "hello", "label": 0, "name": "SMSSpamCollection.txt:1"}
{"text": "win", "label": 1, "name": "SMSSpamCollection.txt:2"}' --delimiter tab --header no --text-column 2 --label-column 1 \
	--labels ham,spam SMSSpamCollection.txt
status 'no header, and no column' 64 imdb-read --delimiter tab --header no SMSSpamCollection.txt
like 'is asked for' "$err_text" '--text-column is missing'
(echo text; echo '"open'; seq 150; echo 'closed"') > long.csv
status 'a quote over many lines is read' 0 imdb-read long.csv
like 'and told' "$err_text" '^imdb-read: long.csv: line 2: a record of 152 lines, which a quote holds together .*--quote none'
status 'a delimiter that is none' 64 imdb-read --delimiter ab semi.csv
status 'a delimiter for JSON' 64 imdb-read --delimiter ';' some.jsonl

# ---- several files and folders
status 'a delimiter where only one of two files is delimited' 64 imdb-read --delimiter ';' semi.csv some.jsonl
is 'several files of several formats' "$(imdb-read some.jsonl array.json some.txt 2> /dev/null | rec-dump)" \
	"$(for file in some.jsonl array.json some.txt; do imdb-read $file 2> /dev/null | rec-dump; done)"
is 'a limit over all of them' "$(imdb-read --limit 3 some.jsonl array.json some.txt | rec-dump | tail -n 1)" \
	'{"text": "a", "label": -1, "name": "array.json:1"}'
mkdir texts && printf one > texts/b.txt && printf 'two\n' > texts/a.txt && echo x > texts/.hidden.txt && echo x > texts/README
dumps 'a folder of plain text' '{"text": "two\n", "label": -1, "name": "a.txt"}
{"text": "one", "label": -1, "name": "b.txt"}' texts
status 'which has no splits' 64 imdb-read --split train texts
mkdir shards && head -n 3 <<< "$carried" | rec-load > shards/1.arrow && tail -n +4 <<< "$carried" | rec-load > shards/2.arrow
dumps 'a folder of streams' "$(sed 's/$//' <<< "$carried")" shards
status 'a pipe among several streams' 64 imdb-read some.arrows <(cat some.arrows)
like 'is what rec-cat is for' "$err_text" 'rec-cat'
echo '{"text": "x", "other": 1}' | rec-load > other.arrows
status 'streams of other columns' 65 imdb-read some.arrows other.arrows
like 'are refused by name' "$err_text" '^imdb-read: other.arrows: a column other, which the first stream does not have'

if script -qec true /dev/null < /dev/null > /dev/null 2>&1; then
	is 'a terminal is no archive' "$(script -qec 'imdb-read > out; echo $?' /dev/null < /dev/null | tr -d '\r' | tail -n 1)" 64
else
	skip 'a terminal is no archive' 'needs script and a pseudo-terminal'
fi

if [ -n "$python" ]; then
	ok 'csv, json and numpy agree' "$python" "$top/tests/conformance/corpus.py" formats
else
	skip 'csv, json and numpy agree' 'no Python with pyarrow'
fi

finish
