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
dumps 'a limit, a label' "$(sed -n '3s/NAME/IMDB Dataset.csv/p' <<< "$kaggle")" --match 'f.$' --label pos 'IMDB Dataset.csv'
is 'a dot matches a character' "$(imdb-read --match '^Short caf.$' 'IMDB Dataset.csv' | rec-dump | wc -l)" 1
status 'CSV has no splits' 64 imdb-read --split train 'IMDB Dataset.csv'
like 'says so' "$err_text" '^imdb-read: --split: IMDB Dataset.csv has no splits'
head -c 90 'IMDB Dataset.csv' > cut.csv
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
is 'a NUL is no end to --match' "$(imdb-read --match 'b$' some.jsonl | rec-dump | wc -l)" 1

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
is 'its number of records is known' \
	"$(rec-dump some.arrows | rec-load --type text | imdb-read --sample 1 | rec-dump --info | grep '"records"' | tr -d ' ')" \
	'"records":1,'
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
dumps 'through a sample as well' "$carried" --label-column stars --sample 9 more.arrows
is 'each with its document' "$(imdb-read --label-column stars --sample 4 --seed 2 more.arrows | rec-dump |
	grep -cFx "$carried")" 4
dumps 'and past what is left out' "$(sed -n '3p;7p' <<< "$carried")" --label-column stars --match '[37]' more.arrows
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
	ok 'an Arrow stream as well' test "$(yes "$line" | head -n 250000 | imdb-read --format lines | peak --sample 9)" -lt 64
else
	skip 'streaming takes less than 64 MiB' 'no time(1), or an instrumented build'
fi

if [ -n "$python" ]; then
	ok 'csv, json and numpy agree' "$python" "$top/tests/conformance/corpus.py" formats
else
	skip 'csv, json and numpy agree' 'no Python with pyarrow'
fi

finish
